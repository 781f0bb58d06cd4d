"""The compiled models in which a network learns and is validated, and their optimizer."""

import math
from typing import Any

import keras
from keras import ops
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.data.digits import CLASSES
from kit.training.augmentation import NOISE, Warp

# The share of the steps in which `one_cycle` rises, and the share of the highest rate it begins at
WARM_UP = 0.1
FIRST_SHARE = 1 / 25


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the first tenth of the steps, then falls to 0 on a cosine.

    Keras's `CosineDecay` with a warm-up gives the same rates. But on JAX, each reading of its rate
    compiles its `cond` once more, and the memory for that is never freed.
    """

    def __init__(self, highest: float, steps: int) -> None:
        self.highest, self.steps = highest, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate after `step` steps: a float32 scalar."""
        done = ops.cast(step, "float32")
        warm_up = round(self.steps * WARM_UP)
        rising = FIRST_SHARE + (1 - FIRST_SHARE) * done / max(warm_up, 1)
        share = ops.minimum((done - warm_up) / max(self.steps - warm_up, 1), 1.0)
        falling = (1 + ops.cos(math.pi * share)) / 2
        return self.highest * ops.where(done < warm_up, rising, falling)


class ImageStore(keras.layers.Layer):
    """Holds uint8 or float32 (n, 784) images on the device: row numbers in, images out."""

    def __init__(self, images: NDArray[Any]) -> None:
        super().__init__(name="image_store")
        kept = {"dtype": images.dtype.name, "trainable": False, "autocast": False}
        self.images = self.add_weight(images.shape, "zeros", name="images", **kept)
        self.images.assign(images)

    def call(self, rows: Any) -> Any:
        """Take int32 (n,) row numbers; return float32 (n, 784) images in [0, 1]."""
        images = ops.take(self.images, rows, axis=0)
        return ops.cast(images, "float32") / 255.0 if self.images.dtype == "uint8" else images


class Learner(keras.Model):
    """Takes many batches in one call, and makes a gradient step with each.

    The loop over the batches is compiled. With a small network, Keras's own work between two steps
    takes as long as the step. Inputs and answers have one more axis in front, for the batches.
    """

    def build_all(self) -> None:
        """Build the optimizer, the loss and the metrics, because a loop cannot build them."""
        self.optimizer.build(self.trainable_variables)
        logits = ops.zeros((1, CLASSES))
        self.compute_loss(y=logits, y_pred=logits)
        self.compute_metrics(None, logits, logits)
        self.reset_metrics()

    def train_step(self, *given: Any) -> Any:
        """Learn from each batch in turn; return the logs of the last one."""
        *state, batches = given
        inputs, answers, _ = keras.utils.unpack_x_y_sample_weight(batches)
        learn = super().train_step
        if state:  # JAX passes the variables in, and wants them back

            def step(before: Any, batch: Any) -> Any:
                logs, after = learn(before, batch)
                return after, logs

            after, logs = ops.scan(step, state[0], (inputs, answers))
            return {name: values[-1] for name, values in logs.items()}, after

        def step_in_place(i: Any, done: Any) -> Any:
            learn(keras.tree.map_structure(lambda values: values[i], (inputs, answers)))
            return done

        ops.fori_loop(0, ops.shape(answers)[0], step_in_place, 0)
        return self.get_metrics_result()


def make_learner(
    network: keras.Model, images: NDArray[Any], config: TrainConfig, steps: int
) -> tuple[keras.Model, keras.Model]:
    """Make two models around one network: one learns from warped images, one judges plain ones.

    Both take row numbers of `images`, uint8 or float32 (n, 784). An epoch has so many gradient
    `steps`.
    """
    rows = keras.Input((), dtype="int32", name="rows")
    plain = ImageStore(images)(rows)
    judge = keras.Model({"rows": rows}, network(plain))
    if config.augmentation is None:
        learner = Learner({"rows": rows}, network(plain))
    else:
        noise = keras.Input((NOISE,), name="noise")
        warped = Warp(config.augmentation)(plain, noise)
        learner = Learner({"rows": rows, "noise": noise}, network(warped))
    for model, optimizer in ((learner, _optimizer(config, steps)), (judge, None)):
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=config.label_smoothing
            ),
            metrics=["accuracy"],
            jit_compile=_is_compiled(config, is_learner=model is learner),
        )
    learner.build_all()
    return learner, judge


def _is_compiled(config: TrainConfig, *, is_learner: bool) -> bool:
    """Whether XLA compiles a model, as was measured to be fastest on CPUs.

    It makes learning twice as fast for an MLP on TensorFlow. There, convolutions learn up to twice
    as fast without it (benchmarks/RESULTS.md). For the judge, compiling takes longer than judging.
    JAX always needs it. PyTorch needs a C++ compiler for it.
    """
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and is_learner and not config.conv)


def _optimizer(config: TrainConfig, steps: int) -> keras.optimizers.Optimizer:
    rate: float | OneCycle = config.learning_rate
    if config.schedule == "one_cycle":
        rate = OneCycle(config.learning_rate, steps * config.epochs)
    settings = {"class_name": config.optimizer, "config": {"learning_rate": rate}}
    optimizer = keras.optimizers.get(settings)
    # Each of them can decay weights; without this line AdamW alone would do it by default
    optimizer.weight_decay = config.weight_decay or None
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
