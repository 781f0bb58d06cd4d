"""The trainings of all experiments in one study, where none stands twice."""

import hashlib
import itertools
import json
import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from kit.config import TrainConfig, make_config
from kit.data.digits import CLASSES, PIXELS
from kit.errors import DataError
from kit.search.experiments import Plan, make_plan
from kit.search.storage import PatientStorage
from kit.search.tickets import TICKET, Point, Tickets
from kit.search.training import Reading, load_same, train_network
from kit.search.work import Objective
from kit.training.backend import choose_backend, load_backend
from kit.training.callback import Epoch
from kit.training.dataset import Dataset
from kit.training.split import split_rows

SETTINGS, TRAINING, READ_AT, RESULT = "settings", "training", "read_at", "result"
# How a training is called, where its data lie, how long it goes on and how many views its
# predictions average are not what it learns
_ASIDE = {"name", "preset", "data", "epochs", "views"}
_LARGEST = 2**32

Need = tuple[TrainConfig, set[int]]


@dataclass(frozen=True)
class Training:
    """A finished training, as its study holds it.

    Attributes:
        trial: its number in the study.
        parameters: weights that it learned.
        rows: training rows.
        workers: how many trained on the machine at once.
        threads: of each of those.
        machine: the one it was trained on, and the backend.
        history: its epochs.
        readings: what it had come to, by epoch.
    """

    trial: int
    parameters: int
    rows: int
    workers: int
    threads: int
    machine: str
    history: list[Epoch]
    readings: dict[int, Reading]


def training_key(config: TrainConfig) -> str:
    """Name what a training does, however many epochs it goes on.

    With a constant rate and no warps, the first 50 epochs of a training are the same whether it
    ends there or goes on, since the order of rows hangs on seed and
    epoch alone.
    """
    settings = config.model_dump(mode="json", exclude=_ASIDE)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def this_machine() -> str:
    """Name the machine and the backend: times of others say nothing of them."""
    return f"{socket.gethostname()}, {choose_backend()}"


def needs(plan: Plan) -> Iterator[Need]:
    """Say what an experiment needs trained, and at which epochs it reads that.

    The base program is read wherever the lab's experiment on epochs would, which needs no training
    of its own then.
    """
    for seed in plan.seeds:
        base = plan.base.model_copy(update={"seed": seed})
        for value in plan.values:
            config = plan.config(value, seed)
            read_at = {config.epochs}
            if config == base:
                read_at.update(make_plan("epochs", base, 1).values)
            yield config, read_at


class Trainings:
    """All trainings of the experiments on the same digits.

    Attributes:
        study: the name of their study.
    """

    def __init__(self, storage: PatientStorage, source: str, fingerprint: str) -> None:
        self.study = f"experiments-{source}-{fingerprint[:8]}"
        self._storage = storage
        self._study = optuna.create_study(
            study_name=self.study, storage=storage, direction="maximize", load_if_exists=True
        )

    def plan(self, wanted: Iterable[Need]) -> Tickets:
        """Plan the trainings that give what is wanted, but for those that are there already."""
        configs: dict[str, TrainConfig] = {}
        epochs: dict[str, set[int]] = {}
        own: dict[str, set[int]] = defaultdict(set)
        for config, read_at in wanted:
            key = training_key(config)
            configs[key] = config
            epochs.setdefault(key, set()).update(read_at)
            own[key].add(config.epochs)
        points: dict[str, Point] = {}
        # The longest first: what is left at the end is short, and no worker waits long for another
        for key in sorted(epochs, key=lambda key: _work(configs[key], epochs[key]), reverse=True):
            read_at = epochs[key]
            if own[key] <= self._read_at(key):
                continue
            config = configs[key].model_copy(update={"epochs": max(read_at)})
            ticket = self._ticket(key, read_at) or f"{key}@{','.join(map(str, sorted(read_at)))}"
            points[ticket] = _point(key, config, read_at)
        tickets = Tickets(self._storage, self._study, frozenset(points))
        tickets.plan(points, again=True)
        return tickets

    def find(self, config: TrainConfig) -> Training | None:
        """Find the training that was read where `config` ends, or None if none was finished."""
        key = training_key(config)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.user_attrs[TRAINING] == key and config.epochs in trial.user_attrs[READ_AT]:
                return _training(trial)
        return None

    def _read_at(self, key: str) -> set[int]:
        """The epochs at which finished trainings were read."""
        finished = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {
            epoch
            for trial in finished
            if trial.user_attrs[TRAINING] == key
            for epoch in trial.user_attrs[READ_AT]
        }

    def _ticket(self, key: str, read_at: set[int]) -> str | None:
        for trial in self._study.get_trials(deepcopy=False):
            attributes = trial.user_attrs
            if attributes[TRAINING] == key and read_at <= set(attributes[READ_AT]):
                return str(attributes[TICKET])
        return None


