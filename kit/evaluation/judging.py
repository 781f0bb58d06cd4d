"""Judges a run without overlap, a submission by its true labels, and labels by a run.

Whatever is judged by a network, the network has not seen it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Digits
from kit.errors import DataError
from kit.metrics import Accuracy, confusion_matrix
from kit.runs import Run, members_of
from kit.submission import read_submission
from kit.training.dataset import load_dataset
from kit.training.predictions import Probabilities, load_predictions


class Judged:
    """Labelled digits that a run was not trained on, and what it predicts for them.

    Attributes:
        digits: the digits, n of them, with their labels.
        rows: int64 (n,), where they stand in their file, from 0.
        probabilities: float32 (n, 10), the run's.
        n_overlap: how many others were left out, because the run was trained or validated on them.
        labels, predicted: int64 (n,), the true digits, and the likeliest ones.
        certainty: float32 (n,) in [0.1, 1], the probabilities of the likeliest digits.
        mistakes: int64, 0 to n - 1, the digits that are read wrong, the most certain mistake first.
        accuracy: the share of right predictions, with its interval.
        confusion: int64 (10, 10), counts; rows are the truth, columns the prediction.
    """

    def __init__(
        self,
        digits: Digits,
        rows: NDArray[np.int64],
        probabilities: Probabilities,
        n_overlap: int = 0,
    ) -> None:
        if digits.labels is None:
            raise ValueError("judging needs labels")
        self.digits, self.rows, self.labels = digits, rows, digits.labels
        self.probabilities, self.n_overlap = probabilities, n_overlap
        self.predicted: NDArray[np.int64] = probabilities.argmax(axis=1)
        self.certainty: NDArray[np.float32] = probabilities.max(axis=1)
        wrong = np.flatnonzero(self.predicted != self.labels)
        self.mistakes = wrong[np.argsort(-self.certainty[wrong], kind="stable")]
        self.accuracy = Accuracy.from_predictions(self.predicted, self.labels)
        self.confusion = confusion_matrix(self.predicted, self.labels)

    def rank_suspects(self) -> NDArray[np.int64]:
        """Rank the digits, 0 to n - 1, whose label is probably wrong, the clearest first.

        Confident learning: a digit is a suspect if its likeliest reading is not its label, and it
        is the clearer, the less likely its label is ("self-confidence"). Source: C. G. Northcutt,
        L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels",
        Journal of Artificial Intelligence Research 70 (2021), 1373-1411. Their other rule counts a
        digit only if it is at least as likely as on average where it is the label. With it, one
        changed label in ten is not found.
        """
        of_labels = self.probabilities[self.mistakes, self.labels[self.mistakes]]
        return self.mistakes[np.argsort(of_labels, kind="stable")]


def judge_keras_test(run: Run, keras_test: Digits) -> Judged:
    """Judge a run's stored predictions for the Keras test split, without images that it has seen.

    Raises:
        DataError: the run has no such predictions, because MNIST was missing when it was trained,
            or their file is broken.
    """
    predictions = load_predictions(run)
    if "keras_test" not in predictions:
        raise DataError(
            f"{run.name}: has no predictions for the Keras test split, because MNIST was missing.",
            "Put it at data/mnist.npz (git checkout data/mnist.npz), then train again.",
        )
    seen = predictions["keras_test_seen"]
    unseen = np.flatnonzero(~seen)
    probabilities = predictions["keras_test"][unseen]
    return Judged(keras_test.take(unseen), unseen, probabilities, int(seen.sum()))


def judge_validation(run: Run, data: Path | None = None) -> Judged:
    """Judge a run's stored predictions for the training digits that it held out.

    Of a run with folds, these are all of them. `data` is where the source's files are now, if they
    are not where the run has read them.

    Raises:
        DataError: the run's files are broken, or its digits are no longer where they were.
    """
    predictions = load_predictions(run)
    dataset = load_dataset(make_config((members_of(run) or [run])[0].settings, data))
    dataset.check_same({"train": run.config["data"]["train"]}, run.name)
    rows = predictions["validation_rows"]
    return Judged(dataset.train.take(rows), rows, predictions["validation"])


def score_submission(path: Path, solution: Path) -> Accuracy:
    """The accuracy of a submission file, as Kaggle would score it.

    `solution` has the true labels of the same images, in the same format, ids 1 to n in any order.

    Raises:
        DataError: either file is missing or has a fault, or they have not as many rows.
    """
    labels = read_submission(solution)
    predicted = read_submission(path)
    if len(predicted) != len(labels):
        what = f"{path} has {len(predicted):,} rows, but {solution} has {len(labels):,}."
        raise DataError(what, "Score a submission with the solution of the same test file.")
    return Accuracy.from_predictions(predicted, labels)
