"""Which images were already seen."""

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import Digits


def seen_in_training(judged: Digits, trained: Digits) -> NDArray[np.bool_]:
    """Say of each judged image whether it stands, byte for byte, among the trained ones.

    All of MNIST's 70,000 images are distinct, so equality of bytes decides overlap exactly.

    Returns:
        bool (len(judged),), true where the image was seen.
    """
    trained_images = {row.tobytes() for row in trained.pixels}
    return np.fromiter(
        (row.tobytes() in trained_images for row in judged.pixels), np.bool_, len(judged)
    )
