"""What a network says of digits."""

import functools

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import Augmentation
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.training.augmentation import Warp, draw_noise

BATCH_SIZE = 2_000
# How far a view of a digit is from the digit, at the most
VIEW_WARP = Augmentation(
    rotation=3.6, scale=0.045, shear=0.045, shift=0.36, displacement=0.45, smoothness=5.0
)
_VIEW_SEED = 0


@functools.cache
def view_matrices(views: int) -> tuple[NDArray[np.float32], ...]:
    """Matrices, float32 (784, 784), that turn images into their views; the images are the first.

    The others are slight warps, the same ones for all images and always. They come in pairs of
    opposite directions, so that they leave a digit where it was on the whole. A warp is linear in
    the pixels it moves, so it is known by what it does to each pixel on its own.
    """
    noise = draw_noise(views // 2, np.random.default_rng(_VIEW_SEED))
    warp, pixels = Warp(VIEW_WARP), np.eye(PIXELS, dtype=np.float32)
    matrices = [pixels]
    for row in np.stack([noise, -noise], axis=1).reshape(-1, noise.shape[1])[: views - 1]:
        warped = warp(pixels, np.tile(row, (PIXELS, 1)))
        matrices.append(keras.ops.convert_to_numpy(warped))
    return tuple(matrices)


def predict(model: keras.Sequential, digits: Digits, views: int = 1) -> NDArray[np.float32]:
    """Predict each digit's class probabilities: float32 (n, 10), rows that sum to 1.

    Args:
        model: float32 (n, 784) images in [0, 1] to float32 (n, 10) probabilities, a dense layer
            first.
        digits: what is to be recognised.
        views: how many slightly different views of each digit the probabilities are averaged over.
    """
    if views == 1 or not len(digits):
        return _predict(model, digits)
    kernel = model.layers[0].kernel
    weights = keras.ops.convert_to_numpy(kernel.value).copy()
    probabilities = np.zeros((len(digits), CLASSES), np.float32)
    try:
        for matrix in view_matrices(views):
            # Images @ matrix @ weights: a view costs no more than the images themselves
            kernel.assign(matrix @ weights)
            probabilities += _predict(model, digits)
    finally:
        kernel.assign(weights)
    return probabilities / np.float32(views)


def _predict(model: keras.Sequential, digits: Digits) -> NDArray[np.float32]:
    probabilities = np.zeros((len(digits), CLASSES), np.float32)
    size = min(BATCH_SIZE, len(digits))
    for first in range(0, len(digits), max(size, 1)):
        pixels = digits.pixels[first : first + size]
        # Whole batches, since a last short one would be compiled on its own
        images = np.zeros((size, PIXELS), np.float32)
        np.divide(pixels, np.float32(255), out=images[: len(pixels)])
        predicted = model.predict_on_batch(images)[: len(pixels)]
        probabilities[first : first + size] = np.asarray(predicted, np.float32)
    return probabilities
