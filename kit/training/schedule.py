"""How the learning rate goes over a training."""

import math
from typing import Any

import keras

WARM_UP = 0.1
# What a rate begins at, of the highest
FIRST_SHARE = 1 / 25


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises on a line over the first tenth of the steps, then falls to 0 on a cosine.

    Keras's `CosineDecay` with a warm-up is the same, but chooses between the two with `cond`, which
    JAX compiles anew, and keeps, each time that somebody asks for the rate.
    """

    def __init__(self, highest: float, steps: int) -> None:
        self.highest, self.steps = highest, steps

    def __call__(self, step: Any) -> Any:
        """Give the rate of the step after `step` many: a float32 scalar."""
        done = keras.ops.cast(step, "float32")
        warm_up = round(self.steps * WARM_UP)
        rising = FIRST_SHARE + (1 - FIRST_SHARE) * done / max(warm_up, 1)
        share = keras.ops.minimum((done - warm_up) / max(self.steps - warm_up, 1), 1.0)
        falling = (1 + keras.ops.cos(math.pi * share)) / 2
        return self.highest * keras.ops.where(done < warm_up, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """What it was made with."""
        return {"highest": self.highest, "steps": self.steps}
