"""What a network says of digits."""

import keras
import numpy as np
from numpy.typing import NDArray

from kit.data.digits import CLASSES, PIXELS, SIDE, Digits

BATCH_SIZE = 2_000
# Pixels down and to the right; the views of a digit are the first 1, 5 or 9 of them
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def predict(model: keras.Model, digits: Digits, views: int = 1) -> NDArray[np.float32]:
    """Predict each digit's class probabilities: float32 (n, 10), rows that sum to 1.

    Args:
        model: float32 (n, 784) images in [0, 1] to float32 (n, 10) probabilities.
        digits: what is to be recognised.
        views: how many of `SHIFTS` the probabilities are averaged over; paper moves in.
    """
    probabilities = np.zeros((len(digits), CLASSES), np.float32)
    size = min(BATCH_SIZE, len(digits))
    for first in range(0, len(digits), max(size, 1)):
        pixels = digits.pixels[first : first + size]
        # A ring of paper around each image, and whole batches, since a last short one would be
        # compiled on its own
        framed = np.zeros((size, SIDE + 2, SIDE + 2), np.uint8)
        framed[: len(pixels), 1:-1, 1:-1] = pixels.reshape(-1, SIDE, SIDE)
        for down, right in SHIFTS[:views]:
            moved = framed[:, 1 - down : 1 - down + SIDE, 1 - right : 1 - right + SIDE]
            images = np.divide(moved.reshape(size, PIXELS), np.float32(255), dtype=np.float32)
            predicted = model.predict_on_batch(images)[: len(pixels)]
            probabilities[first : first + size] += np.asarray(predicted, np.float32)
    return probabilities / np.float32(views)
