"""Judges a run without overlap, a submission by its true labels, and labels by a run.

Whatever is judged by a network, the network has not seen it.
"""

from dataclasses import dataclass
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
from kit.training.predictions import load_predictions


@dataclass(frozen=True, eq=False)
class Validation:
    """The accuracy of a run on the Keras test split.

    Attributes:
        n_overlap: how many images of the split are among the run's training or validation rows.
        accuracy: on the others alone.
        confusion: int64 (10, 10), of the others; rows are the truth, columns the prediction.
    """

    n_overlap: int
    accuracy: Accuracy
    confusion: NDArray[np.int64]


def validate(run: Run, keras_test: Digits) -> Validation:
    """Judge a run's stored predictions for the Keras test split, without images that it has seen.

    Raises:
        DataError: the run has no such predictions, because MNIST was missing when it was trained,
            or their file is broken.
    """
    if keras_test.labels is None:
        raise ValueError("validation needs labels")
    predictions = load_predictions(run)
    if "keras_test" not in predictions:
        raise DataError(
            f"{run.name}: has no predictions for the Keras test split, because MNIST was missing.",
            "Put it at data/mnist.npz (git checkout data/mnist.npz), then train again.",
        )
    predicted, seen = predictions["keras_test"].argmax(axis=1), predictions["keras_test_seen"]
    unseen = np.flatnonzero(~seen)
    labels = keras_test.labels[unseen]
    return Validation(
        n_overlap=int(seen.sum()),
        accuracy=Accuracy.from_predictions(predicted[unseen], labels),
        confusion=confusion_matrix(predicted[unseen], labels),
    )


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
    probabilities = load_predictions(run)["validation"]
    dataset = load_dataset(make_config(members_of(run)[0].settings, data))
    dataset.check_same({"train": run.config["data"]["train"]}, run.name)
    if dataset.train.labels is None:
        raise ValueError("suspects need labels")
    return rank_suspects(probabilities, dataset.train.labels)


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
