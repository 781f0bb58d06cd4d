"""Worker processes on one machine, each of which runs Optuna's loop on the same study."""

import logging
import math
import multiprocessing
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError, UpdateFinishedTrialError
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DBAPIError

from kit.errors import DataError, KitError, NetworkError, TrainingError
from kit.search.cores import become_worker, start_worker
from kit.search.storage import GRACE_SECONDS, database_errors, open_storage

# Says that a database is away; Python writes it to stderr unless somebody configures logging
LOGGER = logging.getLogger(__name__)
PATIENCE_SECONDS, POLL_SECONDS, STOP_SECONDS = 30 * 60.0, 1.0, 5.0
# What ends the command: so many trials that fail, or workers that die, one after another
FAILURES, DEATHS = 10, 5
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# The attribute of a failed trial that says why
REASON = "reason"

Objective = Callable[[Trial], float]
Trials = Sequence[FrozenTrial]


@dataclass(frozen=True)
class Job:
    """What each worker does. It travels to the worker's process, so all of it can be pickled.

    Attributes:
        storage: the database's address.
        study: the name of a study that exists.
        objective: called once in each worker; returns what computes the value of a trial.
        trials: the study is done when so many of its trials are complete or pruned.
        pruner: ends hopeless trials.
        workers: how many share this machine's cores.
        until: when to begin no further trial, in seconds since 1970; None for never.
        grace_seconds: a trial whose worker is silent for so long is given to another.
        patience_seconds: how long to wait for a database that is away.
    """

    storage: str
    study: str
    objective: Callable[[], Objective]
    trials: int
    pruner: optuna.pruners.BasePruner
    workers: int = 1
    until: float | None = None
    grace_seconds: int = GRACE_SECONDS
    patience_seconds: float = PATIENCE_SECONDS

    def load(self) -> optuna.Study:
        """Open the study."""
        storage = open_storage(self.storage, self.grace_seconds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True)
        return optuna.load_study(
            study_name=self.study, storage=storage, sampler=sampler, pruner=self.pruner
        )


def n_finished(trials: Trials) -> int:
    """Count the trials that are complete or pruned."""
    return sum(trial.state in FINISHED for trial in trials)


def run_workers(job: Job, watch: Callable[[Trials], None]) -> None:
    """Run workers until the study has its trials or the time is over; replace those that die.

    What interrupts or kills this process ends the workers.

    Args:
        job: what they do.
        watch: told all trials of the study, about once a second.

    Raises:
        TrainingError: trials failed, or workers died, one after another.
        NetworkError: the database was away for too long.
        DataError: a file cannot be read or written.
        UsageError: the backend cannot be loaded.
    """
    with database_errors(job.storage):
        study = job.load()
        trials = study.get_trials(deepcopy=False)
    watch(trials)
    if n_finished(trials) >= job.trials:
        return
    first, deaths, is_away = len(trials), 0, False
    # Not forked: a numerical library's threads do not survive that
    context = multiprocessing.get_context("spawn")
    failures = context.SimpleQueue()
    running: dict[int, BaseProcess] = {}

    def start(number: int) -> None:
        given = (number, job, first, failures)
        running[number] = context.Process(target=_work, args=given, daemon=True)
        start_worker(running[number])

    try:
        for number in range(job.workers):
            start(number)
        while running:
            next(iter(running.values())).join(POLL_SECONDS)
            ended = {n: p.exitcode for n, p in running.items() if p.exitcode is not None}
            if not failures.empty():
                kind, what, remedy = failures.get()
                raise kind(what, remedy)
            finished = n_finished(trials)
            try:
                with database_errors(job.storage):
                    trials = study.get_trials(deepcopy=False)
                is_away = False
            except NetworkError as error:
                if not is_away:
                    minutes = job.patience_seconds / 60
                    LOGGER.warning("%s Waiting up to %.0f minutes for it …", error.what, minutes)
                # When it is away for too long, the workers end the command
                is_away = True
            watch(trials)
            deaths = deaths if n_finished(trials) == finished else 0
            for number, exit_code in ended.items():
                del running[number]
                if exit_code:
                    deaths += 1
                    _check_deaths(deaths, exit_code)
                    start(number)
    finally:
        _stop([process for process in running.values() if process.pid is not None])


