import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.metrics import (
    Accuracy,
    accuracy_difference,
    calibration,
    compare,
    confusion_matrix,
    log_loss,
    per_digit,
    wilson_interval,
)

TRUTH = np.array([0, 0, 0, 1, 1, 7, 7, 7, 7, 9])
PREDICTED = np.array([0, 0, 6, 1, 7, 7, 7, 7, 1, 4])


# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
# (1998), 857–872, table I, method 3
@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    correct: int, n: int, low: float, high: float
) -> None:
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert (low == 0) == (correct == 0)
    assert (high == 1) == (correct == n)
    mirrored = wilson_interval(n - correct, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(st.integers(0, 1000))
def test_wilson_ends_solve_the_score_equation(correct: int) -> None:
    # Wilson's definition, which the closed form solves: |p̂ - p| = z √(p (1 - p) / n) at both ends
    for end in wilson_interval(correct, 1000):
        if 0 < end < 1:
            z = abs(correct / 1000 - end) / math.sqrt(end * (1 - end) / 1000)
            assert math.erf(z / math.sqrt(2)) == pytest.approx(0.95, abs=1e-9)


def test_accuracy_carries_its_interval() -> None:
    measured = Accuracy.from_predictions(PREDICTED, TRUTH)
    assert asdict(measured) == {"accuracy": 0.6, "n": 10, "interval": wilson_interval(6, 10)}
    assert measured == Accuracy.from_counts(6, 10)


def test_accuracy_of_no_images_is_unknown() -> None:
    nothing = np.array([], dtype=np.int64)
    assert Accuracy.from_predictions(nothing, nothing) == Accuracy(None, 0, (0.0, 1.0))


# Newcombe, Statistics in Medicine 17 (1998), 873–890, table II, method 10
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_difference_gives_the_published_intervals(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    difference = accuracy_difference(Accuracy.from_counts(*first), Accuracy.from_counts(*second))
    assert difference["difference"] == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert difference["interval"] == pytest.approx((low, high), abs=5e-5)
    assert difference["significant"] == (low > 0)


def test_difference_mirrors() -> None:
    better, worse = Accuracy.from_counts(990, 1000), Accuracy.from_counts(960, 1000)
    low, high = accuracy_difference(better, worse)["interval"]
    mirrored = accuracy_difference(worse, better)
    assert mirrored["interval"] == pytest.approx((-high, -low))
    assert mirrored["significant"]


def test_confusion_matrix_has_truth_in_rows() -> None:
    expected = np.zeros((10, 10), dtype=np.int64)
    expected[0, 0], expected[0, 6] = 2, 1
    expected[1, 1], expected[1, 7] = 1, 1
    expected[7, 7], expected[7, 1] = 3, 1
    expected[9, 4] = 1
    confusion = confusion_matrix(PREDICTED, TRUTH)
    assert confusion.dtype == np.int64
    np.testing.assert_array_equal(confusion, expected)


def test_confusion_matrix_takes_small_integers() -> None:
    nines = np.full(300, 9, dtype=np.uint8)
    assert confusion_matrix(nines, nines)[9, 9] == 300


def test_confusion_matrix_of_nothing_is_zero() -> None:
    nothing = np.array([], dtype=np.int64)
    assert not confusion_matrix(nothing, nothing).any()


def test_per_digit_by_hand() -> None:
    figures = per_digit(confusion_matrix(PREDICTED, TRUTH))
    assert [figure["digit"] for figure in figures] == list(range(10))
    shares = [(each["n"], each["precision"], each["recall"], each["f1"]) for each in figures]
    assert shares[0] == (3, 1.0, 2 / 3, 4 / 5)
    assert shares[1] == (2, 1 / 2, 1 / 2, 1 / 2)
    assert shares[7] == (4, 3 / 4, 3 / 4, 3 / 4)
    assert figures[7]["interval"] == wilson_interval(3, 4)
    # Never seen, only guessed, never guessed
    assert shares[2] == (0, None, None, None)
    assert figures[2]["interval"] == (0.0, 1.0)
    assert shares[4] == (0, 0.0, None, 0.0)
    assert shares[9] == (1, None, 0.0, 0.0)


def probabilities(*true_ones: float) -> np.ndarray:
    rows = np.zeros((len(true_ones), 10))
    rows[:, 3] = true_ones
    rows[:, 8] = 1 - rows[:, 3]
    return rows


def test_log_loss_by_hand() -> None:
    labels = np.array([3, 3, 3])
    expected = (math.log(2) + math.log(4) + 0) / 3
    assert log_loss(probabilities(0.5, 0.25, 1.0), labels) == pytest.approx(expected, abs=1e-12)


def test_log_loss_of_a_guess_is_the_logarithm_of_ten() -> None:
    assert log_loss(np.full((4, 10), 0.1), np.arange(4)) == pytest.approx(math.log(10))


def test_log_loss_of_a_certain_mistake_is_clipped() -> None:
    certain = probabilities(0.0)
    assert log_loss(certain, np.array([3])) == pytest.approx(52 * math.log(2))
    single = certain.astype(np.float32)
    assert log_loss(single, np.array([3])) == pytest.approx(23 * math.log(2))


def test_log_loss_of_perfection_is_zero_even_past_one_by_rounding() -> None:
    past_one = probabilities(1.0, 1.0) * (1 + 1e-15)
    loss = log_loss(past_one, np.array([3, 3]))
    assert loss == 0
    assert math.copysign(1, loss) == 1


def test_mcnemar_by_hand() -> None:
    # both right on 80, only the first on 14, only the second on 4: z = (|14 - 4| - 1) / √18
    first = np.array([[True] * 94 + [False] * 6])
    second = np.array([[True] * 80 + [False] * 14 + [True] * 4 + [False] * 2])
    once = compare(first, second)
    assert once["difference"] == pytest.approx(0.10)
    assert once["p_value"] == pytest.approx(math.erfc(9 / math.sqrt(18) / math.sqrt(2)))
    assert once["significant"]
    half_width = 1.96 * math.sqrt((18 / 100 - 0.1**2) / 100)
    assert once["interval"] == pytest.approx((0.1 - half_width, 0.1 + half_width), abs=1e-4)
    # over seeds, an image stays one observation
    twice = compare(np.repeat(first, 2, axis=0), np.repeat(second, 2, axis=0))
    assert twice["interval"] == pytest.approx(once["interval"])


def test_equal_answers_are_no_better_than_chance() -> None:
    same = np.array([[True, False, True], [True, True, False]])
    equal = compare(same, same)
    assert (equal["difference"], equal["p_value"], equal["significant"]) == (0.0, 1.0, False)


def test_calibration_bins_are_tenths_of_certainty() -> None:
    certainty = np.array([0.5, 0.55, 0.6, 0.95, 1.0, 1.0000001])
    right = np.array([True, False, True, True, False, True])
    bins = calibration(certainty, right)["bins"]
    # What is on the end of a tenth belongs to it
    assert [each["low"] for each in bins] == [0.4, 0.5, 0.9]
    assert [each["certainty"] for each in bins] == pytest.approx([0.5, 0.575, 0.9833334])
    counts = [Accuracy.from_counts(*each) for each in ((1, 1), (1, 2), (2, 3))]
    assert [each["accuracy"] for each in bins] == [asdict(count) for count in counts]


def test_calibration_error_weighs_the_bins_by_their_predictions() -> None:
    # 0.5 from the truth in one of four predictions, 0.05 in the three others
    certainty, right = np.array([0.5, 0.95, 0.95, 0.95]), np.ones(4, bool)
    error = calibration(certainty, right)["calibration_error"]
    assert error == pytest.approx((0.5 + 3 * 0.05) / 4)
    # A coin that is called by half is right as often as it says
    half = calibration(np.full(100, 0.5), np.arange(100) % 2 == 0)
    assert half["calibration_error"] == pytest.approx(0)
