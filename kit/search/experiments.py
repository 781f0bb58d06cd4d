"""The lab's four experiments: one setting of its base program is changed at a time."""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import TrainConfig, make_config
from kit.data.digits import Digits, seen_in_training
from kit.data.mnist import load_keras
from kit.errors import KitError
from kit.files import whole_file, write_whole
from kit.metrics import compare
from kit.search.processes import worker_processes
from kit.training.backend import choose_backend, load_backend, memory_errors
from kit.training.callback import Callback, Epoch
from kit.training.dataset import load_dataset, split_digits

# What is changed, in words; the lab's own values; and what a value changes in the base program
EXPERIMENTS: dict[str, tuple[str, Sequence[int], Callable[[TrainConfig, int], dict[str, Any]]]] = {
    "epochs": ("epochs", (50, 75, 100, 125), lambda _, n: {"epochs": n}),
    "batch-size": ("batch size", (50, 100, 200, 400), lambda _, n: {"batch_size": n}),
    "units": ("units of the first layer", (500, 700, 900, 1200), lambda _, n: {"hidden": (n,)}),
    "hidden": (
        "units of a second layer",
        (500, 700, 900, 1200),
        lambda base, n: {"hidden": (*base.hidden, n)},
    ),
}
NOTE = (
    "The kit chooses the value with the best validation accuracy, the lab the one with the best "
    "accuracy on the Keras test split. The best of several accuracies is partly luck. So for the "
    "lab's choice, the latter accuracy is too high on average. It had no part in the kit's choice."
)
# Settings that do not change a network's first epochs. Of its data, the fingerprint counts
_ASIDE = {"name", "preset", "source", "data", "epochs", "views"}

# What `Laboratory.find` returns, for each training
Trainings = Mapping[TrainConfig, dict[str, Any]]
# What an experiment trains, with its value
Plan = list[tuple[Any, TrainConfig]]


def plan(name: str, base: TrainConfig, values: Sequence[int], seeds: Sequence[int]) -> Plan:
    """What to train: each value, ascending, with each of the seeds; without values, the lab's.

    The lab's epochs are percentages of the base program's, at least 1.
    """
    _, usual, change = EXPERIMENTS[name]
    if name == "epochs":
        # A half is rounded down, so that 3 epochs still give four different values
        usual = [max(1, math.ceil(value * base.epochs / 100 - 0.5)) for value in usual]
    return [(value, base.model_copy(update={**change(base, value), "seed": seed}))
            for value in sorted(set(values or usual)) for seed in seeds]  # fmt: skip


