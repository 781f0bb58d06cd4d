"""The kit and Kaggle's own command-line client, each as a process, against the same local Kaggle.

`docs/kaggle_client.md` names these tests: each holds one line of its table.
"""

import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from faulty_kaggle import REFRESH_TOKEN, FaultyKaggle
from fetching import PART
from packaging.version import Version
from runs import needs_limits
from small_competition import FULL_LABELS, write_labels
from test_credentials import save

KAGGLE = [str(Path(sys.executable).with_name("kaggle")), "competitions"]
KIT = [sys.executable, "-m", "kit"]
needs_2_2_5 = pytest.mark.skipif(
    Version(version("kaggle")) < Version("2.2.5"),
    reason="before 2.2.5 Kaggle's client cannot do it",
)

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def local(at_full_local: FaultyKaggle) -> FaultyKaggle:
    return at_full_local


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_labels(tmp_path / "mine.csv", FULL_LABELS)


def run(command: list[str], **more: Any) -> Done:
    return subprocess.run(
        command, **{"capture_output": True, "text": True, "timeout": 60, "check": False} | more
    )


def kaggle_submits(file: Path, *options: str) -> list[str]:
    return [*KAGGLE, "submit", "digit-recognizer", "-f", str(file), "-m", "a try", *options]


def kit_submits(file: Path) -> list[str]:
    folder = file.with_name("submissions")
    return [*KIT, "submit", "--file", str(file), "--submissions", str(folder), "--yes"]


def kaggle_downloads(folder: Path) -> list[str]:
    return [*KAGGLE, "download", "digit-recognizer", "-p", str(folder), "--unzip", "-q"]


def kit_downloads(folder: Path) -> list[str]:
    return [*KIT, "download", "--data", str(folder)]


DOWNLOADS = pytest.mark.parametrize(
    "downloads", [pytest.param(kaggle_downloads, marks=needs_2_2_5), kit_downloads]
)


