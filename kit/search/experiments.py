"""The lab's four experiments: one setting of its base program is changed at a time."""

import base64
import contextlib
import functools
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from kit.files import write_whole
from kit.metrics import compare
from kit.search.processes import Workers, threads_each
from kit.training.backend import choose_backend, load_backend, memory_errors
from kit.training.callback import Callback, Epoch
from kit.training.dataset import load_dataset
from kit.training.split import split_digits

# What is changed, in words, and the lab's own values
EXPERIMENTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "epochs": ("epochs", (50, 75, 100, 125)),
    "batch-size": ("batch size", (50, 100, 200, 400)),
    "units": ("units of the first layer", (500, 700, 900, 1200)),
    "hidden": ("units of a second layer", (500, 700, 900, 1200)),
}
FIRST_SEED = 42
NOTE = (
    "The kit chooses the value with the best validation accuracy, the lab the one with the best "
    "accuracy on the Keras test split. The best of several accuracies is partly luck. So the "
    "accuracy on the Keras test split is too high, on average, for the lab's choice. For the kit's "
    "choice it is not, because the Keras test split had no part in that choice."
)
# Settings that do not change what a network learns in its first epochs. Where its data are does not
# count either, but their fingerprint does
_ASIDE = {"name", "preset", "source", "data", "epochs", "views"}
# Of the JSON files
FORM = 1

