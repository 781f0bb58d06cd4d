import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import Normalization
from kit.data.digits import Digits
from kit.training.backend import load_backend

load_backend()

import keras  # noqa: E402

from kit.training.normalization import Normalize  # noqa: E402


def normalise(pixels: NDArray[np.uint8], how: Normalization) -> NDArray[np.float64]:
    """Normalise uint8 (n, 784), and return values on the same scale."""
    layer = Normalize(how.width, how.slant)
    found = keras.ops.convert_to_numpy(layer(pixels / np.float32(255)))
    assert (found.dtype, found.shape) == (np.float32, pixels.shape)
    return found.astype(np.float64) * 255


def slow_normalise(image: NDArray[np.float64], how: Normalization) -> NDArray[np.float64]:
    """Normalise one (28, 28) image pixel by pixel, as the documentation says."""
    y, x = np.mgrid[:28, :28]
    middle_y, middle_x = np.average(y, weights=image), np.average(x, weights=image)
    slant = 0.0
    if how.slant:
        slant = np.sum(image * (y - middle_y) * (x - middle_x)) / np.sum(
            image * (y - middle_y) ** 2
        )
        slant = np.clip(slant, -1, 1)
    upright = x - middle_x - slant * (y - middle_y)
    stretch, from_middle, target = 1.0, 0.0, middle_x
    if how.width is not None:
        low, high = upright[image > 25.5].min(), upright[image > 25.5].max()
        stretch = np.clip((high - low + 1) / how.width, 0.5, 2)
        from_middle, target = (low + high) / 2, 13.5
    found = np.zeros((28, 28))
    for row in range(28):
        for column in range(28):
            place = middle_x + slant * (row - middle_y) + from_middle + stretch * (column - target)
            left = int(np.floor(place))
            for neighbour, share in ((left, 1 - place + left), (left + 1, place - left)):
                if 0 <= neighbour < 28:
                    found[row, column] += share * image[row, neighbour]
    return found


@pytest.mark.parametrize(
    "how",
    [
        Normalization(slant=True),
        Normalization(width=10),
        Normalization(width=20),
        Normalization(width=14, slant=True),
    ],
    ids=str,
)
def test_normalised_as_a_slow_reference_does(how: Normalization, mnist_digits: Digits) -> None:
    pixels = mnist_digits.pixels[:60]
    found = normalise(pixels, how)
    for image, ours in zip(pixels, found, strict=True):
        expected = slow_normalise(image.reshape(28, 28).astype(float), how)
        # float32 there, float64 here, on a scale of 255
        assert np.abs(expected.reshape(-1) - ours).max() < 0.02


def test_a_slanted_line_stands_upright_where_it_stood() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[np.arange(4, 24), np.arange(4, 24) // 2 + 7] = 255
    upright = normalise(image.reshape(1, -1), Normalization(slant=True)).reshape(28, 28)
    columns = np.flatnonzero(upright.sum(axis=0))
    assert columns.max() - columns.min() <= 2
    middle = np.average(np.arange(28), weights=image.sum(axis=0))
    assert np.average(np.arange(28), weights=upright.sum(axis=0)) == pytest.approx(middle, abs=0.1)


def test_ink_gets_the_width_asked_for(thousand_digits: Digits) -> None:
    wanted = normalise(thousand_digits.pixels, Normalization(width=14)).reshape(-1, 28, 28)
    inked = (wanted > 25).any(axis=1)
    widths = 28 - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1)
    before = (thousand_digits.pixels.reshape(-1, 28, 28) > 25).any(axis=1)
    was = 28 - before.argmax(axis=1) - before[:, ::-1].argmax(axis=1)
    # what was narrower than half is only doubled
    usual = was >= 8
    assert usual.sum() > 800
    # faint ink at an edge may fall below the threshold, or rise above it
    assert np.abs(widths[usual] - 14).max() <= 2
    assert np.mean(widths[usual] == 14) > 0.8


def test_blank_images_stay_blank() -> None:
    blank = np.zeros((3, 784), np.uint8)
    np.testing.assert_array_equal(normalise(blank, Normalization(width=20, slant=True)), blank)


def test_a_normalization_of_nothing_changes_nothing(mnist_digits: Digits) -> None:
    found = normalise(mnist_digits.pixels, Normalization())
    np.testing.assert_allclose(found, mnist_digits.pixels, atol=0.02)


def test_the_layer_comes_back_from_its_config() -> None:
    layer = Normalize(20, slant=True, name="normalization")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.width, again.slant, again.name) == (20, True, "normalization")
