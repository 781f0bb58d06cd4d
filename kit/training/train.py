"""From a configuration to a complete run."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits, seen_in_training
from kit.data.mnist import BROKEN_NPZ
from kit.errors import DataError
from kit.files import write_arrays, write_whole
from kit.runs import CONFIG, MODEL, Draft, Run, begin_run
from kit.training.backend import choose_backend, load_backend, memory_errors
from kit.training.callback import Callback, CallbackList, Epoch, FitState
from kit.training.dataset import Dataset, load_dataset
from kit.training.predictions import Prediction, Predictions, judge, save_predictions
from kit.training.provenance import describe
from kit.training.split import Rows, split_digits

# A kill costs an epoch and at most this much of a training
STATE_SECONDS = 5.0


def train(
    config: TrainConfig,
    submissions: Path = Path("submissions"),
    callback: Callback | None = None,
) -> Run:
    """Train what `config` says, and write the run with its predictions and its submission.

    Args:
        config: what to train, such as `TrainConfig(preset="quick", source="keras")`.
        submissions: the folder of the runs.
        callback: told about the progress.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
        UsageError: no row is left to train on, or none to validate on.
        TrainingError: the training has diverged, or ran out of memory.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    choose_backend()
    callback = callback or Callback()
    callback.on_stage("Reading digits")
    dataset = load_dataset(config)
    rows = split_digits(dataset.train, config)
    draft = begin_run(submissions, config.name, describe(config, dataset, rows))
    return _complete(draft, config, dataset, rows, callback, began)


def complete_run(draft: Draft, callback: Callback) -> Run:
    """Complete an interrupted run, to the same result as if it had not been interrupted.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        TrainingError: the training has diverged, or ran out of memory.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    choose_backend()
    callback.on_stage("Reading digits")
    before = draft.config
    if "data" not in before:
        raise DataError(
            f"{draft.folder / CONFIG}: not as the kit writes it.",
            f"Delete {draft.folder} and train again.",
        )
    config = make_config(draft.settings)
    dataset = load_dataset(config)
    rows = split_digits(dataset.train, config)
    dataset.check_same(before["data"], draft.name)
    # A part of the dataset that was missing before may be there now. Then the run has it too
    now = describe(config, dataset, rows)
    draft.write_json(CONFIG, {**before, **{key: now[key] for key in ("format", "data", "rows")}})
    return _complete(draft, config, dataset, rows, callback, began)


def _complete(
    draft: Draft,
    config: TrainConfig,
    dataset: Dataset,
    rows: tuple[Rows, Rows],
    callback: Callback,
    began: float,
) -> Run:
    loaded = time.monotonic()
    callback.on_run_begin(draft.name, config.epochs)
    # Keras takes seconds to load, so it is loaded only when it is sure to be needed
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    def predict(digits: Digits | None) -> Prediction | None:
        if digits is None:
            return None
        return Prediction(predictor.predict(digits), seen_in_training(digits, dataset.train))

    state = load_state(draft.state)
    fit_began = time.monotonic()
    with memory_errors():
        predictor = Predictor.build(config)
        callbacks = CallbackList([callback, _StateKeeper(draft.state)])
        history = fit(predictor, dataset.train, rows, config, callbacks, state)
        fit_ended = time.monotonic()
        callback.on_stage("Predicting")
        predictions = Predictions(
            validation_rows=rows[1],
            validation=predictor.predict(dataset.train.take(rows[1])),
            keras_test=predict(dataset.keras_test),
            test=predict(dataset.test),
        )
    table = pd.DataFrame([asdict(epoch) for epoch in history])
    write_whole(draft.folder / "history.csv", table.to_csv(index=False, float_format="%.6g"))
    save_predictions(draft.folder, predictions)
    predictor.save(draft.folder / MODEL)
    # Epochs from before an interruption count too
    trained = sum(epoch.seconds for epoch in history)
    seconds = {
        "load": loaded - began,
        "fit": trained,
        "total": time.monotonic() - began + max(0.0, trained - (fit_ended - fit_began)),
    }
    return draft.finish(
        {
            "run": draft.name,
            "source": config.source,
            "preset": config.preset,
            "seed": config.seed,
            "rows": draft.config["rows"],
            "epochs": len(history),
            **judge(predictions, dataset),
            "seconds": seconds,
        }
    )


class _StateKeeper(Callback):
    """Keeps the state of a training in a file that is never much older than STATE_SECONDS."""

    def __init__(self, path: Path) -> None:
        self._path, self._saved = path, time.monotonic()

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:  # noqa: ARG002
        if time.monotonic() - self._saved >= STATE_SECONDS:
            save_state(self._path, state())
            self._saved = time.monotonic()


def save_state(path: Path, state: FitState) -> None:
    """Write the state of a training, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    arrays: dict[str, Any] = {f"variable_{i}": value for i, value in enumerate(state.variables)}
    arrays |= {f"best_{i}": value for i, value in enumerate(state.best)}
    arrays["history"] = np.array(json.dumps([asdict(epoch) for epoch in state.history]))
    write_arrays(path, arrays)


def load_state(path: Path) -> FitState | None:
    """Read the state of a training, or return None if none was saved.

    Raises:
        DataError: the file is broken.
    """
    try:
        content = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        return None
    try:
        with np.load(content, allow_pickle=False) as file:
            return FitState(
                history=[Epoch(**row) for row in json.loads(str(file["history"]))],
                variables=_numbered(file, "variable_"),
                best=_numbered(file, "best_"),
            )
    except (*BROKEN_NPZ, KeyError) as error:
        raise DataError(
            f"{path}: not the state of a training ({error}).",
            "Remove it, and --resume trains from the first epoch.",
        ) from error


def _numbered(file: Any, prefix: str) -> list[NDArray[Any]]:
    count = sum(name.startswith(prefix) for name in file.files)
    return [file[f"{prefix}{i}"] for i in range(count)]
