"""What the experiments gave: a row for each value over all seeds, and the paired comparison."""

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.config import TrainConfig
from kit.metrics import Interval
from kit.search.experiments import Experiment

NOTE = (
    "The kit chooses the value with the best validation accuracy, the lab the one with the best "
    "accuracy on the Keras test split. The best of several accuracies is partly luck. So the "
    "accuracy on the Keras test split is too high, on average, for the lab's choice. For the kit's "
    "choice it is not, because the Keras test split had no part in that choice."
)
_Z = 1.959963984540054

# What a training came to, as `Laboratory.find` gives it
Found = dict[str, Any]
Find = Callable[[TrainConfig], Found | None]


@dataclass(frozen=True)
class Table:
    """What an experiment gave.

    Attributes:
        experiment: what was tried.
        rows: as `summarise` gives them. Values whose trainings all failed are missing.
        curve: the epochs of the first training with the largest value.
        times_compare: whether all were trained on one machine, with equally many workers.
    """

    experiment: Experiment
    rows: list[dict[str, Any]]
    curve: list[dict[str, Any]]
    times_compare: bool

    @property
    def missing(self) -> list[int]:
        """The values without a row."""
        return sorted(set(self.experiment.values) - {row["value"] for row in self.rows})

    def best_by(self, figure: str) -> int | None:
        """The first value of the highest `validation` or `keras_test`, None without rows."""
        best: dict[str, Any] = max(self.rows, key=lambda row: row[figure], default={})
        return best.get("value")

    @property
    def best_epoch(self) -> int | None:
        """The first epoch of the highest validation accuracy; only of the experiment on epochs."""
        curve = self.curve if self.experiment.name == "epochs" else []
        best: dict[str, Any] = max(curve, key=lambda epoch: epoch["val_accuracy"], default={})
        return best.get("epoch")


@dataclass(frozen=True)
class Comparison:
    """The difference of two accuracies on the same images.

    Attributes:
        difference: the first accuracy less the second, in [-1, 1].
        interval: its 95% interval over images, both ends in [-1, 1].
        p_value: how often a difference as large would appear by chance if both were equally good.
        significant: whether that is less than 5%.
    """

    difference: float
    interval: Interval
    p_value: float
    significant: bool


@dataclass(frozen=True)
class BestOfAll:
    """The network with all the best values, against the base program.

    Attributes:
        config: its settings, with the first seed.
        rows: as `summarise` gives them, for `best` and for `base`.
        comparison: of their answers to the Keras test split.
    """

    config: TrainConfig
    rows: list[dict[str, Any]]
    comparison: Comparison


def make_table(experiment: Experiment, find: Find) -> Table:
    """Gather what an experiment's trainings gave."""
    found = [(value, each) for value in experiment.values for seed in experiment.seeds
             if (each := find(experiment.config(value, seed)))]  # fmt: skip
    curve: list[dict[str, Any]] = next(
        (each["history"] for value, each in found if value == found[-1][0]), []
    )
    machines = {each["machine"] for _, each in found}
    return Table(experiment, summarise(found), curve, times_compare=len(machines) < 2)


def best_config(tables: list[Table]) -> TrainConfig:
    """The base program with the value that validation chose in each of the four experiments."""
    best = {table.experiment.name: table.best_by("validation") for table in tables}
    update = {
        "epochs": best["epochs"],
        "batch_size": best["batch-size"],
        "hidden": (best["units"], best["hidden"]),
    }
    return tables[0].experiment.base.model_copy(update=update)


def compare_with_base(
    best: list[TrainConfig], base: list[TrainConfig], find: Find
) -> BestOfAll | None:
    """Compare the network with all the best values with the base program, one of each a seed.

    Returns:
        None where a training is missing.
    """
    found = [(name, each) for name, configs in (("best", best), ("base", base))
             for config in configs if (each := find(config))]  # fmt: skip
    if len(found) < 2 * len(best):
        return None
    right = [
        np.unpackbits(np.frombuffer(base64.b64decode(each["right"]), np.uint8), count=each["n"])
        for _, each in found
    ]
    answers = np.stack(right).astype(np.bool_)
    comparison = compare(answers[: len(best)], answers[len(best) :])
    return BestOfAll(best[0], summarise(found), comparison)


def summarise(found: list[tuple[Any, Found]]) -> list[dict[str, Any]]:
    """Sum up finished trainings over seeds, in a row for each name that they are given.

    Returns:
        Rows of `value` (the name), `seeds` (how many) and `parameters`, and the mean and, as
        `…_sd`, the standard deviation of `validation` and `keras_test` (accuracies in [0, 1]),
        `seconds` (of all epochs) and `seconds_per_epoch`. That of one seed is None.
    """
    if not found:
        return []
    # Not above, because the processes that train do without it
    import pandas as pd

    figures = ["validation", "keras_test", "seconds", "seconds_per_epoch"]
    given = [{"value": value, **each} for value, each in found]
    rows = pd.DataFrame(given, columns=["value", "parameters", *figures]).groupby(
        "value", sort=False
    )
    summary = rows["parameters"].agg(seeds="size", parameters="first")
    summary = summary.join(rows[figures].mean()).join(rows[figures].std().add_suffix("_sd"))
    # Objects, because a column of numbers cannot hold None
    plain = summary.reset_index().astype(object)
    return [{str(name): row[name] for name in row}
            for row in plain.where(plain.notna(), None).to_dict("records")]  # fmt: skip


def compare(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare two networks' right answers with McNemar's test, with continuity correction.

    The test weighs the images that only one of the two gets right. Over several seeds, an image
    counts by the mean of its differences, so that one image stays one observation.

    Sources: Q. McNemar, Psychometrika 12 (1947), 153–157; A. L. Edwards, Psychometrika 13 (1948),
    185–187; recommended by T. G. Dietterich, Neural Computation 10 (1998), 1895–1923.

    Args:
        first: bool (seeds, n), whether the first network was right.
        second: bool (seeds, n), likewise, on the same images in the same order.
    """
    seeds, n = first.shape
    differences: NDArray[np.floating[Any]] = (first.astype(float) - second).mean(axis=0)
    mean = float(differences.mean())
    squares = float((differences**2).sum())
    z = max(0.0, abs(float(differences.sum())) - 1 / seeds) / math.sqrt(squares) if squares else 0.0
    half_width = _Z * float(differences.std()) / math.sqrt(n)
    interval = max(-1.0, mean - half_width), min(1.0, mean + half_width)
    p_value = math.erfc(z / math.sqrt(2))
    return Comparison(mean, interval, p_value, p_value < 0.05)