@dataclass(frozen=True)
class TrainTrial:
    """Makes a worker's objective: train what a trial says, on digits that are loaded once.

    Attributes:
        config: where the digits come from.
        fingerprint: what they are.
        workers: how many train on this machine at once.
        threads: of each. A worker, kept to its share of the cores, cannot tell.
    """

    config: TrainConfig
    fingerprint: str
    workers: int
    threads: int

    def __call__(self) -> Objective:
        """Load the digits and the backend.

        Raises:
            DataError: the files are missing or wrong, or are not the study's.
            UsageError: the backend cannot be loaded.
        """
        # While no trial can suffer from its failure
        choose_backend()
        load_backend()
        material = load_same(self.config, self.fingerprint)
        if material.keras_test is None:
            raise DataError(
                "The Keras test split is not at hand, so nothing can be read.",
                "Put it at data/mnist.npz (git checkout data/mnist.npz).",
            )

        def objective(trial: Trial) -> float:
            return self._train(trial, material)

        return objective

    def _train(self, trial: Trial, material: Dataset) -> float:
        config = make_config(trial.user_attrs[SETTINGS])
        trained = train_network(config, material, set(trial.user_attrs[READ_AT]))
        labels = material.train.labels
        rows = 0 if labels is None else len(split_rows(labels, config)[0])
        result = {
            "rows": rows,
            "workers": self.workers,
            "threads": self.threads,
            "machine": this_machine(),
            **trained.plain(),
        }
        trial.set_user_attr(RESULT, result)
        return trained.history[-1].val_accuracy or 0.0


def _point(key: str, config: TrainConfig, read_at: set[int]) -> Point:
    params: dict[str, int] = {"epochs": config.epochs, "batch_size": config.batch_size}
    params |= {f"hidden_{layer}": units for layer, units in enumerate(config.hidden, start=1)}
    params["seed"] = config.seed
    distributions: dict[str, BaseDistribution] = {
        name: IntDistribution(0, _LARGEST) for name in params
    }
    attributes: dict[str, Any] = {
        SETTINGS: config.model_dump(mode="json"),
        TRAINING: key,
        READ_AT: sorted(read_at),
    }
    return Point(params, distributions, attributes)


def _work(config: TrainConfig, read_at: set[int]) -> int:
    """About how long a training takes: its weights times its epochs."""
    layers = itertools.pairwise((PIXELS, *config.hidden, CLASSES))
    return max(read_at) * sum(inputs * units for inputs, units in layers)


def _training(trial: FrozenTrial) -> Training:
    result = trial.user_attrs[RESULT]
    return Training(
        trial=trial.number,
        parameters=result["parameters"],
        rows=result["rows"],
        workers=result["workers"],
        threads=result["threads"],
        machine=result.get("machine", ""),
        history=[Epoch(**epoch) for epoch in result["history"]],
        readings={reading["epoch"]: Reading(**reading) for reading in result["readings"]},
    )
