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
from kit.training.dataset import Rows
from kit.training.learner import make_learner
from kit.training.predictor import Predictor

# A callback hears about this many parts of each epoch; in between no Python runs
PARTS_PER_EPOCH = 8
# The most rows that are validated in one call
VALIDATED = 2_000


def fit(
    predictor: Predictor,
    digits: Digits,
    rows: tuple[Rows, Rows],
    config: TrainConfig,
    callback: Callback,
    state: FitState | None = None,
) -> list[Epoch]:
    """Train the network of an untrained predictor in place, and return all its epochs.

    `rows` are the training rows and the validation rows, which may be none, of labelled `digits`.
    An interrupted training goes on from its `state` to the same result.

    Raises:
        TrainingError: the loss is no longer a finite number.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = rows
    ways = max(len(config.normalization), 1)
    answers = np.eye(CLASSES, dtype=np.float32)[np.repeat(digits.labels, ways)]
    parts = _parts(len(training), config.batch_size)
    network = predictor.network
    steps = sum(len(part) for part in parts)
    learner, judge = make_learner(network, predictor.normalize(digits.pixels), config, steps)
    variables = [*network.variables, *learner.optimizer.variables]

    now = state or FitState()
    for variable, value in zip(variables, now.variables, strict=bool(now.variables)):
        variable.assign(value)

    def copy_state() -> FitState:
        return FitState(list(now.history), _values(variables), now.best)

    for epoch in range(len(now.history), config.epochs):
        best = _best(now.history)
        if config.patience and best and epoch - best.epoch >= config.patience:
            break
        began = time.monotonic()
        inputs = draw_epoch(config, epoch, training)
        learned = _learn(learner, inputs, answers[inputs["rows"]], parts, callback, epoch + 1)
        judged = _judge(judge, validation * ways, answers)
        last = Epoch(
            epoch=epoch + 1,
            loss=learned["loss"],
            accuracy=learned["accuracy"],
            val_loss=judged.get("loss"),
            val_accuracy=judged.get("accuracy"),
            learning_rate=float(learner.optimizer.learning_rate),
            seconds=time.monotonic() - began,
        )
        now.history.append(last)
        if config.patience and _best(now.history) is last:
            now.best = _values(network.variables)
        callback.on_epoch_end(last, copy_state)
    if config.patience:
        for variable, value in zip(network.variables, now.best, strict=True):
            variable.assign(value)
    return now.history


def draw_epoch(config: TrainConfig, epoch: int, training: Rows) -> dict[str, NDArray[Any]]:
    """Draw an epoch's order of the training rows, their normalisations and their warps.

    They depend only on the seed and the epoch, 0 for the first, so an epoch can be repeated. Of k
    normalisations, row r in the i-th one is `rows` r * k + i.
    """
    rng = np.random.default_rng((config.seed, epoch))
    rows, ways = rng.permutation(training), len(config.normalization)
    if ways > 1:
        rows = rows * ways + rng.integers(ways, size=len(rows))
    drawn: dict[str, Any] = {"rows": rows.astype(np.int32)}
    if config.augmentation is not None:
        weaker = (config.augmentation.final_strength - 1) * epoch / max(config.epochs - 1, 1)
        drawn["noise"] = draw_noise(len(rows), rng) * np.float32(1 + weaker)
    return drawn


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
    figures = _mean(learned, [part.size for part in parts])
    if not math.isfinite(figures["loss"]):
        raise diverged(f"the loss is {figures['loss']} after epoch {epoch}")
    return figures


def diverged(sign: str) -> TrainingError:
    """The error of a training that has diverged, as a `sign` shows."""
    what = f"The training has diverged: {sign}."
    return TrainingError(what, "Train with a smaller --learning-rate.")


def _judge(model: keras.Model, rows: Rows, answers: NDArray[np.float32]) -> dict[str, float]:
    if not len(rows):
        return {}
    parts = np.array_split(rows, -(-len(rows) // VALIDATED))
    judged = []
    for part in parts:
        batch = {"rows": part.astype(np.int32)}
        model.reset_metrics()
        judged.append(model.test_on_batch(batch, answers[part], return_dict=True))
    return _mean(judged, [len(part) for part in parts])


def _mean(figures: list[dict[str, float]], rows: list[int]) -> dict[str, float]:
    names = figures[0]
    return {name: float(np.average([f[name] for f in figures], weights=rows)) for name in names}


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    # Copied, because a backend may return the memory that training goes on to change
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def _best(history: list[Epoch]) -> Epoch | None:
    return max(history, key=lambda epoch: epoch.val_accuracy or 0, default=None)


def _parts(n: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Cut n places into parts of equally many whole batches, and a part for what is left.

    Each size of a part is compiled on its own. So all parts have one size if 4 to 24 parts can
    have. Else the last one is smaller.
    """
    whole = n // batch_size
    batches = np.arange(whole * batch_size).reshape(whole, batch_size)
    counts = [count for count in range(4, 25) if whole % count == 0]
    count = min(counts, key=lambda count: abs(count - PARTS_PER_EPOCH), default=PARTS_PER_EPOCH)
    at_once = max(whole // count, 1)
    parts = [batches[first : first + at_once] for first in range(0, whole, at_once)]
    rest = np.arange(batches.size, n)
    return [*parts, rest[None]] if len(rest) else parts