# What a training came to, as JSON holds it
Record = dict[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One of `EXPERIMENTS`: each of the values, ascending, is tried with each of the seeds."""

    name: str
    base: TrainConfig
    values: tuple[int, ...]
    seeds: tuple[int, ...]

    def config(self, value: int, seed: int) -> TrainConfig:
        """What to train for a value and a seed."""
        changed: dict[str, dict[str, object]] = {
            "epochs": {"epochs": value},
            "batch-size": {"batch_size": value},
            "units": {"hidden": (value,)},
            "hidden": {"hidden": (*self.base.hidden, value)},
        }
        return self.base.model_copy(update={**changed[self.name], "seed": seed})

    def configs(self) -> Iterator[TrainConfig]:
        """All that must be trained.

        The base program comes with the lengths that the experiment on epochs needs, so that it is
        trained once for all four experiments.
        """
        for seed in self.seeds:
            for config in (self.config(value, seed) for value in self.values):
                yield config
                if config == self.base.model_copy(update={"seed": seed}):
                    for epochs in epoch_values(config.epochs):
                        yield config.model_copy(update={"epochs": epochs})


def epoch_values(epochs: int) -> tuple[int, ...]:
    """A half, three quarters, all and five quarters of the base program's epochs, at least 1.

    A half is rounded down, so that 3 epochs still give four different values.
    """
    return tuple(max(1, math.ceil(n * epochs / 100 - 0.5)) for n in EXPERIMENTS["epochs"][1])


def plan_experiment(
    name: str, base: TrainConfig, seeds: int, values: Sequence[int] | None = None
) -> Experiment:
    """Plan an experiment with `seeds` seeds from 42 on, and the lab's values or those given."""
    if values is None:
        values = epoch_values(base.epochs) if name == "epochs" else EXPERIMENTS[name][1]
    seed_range = range(FIRST_SEED, FIRST_SEED + seeds)
    return Experiment(name, base, tuple(sorted(set(values))), tuple(seed_range))


@dataclass
class Laboratory:
    """Trains networks, and keeps each finished training as a JSON file.

    Attributes:
        folder: of the JSON files.
        workers: how many processes train at once.
        watch: told how many of the missing trainings are done, and of how many.
        trained: how many trainings were finished so far.
        failures: why a training failed, by its name.
    """

    folder: Path
    workers: int
    watch: Callable[[int, int], None]
    trained: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def run(self, plans: Sequence[Experiment], *, best: bool = False) -> dict[str, Any]:
        """Train what experiments need; return what `kit experiment --json` prints.

        They have one base program and the same seeds. `best`, which needs all four of them, also
        compares the network with all the best values with the base program.

        Raises:
            DataError: the digits are missing or wrong.
            UsageError: the backend is not installed.
            OSError: a file cannot be written.
        """
        began, base, compared = time.monotonic(), plans[0].base, None
        found = self.train([config for plan in plans for config in plan.configs()])
        tables = [make_table(plan, found) for plan in plans]
        if best and all(table["rows"] for table in tables):
            values = {table["name"]: table["best_by_validation"] for table in tables}
            chosen = {
                "epochs": values["epochs"],
                "batch_size": values["batch-size"],
                "hidden": (values["units"], values["hidden"]),
            }
            first, second = ([base.model_copy(update={**changes, "seed": seed})
                              for seed in plans[0].seeds] for changes in (chosen, {}))  # fmt: skip
            compared = compare_with_base(first, second, self.train(first + second))
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

        With a constant rate and no warps, the first 50 epochs of a training are the same whether it
        ends there or goes on, because the order of rows depends only on seed and epoch.
        """
        data = load_digits(config.source, config.data)[0].fingerprint
        settings = config.model_dump(mode="json", exclude=_ASIDE)
        settings |= {"data": data, "backend": choose_backend(), "form": FORM}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        units = "x".join(map(str, config.hidden))
        return self.folder / f"{units}-batch{config.batch_size}-seed{config.seed}-{digest}.json"

    def train(self, configs: Sequence[TrainConfig]) -> dict[TrainConfig, Record]:
        """Train what is not there yet; return what each training that has not failed came to."""
        # Trainings that differ only in epochs are one, which is judged where each of them ends
        wanted = {path: set(map(int, read_training(path)["readings"]))
                  for path in map(self.path, configs)}  # fmt: skip
        missing: dict[Path, tuple[TrainConfig, set[int]]] = {}
        for config in configs:
            epochs = wanted[path := self.path(config)]
            if config.epochs not in epochs:
                epochs.add(config.epochs)
                missing[path] = config.model_copy(update={"epochs": max(epochs)}), epochs
        if missing:
            self._train(missing)
        found = {}
        for config in configs:
            record = read_training(self.path(config))
            if reading := record["readings"].get(str(config.epochs)):
                history = record["history"][: config.epochs]
                found[config] = {**record, **reading, "history": history}
        return found

    def _train(self, missing: dict[Path, tuple[TrainConfig, set[int]]]) -> None:
        def duration(item: tuple[Path, tuple[TrainConfig, set[int]]]) -> int:
            # The number of weights is nearly proportional to that of units
            return item[1][0].epochs * sum(item[1][0].hidden)

        # The longest training is taken first: at the end, no worker waits long for another
        waiting = sorted(missing.items(), key=duration)
        total, workers = len(missing), min(self.workers, len(missing))
        conditions = f"{workers} workers with {threads_each(workers)} threads"
        free = list(range(workers))
        running: dict[Future[Record], tuple[int, Path]] = {}
        self.watch(0, total)
        with Workers(workers) as processes:
            while waiting or running:
                while waiting and free:
                    number, (path, training) = free.pop(0), waiting.pop()
                    future = processes.submit(number, _train, *training, conditions)
                    running[future] = number, path
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number, path = running.pop(future)
                    free.append(number)
                    if error := future.exception():
                        self.failures[path.stem] = _reason(error)
                    else:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_whole(path, json.dumps(future.result(), indent=1))
                        self.trained += 1
                    self.watch(total - len(waiting) - len(running), total)


def read_training(path: Path) -> Record:
    """Read the file of a training; one that is missing or damaged has no readings."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        record: Record = json.loads(path.read_bytes())
        if record["form"] == FORM and record["readings"]:
            return record
    return {"readings": {}}


def _reason(error: BaseException) -> str:
    if isinstance(error, BrokenProcessPool):
        return "its process was killed or crashed; the machine may be out of memory"
    return " ".join((str(error) if isinstance(error, KitError) else repr(error)).split())[:300]


@functools.cache
def load_digits(source: str, data: Path | None) -> tuple[Digits, Digits]:
    """Load the digits to train on, and the Keras test split without them.

    Raises:
        DataError: one of them is missing or wrong.
        NetworkError: MNIST is not on this machine and cannot be downloaded.
    """
    dataset = load_dataset(make_config({"source": source, "data": data}))
    keras_test = dataset.keras_test or load_keras().test
    unseen = np.flatnonzero(~seen_in_training(keras_test, dataset.train))
    return dataset.train, keras_test.take(unseen)


def _train(config: TrainConfig, epochs: set[int], conditions: str) -> Record:
    """Train one network; give its record, with what it is like after `epochs`."""
    train, keras_test = load_digits(config.source, config.data)
    backend = choose_backend()
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    readings: dict[str, Record] = {}

    class Reader(Callback):
        seconds = 0.0

        def on_epoch_end(self, epoch: Epoch, state: object) -> None:  # noqa: ARG002 - not resumed
            self.seconds += epoch.seconds
            if epoch.epoch in epochs:
                right = predictor.predict(keras_test).argmax(axis=1) == keras_test.labels
                readings[str(epoch.epoch)] = {
                    "validation": epoch.val_accuracy,
                    "keras_test": float(right.mean()),
                    "seconds": self.seconds,
                    "seconds_per_epoch": self.seconds / epoch.epoch,
                    "n": len(right),
                    # A bit for each image, as `numpy.packbits` packs them
                    "right": base64.b64encode(np.packbits(right).tobytes()).decode(),
                }

    with memory_errors():
        predictor = Predictor.build(config)
        history = fit(predictor, train, split_digits(train, config), config, Reader())
    return {
        "form": FORM,
        # `kit train --config FILE` takes them
        "settings": config.model_dump(mode="json"),
        "fingerprint": train.fingerprint,
        "machine": f"{platform.node()}, {backend}, {conditions}",
        "parameters": predictor.n_parameters,
        "history": [asdict(epoch) for epoch in history],
        "readings": readings,
    }


def make_table(plan: Experiment, found: Mapping[TrainConfig, Record]) -> dict[str, Any]:
    """Gather what an experiment's trainings gave, as `kit experiment --json` prints it.

    `missing` are the values whose trainings all failed. `times_compare` says whether all were
    trained on one machine, with equally many workers. `curve` are the epochs of one training with
    the largest value, in the experiment on epochs alone.
    """
    done = [(value, found[config]) for value in plan.values for seed in plan.seeds
            if (config := plan.config(value, seed)) in found]  # fmt: skip
    rows = summarise(done)
    histories = [each["history"] for _, each in done if plan.name == "epochs"]
    curve: list[Record] = max(histories, key=len, default=[])
    return {
        "name": plan.name,
        "seeds": plan.seeds,
        "epochs": plan.base.epochs,
        "rows": rows,
        "missing": sorted(set(plan.values) - {row["value"] for row in rows}),
        "times_compare": len({each["machine"] for _, each in done}) < 2,
        "best_by_validation": _best(rows, "validation").get("value"),
        "best_by_keras_test": _best(rows, "keras_test").get("value"),
        "no_longer_rises_after": _best(curve, "val_accuracy").get("epoch"),
        "curve": curve,
    }


def _best(rows: list[Record], figure: str) -> Record:
    # The first of equals, and an empty one of none
    return max(rows, key=lambda row: row[figure], default={})


def compare_with_base(
    best: list[TrainConfig], base: list[TrainConfig], found: Mapping[TrainConfig, Record]
) -> dict[str, Any] | None:
    """Compare the network with all the best values with the base program, one of each a seed.

    Returns:
        Its `settings`, the rows `best` and `base` as `summarise` gives them, and the `comparison`
        of their answers to the Keras test split. None where a training is missing.
    """
    if not found.keys() >= {*best, *base}:
        return None
    done = [("best", found[config]) for config in best]
    done += [("base", found[config]) for config in base]
    bits = [np.frombuffer(base64.b64decode(each["right"]), np.uint8) for _, each in done]
    right = np.unpackbits(np.array(bits), axis=1, count=done[0][1]["n"]).astype(np.bool_)
    rows = summarise(done)
    return {
        "settings": best[0].model_dump(mode="json"),
        "best": rows[0],
        "base": rows[1],
        "comparison": asdict(compare(right[: len(best)], right[len(best) :])),
    }


def summarise(done: Sequence[tuple[Any, Record]]) -> list[dict[str, Any]]:
    """Sum up trainings over seeds, in a row for each `value` that they are given.

    Rows also have `seeds` (how many), `parameters`, and the mean and, as `…_sd`, the standard
    deviation of `validation` and `keras_test` (accuracies in [0, 1]), `seconds` (of all epochs) and
    `seconds_per_epoch`. The standard deviation of one seed is None.
    """
    if not done:
        return []
    # Not above, because the processes that train do without it
    import pandas as pd

    figures = ["validation", "keras_test", "seconds", "seconds_per_epoch"]
    groups = pd.DataFrame([{"value": value, **each} for value, each in done]).groupby(
        "value", sort=False
    )
    summary = groups["parameters"].agg(seeds="size", parameters="first")
    summary = summary.join(groups[figures].mean()).join(groups[figures].std().add_suffix("_sd"))
    text = summary.reset_index().to_json(orient="records", double_precision=15)
    rows: list[dict[str, Any]] = json.loads(text)
    return rows
