"""A Keras layer that brings digits to one slant and one width, so networks need not learn those.

Widths as in D. C. Cireşan, U. Meier, L. M. Gambardella and J. Schmidhuber, "Convolutional neural
network committees for handwritten character classification" (ICDAR 2011): there, members of a
committee that see different widths make different mistakes.

To load a saved `model.keras` outside of the kit, import this module first: it registers the layer.
"""

from typing import Any

import keras
from keras import ops

from kit.data.digits import PIXELS, SIDE

# A thin stroke is not stretched into a blob, and a broad digit is not squeezed into a line
LARGEST_STRETCH = 2.0
# A larger value means a flat digit, not a slanted one
LARGEST_SLANT = 1.0
# A pixel counts as ink above this value, in [0, 1]
_INK = 0.1
# The sums below are at least one step of a stored pixel, so that a blank image stays blank
_LEAST = 1 / 255
# An offset from a row's axis that no pixel has
_FAR = 10.0 * SIDE


@keras.saving.register_keras_serializable(package="kit")
class Normalize(keras.layers.Layer):
    """Shift each row of a digit until the digit stands upright, and stretch it to one width.

    Pixels move only within their row, with linear interpolation between neighbours. A blank image
    stays blank. The arguments are those of `kit.config.Normalization`.
    """

    def __init__(self, width: int | None = None, slant: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.slant = width, slant

    def call(self, images: Any) -> Any:
        """Normalise float32 (n, 784) images in [0, 1] to the same shape."""
        ink = ops.reshape(images, (-1, SIDE, SIDE))
        x = ops.arange(SIDE, dtype="float32")
        y = ops.reshape(x, (1, SIDE, 1))
        total = ops.maximum(ops.sum(ink, axis=(1, 2), keepdims=True), _LEAST)
        middle_y = ops.sum(ink * y, axis=(1, 2), keepdims=True) / total
        middle_x = ops.sum(ink * x, axis=(1, 2), keepdims=True) / total
        # The x of the digit's axis in each row: (n, 28, 1)
        axis = middle_x + ops.zeros_like(y)
        if self.slant:
            from_y = y - middle_y
            across = ops.sum(ink * from_y * (x - middle_x), axis=(1, 2), keepdims=True)
            down = ops.sum(ink * from_y * from_y, axis=(1, 2), keepdims=True)
            slant = across / ops.maximum(down, _LEAST)
            axis = axis + ops.clip(slant, -LARGEST_SLANT, LARGEST_SLANT) * from_y
        if self.width is None:
            origins = axis + x - middle_x
        else:
            low, high = _extent(ink, x - axis)
            stretch = ops.clip((high - low + 1) / self.width, 1 / LARGEST_STRETCH, LARGEST_STRETCH)
            origins = axis + (low + high) / 2 + stretch * (x - (SIDE - 1) / 2)
        return ops.reshape(_resample(ink, origins), (-1, PIXELS))


def _extent(ink: Any, offsets: Any) -> tuple[Any, Any]:
    """How far ink reaches left and right of each row's axis, in pixels: two of (n, 1, 1)."""
    inked = ink > _INK
    low = ops.min(ops.where(inked, offsets, _FAR), axis=(1, 2), keepdims=True)
    high = ops.max(ops.where(inked, offsets, -_FAR), axis=(1, 2), keepdims=True)
    blank = low == _FAR
    return ops.where(blank, 0.0, low), ops.where(blank, 0.0, high)


def _resample(ink: Any, origins: Any) -> Any:
    """Take each pixel from the x `origins` of its own row; outside of the image there is paper."""
    padded = ops.reshape(ops.pad(ink, ((0, 0), (0, 0), (1, 1))), (-1,))
    places = ops.clip(origins + 1, 0.0, SIDE + 0.999)
    left = ops.floor(places)
    rows = ops.reshape(ops.arange(ops.shape(ink)[0] * SIDE, dtype="int32"), (-1, SIDE, 1))
    first = rows * (SIDE + 2) + ops.cast(left, "int32")
    here, next_ = ops.take(padded, first), ops.take(padded, first + 1)
    return here + (next_ - here) * (places - left)
