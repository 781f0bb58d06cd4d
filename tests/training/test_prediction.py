import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Source
from kit.training.backend import load_backend

load_backend()

import keras  # noqa: E402

from kit.training.networks import build_network, with_probabilities  # noqa: E402
from kit.training.prediction import predict  # noqa: E402


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


def test_baseline_has_the_labs_number_of_parameters() -> None:
    assert build_network(make_config({"preset": "baseline"})).count_params() == 636_010
