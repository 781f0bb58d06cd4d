"""The experiments run: planned, shared out among workers, gathered."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from optuna.trial import TrialState

from kit.config import TrainConfig
from kit.errors import TrainingError
from kit.search.comparison import Comparison, compare
from kit.search.experiments import EXPERIMENTS, Plan
from kit.search.storage import open_storage
from kit.search.tables import Row, Setup, Table, compare_setups, make_table
from kit.search.tickets import TICKET, Tickets, failure_reason
from kit.search.training import unpack
from kit.search.trainings import (
    SETTINGS,
    Need,
    Training,
    Trainings,
    TrainTrial,
    needs,
    this_machine,
    training_key,
)
from kit.search.workers import Job, run_workers, threads_each
from kit.training.dataset import load_dataset

# Told how many trainings are done, of how many
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Failure:
    """A training that failed.

    Attributes:
        trial: its number in the study.
        what: its settings, in words.
        reason: in one line.
    """

    trial: int
    what: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What running experiments gave.

    Attributes:
        study: where the trainings stand.
        tables: one an experiment.
        failures: trainings that failed.
        setups: how fast the machine was with each number of workers, fastest first.
        trained: how many trainings were missing and were done now.
        seconds: that this took.
    """

    study: str
    tables: list[Table]
    failures: list[Failure]
    setups: list[Setup]
    trained: int
    seconds: float


@dataclass(frozen=True)
class Best:
    """The network with all the best values, against the base program.

    Attributes:
        config: its settings, with the first seed.
        best: its figures over the seeds; `value` is its epochs.
        base: the base program's.
        comparison: of their test accuracies, on the same images.
        trained: how many trainings were missing and were done now.
        seconds: that this took.
    """

    config: TrainConfig
    best: Row
    base: Row
    comparison: Comparison
    trained: int
    seconds: float


class Laboratory:
    """Runs experiments on one kind of digits, in one database, with so many workers.

    Raises:
        DataError: the digits are missing or wrong.
        NetworkError: the database does not answer.
        UsageError: its address is none.
    """

    def __init__(self, address: str, base: TrainConfig, workers: int) -> None:
        self._address, self._base, self._workers = address, base, workers
        self._fingerprint = load_dataset(base).train.fingerprint
        self._storage = open_storage(address)
        self._trainings = Trainings(self._storage, base.source, self._fingerprint)

    def run(self, plans: list[Plan], watch: Watch) -> Outcome:
        """Train what the plans need and is not there yet, and gather it in tables.

        Raises:
            TrainingError: workers died again and again, or lost the database for good.
        """
        began = time.monotonic()
        wanted = [need for plan in plans for need in needs(plan)]
        tickets, trained = self._train(wanted, watch)
        done = {training.trial: (training_key(config.model_copy(update={"seed": 0})), training)
                for config, _ in wanted
                if (training := self._trainings.find(config)) is not None}  # fmt: skip
        here = this_machine()
        return Outcome(
            study=self._trainings.study,
            tables=[make_table(plan, self._trainings) for plan in plans],
            failures=_failures(tickets),
            setups=compare_setups(
                (what, training) for what, training in done.values() if training.machine == here
            ),
            trained=trained,
            seconds=time.monotonic() - began,
        )

    def run_best(self, outcome: Outcome, watch: Watch) -> Best:
        """Train the network with the values that validation chose, and compare it with the base.

        Args:
            outcome: of all four experiments.
            watch: told of the progress.

        Raises:
            TrainingError: an experiment has no row, or the network could not be trained.
        """
        began = time.monotonic()
        chosen: dict[str, int] = {}
        for table in outcome.tables:
            row = table.best_by_validation
            if row is None:
                raise TrainingError(
                    f"{table.plan.experiment.name}: each of its trainings failed.",
                    "kit experiment all --json lists why.",
                )
            chosen[table.plan.experiment.name] = row.value
        if set(chosen) != set(EXPERIMENTS):
            raise ValueError("the best of all needs all four experiments")
        base = self._base
        best = base.model_copy(
            update={
                "epochs": chosen["epochs"],
                "batch_size": chosen["batch-size"],
                "hidden": (chosen["units"], chosen["hidden"]),
            }
        )
        seeds = outcome.tables[0].plan.seeds
        pairs = [[config.model_copy(update={"seed": seed}) for seed in seeds]
                 for config in (best, base)]  # fmt: skip
        needed = [(config, {config.epochs}) for configs in pairs for config in configs]
        tickets, trained = self._train(needed, watch)
        found = [[self._trainings.find(config) for config in configs] for configs in pairs]
        first, second = ([training for training in of if training is not None] for of in found)
        if len(first) != len(seeds) or len(second) != len(seeds):
            reasons = "; ".join(failure.reason for failure in _failures(tickets))
            raise TrainingError(f"A training failed: {reasons}.", "Run the command again.")
        answers = [np.stack([unpack(training.readings[config.epochs].correct) for training in of])
                   for config, of in ((best, first), (base, second))]  # fmt: skip
        return Best(
            config=best.model_copy(update={"seed": seeds[0]}),
            best=_row(best, first),
            base=_row(base, second),
            comparison=compare(answers[0], answers[1]),
            trained=trained,
            seconds=time.monotonic() - began,
        )

    def _train(self, wanted: Iterable[Need], watch: Watch) -> tuple[Tickets, int]:
        tickets = self._trainings.plan(wanted)
        total = len(tickets.only or ())
        before = len(_finished(tickets))
        if before < total:
            # One that has nothing to do would keep its share of the cores from the others
            workers = min(self._workers, total - before)
            job = Job(
                storage=self._address,
                study=self._trainings.study,
                objective=TrainTrial(self._base, self._fingerprint, workers, threads_each(workers)),
                only=tickets.only,
                since=tickets.since,
                workers=workers,
            )
            for _ in run_workers(job):
                watch(len(_finished(tickets)), total)
            watch(len(_finished(tickets)), total)
        return tickets, len(_finished(tickets)) - before


def _finished(tickets: Tickets) -> list[int]:
    return [trial.number for trial in tickets.trials(TrialState.COMPLETE)]


def _failures(tickets: Tickets) -> list[Failure]:
    done = {trial.user_attrs[TICKET] for trial in tickets.trials(TrialState.COMPLETE)}
    last = {trial.user_attrs[TICKET]: trial for trial in tickets.trials(TrialState.FAIL)}
    return [
        Failure(
            trial=trial.number,
            what=", ".join(f"{name} {value}" for name, value in trial.params.items()),
            reason=failure_reason(trial),
        )
        for ticket, trial in last.items()
        if ticket not in done and SETTINGS in trial.user_attrs
    ]


def _row(config: TrainConfig, trainings: list[Training]) -> Row:
    read = [training.readings[config.epochs] for training in trainings]
    return Row.of(config.epochs, read, trainings[0].parameters)
