"""How a network learns: epochs over rows that are already on the device, resumable after each."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.errors import UsageError
from kit.training.augmentation import NOISE, Warp, draw_noise
from kit.training.progress import Epoch, Progress, load_progress, save_progress

# A longer training saves its state this often; a kill costs at most so much of it, and an epoch
STATE_SECONDS = 5.0
WARM_UP = 0.1
VALIDATION_BATCH_SIZE = 2_000
# The progress bar is told this often an epoch; in between, Python stays out of the way
REPORTS_AN_EPOCH = 8


Report = Callable[[int, float, dict[str, float]], None]


class DigitStore(keras.layers.Layer):
    """All digits as uint8 on the device: row numbers in, normalised images out."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        super().__init__(name="digit_store")
        self.pixels = self.add_weight(
            name="pixels",
            shape=pixels.shape,
            dtype="uint8",
            initializer="zeros",
            trainable=False,
            autocast=False,
        )
        self.pixels.assign(pixels)

    def call(self, rows: Any) -> Any:
        """Take int32 (n,) row numbers; give float32 (n, 784) in [0, 1]."""
        return keras.ops.cast(keras.ops.take(self.pixels, rows, axis=0), "float32") / 255.0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Give the shape of the images for that of the row numbers."""
        return (input_shape[0], PIXELS)


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
        UsageError: the loss is no longer a finite number.
    """
    if digits.labels is None:
        raise ValueError("training needs labels")
    training, validation = rows
    answers = np.eye(CLASSES, dtype=np.float32)[digits.labels]
    steps = -(-len(training) // config.batch_size)
    learner, judge = _compile(network, digits, config, steps)
    kept = [*network.variables, *learner.optimizer.variables]

    progress = load_progress(state) or Progress()
    for variable, value in zip(kept, progress.variables, strict=bool(progress.variables)):
        variable.assign(value)
    saved = time.monotonic()
    for epoch in range(len(progress.history), config.epochs):
        if _is_stale(progress.history, config.patience):
            break
        began = time.monotonic()
        # Everything that chance decides hangs on seed and epoch alone, so an epoch can be repeated
        rng = np.random.default_rng((config.seed, epoch))
        order = rng.permutation(training)
        inputs: dict[str, NDArray[Any]] = {"rows": order.astype(np.int32)}
        if config.augmentation is not None:
            strength = _strength(config.augmentation.final_strength, epoch, config.epochs)
            inputs["noise"] = draw_noise(len(order), rng) * strength
        fitted = learner.fit(
            inputs,
            answers[order],
            batch_size=config.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[_Reporter(report, epoch + 1, steps)],
        ).history
        judged = _evaluate(judge, validation, answers)
        last = Epoch(
            epoch=epoch + 1,
            loss=fitted["loss"][-1],
            accuracy=fitted["accuracy"][-1],
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


def _compile(
    network: keras.Sequential, digits: Digits, config: TrainConfig, steps: int
) -> tuple[keras.Model, keras.Model]:
    """Make of one network a model that learns from warped digits and one that judges plain ones."""
    rows = keras.Input((), dtype="int32", name="rows")
    images = DigitStore(digits.pixels)(rows)
    judge = keras.Model({"rows": rows}, network(images))
    if config.augmentation is None:
        learner = keras.Model({"rows": rows}, network(images))
    else:
        noise = keras.Input((NOISE,), name="noise")
        warped = Warp(config.augmentation)(images, noise)
        learner = keras.Model({"rows": rows, "noise": noise}, network(warped))
    optimizer = _optimizer(config, steps)
    backend = keras.backend.backend()
    for model in (learner, judge):
        learns = model is learner
        model.compile(
            optimizer=optimizer if learns else None,
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=config.label_smoothing
            ),
            metrics=["accuracy"],
            # TensorFlow's "auto" leaves a CPU without XLA, which learns twice as fast there; but
            # compiling takes longer than judging. PyTorch's compiler wants a C++ compiler
            jit_compile=backend == "jax" or (learns and backend == "tensorflow"),
            steps_per_execution=-(-steps // REPORTS_AN_EPOCH) if learns else 1,
        )
    optimizer.build(learner.trainable_variables)
    return learner, judge


def _optimizer(config: TrainConfig, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    if config.schedule == "one_cycle":
        total = steps * config.epochs
        warm_up = round(total * WARM_UP)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=config.learning_rate / 25,
            decay_steps=max(total - warm_up, 1),
            warmup_target=config.learning_rate,
            warmup_steps=warm_up,
        )
    optimizer = keras.optimizers.get(
        {"class_name": config.optimizer, "config": {"learning_rate": rate}}
    )
    # Any of them can decay weights; AdamW alone would do so unasked
    optimizer.weight_decay = config.weight_decay or None
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _refuse_divergence(epoch: Epoch) -> None:
    if not math.isfinite(epoch.loss):
        raise UsageError(
            f"epoch {epoch.epoch}: the loss is {epoch.loss}: this training has diverged.",
            "Train with a smaller --learning-rate.",
        )


def _strength(final: float, epoch: int, epochs: int) -> np.float32:
    return np.float32(1 + (final - 1) * epoch / max(epochs - 1, 1))


def _evaluate(
    model: keras.Model, rows: NDArray[np.int64], answers: NDArray[np.float32]
) -> dict[str, float]:
    if not len(rows):
        return {}
    judged: dict[str, float] = model.evaluate(
        {"rows": rows.astype(np.int32)},
        answers[rows],
        batch_size=VALIDATION_BATCH_SIZE,
        verbose=0,
        return_dict=True,
    )
    return judged


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


class _Reporter(keras.callbacks.Callback):
    def __init__(self, report: Report, epoch: int, steps: int) -> None:
        super().__init__()
        self.report, self.epoch, self.steps = report, epoch, steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # The epoch's end is reported with its validation
        if logs and batch + 1 < self.steps:
            share = (batch + 1) / self.steps
            self.report(self.epoch, share, {name: float(value) for name, value in logs.items()})
