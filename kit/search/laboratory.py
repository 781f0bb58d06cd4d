"""The lab's experiments, run: processes that train, and a JSON file for each finished training."""

import base64
import contextlib
import hashlib
import itertools
import json
import multiprocessing
import platform
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.config import TrainConfig
from kit.data.digits import CLASSES, PIXELS, Digits, seen_in_training
from kit.errors import DataError, KitError
from kit.files import write_whole
from kit.search.cores import become_worker, start_worker, threads_each
from kit.search.experiments import Experiment, Need
from kit.search.tables import BestOfAll, Table, best_config, compare_with_base, make_table
from kit.training.backend import choose_backend, load_backend
from kit.training.callback import Callback, Epoch, FitState
from kit.training.dataset import load_dataset, split_digits

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from kit.training.predictor import Predictor

# Settings that do not change what a network learns in its first epochs. Where its data are does not
# count either, but their fingerprint does
_ASIDE = {"name", "preset", "source", "data", "epochs", "views"}

# Of the JSON files
FORM = 1

# Told how many trainings are done, and of how many
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class LabResults:
    """What the experiments gave.

    Attributes:
        tables: one for each experiment.
        best: all the best values against the base program, if that was asked for and trained.
        failures: why a training failed, by its name.
        trained: how many trainings were missing and were done now.
        seconds: how long all of it took.
    """

    tables: list[Table]
    best: BestOfAll | None
    failures: dict[str, str]
    trained: int
    seconds: float


def run_experiments(
    experiments: list[Experiment], folder: Path, workers: int, watch: Watch, *, best: bool = False
) -> LabResults:
    """Train what the experiments need and is not there yet, and gather it in tables.

    Args:
        experiments: all of one base program and with the same seeds.
        folder: of the JSON files.
        workers: how many processes train at once.
        watch: told of the progress.
        best: also compare all the best values with the base program. It needs all four experiments.

    Raises:
        DataError: the digits are missing or wrong.
        OSError: a file cannot be written.
    """
    began = time.monotonic()
    base, seeds = experiments[0].base, experiments[0].seeds
    laboratory = Laboratory(base, folder, workers)
    failures = laboratory.train((need for each in experiments for need in each.needs()), watch)
    tables = [make_table(each, laboratory.find) for each in experiments]
    compared = None
    if best and all(table.rows for table in tables):
        first, second = ([config.model_copy(update={"seed": seed}) for seed in seeds]
                         for config in (best_config(tables), base))  # fmt: skip
        needs = [(config, frozenset([config.epochs])) for config in first + second]
        failures |= laboratory.train(needs, watch)
        compared = compare_with_base(first, second, laboratory.find)
    return LabResults(tables, compared, failures, laboratory.trained, time.monotonic() - began)


