"""Photos and drawings of digits become 28×28 images, as MNIST's authors made theirs."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import PIXELS, SIDE
from kit.errors import DataError, missing_extra

try:
    from skimage import filters, measure, transform
except ImportError as error:
    raise missing_extra("images", "scikit-image") from error

FORMATS = ("PNG", "JPEG", "WEBP")
# Of MNIST: the ink is scaled into such a box, and its centre of mass put at that pixel of the 28×28
BOX, MIDDLE = 20, 14.0


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a picture of one digit: uint8 (784,), 0 is paper and 255 is ink.

    Raises:
        DataError: it is no picture that can be read, or does not show one digit.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as picture:
            grey = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    except Exception as error:
        raise DataError(
            f"{path}: not a picture that can be read ({error}).", "Name a PNG, JPEG or WebP file."
        ) from error
    return cut_digit(grey)


def cut_digit(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the digit out of a grey picture (h, w): uint8 (784,), 0 is paper and 255 is ink.

    Raises:
        DataError: there is no ink, or ink in several shapes.
    """
    light = grey.astype(np.float64)
    paper = np.median(light)
    strength = np.abs(light - paper)
    if strength.max() < 25:
        raise DataError("No digit: the paper is blank.", "Write one digit, dark and large.")
    labels = measure.label(strength > filters.threshold_otsu(strength))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    ys, xs = np.nonzero(labels == sizes.argmax())
    mask = (labels == sizes.argmax())[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    scale = BOX / max(mask.shape)
    shape = tuple(max(1, round(n * scale)) for n in mask.shape)
    small = transform.resize(mask.astype(np.float64), shape, anti_aliasing=True)
    total = small.sum()
    image = np.zeros((SIDE, SIDE))
    y, x = (
        round(MIDDLE - float((small.sum(axis=1 - axis) * np.arange(n)).sum() / total))
        for axis, n in enumerate(shape)
    )
    y, x = (min(max(start, 0), SIDE - n) for start, n in zip((y, x), shape, strict=True))
    image[y : y + shape[0], x : x + shape[1]] = small
    return np.rint(image.reshape(PIXELS) * 255).astype(np.uint8)
