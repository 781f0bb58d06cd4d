"""What the experiments gave: a row a value, over seeds, and what was chosen by which figure."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kit.search.experiments import Plan
from kit.search.training import Reading
from kit.search.trainings import Training, Trainings

FLATTERY = (
    "The highest of several test accuracies is partly luck, and choosing by it spends the test "
    "images: what they then say of the chosen value flatters it, while a value chosen by "
    "validation is still judged by images that had no say."
)


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: over the seeds.
        sd: the standard deviation of a sample, or None with one seed.
        n: how many seeds.
    """

    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Sum up a figure's values, at least one."""
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), sd, len(values))


@dataclass(frozen=True)
class Row:
    """What one value gave.

    Attributes:
        value: of the setting that was changed.
        val_accuracy: on the rows held out, in [0, 1].
        test_accuracy: on the Keras test split, in [0, 1].
        parameters: weights that were learned.
        seconds_per_epoch: of training and validation.
        seconds: of all epochs up to this row's.
    """

    value: int
    val_accuracy: Spread
    test_accuracy: Spread
    parameters: int
    seconds_per_epoch: Spread
    seconds: Spread

    @classmethod
    def of(cls, value: int, readings: list[Reading], parameters: int) -> "Row":
        """Sum up the readings of a value, one a seed and at least one."""
        return cls(
            value=value,
            val_accuracy=Spread.of([reading.val_accuracy for reading in readings]),
            test_accuracy=Spread.of([reading.test_accuracy for reading in readings]),
            parameters=parameters,
            seconds_per_epoch=Spread.of([reading.seconds / reading.epoch for reading in readings]),
            seconds=Spread.of([reading.seconds for reading in readings]),
        )


@dataclass(frozen=True)
class Table:
    """What an experiment gave.

    Attributes:
        plan: what was tried.
        rows: by value, ascending; values whose trainings all failed are missing.
        missing: the values without a row.
        histories: one a seed, of the longest value, for the learning curve.
        times_compare: whether all were trained on one machine and backend with as many workers.
    """

    plan: Plan
    rows: list[Row]
    missing: list[int]
    histories: list[Training]
    times_compare: bool

    @property
    def best_by_validation(self) -> Row | None:
        """The kit's choice: the first of the highest validation accuracies."""
        return max(self.rows, key=lambda row: row.val_accuracy.mean, default=None)

    @property
    def best_by_test(self) -> Row | None:
        """The lab's choice: the first of the highest test accuracies."""
        return max(self.rows, key=lambda row: row.test_accuracy.mean, default=None)


@dataclass(frozen=True)
class Setup:
    """How fast the machine was with so many workers.

    Attributes:
        workers: that trained at once.
        threads: of each of them.
        trainings: how many were measured.
        speed: millions of weights times rows that all workers together learned from a second,
            which makes networks of different sizes comparable.
    """

    workers: int
    threads: int
    trainings: int
    speed: float


def make_table(plan: Plan, trainings: Trainings) -> Table:
    """Gather what an experiment's trainings gave."""
    rows, missing = [], []
    longest: list[tuple[int, Training]] = []
    circumstances = set()
    for value in plan.values:
        found = [(plan.config(value, seed), trainings.find(plan.config(value, seed)))
                 for seed in plan.seeds]  # fmt: skip
        done = [(config.epochs, training) for config, training in found if training is not None]
        if not done:
            missing.append(value)
            continue
        longest = done
        circumstances |= {(each.machine, each.workers, each.threads) for _, each in done}
        read = [training.readings[epoch] for epoch, training in done]
        rows.append(Row.of(value, read, done[0][1].parameters))
    # A training may have gone on for another table
    histories = [replace(training, history=training.history[:epoch]) for epoch, training in longest]
    return Table(plan, rows, missing, histories, times_compare=len(circumstances) < 2)


def standstill(training: Training) -> int:
    """The epoch from which validation accuracy no longer rises: that of its highest value."""
    accuracies = [epoch.val_accuracy or 0.0 for epoch in training.history]
    return accuracies.index(max(accuracies)) + 1


def compare_setups(trainings: Iterable[tuple[str, Training]]) -> list[Setup]:
    """Say how fast the machine was with each number of workers that was used, fastest first.

    Only trainings that all of them did are compared, since large networks are faster for their
    size; where there are none, or one number alone, the list is empty.

    Args:
        trainings: each with what it trained, in a word that does not change with the seed.
    """
    speeds: dict[tuple[int, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for what, training in trainings:
        # Compilation is in the first epoch alone
        seconds = [epoch.seconds for epoch in training.history]
        usual = statistics.median(seconds[1:] or seconds)
        work = training.parameters * training.rows / 1e6
        speed = training.workers * work / usual
        speeds[training.workers, training.threads][what].append(speed)
    shared = set.intersection(*(set(each) for each in speeds.values())) if len(speeds) > 1 else ()
    setups = [
        Setup(
            workers,
            threads,
            sum(len(each[what]) for what in shared),
            statistics.fmean(statistics.fmean(each[what]) for what in sorted(shared)),
        )
        for (workers, threads), each in speeds.items()
        if shared
    ]
    return sorted(setups, key=lambda setup: -setup.speed)
