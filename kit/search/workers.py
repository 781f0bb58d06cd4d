"""Worker processes on one machine, which share its cores and the study."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import optuna

from kit.errors import KitError, TrainingError
from kit.search.cores import share_cores
from kit.search.storage import (
    GRACE_SECONDS,
    HEARTBEAT_SECONDS,
    LOGGER,
    PATIENCE_SECONDS,
    open_storage,
)
from kit.search.tickets import Tickets
from kit.search.work import POLL_SECONDS, Objective, work

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

# A worker that dies is replaced so often without a trial being done in between
REPLACEMENTS = 5
GOODBYE_SECONDS = 10.0

Failure = tuple[type[KitError], str, str]


@dataclass(frozen=True)
class Job:
    """What each worker does. It travels to its process, so all of it can be pickled.

    Attributes:
        storage: the database's address.
        study: the study's name.
        objective: called in the worker to make what is asked of each trial.
        only: the tickets to do, or None for all of the study.
        since: the number of the first trial whose death counts.
        sampler: called in the worker to make what chooses hyperparameters.
        pruner: called in the worker to make what ends hopeless trials.
        workers: how many share this machine's cores.
        until: when to begin no further trial, in seconds since 1970; None for never.
        heartbeat_seconds: how often a worker says that its trial is alive.
        grace_seconds: after how long a silence its trial is given to another.
        poll_seconds: how often it looks for something to do, and the parent for news.
    """

    storage: str
    study: str
    objective: Callable[[], Objective]
    only: frozenset[str] | None = None
    since: int = 0
    sampler: Callable[[], optuna.samplers.BaseSampler] = optuna.samplers.RandomSampler
    pruner: Callable[[], optuna.pruners.BasePruner] = optuna.pruners.NopPruner
    workers: int = 1
    until: float | None = None
    heartbeat_seconds: int = HEARTBEAT_SECONDS
    grace_seconds: int = GRACE_SECONDS
    poll_seconds: float = POLL_SECONDS

    def tickets(self) -> Tickets:
        """Open the study."""
        storage = open_storage(
            self.storage,
            heartbeat_seconds=self.heartbeat_seconds,
            grace_seconds=self.grace_seconds,
            # One that replaces another may begin while the database is away
            patience=PATIENCE_SECONDS,
        )
        study = optuna.load_study(
            study_name=self.study, storage=storage, sampler=self.sampler(), pruner=self.pruner()
        )
        return Tickets(storage, study, self.only, self.since)


def run_worker(job: Job, number: int, errors: "SimpleQueue[Failure]") -> None:
    """Work on a job's study in this process, as the `number`th worker from 0.

    What only a person can mend is put into `errors`.
    """
    share_cores(number, job.workers)
    # It counts what each new network has to compile, and warns of it
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # The command says that the database is away, once for all its workers
    LOGGER.setLevel(logging.ERROR)
    parent = multiprocessing.parent_process()

    def is_over() -> bool:
        if job.until is not None and time.time() >= job.until:
            return True
        # A killed command's workers finish what they are at, and no more
        return parent is not None and not parent.is_alive()

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        work(job.tickets(), job.objective(), is_over=is_over, poll_seconds=job.poll_seconds)
    except KeyboardInterrupt:
        # The command that is interrupted too says so, and sends a second one to whom it finds alive
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(0)
    except KitError as error:
        errors.put((type(error), error.what, error.remedy))


def run_workers(job: Job) -> Iterator[None]:
    """Run a job's workers to their end, and yield while they are at it, for whoever watches.

    A worker that dies is replaced; its trial is found by its missing heartbeat.

    Raises:
        KitError: a worker met what no other could do better, or workers died again and again.
    """
    # Not forked: a numerical library's threads do not survive that
    context = multiprocessing.get_context("spawn")
    errors: SimpleQueue[Failure] = context.SimpleQueue()

    running: dict[int, BaseProcess] = {}

    def start(number: int) -> None:
        process = context.Process(target=run_worker, args=(job, number, errors), daemon=True)
        with _holding_ctrl_c():
            process.start()
            running[number] = process

    replaced = closed = 0
    tickets: Tickets | None = None
    try:
        for number in range(job.workers):
            start(number)
        while running:
            yield
            next(iter(running.values())).join(job.poll_seconds)
            if not errors.empty():
                kind, what, remedy = errors.get()
                raise kind(what, remedy)
            for number, process in list(running.items()):
                if process.exitcode is None:
                    continue
                del running[number]
                if process.exitcode == 0:
                    continue
                tickets = tickets or job.tickets()
                before, closed = closed, len(tickets.closed())
                replaced = 1 if closed > before else replaced + 1
                if replaced > REPLACEMENTS:
                    raise TrainingError(
                        f"Workers died {replaced} times in a row, the last with exit code "
                        f"{process.exitcode} (-9 is what a machine short of memory gives).",
                        "Try fewer --workers; what was finished is kept, and the command goes on.",
                    )
                start(number)
    finally:
        _stop(list(running.values()))


@contextlib.contextmanager
def _holding_ctrl_c() -> Iterator[None]:
    """Put Ctrl-C off: here until the end, and in what is started until it says that it is ready.

    A process that is interrupted while it still imports leaves a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(processes: list[BaseProcess]) -> None:
    """Let workers hand back their trials, and end those that take too long over it."""
    ends = time.monotonic() + GOODBYE_SECONDS
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    for process in processes:
        process.join(max(0.0, ends - time.monotonic()))
        process.kill()
