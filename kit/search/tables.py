"""What the experiments gave: a row for each value over all seeds, and the paired comparison."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.metrics import Interval
from kit.search.experiments import Experiment, Training
from kit.training.callback import Epoch

NOTE = (
    "The kit chooses the value with the best validation accuracy, the lab the one with the best "
    "accuracy on the Keras test split. The best of several accuracies is partly luck. So the "
    "accuracy on the Keras test split is too high, on average, for the lab's choice. For the kit's "
    "choice it is not, because the Keras test split had no part in that choice."
)
_Z = 1.959963984540054

Find = Callable[[TrainConfig], Training | None]
# As `summarise` gives it
Row = dict[str, Any]
# What its row is called, the epoch at which it is read, the training
Found = tuple[Any, int, Training]


@dataclass(frozen=True)
class Table:
    """What an experiment gave.

    Attributes:
        experiment: what was tried.
        rows: by value, ascending. Values whose trainings all failed are missing.
        curve: the epochs of the largest value, first seed.
        times_compare: whether all were trained on one machine, with equally many workers.
    """

    experiment: Experiment
    rows: list[Row]
    curve: tuple[Epoch, ...]
    times_compare: bool

    @property
    def missing(self) -> list[int]:
        """The values without a row."""
        return sorted(set(self.experiment.values) - {row["value"] for row in self.rows})

    def best_by(self, figure: str) -> int | None:
        """The value with the highest `validation` (the kit's choice) or `keras_test` (the lab's).

        Of equals it is the smallest; None where there are no rows.
        """
        best = max(self.rows, key=lambda row: row[figure], default=None)
        return None if best is None else int(best["value"])

    @property
    def best_epoch(self) -> int | None:
        """The first epoch of the highest validation accuracy; None but for `epochs`."""
        if self.experiment.name != "epochs" or not self.curve:
            return None
        return max(self.curve, key=lambda epoch: epoch.val_accuracy or 0.0).epoch


@dataclass(frozen=True)
class Comparison:
    """The difference of two accuracies on the same images.

    Attributes:
        difference: the first accuracy less the second, in [-1, 1].
        interval: its 95% interval over images, both ends in [-1, 1].
        p_value: how often a difference as large would appear by chance if both were equally good.
    """

    difference: float
    interval: Interval
    p_value: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the difference is significant, at 5%."""
        return self.p_value < 0.05


@dataclass(frozen=True)
class BestOfAll:
    """The network with all the best values, against the base program.

    Attributes:
        config: its settings, with the first seed.
        rows: of `best` and of `base`.
        comparison: of their answers to the Keras test split.
    """

    config: TrainConfig
    rows: list[Row]
    comparison: Comparison


def make_table(experiment: Experiment, find: Find) -> Table:
    """Gather what an experiment's trainings gave."""
    configs = [(value, experiment.config(value, seed))
               for value in experiment.values for seed in experiment.seeds]  # fmt: skip
    found = _gather(configs, find)
    # A training may have gone on for another table
    curves = [each.history[:epoch] for value, epoch, each in found if value == found[-1][0]]
    machines = {each.machine for _, _, each in found}
    curve = curves[0] if curves else ()
    return Table(experiment, summarise(found), curve, times_compare=len(machines) < 2)


def best_config(tables: list[Table]) -> TrainConfig:
    """The base program with the value that validation chose in each of the four experiments."""
    best = {table.experiment.name: table.best_by("validation") for table in tables}
    return tables[0].experiment.base.model_copy(
        update={
            "epochs": best["epochs"],
            "batch_size": best["batch-size"],
            "hidden": (best["units"], best["hidden"]),
        }
    )


def compare_with_base(pairs: list[list[TrainConfig]], find: Find) -> BestOfAll | None:
    """Compare the network with all the best values with the base program.

    Args:
        pairs: both of them, for each seed.
        find: gives a finished training.

    Returns:
        None where one of the trainings is missing.
    """
    found = _gather([each for pair in pairs for each in zip(("best", "base"), pair, strict=True)],
                    find)  # fmt: skip
    if len(found) < 2 * len(pairs):
        return None
    readings = [training.readings[epoch] for _, epoch, training in found]
    right = np.stack([np.unpackbits(np.frombuffer(each.right, np.uint8), count=each.n)
                      for each in readings]).astype(np.bool_)  # fmt: skip
    return BestOfAll(pairs[0][0], summarise(found), compare(right[::2], right[1::2]))


def summarise(found: Iterable[Found]) -> list[Row]:
    """Sum up trainings over seeds, in a row for each `value`.

    Returns:
        Rows of `value`, `seeds` (how many) and `parameters`, and the mean and, as `…_sd`, the
        standard deviation over seeds of `validation` and `keras_test` (accuracies in [0, 1]),
        `seconds` (of all epochs) and `seconds_per_epoch`. With one seed there is no standard
        deviation: None.
    """
    # Not above: the processes that train do without it
    import pandas as pd

    figures = ["validation", "keras_test", "seconds", "seconds_per_epoch"]
    frame = pd.DataFrame(
        [
            {"value": value, "epochs": epochs, "parameters": training.parameters,
             **dict(training.readings[epochs])}
            for value, epochs, training in found
        ],
        columns=["value", "epochs", "parameters", *figures],
    )  # fmt: skip
    frame["seconds_per_epoch"] = frame["seconds"] / frame["epochs"]
    rows = frame.groupby("value", sort=False)
    summary = rows["parameters"].agg(seeds="size", parameters="first")
    summary = summary.join(rows[figures].mean()).join(rows[figures].std().add_suffix("_sd"))
    # Objects: a column of numbers cannot hold None
    plain = summary.reset_index().astype(object)
    return [{str(name): row[name] for name in row} for row in
            plain.where(plain.notna(), None).to_dict("records")]  # fmt: skip


def _gather(configs: Iterable[tuple[Any, TrainConfig]], find: Find) -> list[Found]:
    return [
        (row, config.epochs, training)
        for row, config in configs
        if (training := find(config)) is not None and config.epochs in training.readings
    ]


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare two networks' right answers with McNemar's test, with continuity correction.

    The test weighs the images that only one of the two gets right. Over several seeds, an image
    counts by the mean of its differences, so that one image stays one observation.

    Sources: Q. McNemar, Psychometrika 12 (1947), 153–157; A. L. Edwards, Psychometrika 13 (1948),
    185–187; recommended by T. G. Dietterich, Neural Computation 10 (1998), 1895–1923.

    Args:
        first: bool (seeds, n), whether the first network was right.
        second: bool (seeds, n), likewise, on the same images in the same order.

    Raises:
        ValueError: the shapes differ, or there is nothing to judge.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise ValueError(f"answers {first.shape} and {second.shape} are not on the same images")
    seeds, n = first.shape
    differences: NDArray[np.floating[Any]] = (first.astype(float) - second).mean(axis=0)
    mean = float(differences.mean())
    squares = float((differences**2).sum())
    z = max(0.0, abs(float(differences.sum())) - 1 / seeds) / math.sqrt(squares) if squares else 0.0
    half_width = _Z * float(differences.std()) / math.sqrt(n)
    return Comparison(
        difference=mean,
        interval=(max(-1.0, mean - half_width), min(1.0, mean + half_width)),
        p_value=math.erfc(z / math.sqrt(2)),
    )
