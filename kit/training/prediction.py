"""What a network says of digits."""

import keras
import numpy as np
from numpy.typing import NDArray

from kit.data.digits import CLASSES, Digits

BATCH_SIZE = 2_000


def predict(model: keras.Model, digits: Digits) -> NDArray[np.float32]:
    """Predict each digit's class probabilities: float32 (n, 10), rows that sum to 1."""
    if not len(digits):
        return np.empty((0, CLASSES), np.float32)
    # Padded to whole batches, since a last short one would be compiled on its own
    short = -len(digits) % min(BATCH_SIZE, len(digits))
    images = np.pad(digits.images, ((0, short), (0, 0)))
    probabilities = model.predict(images, batch_size=min(BATCH_SIZE, len(digits)), verbose=0)
    return np.asarray(probabilities[: len(digits)], np.float32)