class Laboratory:
    """Trains networks on one kind of digits, and keeps each finished training as a JSON file.

    Attributes:
        trained: how many trainings were finished so far.

    Raises:
        DataError: the digits are missing or wrong.
        UsageError: the backend is not installed.
    """

    def __init__(self, base: TrainConfig, folder: Path, workers: int) -> None:
        self._base, self._folder, self._workers = base, folder, workers
        train, _ = load_digits(base)
        self._depends_on = {"data": train.fingerprint, "backend": choose_backend(), "form": FORM}
        self.trained = 0

    def path(self, config: TrainConfig) -> Path:
        """Name the file of a training by everything that its result depends on but its epochs.

        With a constant rate and no warps, the first 50 epochs of a training are the same whether it
        ends there or goes on, because the order of rows depends only on seed and epoch.
        """
        settings = config.model_dump(mode="json", exclude=_ASIDE) | self._depends_on
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        units = "x".join(map(str, config.hidden))
        return self._folder / f"{units}-batch{config.batch_size}-seed{config.seed}-{digest}.json"

    def find(self, config: TrainConfig) -> dict[str, Any] | None:
        """Read what a training came to where `config` ends, or None if it is not there."""
        record = self._read(config)
        reading = record["readings"].get(str(config.epochs))
        return reading and {**record, **reading, "history": record["history"][: config.epochs]}

    def _read(self, config: TrainConfig) -> dict[str, Any]:
        """Read the file of a training; one that is missing or damaged has no readings."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            record: dict[str, Any] = json.loads(self.path(config).read_bytes())
            is_whole = isinstance(record, dict) and isinstance(record.get("readings"), dict)
            if is_whole and record.get("form") == FORM:
                return record
        return {"readings": {}}

    def train(self, needs: Iterable[Need], watch: Watch) -> dict[str, str]:
        """Train what is needed and not there yet; say why a training failed, by its name.

        Raises:
            OSError: a file cannot be written.
        """
        wanted: dict[Path, Need] = {}
        for config, epochs in needs:
            path = self.path(config)
            wanted[path] = config, epochs | (wanted[path][1] if path in wanted else epochs)
        missing: list[Need] = []
        for config, epochs in wanted.values():
            there = {int(epoch) for epoch in self._read(config)["readings"]}
            if not epochs <= there:
                longest = config.model_copy(update={"epochs": max(epochs | there)})
                missing.append((longest, epochs | there))
        # The longest first: no worker waits long for another at the end
        missing.sort(key=_weights_times_epochs, reverse=True)
        failures: dict[str, str] = {}
        if missing:
            watch(0, len(missing))
        with contextlib.closing(train_in_processes(missing, self._base, self._workers)) as done:
            for number, (config, outcome) in enumerate(done, start=1):
                path = self.path(config)
                if isinstance(outcome, str):
                    failures[path.stem] = outcome
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_whole(path, json.dumps(outcome, indent=1))
                    self.trained += 1
                watch(number, len(missing))
        return failures


def _weights_times_epochs(need: Need) -> int:
    config = need[0]
    layers = itertools.pairwise((PIXELS, *config.hidden, CLASSES))
    return config.epochs * sum(inputs * units for inputs, units in layers)


def load_digits(base: TrainConfig) -> tuple[Digits, Digits]:
    """Load the digits to train on, and the Keras test split without them.

    Raises:
        DataError: one of them is missing or wrong.
    """
    dataset = load_dataset(base)
    if dataset.keras_test is None:
        raise DataError(
            "The Keras test split is missing, and the experiments are judged on it.",
            "Put it at data/mnist.npz (git checkout data/mnist.npz).",
        )
    unseen = np.flatnonzero(~seen_in_training(dataset.keras_test, dataset.train))
    return dataset.train, dataset.keras_test.take(unseen)


def train_in_processes(
    needs: list[Need], base: TrainConfig, workers: int
) -> Generator[tuple[TrainConfig, dict[str, Any] | str], None, None]:
    """Train in up to `workers` processes; give each training as it is done, or why it failed.

    The processes end with the generator, and when this process is killed. `base` says where the
    digits are.
    """
    # Not forked: the threads of a numerical library do not survive that
    context = multiprocessing.get_context("spawn")
    waiting = deque(needs)
    workers = min(workers, len(waiting))
    processes: list[BaseProcess] = []
    running: dict[Connection, tuple[int, TrainConfig]] = {}

    def start(number: int) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, base, number, workers), daemon=True)
        processes.append(process)
        start_worker(process)
        # Else the connection would stay open when the process dies
        theirs.close()
        give(number, ours)

    def give(number: int, connection: Connection) -> None:
        need = waiting.popleft()
        running[connection] = number, need[0]
        # A process that has just died is noticed when its answer is read
        with contextlib.suppress(OSError):
            connection.send(need)

    try:
        for number in range(workers):
            start(number)
        while running:
            ready = wait(list(running))
            for connection in [each for each in running if each in ready]:
                number, config = running.pop(connection)
                try:
                    outcome = connection.recv()
                    if waiting:
                        give(number, connection)
                except (EOFError, OSError):
                    outcome = "its process was killed or crashed; the machine may be out of memory"
                    if waiting:
                        start(number)
                yield config, outcome
    finally:
        for process in [each for each in processes if each.pid is not None]:
            process.kill()
            process.join()


def _work(connection: Connection, base: TrainConfig, number: int, workers: int) -> None:
    """Train what comes through `connection`, as the `number`th of so many workers."""
    # A worker that keeps to its share of the cores cannot count them any more
    circumstances = f"{workers} workers with {threads_each(workers)} threads"
    become_worker(number, workers)
    digits = None
    # The connection ends where the command needs no more
    with contextlib.suppress(EOFError, OSError):
        while True:
            config, epochs = connection.recv()
            outcome: dict[str, Any] | str
            try:
                digits = digits or load_digits(base)
                outcome = _train(config, epochs, digits, circumstances)
            except Exception as error:  # noqa: BLE001 - it ends this training alone
                told = error.what if isinstance(error, KitError) else repr(error)
                outcome = " ".join(told.split())[:300]
            connection.send(outcome)


def _train(
    config: TrainConfig, epochs: frozenset[int], digits: tuple[Digits, Digits], circumstances: str
) -> dict[str, Any]:
    """Train one network; give its record, as JSON holds it, with what it is like after `epochs`."""
    backend = choose_backend()
    load_backend()
    from kit.training.fitting import fit
    from kit.training.predictor import Predictor

    train, keras_test = digits
    predictor = Predictor.build(config)
    reader = _Reader(predictor, keras_test, epochs)
    history = fit(predictor, train, split_digits(train, config), config, reader)
    return {
        "form": FORM,
        # `kit train --config FILE` takes them
        "settings": config.model_dump(mode="json"),
        "fingerprint": train.fingerprint,
        "machine": f"{platform.node()}, {backend}, {circumstances}",
        "parameters": predictor.n_parameters,
        "history": [asdict(epoch) for epoch in history],
        "readings": reader.readings,
    }


class _Reader(Callback):
    """Judges a network on the Keras test split after some epochs."""

    def __init__(self, predictor: "Predictor", keras_test: Digits, epochs: frozenset[int]) -> None:
        self._predictor, self._keras_test, self._epochs = predictor, keras_test, epochs
        self._seconds = 0.0
        self.readings: dict[str, dict[str, Any]] = {}

    def on_epoch_end(self, epoch: Epoch, state: Callable[[], FitState]) -> None:  # noqa: ARG002
        """Judge the network if that was asked for after this epoch."""
        self._seconds += epoch.seconds
        if epoch.epoch in self._epochs:
            predicted = self._predictor.predict(self._keras_test).argmax(axis=1)
            right = predicted == self._keras_test.labels
            self.readings[str(epoch.epoch)] = {
                "validation": epoch.val_accuracy,
                "keras_test": float(right.mean()),
                "seconds": self._seconds,
                "seconds_per_epoch": self._seconds / epoch.epoch,
                "n": len(right),
                # A bit for each image, as `numpy.packbits` packs them
                "right": base64.b64encode(np.packbits(right).tobytes()).decode(),
            }
