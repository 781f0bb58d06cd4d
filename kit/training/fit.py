"""How a network learns: epochs over rows that are already on the device, resumable after each."""

import functools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, Digits
from kit.errors import TrainingError
from kit.training.augmentation import draw_noise
from kit.training.learner import make_learner
from kit.training.progress import Epoch, Progress, load_progress, save_progress

# A longer training saves its state this often; a kill costs at most so much of it, and an epoch
STATE_SECONDS = 5.0
VALIDATION_BATCH_SIZE = 2_000
# The progress bar is told about this often an epoch; in between, Python stays out of the way
REPORTS_AN_EPOCH = 8
_REPORTS = range(4, 25)


Report = Callable[[int, float, dict[str, float]], None]


def fit(
    network: keras.Sequential,
    digits: Digits,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    config: TrainConfig,
    state: Path,
    report: Report,
    *,
    state_seconds: float = STATE_SECONDS,
) -> list[Epoch]:
    """Train the network in place, from where `state` stands if there is one, and list the epochs.

    Args:
        network: images to logits, as `build_network` gives it.
        digits: the labelled digits that both kinds of rows stand in.
        rows: the training rows and the validation rows, of which there may be none.
        config: how to train.
        state: a file that is kept up to date, so that an interrupted call can be repeated.
        report: told an epoch, the share of it done in [0, 1] and its figures, now and then.
        state_seconds: how old a state may become; 0 keeps one after each epoch.

    Raises:
        OSError: the state cannot be written.
        TrainingError: the loss is no longer a finite number.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = rows
    answers = np.eye(CLASSES, dtype=np.float32)[digits.labels]
    parts = _parts(len(training), config.batch_size)
    steps = sum(len(part) for part in parts)
    learner, judge = make_learner(network, digits, config, steps)
    kept = [*network.variables, *learner.optimizer.variables]

    progress = load_progress(state) or Progress()
    for variable, value in zip(kept, progress.variables, strict=bool(progress.variables)):
        variable.assign(value)
    saved = time.monotonic()
    for epoch in range(len(progress.history), config.epochs):
        if _is_stale(progress.history, config.patience):
            break
        began = time.monotonic()
        # Order and warps hang on seed and epoch alone, so an epoch can be repeated
        rng = np.random.default_rng((config.seed, epoch))
        order = rng.permutation(training)
        inputs: dict[str, NDArray[Any]] = {"rows": order.astype(np.int32)}
        if config.augmentation is not None:
            strength = _strength(config.augmentation.final_strength, epoch, config.epochs)
            inputs["noise"] = draw_noise(len(order), rng) * strength
        fitted = _learn(
            learner, inputs, answers[order], parts, functools.partial(report, epoch + 1)
        )
        judged = _evaluate(judge, validation, answers)
        last = Epoch(
            epoch=epoch + 1,
            loss=fitted["loss"],
            accuracy=fitted["accuracy"],
            val_loss=judged.get("loss"),
            val_accuracy=judged.get("accuracy"),
            learning_rate=float(learner.optimizer.learning_rate),
            seconds=time.monotonic() - began,
        )
        _refuse_divergence(last)
        progress.history.append(last)
        figures = {"loss": last.loss, "accuracy": last.accuracy, "val_accuracy": last.val_accuracy}
        report(epoch + 1, 1.0, {name: v for name, v in figures.items() if v is not None})
        if config.patience and _is_best(progress.history):
            progress.best = _values(network.variables)
        if time.monotonic() - saved >= state_seconds:
            progress.variables = _values(kept)
            save_progress(state, progress)
            saved = time.monotonic()
    if config.patience:
        for variable, value in zip(network.variables, progress.best, strict=True):
            variable.assign(value)
    return progress.history


def _refuse_divergence(epoch: Epoch) -> None:
    if not math.isfinite(epoch.loss):
        raise TrainingError(
            f"epoch {epoch.epoch}: the loss is {epoch.loss}: this training has diverged.",
            "Train with a smaller --learning-rate.",
        )


def _strength(final: float, epoch: int, epochs: int) -> np.float32:
    return np.float32(1 + (final - 1) * epoch / max(epochs - 1, 1))


def _learn(
    learner: keras.Model,
    inputs: dict[str, NDArray[Any]],
    answers: NDArray[np.float32],
    parts: list[NDArray[np.int64]],
    report: Callable[[float, dict[str, float]], None],
) -> dict[str, float]:
    learned: list[dict[str, float]] = []
    for part in parts:
        given = {name: values[part] for name, values in inputs.items()}
        figures = learner.train_on_batch(given, answers[part], return_dict=True)
        learned.append({name: float(value) for name, value in figures.items()})
        # The epoch's end is reported with its validation
        if part is not parts[-1]:
            report((part[-1, -1] + 1) / len(answers), learned[-1])
    return _mean(learned, [part.size for part in parts])


def _evaluate(
    model: keras.Model, rows: NDArray[np.int64], answers: NDArray[np.float32]
) -> dict[str, float]:
    if not len(rows):
        return {}
    parts = np.array_split(rows, -(-len(rows) // VALIDATION_BATCH_SIZE))
    judged = [
        model.test_on_batch({"rows": part.astype(np.int32)}, answers[part], return_dict=True)
        for part in parts
    ]
    return _mean(judged, [len(part) for part in parts])


def _mean(figures: list[dict[str, float]], rows: list[int]) -> dict[str, float]:
    return {
        name: float(np.average([each[name] for each in figures], weights=rows))
        for name in figures[0]
    }


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    # Copied, since a backend may hand out the very memory that training goes on to change
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def _is_best(history: list[Epoch]) -> bool:
    return all((history[-1].val_accuracy or 0) > (e.val_accuracy or 0) for e in history[:-1])


def _is_stale(history: list[Epoch], patience: int | None) -> bool:
    if patience is None or not history:
        return False
    best = max(history, key=lambda epoch: epoch.val_accuracy or 0)
    return history[-1].epoch - best.epoch >= patience


def _parts(n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Cut n places into parts of as many whole batches each, and what is left.

    Each size of a part is compiled on its own. So they are all alike where that makes not too few
    or too many of them; else a last one is smaller. A last batch that is not full is one too.
    """
    whole = n // batch_size
    batches = np.arange(whole * batch_size).reshape(whole, batch_size)
    counts = [count for count in _REPORTS if whole % count == 0]
    count = min(counts, key=lambda count: abs(count - REPORTS_AN_EPOCH), default=REPORTS_AN_EPOCH)
    at_once = max(whole // count, 1)
    parts = [batches[first : first + at_once] for first in range(0, whole, at_once)]
    rest = np.arange(batches.size, n)
    return [*parts, rest[None]] if len(rest) else parts
