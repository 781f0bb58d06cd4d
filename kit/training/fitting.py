"""The fitting loop: epochs over rows that are already on the device. It can resume after each."""

import math
import time
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, Digits
from kit.errors import TrainingError
from kit.training.augmentation import draw_noise
from kit.training.callback import Callback, Epoch, FitState
from kit.training.learner import make_learner
from kit.training.predictor import Predictor

VALIDATION_BATCH_SIZE = 2_000
# A callback hears about this many parts of each epoch; in between no Python runs
PARTS_PER_EPOCH = 8
_PARTS_TRIED = range(4, 25)


def fit(
    predictor: Predictor,
    digits: Digits,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    config: TrainConfig,
    callback: Callback,
    state: FitState | None = None,
) -> list[Epoch]:
    """Train a predictor's network in place, and return all its epochs.

    Args:
        predictor: an untrained predictor, as `Predictor.build` returns it.
        digits: the labelled digits that both kinds of rows point into.
        rows: the training rows, and the validation rows, which may be none.
        config: how to train.
        callback: told about each part of an epoch and about each epoch.
        state: where an interrupted training stood; it goes on from there to the same result.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = rows
    answers = np.eye(CLASSES, dtype=np.float32)[digits.labels]
    parts = _parts(len(training), config.batch_size)
    network = predictor.network
    learner, judge = make_learner(
        network, predictor.normalize(digits.pixels), config, sum(len(part) for part in parts)
    )
    variables = [*network.variables, *learner.optimizer.variables]

    now = state or FitState()
    for variable, value in zip(variables, now.variables, strict=bool(now.variables)):
        variable.assign(value)

    def copy_state() -> FitState:
        return FitState(list(now.history), _values(variables), now.best)

    for epoch in range(len(now.history), config.epochs):
        if _is_stale(now.history, config.patience):
            break
        began = time.monotonic()
        # The order of rows and the warps depend only on seed and epoch: an epoch can be repeated
        rng = np.random.default_rng((config.seed, epoch))
        order = rng.permutation(training)
        inputs: dict[str, NDArray[Any]] = {"rows": order.astype(np.int32)}
        if config.augmentation is not None:
            strength = _strength(config.augmentation.final_strength, epoch, config.epochs)
            inputs["noise"] = draw_noise(len(order), rng) * strength
        learned = _learn(learner, inputs, answers[order], parts, callback, epoch + 1)
        judged = _judge(judge, validation, answers)
        last = Epoch(
            epoch=epoch + 1,
            loss=learned["loss"],
            accuracy=learned["accuracy"],
            val_loss=judged.get("loss"),
            val_accuracy=judged.get("accuracy"),
            learning_rate=float(learner.optimizer.learning_rate),
            seconds=time.monotonic() - began,
        )
        _check_finite(last)
        now.history.append(last)
        if config.patience and _is_best(now.history):
            now.best = _values(network.variables)
        callback.on_epoch_end(last, copy_state)
    if config.patience:
        for variable, value in zip(network.variables, now.best, strict=True):
            variable.assign(value)
    return now.history


def _check_finite(epoch: Epoch) -> None:
    if not math.isfinite(epoch.loss):
        raise TrainingError(
            f"The training has diverged: the loss is {epoch.loss} after epoch {epoch.epoch}.",
            "Train with a smaller --learning-rate.",
        )


def _strength(final: float, epoch: int, epochs: int) -> np.float32:
    return np.float32(1 + (final - 1) * epoch / max(epochs - 1, 1))


def _learn(
    learner: keras.Model,
    inputs: dict[str, NDArray[Any]],
    answers: NDArray[np.float32],
    parts: list[NDArray[np.int64]],
    callback: Callback,
    epoch: int,
) -> dict[str, float]:
    learned: list[dict[str, float]] = []
    for part in parts:
        batches = {name: values[part] for name, values in inputs.items()}
        # Keras before 3.14 averages the figures of this call with those of the calls before it
        learner.reset_metrics()
        logs = learner.train_on_batch(batches, answers[part], return_dict=True)
        learned.append({name: float(value) for name, value in logs.items()})
        # The end of the epoch is told with its validation
        if part is not parts[-1]:
            callback.on_batches_end(epoch, (part[-1, -1] + 1) / len(answers), learned[-1])
    return _mean(learned, [part.size for part in parts])


def _judge(
    model: keras.Model, rows: NDArray[np.int64], answers: NDArray[np.float32]
) -> dict[str, float]:
    if not len(rows):
        return {}
    parts = np.array_split(rows, -(-len(rows) // VALIDATION_BATCH_SIZE))
    judged = []
    for part in parts:
        batch = {"rows": part.astype(np.int32)}
        model.reset_metrics()
        judged.append(model.test_on_batch(batch, answers[part], return_dict=True))
    return _mean(judged, [len(part) for part in parts])


def _mean(figures: list[dict[str, float]], rows: list[int]) -> dict[str, float]:
    return {
        name: float(np.average([each[name] for each in figures], weights=rows))
        for name in figures[0]
    }


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    # Copied, because a backend may return the memory that training goes on to change
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def _is_best(history: list[Epoch]) -> bool:
    return all((history[-1].val_accuracy or 0) > (e.val_accuracy or 0) for e in history[:-1])


def _is_stale(history: list[Epoch], patience: int | None) -> bool:
    if patience is None or not history:
        return False
    best = max(history, key=lambda epoch: epoch.val_accuracy or 0)
    return history[-1].epoch - best.epoch >= patience


def _parts(n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Cut n places into parts of equally many whole batches, and what is left.

    Each size of a part is compiled on its own. So all parts have one size where that gives neither
    too few nor too many of them; else the last one is smaller. A batch that is not full is a part
    of its own.
    """
    whole = n // batch_size
    batches = np.arange(whole * batch_size).reshape(whole, batch_size)
    counts = [count for count in _PARTS_TRIED if whole % count == 0]
    count = min(counts, key=lambda count: abs(count - PARTS_PER_EPOCH), default=PARTS_PER_EPOCH)
    at_once = max(whole // count, 1)
    parts = [batches[first : first + at_once] for first in range(0, whole, at_once)]
    rest = np.arange(batches.size, n)
    return [*parts, rest[None]] if len(rest) else parts
