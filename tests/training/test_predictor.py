from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Digits, Source
from kit.training.backend import load_backend

load_backend()

import keras  # noqa: E402

from kit.training.augmentation import Warp, draw_noise  # noqa: E402
from kit.training.networks import build_network  # noqa: E402
from kit.training.predictor import VIEW_WARP, CommitteePredictor, Predictor  # noqa: E402


def forward(predictor: Predictor, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """What two layers of units and a softmax make of images, in float64."""
    values = [
        keras.ops.convert_to_numpy(variable.value).astype(np.float64)
        for variable in predictor.network.variables
    ]
    first, first_bias, last, last_bias = values
    logits = np.maximum(images @ first + first_bias, 0) @ last + last_bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def random_predictor(seed: int, **given: object) -> Predictor:
    predictor = Predictor.build(make_config({"preset": "baseline", "hidden": [32], **given}))
    rng = np.random.default_rng(seed)
    for variable in predictor.network.variables:
        variable.assign(rng.normal(0, 0.2, variable.shape))
    return predictor


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor(0)


@pytest.mark.parametrize("n", [0, 1, 1_999, 2_000, 2_001, 4_500])
def test_probabilities_are_those_of_the_forward_pass(
    n: int, predictor: Predictor, mnist: Source
) -> None:
    digits = mnist.test.take(np.arange(n))
    probabilities = predictor.predict(digits)
    assert probabilities.dtype == np.float32
    expected = forward(predictor, digits.pixels / np.float32(255))
    np.testing.assert_allclose(probabilities, expected.reshape(n, 10), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(n), atol=1e-5)


@pytest.mark.parametrize("views", [2, 3, 6])
def test_views_average_digits_that_are_warped_a_little(views: int, mnist: Source) -> None:
    predictor = random_predictor(0, views=views)
    # One with ink at all of its edges, which is to leave on one side and not come back on the other
    pixels = mnist.test.pixels[:2_003].copy()
    pixels[2_002] = 255
    images = pixels / np.float32(255)
    expected = forward(predictor, images) / views
    noise = draw_noise(views // 2, np.random.default_rng(0))
    signed = [sign * row for row in noise for sign in (1, -1)]
    for row in signed[: views - 1]:
        warped = Warp(VIEW_WARP)(images, np.tile(row, (len(images), 1)))
        expected += forward(predictor, keras.ops.convert_to_numpy(warped)) / views
    probabilities = predictor.predict(Digits(pixels, None, "moved"))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert np.abs(probabilities - forward(predictor, images)).max() > 0.01


def test_baseline_has_the_labs_number_of_parameters() -> None:
    assert build_network(make_config({"preset": "baseline"})).count_params() == 636_010
    assert Predictor.build(make_config({"preset": "baseline"})).n_parameters == 636_010


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Kernels without biases, two trained numbers of batch normalisation for each map or unit
        ({}, 5 * 5 * 32 + 2 * 32 + 5 * 5 * 32 * 64 + 2 * 64 + 49 * 64 * 256 + 2 * 256 + 2570),
        ({"conv": ["8x3/2", "16x3p2"], "head": "mean", "hidden": []},
         72 + 16 + 8 * 16 * 9 + 32 + 16 * 10 + 10),
        ({"conv": [{"filters": 8, "kernel": 3, "pooling": 3}], "hidden": [5],
          "batch_normalization": False}, 80 + 10 * 10 * 8 * 5 + 5 + 60),
        # Without padding, 28, 26 and 12 pixels wide
        ({"conv": ["8x3v", "16x3v/2"], "hidden": []},
         72 + 16 + 8 * 16 * 9 + 32 + 12 * 12 * 16 * 10 + 10),
    ],
)  # fmt: skip
def test_convolutions_have_their_number_of_parameters(given: Any, expected: int) -> None:
    predictor = Predictor.build(make_config({"preset": "cnn", **given}))
    assert predictor.n_parameters == expected


def test_a_normalised_predictor_normalises_before_it_views(mnist: Source) -> None:
    digits = mnist.test.take(np.arange(50))
    plain = random_predictor(0)
    normalising = random_predictor(0, normalization={"width": 20, "slant": True}, views=3)
    normalised = normalising.normalize(digits.pixels)
    assert normalised.dtype == np.float32
    expected = forward(plain, normalised) / 3
    noise = draw_noise(1, np.random.default_rng(0))[0]
    for sign in (1, -1):
        warped = Warp(VIEW_WARP)(normalised, np.tile(sign * noise, (50, 1)))
        expected += forward(plain, keras.ops.convert_to_numpy(warped)) / 3
    np.testing.assert_allclose(normalising.predict(digits), expected, atol=1e-5)


def test_a_predictor_with_several_normalizations_averages_over_them(mnist: Source) -> None:
    digits, ways = mnist.test.take(np.arange(50)), [{"width": 20, "slant": True}, {}, {"width": 14}]
    several = random_predictor(0, normalization=ways)
    each = [random_predictor(0, normalization=way).predict(digits) for way in ways]
    np.testing.assert_allclose(several.predict(digits), np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(each[1], random_predictor(0).predict(digits), atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01


def test_a_committee_averages_its_members_own_views(mnist: Source) -> None:
    digits = mnist.test.take(np.arange(50))
    members = [random_predictor(1, views=2), random_predictor(2)]
    committee = CommitteePredictor(members)
    expected = (members[0].predict(digits).astype(np.float64) + members[1].predict(digits)) / 2
    np.testing.assert_allclose(committee.predict(digits), expected, rtol=1e-6)
