"""What a run predicts, how it is stored, and how good it is."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.data.digits import CLASSES, Digits
from kit.data.mnist import BROKEN_ARCHIVE
from kit.errors import DataError
from kit.files import write_arrays
from kit.metrics import Accuracy, log_loss
from kit.runs import Draft, Run
from kit.submission import write_submission
from kit.training.dataset import Dataset

Probabilities = NDArray[np.float32]
# The arrays of `probabilities.npz`: `validation_rows`, int64 (n,), the training digits that were
# held out, ascending; `validation`, float32 (n, 10), the probabilities of those; for each part that
# was on this machine, its probabilities as `keras_test` or `test`, float32 (n, 10), and as
# `keras_test_seen` or `test_seen`, bool (n,), which images the run was trained or validated on
Predictions = dict[str, NDArray[Any]]
PARTS = ("keras_test", "test")
FILE = "probabilities.npz"


def mean_probabilities(probabilities: Sequence[Probabilities]) -> Probabilities:
    """Average float32 (n, 10) probabilities, in float64, to float32 (n, 10)."""
    mean: Probabilities = np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def load_predictions(run: Run) -> Predictions:
    """Read what a run has predicted.

    Raises:
        DataError: `probabilities.npz` is missing or broken, or does not fit `config.json`.
    """
    path, remedy = run.folder / FILE, "Put the file back, or train again."
    try:
        data, held_out = run.config["data"], run.config["rows"]["validation"]
        shapes = {"validation_rows": (held_out,), "validation": (held_out, CLASSES)}
        for part in PARTS:
            if data[part] is not None:
                n = data[part]["rows"]
                shapes |= {part: (n, CLASSES), f"{part}_seen": (n,)}
        with np.load(path, allow_pickle=False) as file:
            stored = dict(file)
        predictions = {name: stored[name] for name in shapes}
        # Such as those of another run
        for name, array in predictions.items():
            if array.shape != shapes[name]:
                raise ValueError(f"{name}: found {array.shape}, expected {shapes[name]}")
    except KeyError as error:
        raise DataError(f"{path}: {error} is missing there or in config.json.", remedy) from error
    except BROKEN_ARCHIVE as error:
        raise DataError(f"{path}: not as the kit writes it ({error}).", remedy) from error
    return predictions


def finish_run(
    draft: Draft, predictions: Predictions, dataset: Dataset, about: dict[str, Any]
) -> Run:
    """Complete a run with its predictions, and with how good they are on images it has not seen.

    If it predicts `test`, it gets a `submission.csv`. `about` is what else `metrics.json` says.
    """
    write_arrays(draft.folder / FILE, predictions)
    if "test" in predictions:
        labels = predictions["test"].argmax(axis=1)
        write_submission(draft.folder / "submission.csv", labels)
    keras_test = None
    if "keras_test" in predictions and dataset.keras_test is not None:
        unseen = np.flatnonzero(~predictions["keras_test_seen"])
        keras_test = _judge(predictions["keras_test"][unseen], dataset.keras_test.take(unseen))
    held_out = dataset.train.take(predictions["validation_rows"])
    seen = {part: predictions[f"{part}_seen"] for part in PARTS if part in predictions}
    return draft.finish(
        {
            "run": draft.name,
            **about,
            "rows": draft.config["rows"],
            "validation": _judge(predictions["validation"], held_out),
            "keras_test": keras_test,
            "overlap": {
                part: {"n": len(flags), "n_overlap": int(flags.sum())}
                for part, flags in seen.items()
            },
            "submission": "submission.csv" if "test" in predictions else None,
        }
    )


def _judge(probabilities: Probabilities, digits: Digits) -> dict[str, Any]:
    if digits.labels is None or not len(digits):
        return {**asdict(Accuracy.from_counts(0, 0)), "log_loss": None}
    accuracy = Accuracy.from_predictions(probabilities.argmax(axis=1), digits.labels)
    return {**asdict(accuracy), "log_loss": log_loss(probabilities, digits.labels)}
