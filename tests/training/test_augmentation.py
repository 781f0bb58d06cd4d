import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import Augmentation
from kit.data.digits import Digits
from kit.training.backend import load_backend

load_backend()

import keras  # noqa: E402

from kit.training.augmentation import Warp, displacement_basis, draw_noise  # noqa: E402

NOTHING = {"rotation": 0, "scale": 0, "shear": 0, "shift": 0, "displacement": 0}


def slow_warp(
    image: NDArray[np.float64], noise: NDArray[np.float64], given: Augmentation
) -> NDArray[np.float64]:
    """Warp one (28, 28) image pixel by pixel, as the documentation says."""
    turn, scale_y, scale_x, shear, shift_y, shift_x = noise[:6]
    knots_y, knots_x = noise[6:42].reshape(6, 6), noise[42:].reshape(6, 6)
    angle = np.deg2rad(given.rotation) * turn
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scale = np.diag([(1 + given.scale) ** scale_y, (1 + given.scale) ** scale_x])
    matrix = scale @ rotation @ np.array([[1, 0], [given.shear * shear, 1]])
    places = np.linspace(0, 27, 6)

    def near(pixel: int) -> NDArray[np.float64]:
        weights = np.exp(-((pixel - places) ** 2) / (2 * given.smoothness**2))
        return weights / np.sqrt(np.sum(weights**2))

    def ink(y: int, x: int) -> float:
        return image[y, x] if 0 <= y < 28 and 0 <= x < 28 else 0.0

    warped = np.zeros((28, 28))
    for row in range(28):
        for column in range(28):
            y, x = matrix @ [row - 13.5, column - 13.5]
            y += given.shift * shift_y + given.displacement * near(row) @ knots_y @ near(column)
            x += given.shift * shift_x + given.displacement * near(row) @ knots_x @ near(column)
            y, x = y + 13.5, x + 13.5
            top, left = int(np.floor(y)), int(np.floor(x))
            down, right = y - top, x - left
            warped[row, column] = (
                (1 - down) * (1 - right) * ink(top, left)
                + (1 - down) * right * ink(top, left + 1)
                + down * (1 - right) * ink(top + 1, left)
                + down * right * ink(top + 1, left + 1)
            )
    return warped


def warp(
    images: NDArray[np.float32], noise: NDArray[np.float32], given: Augmentation
) -> NDArray[np.float32]:
    warped: NDArray[np.float32] = keras.ops.convert_to_numpy(
        Warp(given)(keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(noise))
    )
    return warped


