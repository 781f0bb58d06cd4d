"""Workers on one machine, each of which runs Optuna's loop on the same study."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import optuna
from optuna.exceptions import OptunaError
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DBAPIError

from kit.errors import KitError, NetworkError, TrainingError
from kit.search.processes import worker_processes
from kit.search.storage import GRACE_SECONDS, database_errors, open_storage

# Says that a database is away; Python writes it to stderr unless somebody configures logging
LOGGER = logging.getLogger(__name__)
# The database may be away for so long. Where it is lost after so long a time, it was there again
PATIENCE_SECONDS, OUTAGE_SECONDS, POLL_SECONDS = 30 * 60.0, 5 * 60.0, 1.0
# So many trials that fail, or workers that die, one after another, end the command
FAILURES, DEATHS = 10, 5
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# The attribute of a failed trial that says why
REASON = "reason"

Objective = Callable[[Trial], float]


@dataclass(frozen=True)
class Job:
    """What workers do, until so many `trials` of the study are complete or pruned.

    Attributes:
        storage: the database's address; `study` is a name in it.
        objective: called in each worker; returns what computes the value of a trial.
        epochs: of each trial; in the first quarter, none is pruned.
        until: when to begin no further trial, in seconds since 1970.
        grace_seconds: a trial whose worker is silent for so long is given to another.
    """

    storage: str
    study: str
    objective: Callable[[], Objective]
    trials: int
    epochs: int
    workers: int = 1
    until: float | None = None
    grace_seconds: int = GRACE_SECONDS

    def load(self) -> optuna.Study:
        """Open the study."""
        storage = open_storage(self.storage, self.grace_seconds)
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True)
        pruner = optuna.pruners.MedianPruner(n_warmup_steps=self.epochs // 4)
        return optuna.load_study(
            study_name=self.study, storage=storage, sampler=sampler, pruner=pruner
        )


def n_finished(trials: Sequence[FrozenTrial]) -> int:
    """Count the trials that are complete or pruned."""
    return sum(trial.state in FINISHED for trial in trials)


def run_workers(job: Job, watch: Callable[[Sequence[FrozenTrial]], None]) -> None:
    """Run workers until the study has its trials or the time is over; replace those that die.

    `watch` is told all trials of the study, about once a second.

    Raises:
        TrainingError: trials failed, or workers died, one after another.
        NetworkError: the database was away for too long.
        DataError, OSError, UsageError: a file or the backend cannot be used.
    """
    with database_errors(job.storage):
        study = job.load()
        trials = study.get_trials(deepcopy=False)
    watch(trials)
    first, finished, deaths, is_away = len(trials), n_finished(trials), 0, False
    running: dict[Future[None], int] = {}
    idle = [] if finished >= job.trials else list(range(min(job.workers, job.trials)))
    with worker_processes(job.workers) as submit:
        while running or idle:
            running |= {submit(number, _work, job, first): number for number in idle}
            done = wait(running, POLL_SECONDS, FIRST_COMPLETED).done
            ended = {running.pop(future): future.exception() for future in done}
            idle = [number for number, error in ended.items() if error]
            for error in ended.values():
                if error and not isinstance(error, BrokenProcessPool):
                    raise error
            try:
                with database_errors(job.storage):
                    trials, is_away = study.get_trials(deepcopy=False), False
            except NetworkError as error:
                if not is_away:
                    minutes = PATIENCE_SECONDS / 60
                    LOGGER.warning("%s Waiting %.0f minutes for it …", error.what, minutes)
                is_away = True
            watch(trials)
            deaths = len(idle) + (deaths if n_finished(trials) == finished else 0)
            finished = n_finished(trials)
            if deaths >= DEATHS:
                what = f"{DEATHS} workers were killed or crashed, one after another"
                remedy = "Try fewer --workers. The same command continues the study."
                raise TrainingError(f"{what}; the machine may be out of memory.", remedy)


def _work(job: Job, first: int) -> None:
    """Run Optuna's loop until the study is done, again and again where the database goes away."""
    # Optuna's heartbeat would end with a traceback then
    threading.excepthook = lambda _failed: None
    objective, end = job.objective(), time.monotonic() + PATIENCE_SECONDS
    while True:
        began = time.monotonic()
        try:
            return _optimize(job, objective, first)
        except NetworkError:
            now = time.monotonic()
            if now > began + OUTAGE_SECONDS:
                end = now + PATIENCE_SECONDS
            if now > end:
                raise
            time.sleep(POLL_SECONDS)


def _optimize(job: Job, objective: Objective, first: int) -> None:
    """Run Optuna's loop once. Failures of trials before `first` do not count."""

    def attempt(trial: Trial) -> float:
        try:
            return objective(trial)
        except (OptunaError, DBAPIError, OSError):
            # The trial was pruned, the database is away, or every trial would fail
            raise
        except Exception as error:
            what = error.what if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
            trial.set_user_attr(REASON, " ".join(what.split())[:300])
            raise TrainingError(what, "kit tune --show lists what failed.") from error

    def check_failures(study: optuna.Study, trial: FrozenTrial) -> None:
        trials = study.get_trials(deepcopy=False)[first:]
        states = [t.state for t in trials if t.state in FINISHED or REASON in t.user_attrs]
        if states[-FAILURES:] == [TrialState.FAIL] * FAILURES:
            what = f"{FAILURES} trials failed one after another, as trial {trial.number}"
            reason = str(trial.user_attrs.get(REASON)).rstrip(".")
            remedy = f"All failures are listed by: kit tune --show {job.study}"
            raise TrainingError(f"{what}: {reason}.", remedy)

    with database_errors(job.storage):
        study = job.load()
        if n_finished(study.get_trials(deepcopy=False)) < job.trials:
            study.optimize(
                attempt,
                timeout=None if job.until is None else job.until - time.time(),
                catch=(TrainingError,),
                callbacks=[MaxTrialsCallback(job.trials, FINISHED), check_failures],
            )