def kill_once(command: list[str], is_time: Callable[[], object]) -> None:
    """Start a command, and end it with SIGKILL as soon as it is time."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not is_time():
            assert process.poll() is None
        process.kill()


# Waiting for the score


@needs_2_2_5
def test_both_wait_for_the_score(local: FaultyKaggle, file: Path) -> None:
    local.state.judging_seconds = 0.5
    for command in (kaggle_submits(file, "--wait"), kit_submits(file)):
        local.submissions.clear()
        done = run(command)
        assert done.returncode == 0
        assert "1.00000" in done.stdout


@needs_2_2_5
@pytest.mark.parametrize(("ours", "made"), [(False, 2), (True, 1)])
def test_a_command_that_was_killed_while_it_waited_is_repeated(
    local: FaultyKaggle, file: Path, ours: bool, made: int
) -> None:
    command = kit_submits(file) if ours else kaggle_submits(file, "--wait")
    waiting = local.fail("GetSubmission", stall=60.0)
    kill_once(command, waiting.reached.is_set)
    done = run(command)
    assert done.returncode == 0
    assert "1.00000" in done.stdout
    assert len(local.submissions) == made


@needs_2_2_5
def test_a_server_that_falls_silent(
    local: FaultyKaggle, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_KAGGLE_TIMEOUT", "0.5")
    local.fail("GetSubmission", stall=60.0)
    assert run(kit_submits(file)).returncode == 0
    local.submissions.clear()
    local.fail("GetSubmission", stall=60.0)
    with pytest.raises(subprocess.TimeoutExpired):
        run(kaggle_submits(file, "--wait", "1"), timeout=4)


# The reason of a rejection


@needs_2_2_5
def test_both_tell_why_a_file_was_rejected(local: FaultyKaggle, file: Path) -> None:
    reason = "Evaluation Exception: Labels must be fair"
    rejected = {"status": "ERROR", "publicScore": "", "errorDescription": reason}
    local.fail("GetSubmission", times=3, change=lambda answer: answer | rejected)

    theirs = run(kaggle_submits(file, "--wait"))
    assert (theirs.returncode, reason in theirs.stderr) == (1, True)
    shown = run([*KAGGLE, "submission", str(local.submissions[0].ref)])
    assert (shown.returncode, reason in shown.stdout) == (0, True)

    local.submissions.clear()
    ours = run(kit_submits(file))
    assert (ours.returncode, reason in ours.stderr) == (5, True)
    history = [*KIT, "history", "--offline", "--submissions", str(file.with_name("submissions"))]
    assert reason in run(history).stdout


def test_a_file_with_a_fault(local: FaultyKaggle, tmp_path: Path) -> None:
    file = write_labels(tmp_path / "short.csv", FULL_LABELS[:-1])
    ours = run(kit_submits(file))
    assert (ours.returncode, local.calls) == (3, [])
    assert "28,000" in ours.stderr
    theirs = run(kaggle_submits(file))
    assert (theirs.returncode, len(local.submissions)) == (0, 1)
    assert "must have 28000 rows" in str(local.submissions[0].error)


# Answers that are lost


@pytest.mark.parametrize(
    ("commands", "made"), [(kaggle_submits, 2), (kit_submits, 1)], ids=["theirs", "ours"]
)
def test_the_answer_to_a_submission_is_lost(
    local: FaultyKaggle, file: Path, commands: Callable[[Path], list[str]], made: int
) -> None:
    local.fail("CreateSubmission", reset_after=0, done=True)
    first = run(commands(file))
    run(commands(file))
    is_ours = commands is kit_submits
    assert (first.returncode, "1.00000" in first.stdout) == ((0, True) if is_ours else (1, False))
    assert len(local.submissions) == made


# The daily limit


@needs_limits
def test_no_submission_is_left_today(local: FaultyKaggle, file: Path) -> None:
    assert run(kaggle_submits(file)).returncode == 0
    local.state.daily_limit = 1
    other = write_labels(file.with_name("other.csv"), FULL_LABELS[::-1])
    local.calls.clear()

    ours = run(kit_submits(other))
    assert ours.returncode == 5
    assert "midnight UTC" in ours.stderr
    assert not {"StartSubmissionUpload", "CreateSubmission"} & set(local.calls)

    theirs = run(kaggle_submits(other))
    assert theirs.returncode == 1
    assert "daily" in theirs.stdout + theirs.stderr
    assert {"StartSubmissionUpload", "CreateSubmission"} <= set(local.calls)


@needs_limits
def test_success_is_said_over_the_limit(local: FaultyKaggle, file: Path) -> None:
    # As Kaggle once did, without counting the submission (kaggle-cli #148)
    assert run(kaggle_submits(file)).returncode == 0
    local.state.daily_limit = 1
    other = write_labels(file.with_name("other.csv"), FULL_LABELS[::-1])
    local.fail("CreateSubmission", status=200, message="Successfully submitted")
    assert run(kit_submits(other)).returncode == 5
    theirs = run(kaggle_submits(other))
    assert theirs.returncode == 0
    assert "Successfully submitted" in theirs.stdout
    assert len(local.submissions) == 1


# Resuming a download


@pytest.fixture
def large(full_competition_files: Path, tmp_path: Path, local: FaultyKaggle) -> FaultyKaggle:
    """The local Kaggle with a zip of some MB: Kaggle's client keeps whole MiB of a part."""
    train = tmp_path / "large.csv"
    figures = random.Random(7)
    rows = "".join(f"1,{figures.getrandbits(700)}\n" for _ in range(42_000))
    train.write_text(f"label,pixel0\n{rows}")
    with zipfile.ZipFile(local.files["digit-recognizer.zip"], "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(train, "train.csv")
        for name in ("test.csv", "sample_submission.csv"):
            zipped.write(full_competition_files / name, name)
    local.files["train.csv"] = train
    return local


@DOWNLOADS
def test_both_resume_a_download_that_was_killed(
    large: FaultyKaggle, folder: Path, downloads: Callable[[Path], list[str]]
) -> None:
    folder.mkdir()
    parts = [folder / "digit-recognizer.zip", folder / PART]
    large.fail("Download", cut_after=2_500_000)
    resumed = large.fail("Resume", lengthless="chunked")
    kill_once(
        downloads(folder),
        lambda: any(part.exists() and part.stat().st_size > 2_000_000 for part in parts),
    )
    assert not resumed.reached.is_set()
    assert run(downloads(folder)).returncode == 0
    assert resumed.reached.is_set()
    assert (folder / "train.csv").read_bytes() == large.files["train.csv"].read_bytes()


@DOWNLOADS
@pytest.mark.parametrize(
    "failure",
    [{"status": 503}, {"cut_after": 2000, "lengthless": "closed"}, {"html": True}],
    ids=["server failed", "broke off without a length", "page in between"],
)
def test_a_download_fails_once(
    local: FaultyKaggle,
    folder: Path,
    downloads: Callable[[Path], list[str]],
    failure: dict[str, Any],
) -> None:
    local.fail("Download", **failure)
    done = run(downloads(folder))
    is_ours = downloads is kit_downloads
    assert done.returncode == (0 if is_ours else 1)
    assert (folder / "train.csv").exists() is is_ours
    assert ("not a valid zip" in done.stderr) is not (is_ours or "status" in failure)


@DOWNLOADS
def test_a_download_is_repeated(
    local: FaultyKaggle, folder: Path, downloads: Callable[[Path], list[str]]
) -> None:
    assert run(downloads(folder)).returncode == 0
    local.calls.clear()
    assert run(downloads(folder)).returncode == 0
    assert ("Download" in local.calls) is (downloads is kaggle_downloads)


# Credentials that hide each other


def test_an_old_token_hides_a_good_key(
    local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    account = local.state.account
    good = {"username": account.username, "key": account.key}
    save(home / ".kaggle/kaggle.json", good).chmod(0o600)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "an-old-one")
    ours = run(kit_downloads(folder))
    assert ours.returncode == 4
    assert "unset KAGGLE_API_TOKEN" in ours.stderr
    assert str(home / ".kaggle/kaggle.json") in ours.stderr
    theirs = run([*KAGGLE, "files", "digit-recognizer"])
    assert theirs.returncode == 1
    assert "kaggle.json" not in theirs.stdout + theirs.stderr


@needs_2_2_5
def test_an_old_key_hides_a_good_login(
    local: FaultyKaggle, home: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    expired = {"access_token": "", "access_token_expiration": "2020-01-01T00:00:00+00:00"}
    login = {"refresh_token": REFRESH_TOKEN, "username": "rehearser", "scopes": []} | expired
    save(home / ".kaggle/credentials.json", login)
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    assert run([*KAGGLE, "files", "digit-recognizer"]).returncode == 0

    save(home / ".kaggle/credentials.json", login)
    old = {"username": "rehearser", "key": "an-old-one"}
    save(home / ".kaggle/kaggle.json", old).chmod(0o600)
    ours = run(kit_downloads(folder))
    assert ours.returncode == 4
    assert f"remove {home / '.kaggle/kaggle.json'}" in ours.stderr
    assert str(home / ".kaggle/credentials.json") in ours.stderr
    theirs = run([*KAGGLE, "files", "digit-recognizer"])
    assert theirs.returncode == 1
    assert "credentials.json" not in theirs.stdout + theirs.stderr
