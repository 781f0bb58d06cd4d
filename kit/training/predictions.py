"""What a run predicts, how it is stored, and how good it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import CLASSES, Digits
from kit.data.mnist import BROKEN_NPZ
from kit.errors import DataError
from kit.files import write_arrays
from kit.metrics import Accuracy, log_loss
from kit.runs import Run
from kit.submission import write_submission
from kit.training.dataset import Dataset, Rows

Probabilities = NDArray[np.float32]
FILE = "probabilities.npz"
_MEND = "Put the file back, or train again."


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a run predicts for one set of images.

    Attributes:
        probabilities: float32 (n, 10), rows that sum to 1.
        seen: bool (n,), whether the image is among the run's training or validation rows.
    """

    probabilities: Probabilities
    seen: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Everything that a run predicts.

    Attributes:
        validation_rows: int64 (n,), the training digits that were held out, ascending.
        validation: float32 (n, 10), the probabilities of those.
        keras_test: for the Keras test split, or None if MNIST was not on this machine.
        test: for Kaggle's test file, or None if it was not on this machine.
    """

    validation_rows: Rows
    validation: Probabilities
    keras_test: Prediction | None
    test: Prediction | None

    @property
    def by_part(self) -> dict[str, Prediction]:
        """The predictions of `keras_test` and `test` that there are."""
        parts = {"keras_test": self.keras_test, "test": self.test}
        return {part: prediction for part, prediction in parts.items() if prediction is not None}


def mean_probabilities(probabilities: Sequence[Probabilities]) -> Probabilities:
    """Average float32 (n, 10) probabilities, in float64, to float32 (n, 10)."""
    mean: Probabilities = np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def save_predictions(folder: Path, predictions: Predictions) -> None:
    """Write `probabilities.npz` and, if there is something to submit, `submission.csv`.

    Raises:
        OSError: they cannot be written.
    """
    arrays: dict[str, Any] = {
        "validation_rows": predictions.validation_rows,
        "validation": predictions.validation,
    }
    for part, prediction in predictions.by_part.items():
        arrays |= {part: prediction.probabilities, f"{part}_seen": prediction.seen}
    write_arrays(folder / FILE, arrays)
    if predictions.test is not None:
        write_submission(folder / "submission.csv", predictions.test.probabilities.argmax(axis=1))


def load_predictions(run: Run) -> Predictions:
    """Read what a run has predicted.

    Raises:
        DataError: `probabilities.npz` is missing or broken, or does not fit `config.json`.
    """
    path = run.folder / FILE
    config = run.config
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        data, held_out = config["data"], config["rows"]["validation"]
        rows = _checked(arrays["validation_rows"], np.int64, held_out)
        if not ((rows >= 0) & (rows < data["train"]["rows"])).all():
            raise ValueError("validation_rows beyond the training digits")
        return Predictions(
            validation_rows=rows,
            validation=_checked(arrays["validation"], np.float32, held_out, CLASSES),
            keras_test=_prediction(arrays, "keras_test", data["keras_test"]),
            test=_prediction(arrays, "test", data["test"]),
        )
    except KeyError as error:
        raise DataError(f"{path}: has no {error}, or config.json has not.", _MEND) from error
    except BROKEN_NPZ as error:
        raise DataError(f"{path}: not as the kit writes it ({error}).", _MEND) from error


def judge(predictions: Predictions, dataset: Dataset) -> dict[str, Any]:
    """Return what `metrics.json` says of predictions. Images that were seen are left out.

    Args:
        predictions: what the run predicts.
        dataset: the digits that it predicts.
    """
    keras_test = None
    if predictions.keras_test is not None and dataset.keras_test is not None:
        unseen = np.flatnonzero(~predictions.keras_test.seen)
        digits = dataset.keras_test.take(unseen)
        keras_test = _accuracy(predictions.keras_test.probabilities[unseen], digits)
    held_out = dataset.train.take(predictions.validation_rows)
    return {
        "validation": _accuracy(predictions.validation, held_out),
        "keras_test": keras_test,
        "overlap": {
            part: {"n": len(prediction.seen), "n_overlap": int(prediction.seen.sum())}
            for part, prediction in predictions.by_part.items()
        },
        "submission": None if predictions.test is None else "submission.csv",
    }


def _prediction(
    arrays: dict[str, NDArray[Any]], part: str, recorded: dict[str, Any] | None
) -> Prediction | None:
    if recorded is None:
        return None
    n = recorded["rows"]
    probabilities = _checked(arrays[part], np.float32, n, CLASSES)
    return Prediction(probabilities, _checked(arrays[f"{part}_seen"], np.bool_, n))


def _checked(array: NDArray[Any], dtype: type, *shape: int) -> NDArray[Any]:
    if array.dtype != dtype or array.shape != shape:
        found, expected = f"{array.dtype} {array.shape}", f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"found {found}, expected {expected}")
    if not np.isfinite(array).all():
        raise ValueError("a probability is no finite number")
    return array


def _accuracy(probabilities: Probabilities, digits: Digits) -> dict[str, Any]:
    if digits.labels is None or not len(digits):
        return {**asdict(Accuracy.from_counts(0, 0)), "log_loss": None}
    predicted = probabilities.argmax(axis=1)
    return {
        **asdict(Accuracy.from_predictions(predicted, digits.labels)),
        "log_loss": log_loss(probabilities, digits.labels),
    }
