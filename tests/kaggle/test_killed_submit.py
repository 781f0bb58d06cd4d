"""kit submit killed, interrupted and asked: whatever happens, there is one submission."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from runs import SDK_HAS_LIMITS, make_run
from small_competition import FULL_LABELS

from kit.cli.main import run
from kit.kaggle.receipt import load_receipt

CALLS = [
    "ListSubmissions",
    "GetCompetition",
    *(["GetSubmissionLimits"] if SDK_HAS_LIMITS else []),
    "StartSubmissionUpload",
    "Upload",
    "CreateSubmission",
    "GetSubmission",
]
RUN = "20260131-120000-tuned"


@pytest.fixture
def here(at_full_local: FaultyKaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one run."""
    monkeypatch.chdir(tmp_path)
    # the parent of the command waits for what it is to do to it, not the command for Kaggle
    monkeypatch.setenv("KIT_KAGGLE_TIMEOUT", "60")
    make_run(tmp_path / "submissions", FULL_LABELS)
    return tmp_path


@contextmanager
def kit(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which does not outlive the block."""
    command = [sys.executable, "-c", "from kit.cli import main; main()", *arguments]
    pipe = subprocess.PIPE
    # the repository, where the kit may be imported from although the test works elsewhere
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("done", [False, True], ids=["before it", "before its answer"])
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_call_and_run_again_there_is_one_submission(
    at_full_local: FaultyKaggle,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    done: bool,
) -> None:
    failure = at_full_local.fail(call, stall=60, done=done)
    with kit("submit") as process:
        assert failure.reached.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if call == "CreateSubmission" and not done:
        assert run(["submit"]) == 6
        assert run(["submit", "--again"]) == 6
        # As if ten minutes had passed
        monkeypatch.setattr("kit.kaggle.submit.SETTLED", timedelta())
    # Without a count, it stays open whether it arrived
    never_clear = call == "CreateSubmission" and not done and not SDK_HAS_LIMITS
    assert run(["submit", *["--again"] * never_clear]) == 0
    assert len(at_full_local.submissions) == 1
    attempt = load_receipt(here / "submissions" / RUN / "receipt.json")[-1]
    assert (attempt.ref, attempt.status) == (40_000_000, "COMPLETE")


def test_the_calls_are_all_that_submit_makes(at_full_local: FaultyKaggle, here: Path) -> None:
    assert run(["submit"]) == 0
    assert at_full_local.calls == CALLS


def test_killed_at_again_and_run_again_there_is_one_more(
    at_full_local: FaultyKaggle, here: Path
) -> None:
    assert run(["submit"]) == 0
    failure = at_full_local.fail("CreateSubmission", stall=60, done=True)
    with kit("submit", "--again") as process:
        assert failure.reached.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run(["submit", "--again"]) == 0
    assert len(at_full_local.submissions) == 2


def test_ctrl_c_while_waiting_loses_nothing(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_full_local.state.judging_seconds = 600
    with kit("submit") as process:
        give_up = time.monotonic() + 30
        while at_full_local.calls.count("GetSubmission") < 3:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Its score comes later: kit history shows it, and kit submit waits for it." in said
    assert "Traceback" not in told
    at_full_local.state.submissions[0].judging_seconds = 0
    capsys.readouterr()
    assert run(["submit", RUN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["public_score"] == "1.00000"
    assert len(at_full_local.submissions) == 1


def test_ctrl_c_while_sending_says_that_the_command_can_be_repeated(
    at_full_local: FaultyKaggle, here: Path
) -> None:
    failure = at_full_local.fail("CreateSubmission", stall=60, done=True)
    with kit("submit") as process:
        assert failure.reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Repeat the command" in told.splitlines()[-1]
    assert run(["submit"]) == 0
    assert len(at_full_local.submissions) == 1


@pytest.mark.parametrize(("answer", "sent"), [("n", 0), ("y", 1), ("", 1)])
def test_on_a_terminal_it_asks_once(
    at_full_local: FaultyKaggle, here: Path, answer: str, sent: int
) -> None:
    told = on_a_terminal(["submit", "--no-wait"], answer)
    assert f"Submissions left today: {5 if SDK_HAS_LIMITS else 'Kaggle does not say'}" in told
    assert told.count("Send it?") == 1
    assert len(at_full_local.submissions) == sent
    assert ("Nothing was sent." in told) == (not sent)


def test_yes_is_an_answer(at_full_local: FaultyKaggle, here: Path) -> None:
    told = on_a_terminal(["submit", "--yes"], "")
    assert "Send it?" not in told
    assert "Public score 1.00000" in told


def on_a_terminal(arguments: list[str], answer: str) -> str:
    """What a command shows on a terminal where `answer` is typed."""
    command = [sys.executable, "-c", "from kit.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "dumb"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        told = b""
        # at its end, a terminal fails to be read
        try:
            while block := os.read(ours, 4096):
                told += block
        except OSError:
            pass
        finally:
            os.close(ours)
        process.wait(timeout=30)
    return told.decode()
