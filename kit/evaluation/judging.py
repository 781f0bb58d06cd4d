"""Judges a run without overlap, a submission by its true labels, and labels by a run.

Whatever is judged by a network, the network has not seen it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.config import make_config
from kit.data.digits import Digits
from kit.errors import DataError, UsageError
from kit.metrics import Accuracy, confusion_matrix
from kit.runs import Run, members_of
from kit.submission import read_submission
from kit.training.dataset import load_dataset
from kit.training.predictions import Probabilities, load_predictions


@dataclass(frozen=True, eq=False)
class Judged:
    """Labelled digits that a run was not trained on, and what it predicts for them.

    Attributes:
        digits: the digits, n of them, with their labels.
        rows: int64 (n,), where they stand in their file, from 0.
        probabilities: float32 (n, 10), the run's.
        n_overlap: how many others were left out, because the run was trained or validated on them.
    """

    digits: Digits
    rows: NDArray[np.int64]
    probabilities: Probabilities
    n_overlap: int = 0

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The true digits: int64 (n,)."""
        if self.digits.labels is None:
            raise ValueError("judging needs labels")
        return self.digits.labels

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest digits: int64 (n,)."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return predicted

    @cached_property
    def certainty(self) -> NDArray[np.float32]:
        """The probabilities of the likeliest digits: float32 (n,) in [0.1, 1]."""
        certainty: NDArray[np.float32] = self.probabilities.max(axis=1)
        return certainty

    @cached_property
    def mistakes(self) -> NDArray[np.int64]:
        """Which of the digits are read wrong, the most certain mistake first: int64, 0 to n - 1."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(-self.certainty[wrong], kind="stable")]

    @property
    def accuracy(self) -> Accuracy:
        """The share of right predictions, with its interval."""
        return Accuracy.from_predictions(self.predicted, self.labels)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts, int64 (10, 10); rows are the truth, columns the prediction."""
        return confusion_matrix(self.predicted, self.labels)


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
        longer = path if len(predicted) > len(labels) else solution
        first = min(len(predicted), len(labels)) + 1
        raise DataError(
            f"{path} has {len(predicted):,} rows and {solution} {len(labels):,}:"
            f" only {longer} has the ids from {first} on",
            "Score a submission with the solution of the same test file",
        )
    return Accuracy.from_predictions(predicted, labels)


@dataclass(frozen=True)
class Suspect:
    """A training row whose label is probably wrong.

    Attributes:
        row: its number; 1 is the first below the header, or the first image of MNIST's arrays.
        label: the label that it has.
        predicted: the digit that the network sees.
        probability: of that digit, by the network, in [0, 1].
        label_probability: of its label, by the network, in [0, 1].
    """

    row: int
    label: int
    predicted: int
    probability: float
    label_probability: float


def find_suspects(run: Run, data: Path | None = None) -> list[Suspect]:
    """List the suspects of a run that was trained with folds, the clearest first.

    `data` is where the source's files are now, if they are not where the run has read them.

    Raises:
        UsageError: the run has no folds.
        DataError: its files are broken, or its digits are no longer where they were.
    """
    if not run.metrics.get("folds"):
        what = f"{run.name}: was trained without folds."
        raise UsageError(what, "Train with: kit train --source kaggle --folds 5")
    judged = judge_validation(run, data)
    return rank_suspects(judged.probabilities, judged.labels)


def rank_suspects(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Suspect]:
    """Rank the rows whose label is probably wrong, the clearest first.

    Confident learning: a row is a suspect if its likeliest digit is not its label, and it is the
    clearer, the less likely its label is ("self-confidence"). Source: C. G. Northcutt, L. Jiang and
    I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal of
    Artificial Intelligence Research 70 (2021), 1373-1411. Their other rule counts a digit only if
    it is at least as likely as on average where it is the label. With it, one changed label in ten
    is not found.

    Args:
        probabilities: float32 (n, 10), of networks that have not seen the rows.
        labels: int64 (n,), 0 to 9.
    """
    likeliest = probabilities.argmax(axis=1)
    rows = np.flatnonzero(likeliest != labels)
    suspects = [
        Suspect(row + 1, label, digit, *probabilities[row, [digit, label]].tolist())
        for row, label, digit in np.column_stack([rows, labels[rows], likeliest[rows]]).tolist()
    ]
    return sorted(suspects, key=lambda each: each.label_probability)
