import json
from pathlib import Path

import numpy as np
import pytest

from kit.data.digits import Digits
from kit.errors import DataError
from kit.evaluation.judging import judge_keras_test
from kit.metrics import Accuracy, per_digit
from kit.runs import Run

LABELS = np.array([7, 2, 1, 0, 4, 1, 4, 9])
PREDICTED = np.array([7, 2, 7, 0, 9, 1, 4, 9])
SEEN = np.array([1, 0, 0, 0, 0, 0, 1, 1], np.bool_)


@pytest.fixture
def keras_test(mnist_digits: Digits) -> Digits:
    return Digits(mnist_digits.pixels[:8], LABELS, "a test")


def make_run(folder: Path, seen: np.ndarray | None = SEEN) -> Run:
    """Write a run with predictions of the split, or without them where `seen` is None."""
    # Not one-hot: the highest probability decides
    probabilities = (np.full((8, 10), 0.05) + 0.5 * np.eye(10)[PREDICTED]).astype(np.float32)
    arrays = {"validation_rows": np.array([3]), "validation": probabilities[:1]}
    if seen is not None:
        arrays |= {"keras_test": probabilities, "keras_test_seen": seen}
    np.savez(folder / "probabilities.npz", **arrays)  # type: ignore[arg-type]
    split = None if seen is None else {"rows": 8}
    config = {
        "data": {"train": {"rows": 10}, "keras_test": split, "test": None},
        "rows": {"validation": 1},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return Run(folder)


def test_images_that_were_seen_are_left_out(tmp_path: Path, keras_test: Digits) -> None:
    validation = judge_keras_test(make_run(tmp_path), keras_test)
    assert validation.n_overlap == 3
    # Of 2, 1, 0, 4 and 1, a 1 was taken for a 7 and the 4 for a 9
    assert validation.accuracy == Accuracy.from_counts(3, 5)
    expected = np.zeros((10, 10), np.int64)
    for truth, prediction in [(2, 2), (1, 7), (0, 0), (4, 9), (1, 1)]:
        expected[truth, prediction] += 1
    np.testing.assert_array_equal(validation.confusion, expected)
    digits = per_digit(validation.confusion)
    assert [figures["n"] for figures in digits] == [1, 2, 1, 0, 1, 0, 0, 0, 0, 0]
    assert [figures["recall"] for figures in digits[:5]] == [1.0, 0.5, 1.0, None, 0.0]


def test_mistakes_are_listed_the_most_certain_first(tmp_path: Path, keras_test: Digits) -> None:
    run = make_run(tmp_path)
    with np.load(tmp_path / "probabilities.npz") as file:
        arrays = dict(file)
    arrays["keras_test"][4] = np.where(np.arange(10) == 9, 0.91, 0.01)
    np.savez(tmp_path / "probabilities.npz", **arrays)
    judged = judge_keras_test(run, keras_test)
    # Of the unseen rows 1 to 5, the 4 in row 4 and the 1 in row 2 are read wrong
    assert judged.rows[judged.mistakes].tolist() == [4, 2]
    assert judged.labels[judged.mistakes].tolist() == [4, 1]
    assert judged.predicted[judged.mistakes].tolist() == [9, 7]
    assert judged.certainty[judged.mistakes].tolist() == pytest.approx([0.91, 0.55])


def test_without_overlap_all_are_judged(tmp_path: Path, keras_test: Digits) -> None:
    validation = judge_keras_test(make_run(tmp_path, np.zeros(8, np.bool_)), keras_test)
    assert validation.n_overlap == 0
    assert validation.accuracy == Accuracy.from_counts(6, 8)


def test_where_all_were_seen_nothing_is_known(tmp_path: Path, keras_test: Digits) -> None:
    validation = judge_keras_test(make_run(tmp_path, np.ones(8, np.bool_)), keras_test)
    assert validation.n_overlap == 8
    assert validation.accuracy == Accuracy(None, 0, (0.0, 1.0))
    assert not validation.confusion.any()


def test_run_without_predictions_of_the_split_is_told_so(
    tmp_path: Path, keras_test: Digits
) -> None:
    with pytest.raises(DataError) as caught:
        judge_keras_test(make_run(tmp_path, None), keras_test)
    assert "Keras test split, because MNIST was missing" in caught.value.what
    assert "data/mnist.npz" in caught.value.remedy


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off"])
def test_broken_predictions_are_bad_data(
    content: bytes | None, tmp_path: Path, keras_test: Digits
) -> None:
    run = make_run(tmp_path)
    path = tmp_path / "probabilities.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        judge_keras_test(run, keras_test)
    assert caught.value.what.startswith(f"{path}: not as the kit writes it (")
