"""The lab's four experiments: one setting changed at a time, everything else as in its program."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kit.config import TrainConfig, make_config
from kit.errors import UsageError

Name = Literal["epochs", "batch-size", "units", "hidden"]
# What the lab's base program trains; its other epochs are shares of it
LAB_EPOCHS = 100
FIRST_SEED = 42
# Of epochs, rows a batch or units: more is a slip of the hand
LARGEST = 1_000_000


@dataclass(frozen=True)
class Experiment:
    """One of the lab's experiments.

    Attributes:
        name: as the command line has it.
        changes: what is changed, in words.
        values: the lab's own.
    """

    name: Name
    changes: str
    values: tuple[int, ...]

    def config(self, value: int, base: TrainConfig) -> TrainConfig:
        """The base program with this experiment's value."""
        changes: dict[str, dict[str, object]] = {
            "epochs": {"epochs": value},
            "batch-size": {"batch_size": value},
            "units": {"hidden": (value,)},
            "hidden": {"hidden": (*base.hidden, value)},
        }
        return base.model_copy(update=changes[self.name])


EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment("epochs", "epochs", (50, 75, 100, 125)),
        Experiment("batch-size", "batch size", (50, 100, 200, 400)),
        Experiment("units", "units of the first layer", (500, 700, 900, 1200)),
        Experiment("hidden", "units of a second layer", (500, 700, 900, 1200)),
    )
}


@dataclass(frozen=True)
class Plan:
    """What an experiment is to try.

    Attributes:
        experiment: which.
        base: the base program, with its epochs.
        values: what to try, each once, ascending.
        seeds: the seeds to try each with.
    """

    experiment: Experiment
    base: TrainConfig
    values: tuple[int, ...]
    seeds: tuple[int, ...]

    def config(self, value: int, seed: int) -> TrainConfig:
        """What to train for a value and a seed."""
        return self.experiment.config(value, self.base.model_copy(update={"seed": seed}))


def base_program(given: dict[str, object] | None = None) -> TrainConfig:
    """The lab's base program, with the settings that somebody gave.

    Raises:
        UsageError: a setting is out of range.
    """
    return make_config({"preset": "baseline", "name": "experiment", **(given or {})})


def make_plan(
    name: str, base: TrainConfig, seeds: int, values: Sequence[int] | None = None
) -> Plan:
    """Plan an experiment with so many seeds, 42 and on, and the lab's values or those given.

    Where the base program trains other than 100 epochs, the lab's values of `epochs` change alike:
    they are a half, three quarters, all and five quarters of it, at least 1.

    Raises:
        UsageError: there is no such experiment, or a value is not in [1, 1,000,000].
    """
    experiment = EXPERIMENTS.get(name)
    if experiment is None:
        raise UsageError(
            f"{name}: no such experiment.", f"They are {', '.join(EXPERIMENTS)}, all and best."
        )
    wanted = experiment.values if values is None else tuple(values)
    if values is None and name == "epochs":
        # A half is rounded down, so that 3 epochs still give four different values
        wanted = tuple(max(1, -(-(2 * v * base.epochs - LAB_EPOCHS) // (2 * LAB_EPOCHS)))
                       for v in wanted)  # fmt: skip
    for value in wanted:
        if not 1 <= value <= LARGEST:
            raise UsageError(
                f"--values: {value} is no number of {experiment.changes}.",
                f"Give 1 to {LARGEST:,}.",
            )
    return Plan(
        experiment, base, tuple(sorted(set(wanted))), tuple(FIRST_SEED + i for i in range(seeds))
    )
