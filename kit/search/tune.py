"""A study over hyperparameters: TPE chooses, validation judges, hopeless trials are pruned."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import optuna
from optuna.exceptions import ExperimentalWarning, TrialPruned
from optuna.trial import Trial, TrialState

from kit.config import TrainConfig
from kit.errors import UsageError
from kit.search.space import Searched, suggest
from kit.search.storage import open_storage
from kit.search.tickets import Point, Tickets
from kit.search.training import SETTINGS, load_same, train_network
from kit.search.work import Objective
from kit.search.workers import Job, run_workers
from kit.training.backend import choose_backend, load_backend
from kit.training.dataset import load_dataset

Pruner = Literal["median", "halving", "hyperband", "none"]
PRUNERS: tuple[str, ...] = get_args(Pruner)
BASE = "base"
# TPE models what it has seen; before it has seen so many trials, they are drawn at random
RANDOM_TRIALS = 10
# How a base is called, where its data lie, how many views its predictions average, and what each
# trial chooses for itself may differ from machine to machine, and from version to version
_ASIDE = {"name", "preset", "data", "views", *Searched.__annotations__}

# Told how many trials are done, of how many, and the best validation accuracy so far
Watch = Callable[[int, int, float | None], None]


def make_sampler() -> optuna.samplers.BaseSampler:
    """Make the sampler, which keeps away from what other workers are just trying."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, constant_liar=True)


@dataclass(frozen=True)
class MakePruner:
    """Makes a worker's pruner.

    Attributes:
        name: `median` ends what is worse than half of the others were after as many epochs;
            `halving` and `hyperband` give the better half, or third, more epochs.
        epochs: of each trial.
    """

    name: Pruner
    epochs: int

    def __call__(self) -> optuna.pruners.BasePruner:
        """Make it."""
        if self.name == "median":
            return optuna.pruners.MedianPruner(n_warmup_steps=self.epochs // 4)
        if self.name == "halving":
            return optuna.pruners.SuccessiveHalvingPruner()
        if self.name == "hyperband":
            return optuna.pruners.HyperbandPruner(max_resource=self.epochs)
        return optuna.pruners.NopPruner()


@dataclass(frozen=True)
class TuneTrial:
    """Makes a worker's objective: the validation accuracy of what the sampler chose.

    Attributes:
        base: the settings that are not searched.
        fingerprint: the training digits'.
    """

    base: TrainConfig
    fingerprint: str

    def __call__(self) -> Objective:
        """Load the digits and the backend.

        Raises:
            DataError: the files are missing or wrong, or are not the study's.
            UsageError: the backend cannot be loaded.
        """
        # While no trial can suffer from its failure
        choose_backend()
        load_backend()
        dataset = load_same(self.base, self.fingerprint)

        def objective(trial: Trial) -> float:
            config = suggest(trial, self.base)
            trial.set_user_attr(SETTINGS, config.model_dump(mode="json"))

            def after_epoch(epoch: int, val_accuracy: float) -> None:
                trial.report(val_accuracy, epoch)
                if trial.should_prune():
                    raise TrialPruned

            history, parameters = train_network(config, dataset, after_epoch)
            trial.set_user_attr("seconds", sum(epoch.seconds for epoch in history))
            trial.set_user_attr("parameters", parameters)
            return history[-1].val_accuracy or 0.0

        return objective


@dataclass(frozen=True)
class Order:
    """What a study is asked to do.

    Attributes:
        study: its name.
        base: the settings that are not searched, with rows held out.
        trials: how many it is to have in all, those of earlier calls and other machines among them.
        pruner: what ends hopeless trials.
        workers: processes on this machine.
        until: when to begin no further trial, in seconds since 1970; None for never.
    """

    study: str
    base: TrainConfig
    trials: int
    pruner: Pruner = "median"
    workers: int = 1
    until: float | None = None


def tune(address: str, order: Order, watch: Watch) -> None:
    """Go on with a study, or begin it, until it has its trials or the time is over.

    Raises:
        DataError: the digits are missing or wrong.
        NetworkError: the database does not answer.
        UsageError: the study is of other digits or other settings, or none are held out.
        KitError: workers died again and again.
    """
    if not order.base.validation_fraction:
        raise UsageError(
            "validation_fraction: a study is judged by rows held out, and there are none.",
            "Give it a fraction above 0.",
        )
    fingerprint = load_dataset(order.base).train.fingerprint
    storage = open_storage(address)
    study = optuna.create_study(
        study_name=order.study, storage=storage, direction="maximize", load_if_exists=True
    )
    # Of machines that begin at once, none may find trials before it finds what they agree on
    with storage.exclusive(order.study):
        _agree(study, {"fingerprint": fingerprint, **_fixed(order.base)})
    points = {str(number): Point() for number in range(order.trials)}
    tickets = Tickets(storage, study, frozenset(points))
    tickets.plan(points)
    job = Job(
        storage=address,
        study=order.study,
        objective=TuneTrial(order.base, fingerprint),
        only=tickets.only,
        since=tickets.since,
        sampler=make_sampler,
        pruner=MakePruner(order.pruner, order.base.epochs),
        workers=min(order.workers, order.trials),
        until=order.until,
    )
    tickets.restock()
    if not tickets.is_open():
        return
    for _ in run_workers(job):
        watch(len(tickets.closed()), order.trials, _best(tickets))
    watch(len(tickets.closed()), order.trials, _best(tickets))


def _fixed(base: TrainConfig) -> dict[str, Any]:
    return base.model_dump(mode="json", exclude=_ASIDE)


def _agree(study: optuna.Study, base: dict[str, Any]) -> None:
    """Keep trials that cannot be compared out of one study."""
    before = study.user_attrs.get(BASE)
    if before is None:
        if study.get_trials(deepcopy=False):
            raise UsageError(
                f"{study.study_name}: a study that kit tune did not begin.",
                "Name another with --study.",
            )
        study.set_user_attr(BASE, base)
        return
    differing = [name for name in base if base[name] != before.get(name)]
    if differing:
        name = differing[0]
        raise UsageError(
            f"{study.study_name}: a study with {name} {before.get(name)}, not {base[name]}.",
            "Give what it began with, or name another with --study.",
        )


def _best(tickets: Tickets) -> float | None:
    values = [trial.value for trial in tickets.trials(TrialState.COMPLETE)]
    return max((value for value in values if value is not None), default=None)