def displacements(given: Augmentation, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    noise = draw_noise(n, np.random.default_rng(0))
    y, x = (keras.ops.convert_to_numpy(place) for place in Warp(given).origins(noise))
    rows, columns = np.divmod(np.arange(784), 28)
    return (y - rows).reshape(n, 28, 28), (x - columns).reshape(n, 28, 28)


@pytest.mark.parametrize(
    "given",
    [
        Augmentation(),
        Augmentation(**{**NOTHING, "rotation": 45}),
        Augmentation(**{**NOTHING, "scale": 0.5}),
        Augmentation(**{**NOTHING, "shear": 0.5}),
        Augmentation(**{**NOTHING, "shift": 10}),
        Augmentation(**{**NOTHING, "displacement": 3, "smoothness": 2}),
        Augmentation(rotation=180, scale=1, shear=1, shift=28, displacement=28, smoothness=1),
    ],
    ids=["tuned", "rotation", "scale", "shear", "shift", "displacement", "everything"],
)
def test_warped_digits_are_those_of_the_slow_way(given: Augmentation, mnist_digits: Digits) -> None:
    images = mnist_digits.images[:6].copy()
    # Ink up to the edges, where what is fetched from beyond them matters
    images[3:] = np.random.default_rng(1).random((3, 784))
    noise = draw_noise(6, np.random.default_rng(2))
    expected = [
        slow_warp(image.reshape(28, 28).astype(np.float64), row.astype(np.float64), given)
        for image, row in zip(images, noise, strict=True)
    ]
    warped = warp(images, noise, given).reshape(-1, 28, 28)
    np.testing.assert_allclose(warped, expected, atol=1e-3)
    assert np.abs(warped - images.reshape(-1, 28, 28)).max() > 0.1


def test_no_noise_gives_the_image_itself(mnist_digits: Digits) -> None:
    images = mnist_digits.images[:50]
    np.testing.assert_array_equal(
        warp(images, np.zeros((50, 78), np.float32), Augmentation()), images
    )


@pytest.mark.parametrize(("column", "axis"), [(4, 1), (5, 2)])
def test_shift_of_one_pixel_moves_the_digit_by_one(
    column: int, axis: int, mnist_digits: Digits
) -> None:
    images = mnist_digits.images[:20]
    noise = np.zeros((20, 78), np.float32)
    noise[:, column] = 1
    warped = warp(images, noise, Augmentation(**{**NOTHING, "shift": 1}))
    squares = images.reshape(-1, 28, 28)
    # MNIST's margin is blank, so what leaves on one side is what comes in on the other
    np.testing.assert_allclose(
        warped.reshape(-1, 28, 28), np.roll(squares, -1, axis=axis), atol=1e-6
    )


@pytest.mark.parametrize(("displacement", "smoothness"), [(1.2, 5), (2, 3), (0.5, 10)])
def test_displacement_has_its_root_mean_square_on_each_axis(
    displacement: float, smoothness: float
) -> None:
    given = Augmentation(**{**NOTHING, "displacement": displacement, "smoothness": smoothness})
    y, x = displacements(given, 4_000)
    for axis in (y, x):
        assert np.sqrt(np.mean(axis**2)) == pytest.approx(displacement, rel=0.04)
        # The same at each pixel, not just over all of them
        each = np.sqrt(np.mean(axis**2, axis=0))
        np.testing.assert_allclose(each, displacement, rtol=0.06)
        np.testing.assert_allclose(axis.mean(axis=0), 0, atol=0.08 * displacement)
    between = np.mean(y * x, axis=0) / displacement**2
    np.testing.assert_allclose(between, 0, atol=0.08)


def test_displacement_is_as_smooth_as_blurred_noise() -> None:
    y, x = displacements(Augmentation(**{**NOTHING, "displacement": 1, "smoothness": 5}), 4_000)
    for axis in (y, x):
        for distance in (1, 3, 5):
            # Noise that a Gaussian has blurred is alike as the Gaussian of twice the variance
            expected = np.exp(-(distance**2) / (4 * 5**2))
            down = np.mean(axis[:, 8 : 20 - distance] * axis[:, 8 + distance : 20])
            right = np.mean(axis[:, :, 8 : 20 - distance] * axis[:, :, 8 + distance : 20])
            assert down == pytest.approx(expected, abs=0.05)
            assert right == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("smoothness", [1, 5, 28])
def test_basis_gives_each_pixel_a_standard_normal(smoothness: float) -> None:
    basis = displacement_basis(smoothness)
    assert basis.shape == (36, 784)
    np.testing.assert_allclose(np.sum(basis**2, axis=0), 1, rtol=1e-5)


def test_noise_is_uniform_then_normal() -> None:
    noise = draw_noise(20_000, np.random.default_rng(0))
    assert (noise.shape, noise.dtype) == ((20_000, 78), np.float32)
    affine, knots = noise[:, :6], noise[:, 6:]
    assert np.abs(affine).max() <= 1
    np.testing.assert_allclose(affine.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(affine.std(axis=0), 1 / np.sqrt(3), rtol=0.02)
    np.testing.assert_allclose(knots.mean(axis=0), 0, atol=0.04)
    np.testing.assert_allclose(knots.std(axis=0), 1, rtol=0.03)
    correlation = np.corrcoef(noise, rowvar=False) - np.eye(78)
    assert np.abs(correlation).max() < 0.04


def test_each_image_has_its_own_warp(mnist_digits: Digits) -> None:
    images = np.repeat(mnist_digits.images[:1], 10, axis=0)
    warped = warp(images, draw_noise(10, np.random.default_rng(0)), Augmentation())
    assert len({image.tobytes() for image in warped}) == 10
