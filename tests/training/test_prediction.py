import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Digits, Source
from kit.training.backend import load_backend

load_backend()

import keras  # noqa: E402

from kit.training.networks import build_network, with_probabilities  # noqa: E402
from kit.training.prediction import SHIFTS, predict  # noqa: E402


def forward(network: keras.Sequential, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """What two layers of units and a softmax make of images, in float64."""
    values = [
        keras.ops.convert_to_numpy(variable.value).astype(np.float64)
        for variable in network.variables
    ]
    first, first_bias, last, last_bias = values
    logits = np.maximum(images @ first + first_bias, 0) @ last + last_bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def network() -> keras.Sequential:
    network = build_network(make_config({"preset": "baseline", "hidden": [32]}))
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    return network


@pytest.mark.parametrize("n", [0, 1, 1_999, 2_000, 2_001, 4_500])
def test_probabilities_are_those_of_the_forward_pass(
    n: int, network: keras.Sequential, mnist: Source
) -> None:
    digits = mnist.test.take(np.arange(n))
    probabilities = predict(with_probabilities(network), digits)
    assert probabilities.dtype == np.float32
    expected = forward(network, digits.pixels / np.float32(255))
    np.testing.assert_allclose(probabilities, expected.reshape(n, 10), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(n), atol=1e-5)


@pytest.mark.parametrize(
    ("views", "shifts"),
    [
        (1, {(0, 0)}),
        (5, {(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)}),
        (9, {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}),
    ],
)
def test_views_average_digits_moved_by_a_pixel(
    views: int, shifts: set[tuple[int, int]], network: keras.Sequential, mnist: Source
) -> None:
    # One with ink at all of its edges, which is to leave on one side and not come back on the other
    pixels = mnist.test.pixels[:2_003].copy()
    pixels[2_002] = 255
    expected = np.zeros((len(pixels), 10))
    for down, right in shifts:
        moved = np.roll(pixels.reshape(-1, 28, 28), (down, right), (1, 2))
        moved[:, {1: 0, -1: 27}.get(down, slice(0)), :] = 0
        moved[:, :, {1: 0, -1: 27}.get(right, slice(0))] = 0
        expected += forward(network, moved.reshape(-1, 784) / np.float32(255)) / views
    digits = Digits(pixels, None, "moved")
    probabilities = predict(with_probabilities(network), digits, views)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert SHIFTS[:views] == tuple(dict.fromkeys(SHIFTS[:views]))
    assert set(SHIFTS[:views]) == shifts


def test_baseline_has_the_labs_number_of_parameters() -> None:
    assert build_network(make_config({"preset": "baseline"})).count_params() == 636_010