@dataclass
class Laboratory:
    """Trains networks in processes, and keeps each finished training as a JSON file.

    `watch` is told how many of the missing trainings are done, and of how many.
    """

    folder: Path
    workers: int
    watch: Callable[[int, int], None]
    # How many were finished so far, and why others failed, by name
    trained: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, base: TrainConfig, seeds: int, values: list[int]) -> dict[str, Any]:
        """Run an experiment on the base program; return what `kit experiment --json` prints.

        The first seed is 42. Without `values`, they are the lab's.
        """
        began, compared, numbers = time.monotonic(), None, range(42, 42 + seeds)
        names = [each for each in EXPERIMENTS if name in (each, "all", "best")]
        plans = {each: plan(each, base, values, numbers) for each in names}
        configs = [config for pairs in plans.values() for _, config in pairs]
        if any(config.model_copy(update={"seed": base.seed}) == base for config in configs):
            # With the lengths that the experiment on epochs needs, it is trained once for all four
            configs += [config for _, config in plan("epochs", base, [], numbers)]
        found = self.train(configs)
        tables = [make_table(each, base, pairs, found) for each, pairs in plans.items()]
        if name == "best" and all(table["rows"] for table in tables):
            epochs, batch_size, *hidden = (table["best_by_validation"] for table in tables)
            chosen = {"epochs": epochs, "batch_size": batch_size, "hidden": tuple(hidden)}
            both = {"best": base.model_copy(update=chosen), "base": base}
            pairs = [(each, config.model_copy(update={"seed": seed}))
                     for each, config in both.items() for seed in numbers]  # fmt: skip
            compared = compare_with_base(pairs, self.train([config for _, config in pairs]))
        return {
            "experiments": tables,
            "note": NOTE,
            "best": compared,
            "failures": self.failures,
            "trained": self.trained,
            "seconds": time.monotonic() - began,
        }

    def path(self, config: TrainConfig) -> Path:
        """Name the file of a training by everything that its result depends on but its epochs.

        The base program's first 50 epochs are the same whether it ends there or goes on.
        """
        data = load_digits(config.source, config.data)[0].fingerprint
        settings = config.model_dump(mode="json", exclude=_ASIDE)
        settings |= {"data": data, "backend": choose_backend()}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        units = "x".join(map(str, config.hidden))
        return self.folder / f"{units}-batch{config.batch_size}-seed{config.seed}-{digest}.json"

    def train(self, configs: Sequence[TrainConfig]) -> Trainings:
        """Train what is not there yet; return what each training that has not failed came to."""
        # Trainings that differ only in epochs are one, which is judged where each of them ends
        wanted = {path: {*map(int, _read(path)["wrong"])} for path in map(self.path, configs)}
        missing: dict[Path, tuple[TrainConfig, set[int]]] = {}
        for config in configs:
            epochs = wanted[path := self.path(config)]
            if config.epochs not in epochs:
                epochs.add(config.epochs)
                missing[path] = config.model_copy(update={"epochs": max(epochs)}), epochs
        if missing:
            self._train(list(missing.values()))
        return {config: found for config in configs if (found := self.find(config))}

    def find(self, config: TrainConfig) -> dict[str, Any] | None:
        """Read what a training came to where `config` ends, or None if it is not there.

        Accuracies are in [0, 1]; `right` is bool (n,), of the Keras test split.
        """
        record, epochs = _read(self.path(config)), config.epochs
        if (wrong := record["wrong"].get(str(epochs))) is None:
            return None
        history = record["history"][:epochs]
        seconds = sum(epoch["seconds"] for epoch in history)
        right = ~np.isin(np.arange(record["n"]), wrong)
        return record | {
            "history": history,
            "validation": history[-1]["val_accuracy"],
            "keras_test": float(right.mean()),
            "seconds": seconds,
            "seconds_per_epoch": seconds / epochs,
            "right": right,
        }

    def _train(self, waiting: list[tuple[TrainConfig, set[int]]]) -> None:
        # The longest last, where they are taken from: at the end, no worker waits long for another.
        # The number of weights is nearly proportional to that of units
        waiting.sort(key=lambda each: each[0].epochs * sum(each[0].hidden))
        total, workers = len(waiting), min(self.workers, len(waiting))
        free = list(range(workers))
        running: dict[Future[dict[str, Any]], tuple[int, Path]] = {}
        self.watch(0, total)
        with worker_processes(workers) as submit:
            while waiting or running:
                while waiting and free:
                    number, (config, epochs) = free.pop(0), waiting.pop()
                    future = submit(number, _train, config, epochs)
                    running[future] = number, self.path(config)
                # Not for ever: a signal that comes just before a wait is heard after it
                for future in wait(running, 1.0, FIRST_COMPLETED).done:
                    number, path = running.pop(future)
                    free.append(number)
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        self.failures[path.stem] = "its process was killed; memory may be full"
                    elif error:
                        what = error.what if isinstance(error, KitError) else repr(error)
                        self.failures[path.stem] = " ".join(what.split())[:300]
                    else:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_whole(path, json.dumps(future.result()))
                        self.trained += 1
                self.watch(total - len(waiting) - len(running), total)


def _read(path: Path) -> dict[str, Any]:
    # A file that is missing or damaged is as good as one of a training without epochs
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["wrong"]:
            return record
    return {"wrong": {}}


@functools.cache
def load_digits(source: str, data: Path | None) -> tuple[Digits, Digits]:
    """Load the digits to train on, and the Keras test split without them."""
    if source == "kaggle":
        # A run can do without MNIST. Here, all networks are judged on it
        load_keras()
    # What is odd about them, the command says, and not each of its processes
    is_command = multiprocessing.parent_process() is None
    dataset = load_dataset(make_config({"source": source, "data": data}), tell=is_command)
    keras_test = dataset.keras_test or load_keras().test
    unseen = np.flatnonzero(~seen_in_training(keras_test, dataset.train))
    return dataset.train, keras_test.take(unseen)


