"""Warps of digits while training: affine maps and smooth elastic displacement.

The idea is P. Y. Simard, D. Steinkraus and J. C. Platt's, "Best practices for convolutional neural
networks applied to visual document analysis" (2003).
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from kit.config import Augmentation
from kit.data.digits import PIXELS, SIDE

# Displacement is drawn at this many knots per side, and smoothed over the pixels between them
KNOTS = 6
AFFINE = 6
NOISE = AFFINE + 2 * KNOTS * KNOTS
_CENTRE = (SIDE - 1) / 2
# One ring of paper around the image; further outside there is paper too
_PADDED = SIDE + 2


def draw_noise(n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the random numbers of n warps: float32 (n, 78). Multiplied by 0, they warp nothing.

    Columns are rotation, scale of y and x, shear, shift of y and x, uniform in [-1, 1], then the
    knots' displacements of y and of x, standard normal. NumPy draws them, because on a CPU XLA
    needs longer for that than for the rest of a warp.
    """
    affine = rng.uniform(-1, 1, (n, AFFINE)).astype(np.float32)
    return np.hstack([affine, rng.standard_normal((n, NOISE - AFFINE), np.float32)])


def displacement_basis(smoothness: float) -> NDArray[np.float32]:
    """Return the float32 (36, 784) matrix from the knots' displacements to those of the pixels.

    Independent standard normals at the knots give each pixel a standard normal displacement, with
    neighbours as alike as after a Gaussian blur with an sd of `smoothness` pixels.
    """
    pixels = np.arange(SIDE)[:, None] - _CENTRE
    knots = np.linspace(-_CENTRE, _CENTRE, KNOTS)
    line = np.exp(-((pixels - knots) ** 2) / (2 * smoothness**2))
    line /= np.linalg.norm(line, axis=1, keepdims=True)
    return np.kron(line, line).T.astype(np.float32)


class Warp(keras.layers.Layer):
    """Warp each image by its own row of noise, with bilinear interpolation."""

    def __init__(self, augmentation: Augmentation) -> None:
        super().__init__(name="warp")
        self.augmentation = augmentation
        self.basis = displacement_basis(augmentation.smoothness)
        y, x = np.divmod(np.arange(PIXELS), SIDE)
        self.y, self.x = (y - _CENTRE).astype(np.float32), (x - _CENTRE).astype(np.float32)

    def call(self, images: Any, noise: Any) -> Any:
        """Warp float32 (n, 784) images by float32 (n, 78) noise, into the same shape."""
        y, x = self.origins(noise)
        images = ops.reshape(images, (-1, SIDE, SIDE))
        padded = ops.reshape(ops.pad(images, ((0, 0), (1, 1), (1, 1))), (-1,))
        y = ops.clip(y + 1, 0, _PADDED - 1.001)
        x = ops.clip(x + 1, 0, _PADDED - 1.001)
        top, left = ops.floor(y), ops.floor(x)
        down, right = y - top, x - left
        first = ops.arange(ops.shape(images)[0], dtype="int32") * _PADDED**2
        corner = ops.expand_dims(first, 1) + ops.cast(top * _PADDED + left, "int32")
        upper = _between(padded, corner, right)
        lower = _between(padded, corner + _PADDED, right)
        return upper + (lower - upper) * down

    def origins(self, noise: Any) -> tuple[Any, Any]:
        """Return where each pixel comes from: y and x, float32 (n, 784), in pixels."""
        given = self.augmentation
        rotation, scale_y, scale_x, shear, shift_y, shift_x = (
            noise[:, column : column + 1] for column in range(AFFINE)
        )
        angle = rotation * float(np.deg2rad(given.rotation))
        sine, cosine = ops.sin(angle), ops.cos(angle)
        scale_y = ops.exp(scale_y * float(np.log1p(given.scale)))
        scale_x = ops.exp(scale_x * float(np.log1p(given.scale)))
        sheared = self.x + shear * given.shear * self.y
        y = scale_y * (cosine * self.y + sine * sheared)
        x = scale_x * (cosine * sheared - sine * self.y)
        knots = ops.reshape(noise[:, AFFINE:], (-1, KNOTS * KNOTS))
        # One matrix product over both axes is far faster than many small ones
        displaced = ops.matmul(knots, self.basis) * given.displacement
        displaced = ops.reshape(displaced, (-1, 2, PIXELS))
        return (
            y + shift_y * given.shift + displaced[:, 0] + _CENTRE,
            x + shift_x * given.shift + displaced[:, 1] + _CENTRE,
        )


def _between(pixels: Any, places: Any, share: Any) -> Any:
    here = ops.take(pixels, places)
    return here + (ops.take(pixels, places + 1) - here) * share
