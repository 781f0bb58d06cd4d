"""The models that a network learns and is judged in, with no Python between a learner's batches."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, Digits
from kit.training.augmentation import NOISE, Warp
from kit.training.schedule import OneCycle


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


class Learner(keras.Model):
    """Takes batches where Keras takes rows, and makes a gradient step of each.

    What `fit` calls a step is a loop here, inside what the compiler makes of it: Keras's own work
    between two steps takes as long as the arithmetic of a small batch. Inputs and answers have one
    more axis in front, that of the batches.
    """

    def build_all(self) -> None:
        """Build the optimizer, the loss and the metrics, as nothing can be built in a loop."""
        self.optimizer.build(self.trainable_variables)
        logits = keras.ops.zeros((1, CLASSES))
        self.compute_loss(y=logits, y_pred=logits)
        self.compute_metrics(None, logits, logits)
        self.reset_metrics()

    def train_step(self, *given: Any) -> Any:
        """Learn from each batch in turn; give what Keras's `train_step` gives after the last."""
        *state, batches = given
        inputs, answers, _ = keras.utils.unpack_x_y_sample_weight(batches)
        learn = super().train_step
        if state:  # JAX hands the variables in, and wants them back

            def step(before: Any, batch: Any) -> Any:
                logs, after = learn(before, batch)
                return after, logs

            after, logs = keras.ops.scan(step, state[0], (inputs, answers))
            return {name: values[-1] for name, values in logs.items()}, after

        def step_in_place(i: Any, done: Any) -> Any:
            learn(keras.tree.map_structure(lambda values: values[i], (inputs, answers)))
            return done

        keras.ops.fori_loop(0, keras.ops.shape(answers)[0], step_in_place, 0)
        return self.get_metrics_result()


def make_learner(
    network: keras.Sequential, digits: Digits, config: TrainConfig, steps: int
) -> tuple[keras.Model, keras.Model]:
    """Make of one network a model that learns from warped digits and one that judges plain ones.

    Args:
        network: images to logits, as `build_network` gives it.
        digits: what row numbers stand for.
        config: how to train.
        steps: gradient steps an epoch.
    """
    rows = keras.Input((), dtype="int32", name="rows")
    images = DigitStore(digits.pixels)(rows)
    judge = keras.Model({"rows": rows}, network(images))
    if config.augmentation is None:
        learner = Learner({"rows": rows}, network(images))
    else:
        noise = keras.Input((NOISE,), name="noise")
        warped = Warp(config.augmentation)(images, noise)
        learner = Learner({"rows": rows, "noise": noise}, network(warped))
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
        )
    learner.build_all()
    return learner, judge


def _optimizer(config: TrainConfig, steps: int) -> keras.optimizers.Optimizer:
    rate: float | OneCycle = config.learning_rate
    if config.schedule == "one_cycle":
        rate = OneCycle(config.learning_rate, steps * config.epochs)
    optimizer = keras.optimizers.get(
        {"class_name": config.optimizer, "config": {"learning_rate": rate}}
    )
    # Any of them can decay weights; AdamW alone would do so unasked
    optimizer.weight_decay = config.weight_decay or None
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
