"""From a configuration to a complete run."""

import io
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits, seen_in_training
from kit.data.mnist import BROKEN_NPZ
from kit.errors import DataError
from kit.files import checkout, write_arrays, write_whole
from kit.runs import CONFIG, FORMAT, MODEL, Draft, Run, begin_run
from kit.training.backend import choose_backend, load_backend, memory_errors
from kit.training.callback import Callback, Epoch, FitState
from kit.training.dataset import Dataset, Rows, load_dataset, split_digits
from kit.training.predictions import Prediction, Predictions, judge, save_predictions

# A kill costs an epoch and at most this much of a training
STATE_SECONDS = 5.0


def train(
    config: TrainConfig,
    submissions: Path = Path("submissions"),
    callback: Callback | None = None,
    on_begin: Callable[[str], None] | None = None,
) -> Run:
    """Train what `config` says, and write the run with its predictions and its submission.

    Args:
        config: what to train, such as `TrainConfig(preset="quick", source="keras")`.
        submissions: the folder of the runs.
        callback: told about the progress.
        on_begin: told the run's name, by which it can be resumed from now on.

    Raises:
        DataError: the source's files are missing or wrong.
        NetworkError: MNIST is the source, is not on this machine and cannot be downloaded.
        UsageError: no row is left to train on, or none to validate on.
        TrainingError: the training has diverged, or ran out of memory.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    callback = callback or Callback()
    dataset = _read_digits(config, callback)
    rows = split_digits(dataset.train, config)
    draft = begin_run(submissions, config.name, describe(config, dataset, rows))
    if on_begin is not None:
        on_begin(draft.name)
    return _complete(draft, config, dataset, rows, callback, began)


def complete_run(draft: Draft, callback: Callback) -> Run:
    """Complete an interrupted run, to the same result as if it had not been interrupted.

    Raises:
        DataError: the source's files are missing or wrong, or are not what the run began with.
        TrainingError: the training has diverged, or ran out of memory.
        OSError: the run cannot be written.
    """
    began = time.monotonic()
    before = draft.config
    if "data" not in before:
        raise DataError(
            f"{draft.folder / CONFIG}: not as the kit writes it.",
            f"Delete {draft.folder} and train again.",
        )
    config = make_config(draft.settings)
    dataset = _read_digits(config, callback)
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
        keeper = _StateKeeper(draft.state, callback)
        history = fit(predictor, dataset.train, rows, config, keeper, state)
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


def _read_digits(config: TrainConfig, callback: Callback) -> Dataset:
    choose_backend()
    callback.on_stage("Reading digits")
    return load_dataset(config)


class _StateKeeper(Callback):
    """Keeps the state of a training in a file that is never much older than STATE_SECONDS."""

    def __init__(self, path: Path, callback: Callback) -> None:
        self._path, self._callback, self._saved = path, callback, time.monotonic()

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        self._callback.on_batches_end(epoch, share, logs)

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:
        self._callback.on_epoch_end(epoch, state)
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


def describe(config: TrainConfig, dataset: Dataset, rows: tuple[Rows, Rows]) -> dict[str, Any]:
    """Return a run's `config.json`: settings, versions, commit, fingerprints of the data."""
    backend = choose_backend()
    packages = ["digit-kit", "keras", "numpy", "tensorflow"]
    packages += [backend] * (backend not in packages)
    settings = {"settings": plain_settings(config), "backend": backend}
    return settings | describe_surroundings(packages, dataset, rows)


def plain_settings(config: TrainConfig) -> dict[str, Any]:
    """Return settings for JSON, with an absolute path so that they are good in any folder."""
    settings = config.model_dump(mode="json")
    if config.data is not None:
        settings["data"] = str(config.data.resolve())
    return settings


def describe_surroundings(
    packages: list[str], dataset: Dataset, rows: tuple[Rows, Rows]
) -> dict[str, Any]:
    """Return what runs and committees record alike: versions, commit, data, numbers of rows."""
    test = 0 if dataset.test is None else len(dataset.test)
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in packages},
        "git_commit": _git_commit(),
        "data": dataset.describe(),
        "rows": {"train": len(rows[0]), "validation": len(rows[1]), "test": test},
    }


def _git_commit() -> str | None:
    """The commit of the kit's own checkout, with `-dirty` if files have changed since."""
    folder = checkout()
    if folder is None:
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        described = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
