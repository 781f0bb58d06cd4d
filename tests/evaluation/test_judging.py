from pathlib import Path

import numpy as np
import pytest

from kit.data.digits import Digits
from kit.errors import DataError
from kit.evaluation.judging import validate
from kit.metrics import Accuracy
from kit.runs import Run

LABELS = np.array([7, 2, 1, 0, 4, 1, 4, 9])
PREDICTED = np.array([7, 2, 7, 0, 9, 1, 4, 9])
SEEN = np.array([1, 0, 0, 0, 0, 0, 1, 1], np.bool_)


@pytest.fixture
def keras_test(mnist_digits: Digits) -> Digits:
    return Digits(mnist_digits.pixels[:8], LABELS, "a test")


def make_run(folder: Path, seen: np.ndarray = SEEN) -> Run:
    # Not one-hot: the highest probability decides
    probabilities = np.full((8, 10), 0.05) + 0.5 * np.eye(10)[PREDICTED]
    np.savez(folder / "probabilities.npz", keras_test=probabilities, keras_test_seen=seen)
    return Run(folder)


def test_images_that_were_seen_are_left_out(tmp_path: Path, keras_test: Digits) -> None:
    validation = validate(make_run(tmp_path), keras_test)
    assert (validation.n_total, validation.n_overlap) == (8, 3)
    # Of 2, 1, 0, 4 and 1, a 1 was taken for a 7 and the 4 for a 9
    assert validation.accuracy == Accuracy.from_counts(3, 5)
    expected = np.zeros((10, 10), np.int64)
    for truth, prediction in [(2, 2), (1, 7), (0, 0), (4, 9), (1, 1)]:
        expected[truth, prediction] += 1
    np.testing.assert_array_equal(validation.confusion, expected)
    assert [figures.n for figures in validation.digits] == [1, 2, 1, 0, 1, 0, 0, 0, 0, 0]
    assert [figures.recall for figures in validation.digits[:5]] == [1.0, 0.5, 1.0, None, 0.0]


def test_without_overlap_all_are_judged(tmp_path: Path, keras_test: Digits) -> None:
    validation = validate(make_run(tmp_path, np.zeros(8, np.bool_)), keras_test)
    assert (validation.n_total, validation.n_overlap) == (8, 0)
    assert validation.accuracy == Accuracy.from_counts(6, 8)


def test_where_all_were_seen_nothing_is_known(tmp_path: Path, keras_test: Digits) -> None:
    validation = validate(make_run(tmp_path, np.ones(8, np.bool_)), keras_test)
    assert validation.n_overlap == 8
    assert validation.accuracy == Accuracy(None, 0, (0.0, 1.0))
    assert not validation.confusion.any()


def test_run_without_predictions_of_the_split_is_told_so(
    tmp_path: Path, keras_test: Digits
) -> None:
    path = tmp_path / "probabilities.npz"
    np.savez(path, validation=np.eye(10))
    with pytest.raises(DataError) as caught:
        validate(Run(tmp_path), keras_test)
    assert caught.value.what == (
        f"{path}: has no predictions for the Keras test split, because MNIST was missing."
    )
    assert caught.value.remedy == (
        "Put it at data/mnist.npz (git checkout data/mnist.npz), then train again."
    )


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off"])
def test_broken_predictions_are_bad_data(
    content: bytes | None, tmp_path: Path, keras_test: Digits
) -> None:
    path = tmp_path / "probabilities.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        validate(Run(tmp_path), keras_test)
    assert caught.value.what.startswith(f"{path}: not a readable .npz file (")
    assert caught.value.remedy == "Put it back, or train again."
