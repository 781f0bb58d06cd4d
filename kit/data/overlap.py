"""Overlap: which images a training has seen."""

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import Digits


def seen_in_training(digits: Digits, trained: Digits) -> NDArray[np.bool_]:
    """Find the images that are, byte for byte, among the training images.

    No two of MNIST's 70,000 images are equal, so equal bytes mean the same image.

    Returns:
        bool (len(digits),), true where the image was seen.
    """
    trained_images = {row.tobytes() for row in trained.pixels}
    return np.fromiter(
        (row.tobytes() in trained_images for row in digits.pixels), np.bool_, len(digits)
    )
