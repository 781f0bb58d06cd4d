"""What a worker does: claim a trial, try it, tell what came of it, until none is left."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator

import optuna
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from kit.errors import DataError, NetworkError
from kit.search.tickets import INTERRUPTED, REASON, Tickets

Objective = Callable[[Trial], float]
POLL_SECONDS = 1.0
_REASON_LENGTH = 300


def work(
    tickets: Tickets,
    objective: Objective,
    *,
    is_over: Callable[[], bool] = lambda: False,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Try waiting trials until none waits or runs, or `is_over`.

    While others still run theirs it waits for them, since one of them may die.

    Args:
        tickets: the study's trials.
        objective: what a trial is worth, the more the better; it may prune the trial.
        is_over: asked before each trial.
        poll_seconds: how often it looks for another's trial to take over.

    Raises:
        NetworkError: the database is away, and did not come back in time.
        DataError: its file, or one that the objective needs, cannot be read or written.
    """
    while not is_over():
        tickets.restock()
        trial = tickets.claim()
        if trial is not None:
            _try(tickets, trial, objective)
        elif tickets.is_open():
            time.sleep(poll_seconds)
        else:
            return


def _try(tickets: Tickets, trial: Trial, objective: Objective) -> None:
    value: float | None = None
    state, reason = TrialState.COMPLETE, None
    with _heartbeat(tickets, trial):
        try:
            value = objective(trial)
            if not math.isfinite(value):
                state, reason = TrialState.FAIL, f"the result is {value}"
        except TrialPruned:
            state = TrialState.PRUNED
        except KeyboardInterrupt:
            # A second one must not keep the trial from being handed back
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _hand_back(tickets, trial)
            raise
        except OSError as error:
            # A full disk would fail one trial after the other, and is no trial's fault
            _hand_back(tickets, trial)
            raise DataError(
                f"{error.filename or 'A file'}: {error.strerror or error}.",
                "Mend that, and repeat the command: it goes on.",
            ) from error
        except (NetworkError, DataError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this trial alone
            state, reason = TrialState.FAIL, _one_line(error)
    if reason is not None:
        with contextlib.suppress(UpdateFinishedTrialError):
            trial.set_user_attr(REASON, reason)
    _tell(tickets.study, trial, state, value if state == TrialState.COMPLETE else None)


def _hand_back(tickets: Tickets, trial: Trial) -> None:
    with contextlib.suppress(UpdateFinishedTrialError):
        trial.set_user_attr(INTERRUPTED, trial.number)
    _tell(tickets.study, trial, TrialState.FAIL, None)
    tickets.restock()


def _tell(study: optuna.Study, trial: Trial, state: TrialState, value: float | None) -> None:
    # A worker that was not heard of for too long has lost its trial to another, whose result counts
    with contextlib.suppress(UpdateFinishedTrialError):
        study.tell(trial, value, state, skip_if_finished=True)


@contextlib.contextmanager
def _heartbeat(tickets: Tickets, trial: Trial) -> Iterator[None]:
    """Say that the trial is alive; unlike in Optuna's thread, also after a lost connection."""
    storage, trial_id = tickets.storage, tickets.trial_id(trial)
    stopped = threading.Event()

    def beat() -> None:
        # A database that stays away is the worker's to report
        with contextlib.suppress(NetworkError, DataError):
            while not stopped.wait(storage.heartbeat_interval):
                storage.record_heartbeat(trial_id)
        storage.remove_session()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _one_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}"[:_REASON_LENGTH].removesuffix(": ")
