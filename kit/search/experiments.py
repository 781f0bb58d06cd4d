"""The lab's four experiments: one setting of its base program is changed at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kit.config import TrainConfig, make_config
from kit.errors import UsageError

# What is changed, in words, and the lab's own values
EXPERIMENTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "epochs": ("epochs", (50, 75, 100, 125)),
    "batch-size": ("batch size", (50, 100, 200, 400)),
    "units": ("units of the first layer", (500, 700, 900, 1200)),
    "hidden": ("units of a second layer", (500, 700, 900, 1200)),
}
LAB_EPOCHS = 100
FIRST_SEED = 42
# Of epochs, rows in a batch, or units: a larger number is a typing error
LARGEST = 1_000_000

# What to train, and after which epochs to read how good it is
Need = tuple[TrainConfig, frozenset[int]]


@dataclass(frozen=True)
class Experiment:
    """One of the lab's experiments, as it is to be run.

    Attributes:
        name: a key of `EXPERIMENTS`.
        base: the base program.
        values: what to try, each once, ascending.
        seeds: the seeds to try each value with.
    """

    name: str
    base: TrainConfig
    values: tuple[int, ...]
    seeds: tuple[int, ...]

    @property
    def changes(self) -> str:
        """What is changed, in words."""
        return EXPERIMENTS[self.name][0]

    def config(self, value: int, seed: int) -> TrainConfig:
        """What to train for a value and a seed."""
        changed: dict[str, dict[str, object]] = {
            "epochs": {"epochs": value},
            "batch-size": {"batch_size": value},
            "units": {"hidden": (value,)},
            "hidden": {"hidden": (*self.base.hidden, value)},
        }
        return self.base.model_copy(update={**changed[self.name], "seed": seed})

    def needs(self) -> Iterator[Need]:
        """What must be trained.

        The base program is always read where the experiment on epochs reads it, so that it is
        trained once for all four experiments.
        """
        for seed in self.seeds:
            base = self.base.model_copy(update={"seed": seed})
            for value in self.values:
                config = self.config(value, seed)
                also = epoch_values(base.epochs) if config == base else ()
                yield config, frozenset((config.epochs, *also))


def base_program(given: dict[str, object] | None = None) -> TrainConfig:
    """The lab's base program, with the settings that were given.

    Raises:
        UsageError: a setting is out of range.
    """
    return make_config({"preset": "baseline", "name": "experiment", **(given or {})})


def epoch_values(epochs: int) -> tuple[int, ...]:
    """The values of the experiment on epochs where the base program trains for `epochs`.

    They are a half, three quarters, all and five quarters of it, at least 1. A half is rounded
    down, so that a base program of 3 epochs still gives four different values.
    """
    return tuple(
        max(1, math.ceil(value * epochs / LAB_EPOCHS - 0.5)) for value in EXPERIMENTS["epochs"][1]
    )


def plan_experiment(
    name: str, base: TrainConfig, seeds: int, values: Sequence[int] | None = None
) -> Experiment:
    """Plan an experiment with `seeds` seeds from 42 on, and the lab's values or those given.

    Raises:
        UsageError: a value is not in [1, 1,000,000].
    """
    changes, usual = EXPERIMENTS[name]
    if values is None:
        values = epoch_values(base.epochs) if name == "epochs" else usual
    for value in values:
        if not 1 <= value <= LARGEST:
            raise UsageError(
                f"--values: {value} is not a possible number of {changes}.",
                f"Give 1 to {LARGEST:,}.",
            )
    first, last = FIRST_SEED, FIRST_SEED + seeds
    return Experiment(name, base, tuple(sorted(set(values))), tuple(range(first, last)))
