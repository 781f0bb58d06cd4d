"""Judges a run on the Keras test split without overlap, and a submission by its true labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import Digits
from kit.errors import DataError
from kit.metrics import Accuracy, confusion_matrix
from kit.runs import Run
from kit.submission import read_submission
from kit.training.predictions import load_predictions


@dataclass(frozen=True, eq=False)
class Validation:
    """The accuracy of a run on the Keras test split.

    Attributes:
        n_total: images in the Keras test split.
        n_overlap: how many of them are among the run's training or validation rows.
        accuracy: on the others alone.
        confusion: int64 (10, 10), of the others; rows are the truth, columns the prediction.
    """

    n_total: int
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
        n_total=len(seen),
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
