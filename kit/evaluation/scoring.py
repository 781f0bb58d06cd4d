"""Scores a submission file with the true labels."""

from pathlib import Path

from kit.errors import DataError
from kit.metrics import Accuracy
from kit.submission import read_submission


def score_submission(path: Path, solution: Path) -> Accuracy:
    """The accuracy of a submission file, as Kaggle would score it.

    Args:
        path: the submission, `ImageId,Label`, ids 1 to n in any order.
        solution: the true labels of the same images, in the same format.

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
