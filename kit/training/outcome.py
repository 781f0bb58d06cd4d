"""What a run predicts, how good that is, and how it is kept."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import CLASSES, Digits
from kit.data.mnist import BROKEN_NPZ
from kit.errors import DataError
from kit.files import whole_file
from kit.metrics import Accuracy, log_loss
from kit.runs import Run
from kit.submission import write_submission
from kit.training.material import Material
from kit.training.split import Rows

Probabilities = NDArray[np.float32]
FILE = "probabilities.npz"
_MEND = "Put the file back, or train again."


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a run says of images that it is judged on or submits.

    Attributes:
        probabilities: float32 (n, 10), rows that sum to 1.
        seen: bool (n,), whether the image stood in the run's training or validation rows.
    """

    probabilities: Probabilities
    seen: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that a run predicts.

    Attributes:
        validation_rows: int64 (n,), the training digits that were held out, ascending.
        validation: float32 (n, 10), the probabilities of those.
        keras_test: of the Keras test split, or None where that was not at hand.
        test: of Kaggle's test file, or None where that was not at hand.
    """

    validation_rows: Rows
    validation: Probabilities
    keras_test: Prediction | None
    test: Prediction | None

    @property
    def predictions(self) -> dict[str, Prediction | None]:
        """Those of whole files, by the names that a run's records give them."""
        return {"keras_test": self.keras_test, "test": self.test}


def save_outcome(folder: Path, outcome: Outcome) -> None:
    """Write `probabilities.npz` and, where there is something to submit, `submission.csv`.

    Raises:
        OSError: they cannot be written.
    """
    arrays: dict[str, Any] = {
        "validation_rows": outcome.validation_rows,
        "validation": outcome.validation,
    }
    for role, prediction in outcome.predictions.items():
        if prediction is not None:
            arrays |= {role: prediction.probabilities, f"{role}_seen": prediction.seen}
    with whole_file(folder / FILE) as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    if outcome.test is not None:
        write_submission(folder / "submission.csv", outcome.test.probabilities.argmax(axis=1))


def load_outcome(run: Run) -> Outcome:
    """Read what a run has predicted.

    Raises:
        DataError: `probabilities.npz` is missing or broken, or at odds with `config.json`.
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
        return Outcome(
            validation_rows=rows,
            validation=_checked(arrays["validation"], np.float32, held_out, CLASSES),
            keras_test=_prediction(arrays, "keras_test", data["keras_test"]),
            test=_prediction(arrays, "test", data["test"]),
        )
    except KeyError as error:
        raise DataError(f"{path}: has no {error}, or config.json has not.", _MEND) from error
    except BROKEN_NPZ as error:
        raise DataError(f"{path}: not as the kit writes it ({error}).", _MEND) from error


def judge_outcome(outcome: Outcome, material: Material) -> dict[str, Any]:
    """What a run's `metrics.json` says of its predictions; images it has seen judge nothing.

    Args:
        outcome: the predictions.
        material: the digits that they are of.
    """
    judged = None
    if outcome.keras_test is not None and material.keras_test is not None:
        unseen = np.flatnonzero(~outcome.keras_test.seen)
        digits = material.keras_test.take(unseen)
        judged = _judge(outcome.keras_test.probabilities[unseen], digits)
    return {
        "validation": _judge(outcome.validation, material.train.take(outcome.validation_rows)),
        "judged": judged,
        "overlap": {
            role: {"n": len(prediction.seen), "n_overlap": int(prediction.seen.sum())}
            for role, prediction in outcome.predictions.items()
            if prediction is not None
        },
        "submission": None if outcome.test is None else "submission.csv",
    }


def _prediction(
    arrays: dict[str, NDArray[Any]], role: str, recorded: dict[str, Any] | None
) -> Prediction | None:
    if recorded is None:
        return None
    n = recorded["rows"]
    probabilities = _checked(arrays[role], np.float32, n, CLASSES)
    return Prediction(probabilities, _checked(arrays[f"{role}_seen"], np.bool_, n))


def _checked(array: NDArray[Any], dtype: type, *shape: int) -> NDArray[Any]:
    if array.dtype != dtype or array.shape != shape:
        found, expected = f"{array.dtype} {array.shape}", f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"found {found}, expected {expected}")
    if not np.isfinite(array).all():
        raise ValueError("a probability is no finite number")
    return array


def _judge(probabilities: Probabilities, digits: Digits) -> dict[str, Any]:
    if digits.labels is None or not len(digits):
        return {**asdict(Accuracy.from_counts(0, 0)), "log_loss": None}
    predicted = probabilities.argmax(axis=1)
    return {
        **asdict(Accuracy.from_predictions(predicted, digits.labels)),
        "log_loss": log_loss(probabilities, digits.labels),
    }