def _train(config: TrainConfig, epochs: set[int]) -> dict[str, Any]:
    """Train one network; give its record, with its wrong answers after `epochs`."""
    train, keras_test = load_digits(config.source, config.data)
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    wrong: dict[int, list[int]] = {}

    class Judge(Callback):
        def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002 - not resumed
            if epoch.epoch in epochs:
                answers = predictor.predict(keras_test).argmax(axis=1)
                wrong[epoch.epoch] = np.flatnonzero(answers != keras_test.labels).tolist()

    with memory_errors(config):
        predictor = Predictor.build(config)
        history = fit(predictor, train, split_digits(train, config), config, Judge())
    return {
        # `kit train --config FILE` takes them
        "settings": config.model_dump(mode="json"),
        "parameters": predictor.n_parameters,
        "history": [asdict(epoch) for epoch in history],
        # Of the Keras test split: how many images, and where it is wrong after some of the epochs
        "n": len(keras_test),
        "wrong": wrong,
    }


def make_table(name: str, base: TrainConfig, pairs: Plan, found: Trainings) -> dict[str, Any]:
    """Gather what an experiment's trainings gave, as `kit experiment --json` prints it."""
    done = [(value, found[config]) for value, config in pairs if config in found]
    rows = summarise(done)
    histories = [each["history"] for _, each in done if name == "epochs"]
    curve: list[dict[str, Any]] = max(histories, key=len, default=[])
    return {
        "name": name,
        "seeds": sorted({config.seed for _, config in pairs}),
        "epochs": base.epochs,
        "rows": rows,
        "best_by_validation": _best(rows, "validation").get("value"),
        "best_by_keras_test": _best(rows, "keras_test").get("value"),
        "no_longer_rises_after": _best(curve, "val_accuracy").get("epoch"),
        "curve": curve,
    }


def _best(rows: list[dict[str, Any]], figure: str) -> dict[str, Any]:
    # The first of equals, and an empty one of none
    return max(rows, key=lambda row: row[figure], default={})


def compare_with_base(pairs: Plan, found: Trainings) -> dict[str, Any] | None:
    """Compare trainings called `best` with as many called `base`; None where one is missing."""
    if not all(config in found for _, config in pairs):
        return None
    done = [(name, found[config]) for name, config in pairs]
    first, second = np.split(np.array([each["right"] for _, each in done]), 2)
    best, base = summarise(done)
    comparison = compare(first, second)
    settings = pairs[0][1].model_dump(mode="json")
    return {"settings": settings, "best": best, "base": base, "comparison": comparison}


def summarise(done: Sequence[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Sum up trainings over seeds, in a row for each `value` that they are given.

    Each figure has its mean and, as `…_sd`, its standard deviation, None with a single seed.
    """
    rows = []
    for value, group in itertools.groupby(done, key=lambda each: each[0]):
        trainings = [found for _, found in group]
        row = {"value": value, "seeds": len(trainings), "parameters": trainings[0]["parameters"]}
        for figure in ("validation", "keras_test", "seconds", "seconds_per_epoch"):
            numbers = [found[figure] for found in trainings]
            row[figure] = statistics.mean(numbers)
            row[f"{figure}_sd"] = statistics.stdev(numbers) if len(numbers) > 1 else None
        rows.append(row)
    return rows


def draw_experiment(table: dict[str, Any], path: Path) -> None:
    """Draw accuracy and time against the value, and for `epochs` the learning curve, too."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    what, rows, curve = EXPERIMENTS[table["name"]][0], table["rows"], table["curve"]
    values = [row["value"] for row in rows]
    figure.suptitle(f"The lab's experiment on {what}")
    axes, time = figure.subplots(1, 2)
    lines = [(axes, "validation", 100), (axes, "keras_test", 100), (time, "seconds", 1)]
    for part, name, scale in lines:
        means = [scale * row[name] for row in rows]
        sds = [scale * (row[f"{name}_sd"] or 0) for row in rows]
        part.errorbar(values, means, sds, marker="o", capsize=3, label=name.replace("_", " "))
        part.set(xlabel=what, xticks=values)
    if curve:
        epochs = [each["epoch"] for each in curve]
        for label, name in (("training", "accuracy"), ("validation", "val_accuracy")):
            accuracies = [100 * each[name] for each in curve]
            axes.plot(epochs, accuracies, label=f"{label}, each epoch")
    if best := table["no_longer_rises_after"]:
        label = f"validation no longer rises after epoch {best}"
        axes.axvline(best, linestyle="--", color="grey", label=label)
    axes.set(ylabel="accuracy, % (mean ± sd over seeds)")
    time.set(ylabel="seconds in all", ylim=(0, None))
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=120)
