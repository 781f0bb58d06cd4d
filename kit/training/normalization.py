"""Digits brought to one slant and one width, so that the network need not learn that they vary.

Widths as in D. C. Cireşan, U. Meier, L. M. Gambardella and J. Schmidhuber, "Convolutional neural
network committees for handwritten character classification" (ICDAR 2011), where they make the
members of a committee err differently.
"""

import numpy as np
from numpy.typing import NDArray

from kit.config import Normalization
from kit.data.digits import PIXELS, SIDE, Digits

# A thin stroke is not blown up to a blob, nor a broad digit squeezed to a line
LARGEST_STRETCH = 2.0
# Beyond it lie not slanted digits but flat ones
LARGEST_SLANT = 1.0
_BLOCK = 2_000
_INK = 0.1


def normalise_digits(digits: Digits, how: Normalization | None) -> Digits:
    """Bring digits to what `how` says, or leave them where it is None."""
    if how is None:
        return digits
    return Digits(normalise(digits.pixels, how), digits.labels, digits.origin)


def normalise(pixels: NDArray[np.uint8], how: Normalization) -> NDArray[np.uint8]:
    """Bring uint8 (n, 784) digits to one slant and one width, into the same shape.

    Each image is moved by whole rows: a row's ink shifts sideways until the image's axis stands
    upright, and is stretched about the middle until it is `how.width` pixels wide, with linear
    interpolation between neighbours. Nothing moves up or down, and blank images stay blank.
    """
    blocks = [_normalise(pixels[start : start + _BLOCK], how)
              for start in range(0, len(pixels), _BLOCK)]  # fmt: skip
    return np.concatenate(blocks) if blocks else pixels


def _normalise(pixels: NDArray[np.uint8], how: Normalization) -> NDArray[np.uint8]:
    n = len(pixels)
    images = pixels.reshape(n, SIDE, SIDE).astype(np.float32)
    y = x = np.arange(SIDE, dtype=np.float32)
    total = np.maximum(images.sum(axis=(1, 2)), 1)
    middle_y = (images.sum(axis=2) @ y) / total
    middle_x = (images.sum(axis=1) @ x) / total
    slant = np.zeros(n, np.float32)
    if how.slant:
        from_y = y - middle_y[:, None]
        from_x = x - middle_x[:, None]
        across = np.einsum("nyx,ny,nx->n", images, from_y, from_x, optimize=True)
        down = np.einsum("nyx,ny->n", images, from_y**2, optimize=True)
        slant = np.clip(across / np.maximum(down, 1), -LARGEST_SLANT, LARGEST_SLANT)
    # Where each row's upright x = 0 lies
    axis = middle_x[:, None] + slant[:, None] * (y - middle_y[:, None])
    if how.width is None:
        # Upright, the ink stays where it was on the whole
        stretch: NDArray[np.floating] = np.ones(n, np.float32)
        centre = middle_x
    else:
        low, high = _extent(images, axis)
        stretch = (high - low + 1) / how.width
        stretch = np.clip(stretch, 1 / LARGEST_STRETCH, LARGEST_STRETCH)
        axis = axis + ((low + high) / 2)[:, None]
        centre = np.full(n, (SIDE - 1) / 2, np.float32)
    origins = axis[:, :, None] + stretch[:, None, None] * (x - centre[:, None])[:, None, :]
    return _fetch(images, origins).reshape(n, PIXELS)


def _extent(
    images: NDArray[np.float32], axis: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far ink reaches left and right of each row's axis, in pixels."""
    inked = images > _INK * 255
    offsets = np.arange(SIDE, dtype=np.float32) - axis[:, :, None]
    low = np.where(inked, offsets, np.inf).min(axis=(1, 2))
    high = np.where(inked, offsets, -np.inf).max(axis=(1, 2))
    blank = ~inked.any(axis=(1, 2))
    return np.where(blank, 0, low), np.where(blank, 0, high)


def _fetch(images: NDArray[np.float32], origins: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Take each pixel from its x in its own row, between the two nearest; beyond is paper."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1)))
    places = np.clip(origins + 1, 0, SIDE + 0.999)
    left = places.astype(np.int32)
    share = places - left
    taken = np.take_along_axis(padded, left, axis=2)
    taken += (np.take_along_axis(padded, np.minimum(left + 1, SIDE + 1), axis=2) - taken) * share
    return np.rint(taken).astype(np.uint8)
