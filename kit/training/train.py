"""From a configuration to a complete run."""

import contextlib
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

from kit.config import TrainConfig, make_config
from kit.data.digits import Source, seen_in_training
from kit.data.mnist import BROKEN_ARCHIVE
from kit.errors import DataError, TrainingError, UsageError
from kit.files import checkout, write_arrays, write_whole
from kit.runs import CONFIG, FORMAT, HISTORY, MODEL, Draft, Run, begin_run
from kit.training.backend import choose_backend, load_backend, memory_errors
from kit.training.callback import Callback, Epoch, FitState
from kit.training.dataset import Dataset, load_dataset, split_digits
from kit.training.predictions import PARTS, Predictions, finish_run

# A kill costs an epoch and at most this much of a training
STATE_SECONDS = 5.0


def complete_run(draft: Draft, callback: Callback, data: Path | None = None) -> Run:
    """Complete an interrupted run, to the same result as if it had not been interrupted.

    `data` is where the source's files are now, if they are not where the run has read them.

    Raises:
        DataError: these files are not what the run began with.
        UsageError: the run began on another backend.
        TrainingError: the training has diverged, or ran out of memory.
    """
    began = time.monotonic()
    record = draft.config
    config, backend = make_config(record["settings"], data), choose_backend()
    if (before := record.get("backend", backend)) != backend:
        what = f"{draft.name} began on {before}; on {backend} it would become another run."
        raise UsageError(what, f"Resume it with: KERAS_BACKEND={before}")
    dataset = read_digits(config, callback)
    dataset.check_same(record.get("data", {}), draft.name)
    # A part of the dataset that was missing before may be there now. Then the run has it too
    described = dataset.describe(split_digits(dataset.train, config))
    settings = config.model_dump(mode="json")
    draft.write_json(CONFIG, {**record, "settings": settings, "format": FORMAT, **described})
    return train_on(draft, dataset, callback, began)


def read_digits(
    config: TrainConfig, callback: Callback, source: Source | None = None, *, tell: bool = False
) -> Dataset:
    """Load a training's digits, once it is sure that there is a backend to train with."""
    choose_backend()
    callback.on_stage("Reading digits")
    return load_dataset(config, source, tell=tell)


def begin_training(config: TrainConfig, dataset: Dataset, submissions: Path) -> Draft:
    """Begin a run with its `config.json`."""
    backend = choose_backend()
    record = {
        "settings": config.model_dump(mode="json"),
        "backend": backend,
        **provenance("keras", "tensorflow", backend),
        **dataset.describe(split_digits(dataset.train, config)),
    }
    return begin_run(submissions, config.name, record)


def train_on(draft: Draft, dataset: Dataset, callback: Callback, began: float) -> Run:
    """Train a run on its digits from where its draft stands, and complete it.

    `began` is when the work on the run began, by `time.monotonic`.
    """
    loaded = time.monotonic()
    config = make_config(draft.config["settings"])
    rows = split_digits(dataset.train, config)
    callback.on_run_begin(draft.name, config.epochs)
    state = load_state(draft.state)
    before = sum(epoch.seconds for epoch in state.history)
    # Keras takes seconds to load, so it is loaded only when it is sure to be needed
    load_backend()
    from kit.training.fitting import diverged, fit
    from kit.training.predictor import Predictor

    callback.on_stage("Building the network")
    keeper = _StateKeeper(callback, draft.state)
    try:
        with memory_errors(config):
            predictor = Predictor.build(config)
            history = fit(predictor, dataset.train, rows, config, keeper, state)
            callback.on_stage("Predicting")
            predictions: Predictions = {
                "validation_rows": rows[1],
                "validation": predictor.predict(dataset.train.take(rows[1])),
            }
            for part in PARTS:
                digits = getattr(dataset, part)
                if digits is not None:
                    predictions[part] = predictor.predict(digits)
                    predictions[f"{part}_seen"] = seen_in_training(digits, dataset.train)
        if not all(np.isfinite(values).all() for values in predictions.values()):
            # The last step came after the last loss
            raise diverged("a probability is no finite number")
    except TrainingError:
        # Without a state to resume from, it is of no use
        if not draft.state.exists():
            draft.discard()
        raise
    table = pd.DataFrame(history).to_csv(index=False, float_format="%.6g")
    write_whole(draft.folder / HISTORY, table)
    predictor.save(draft.folder / MODEL)
    about = {
        **config.model_dump(include={"source", "preset", "seed"}),
        "epochs": len(history),
        "seconds": {
            "load": loaded - began,
            "fit": sum(epoch.seconds for epoch in history),
            # Epochs from before an interruption count too
            "total": time.monotonic() - began + before,
        },
    }
    return finish_run(draft, predictions, dataset, about)


class _StateKeeper(Callback):
    """Passes on what `fit` tells, and keeps its state in a file, STATE_SECONDS old at most."""

    def __init__(self, callback: Callback, path: Path) -> None:
        self._callback, self._path, self._saved = callback, path, time.monotonic()

    def on_batches_end(self, epoch: int, share: float, logs: dict[str, float]) -> None:
        self._callback.on_batches_end(epoch, share, logs)

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:
        self._callback.on_epoch_end(epoch, state)
        if time.monotonic() - self._saved >= STATE_SECONDS:
            save_state(self._path, state())
            self._saved = time.monotonic()


def save_state(path: Path, state: FitState) -> None:
    """Write the state of a training, whole or not at all."""
    arrays: dict[str, Any] = {f"variable_{i}": value for i, value in enumerate(state.variables)}
    arrays |= {f"best_{i}": value for i, value in enumerate(state.best)}
    arrays["history"] = np.array(json.dumps([asdict(epoch) for epoch in state.history]))
    write_arrays(path, arrays)


def load_state(path: Path) -> FitState:
    """Read the state of a training, or return that of its beginning if none was saved.

    Raises:
        DataError: the file is broken.
    """
    if not path.exists():
        return FitState()
    try:
        with np.load(path, allow_pickle=False) as file:
            # `save_state` wrote each kind in its order
            return FitState(
                history=[Epoch(**row) for row in json.loads(str(file["history"]))],
                variables=[file[name] for name in file.files if name.startswith("variable_")],
                best=[file[name] for name in file.files if name.startswith("best_")],
            )
    except (*BROKEN_ARCHIVE, KeyError) as error:
        what = f"{path}: not the state of a training ({error})."
        raise DataError(what, "Remove it, and --resume trains from the first epoch.") from error


def provenance(*packages: str) -> dict[str, Any]:
    """Return what each `config.json` says of the kit and of the packages that made the run."""
    folder, commit = checkout(), None
    if folder is not None:
        # It ends in `-dirty` if files have changed since the commit
        git = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            ended = subprocess.run(git, cwd=folder, capture_output=True, timeout=10, check=True)
            commit = ended.stdout.decode().strip()
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("digit-kit", "numpy", *packages)},
        "git_commit": commit,
    }