def _check_deaths(deaths: int, exit_code: int) -> None:
    if deaths == DEATHS:
        raise TrainingError(
            f"{deaths} workers died one after another, the last with exit code {exit_code} "
            "(-9 often means that memory ran out).",
            "Try fewer --workers. Finished trials are kept; the same command continues.",
        )


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End workers: by SIGTERM, so that they end their trials, then by SIGKILL."""
    ends = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(max(0.0, ends - time.monotonic()))
        process.kill()


def _work(number: int, job: Job, first: int, failures: Any) -> None:
    """Work in this process until the study is done; put what ends the command into `failures`."""
    become_worker(number, job.workers)
    warnings.simplefilter("ignore", ExperimentalWarning)
    # Optuna's heartbeat would end with a traceback when the database goes away
    threading.excepthook = lambda _failed: None
    try:
        worker = _Worker(job, first)
        # Until here, SIGTERM ends the process at once
        signal.signal(signal.SIGTERM, _interrupt)
        worker.run()
    except KeyboardInterrupt:
        sys.exit(0)
    except KitError as error:
        failures.put((type(error), error.what, error.remedy))


def _interrupt(_number: int, _frame: object) -> None:
    # A second SIGTERM must not keep Optuna from ending the trial
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


class _Worker:
    """Runs Optuna's loop, and starts it again when the connection was lost."""

    def __init__(self, job: Job, first: int) -> None:
        # Trials before the first were not this command's: their failures do not count
        self._job, self._first = job, first
        self._objective = job.objective()
        self._number: int | None = None
        self._heard = time.monotonic()

    def run(self) -> None:
        while True:
            try:
                with database_errors(self._job.storage):
                    if self._has_optimized(self._job.load()):
                        return
            except NetworkError:
                # Since the last trial that was finished: a database that can be read but not
                # written is away, too
                if time.monotonic() > self._heard + self._job.patience_seconds:
                    raise
                # Not all workers at the same moment
                time.sleep(random.uniform(0.5, 2.0))  # noqa: S311 - not a secret

    def _has_optimized(self, study: optuna.Study) -> bool:
        if self._number is not None:
            # The lost connection may have left it running
            study.tell(self._number, state=TrialState.FAIL, skip_if_finished=True)
        if n_finished(study.get_trials(deepcopy=False)) >= self._job.trials:
            return True
        until, stop = self._job.until, MaxTrialsCallback(self._job.trials, FINISHED)
        try:
            study.optimize(
                self._attempt,
                timeout=None if until is None else until - time.time(),
                catch=(TrainingError,),
                callbacks=[stop, self._check_failures],
            )
        except (UpdateFinishedTrialError, ValueError):
            # While no heartbeat came through, the trial was given to another worker
            if self._number is None or not study.trials[self._number].state.is_finished():
                raise
            return False
        return True

    def _attempt(self, trial: Trial) -> float:
        self._number = trial.number
        try:
            value = self._objective(trial)
            self._heard = time.monotonic()
        except (OptunaError, DBAPIError, DataError):
            # The trial was pruned, or the database is away, or no trial can succeed
            raise
        except OSError as error:
            raise DataError(
                f"{error.filename or 'A file'}: {error.strerror or error}.",
                "Correct that, then repeat the command: it continues.",
            ) from error
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this trial alone
            what = error.what if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
            reason = " ".join(what.split())[:300]
        else:
            if math.isfinite(value):
                return value
            reason = f"the result is {value}"
        trial.set_user_attr(REASON, reason)
        raise TrainingError(reason, "kit tune --show lists what failed.")

    def _check_failures(self, study: optuna.Study, trial: FrozenTrial) -> None:
        trials = study.get_trials(deepcopy=False)[self._first :]
        states = [t.state for t in trials if t.state in FINISHED or REASON in t.user_attrs]
        if states[-FAILURES:] == [TrialState.FAIL] * FAILURES:
            raise TrainingError(
                f"{FAILURES} trials failed one after another, as trial {trial.number}: "
                f"{str(trial.user_attrs.get(REASON)).rstrip('.')}.",
                f"All failures are listed by: kit tune --show {study.study_name}",
            )
