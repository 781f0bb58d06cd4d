"""Faults that a review found."""

import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from runs import make_run
from small_competition import FULL_LABELS, write_labels

from kit.cli.main import run
from kit.cli.output import print_table
from kit.kaggle.receipt import load_receipt

RUN = "20260131-120000-tuned"


def kit(
    *arguments: str,
    stdin: bytes | None = None,
    closed: str = "",
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own; `closed` is what a shell does to its streams."""
    # The exit code of the command, rather than of the pipe's reader
    command = shlex.join([sys.executable, "-m", "kit", *arguments])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {closed}"],
        input=stdin,
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **(environment or {})},
    )


@pytest.fixture
def here(at_full_local: FaultyKaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_again_that_timed_out_sends_nothing_more(at_full_local: FaultyKaggle, here: Path) -> None:
    make_run(here / "submissions", FULL_LABELS)
    assert run(["submit"]) == 0
    at_full_local.state.judging_seconds = 60
    for _ in range(2):
        assert run(["submit", "--again", "--timeout", "0"]) == 6
    assert len(at_full_local.submissions) == 2
    at_full_local.submissions[1].judging_seconds = 0
    at_full_local.state.judging_seconds = 0
    # once that one is judged, --again is a new wish
    assert run(["submit", "--again"]) == 0
    assert len(at_full_local.submissions) == 3


@pytest.mark.parametrize(
    "options", [[], ["--submissions", "my runs"], ["--allow-overlap"], ["--file", "a b.csv"]]
)
def test_the_same_command_goes_on_waiting(
    at_full_local: FaultyKaggle, here: Path, options: list[str]
) -> None:
    runs = here / ("my runs" if "--submissions" in options else "submissions")
    overlap = 24_000 if "--allow-overlap" in options else 0
    folder = make_run(runs, FULL_LABELS, n_overlap=overlap)
    if "--file" in options:
        (folder / "submission.csv").rename(here / "a b.csv")
    assert run(["submit", "--no-wait", *options]) == 0
    assert run(["submit", *options]) == 0
    assert len(at_full_local.submissions) == 1


def test_a_table_on_a_terminal_shows_brackets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    print_table("Title", ["run", "score"], [["by hand [/b] [kit 0123456789ab]", "0.5"]])
    assert "by hand [/b] [kit 0123456789ab]" in capsys.readouterr().out


def test_json_names_what_was_sent_even_when_the_score_does_not_come(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    at_full_local.state.judging_seconds = 60
    assert run(["submit", "--timeout", "0", "--json"]) == 6
    told = json.loads(capsys.readouterr().out)
    assert (told["ref"], told["status"]) == (40_000_000, "PENDING")
    assert run(["submit", "--dry-run", "--json", "--timeout", "60"]) == 0


def test_a_short_description_from_elsewhere_is_not_taken_for_ones_own(
    at_full_local: FaultyKaggle, here: Path
) -> None:
    folder = make_run(here / "submissions", FULL_LABELS)
    content = (folder / "submission.csv").read_bytes()
    token = at_full_local.state.begin_upload("submission.csv", len(content))
    at_full_local.state.uploads[token].content += content
    at_full_local.state.submit(token, "wider")
    assert run(["submit", "--message", "wider, seed 2"]) == 0
    assert len(at_full_local.submissions) == 2


def test_an_unclear_try_is_the_last_one(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(here / "submissions", FULL_LABELS)
    at_full_local.fail("CreateSubmission", 500)
    at_full_local.fail("CreateSubmission", 400, message="daily allowance (5)")
    assert run(["submit"]) == 6
    what, remedy = capsys.readouterr().err.splitlines()[-2:]
    assert "open whether" in what
    assert "same command looks again" in remedy
    assert (folder / "receipt.json").is_file()
    assert at_full_local.calls.count("CreateSubmission") == 1


def test_a_rejection_comes_with_kaggles_reason(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    reason = "ERROR: Unexpected Column: 'x'\n(Line 1,\x1b[2J Column 1)."
    rejected = {"status": "ERROR", "publicScore": "", "errorDescription": reason}
    at_full_local.fail("GetSubmission", change=lambda answer: {**answer, **rejected})
    assert run(["submit"]) == 5
    told = capsys.readouterr().err
    assert "rejected submission 40000000: ERROR: Unexpected Column: 'x' (Line 1," in told
    assert "\x1b" not in told
    assert "kit check submissions/" in told


def test_the_score_is_set_beside_validation(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    assert run(["submit", "--json"]) == 0
    comparison = json.loads(capsys.readouterr().out)["comparison"]
    assert comparison["validation"]["accuracy"] == 0.75
    assert (comparison["score"]["accuracy"], comparison["score"]["n"]) == (1.0, 28_000)
    assert comparison["difference"]["difference"] == 0.25
    assert comparison["significant"] is True


@pytest.mark.parametrize("score", ["97.186", "None", "n/a"])
def test_a_score_that_is_no_accuracy_is_shown_and_not_compared(
    at_full_local: FaultyKaggle, here: Path, capsys: pytest.CaptureFixture[str], score: str
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    at_full_local.fail(
        "GetSubmission", times=2, change=lambda answer: {**answer, "publicScore": score}
    )
    assert run(["submit"]) == 0
    told = capsys.readouterr().out
    assert f"Public score {score}" in told
    assert "Validation" not in told


@pytest.mark.parametrize("by_pipe", [False, True])
def test_what_is_checked_is_what_is_sent(
    at_full_local: FaultyKaggle, here: Path, by_pipe: bool
) -> None:
    """A pipe can be read once."""
    content = write_labels(here / "mine.csv", FULL_LABELS).read_bytes()
    name, command = ("pipe.csv", ["--file", "pipe.csv"]) if by_pipe else ("", ["--file", "-"])
    if by_pipe:
        os.mkfifo(here / name)
        writer = threading.Thread(target=(here / name).write_bytes, args=(content,))
        writer.start()
    done = kit("submit", *command, "--yes", stdin=None if by_pipe else content)
    assert done.returncode == 0, done.stderr
    (sent,) = at_full_local.submissions
    assert (sent.total_bytes, sent.score) == (len(content), "1.00000")
    assert sent.file_name == ("pipe.csv" if by_pipe else "submission.csv")
    if by_pipe:
        writer.join()
    # It is known by its content, whatever it is called
    assert run(["submit", "--file", "mine.csv"]) == 2
    assert run(["history", "--offline"]) == 0


def test_standard_input_needs_yes(at_full_local: FaultyKaggle, here: Path) -> None:
    content = write_labels(here / "mine.csv", FULL_LABELS).read_bytes()
    refused = kit("submit", "--file", "-", stdin=content)
    assert (refused.returncode, refused.stderr.count(b"\n")) == (2, 2)
    assert b"--yes" in refused.stderr
    assert not at_full_local.submissions
    nothing = kit("submit", "--file", "-", "--yes", stdin=b"")
    assert nothing.returncode == 3
    assert kit("submit", "--file", "-", "--yes", closed="0<&-").returncode == 3
    assert not at_full_local.submissions


@pytest.mark.parametrize(
    ("options", "closed", "code"),
    [
        ([], ">&-", 0), ([], "2>&-", 0), ([], "<&- >&- 2>&-", 0), (["--json"], "2>/dev/full", 0),
        (["--json"], ">/dev/full", 3), ([], ">/dev/full 2>/dev/full", 3),
        (["--json"], "| true", 141), (["--no-wait"], "2>&1 | true", 141),
    ],
)  # fmt: skip
def test_streams_that_cannot_be_written_to(
    at_full_local: FaultyKaggle, here: Path, options: list[str], closed: str, code: int
) -> None:
    folder = make_run(here / "submissions", FULL_LABELS)
    # Its retries are told too
    at_full_local.fail("StartSubmissionUpload", 503)
    done = kit("submit", *options, closed=closed)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert len(at_full_local.submissions) == 1
    (attempt,) = load_receipt(folder / "receipt.json")
    assert attempt.ref == 40_000_000


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_what_the_output_cannot_show_is_escaped(
    at_full_local: FaultyKaggle, here: Path, encoding: str
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    environment = {"PYTHONIOENCODING": encoding}
    done = kit("submit", "--message", "Ziffern \u4e09\u2780 \u202e", environment=environment)
    assert done.returncode == 0, done.stderr
    done = kit("history", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    make_run(here / "submissions", None, name="20270101-000000-\u4e09")
    done = kit("history", environment=environment)
    assert done.returncode == 0, done.stderr
    shown = "\u4e09" if encoding == "utf-8" else r"\u4e09"
    assert f"20270101-000000-{shown}\t" in done.stdout.decode(encoding)


def test_a_message_that_is_not_utf_8_is_escaped(at_full_local: FaultyKaggle, here: Path) -> None:
    make_run(here / "submissions", FULL_LABELS)
    done = kit("submit", "--message", os.fsdecode(b"caf\xe9"))
    assert done.returncode == 0, done.stderr
    assert at_full_local.submissions[0].description.endswith(r"] caf\udce9")


def test_a_file_cut_off_in_its_last_row_is_not_whole(
    at_full_local: FaultyKaggle, here: Path
) -> None:
    assert run(["download"]) == 0
    file = here / "data/kaggle/train.csv"
    content = file.read_bytes()
    file.write_bytes(content[:-4])
    assert run(["download"]) == 3
    assert run(["download", "--force"]) == 0
    assert file.read_bytes() == content
