"""Faults that a review found."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from runs import make_run
from small_competition import FULL_LABELS

from kit.cli.main import run
from kit.cli.output import print_table
from kit.local_kaggle import LocalKaggle

RUN = "20260131-120000-tuned"


@pytest.fixture
def here(at_full_local: LocalKaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed_command(text: str) -> list[str]:
    return shlex.split(
        next(line for line in text.splitlines() if "kit submit " in line).split(": kit ")[1]
    )


def test_again_that_timed_out_sends_nothing_more(at_full_local: LocalKaggle, here: Path) -> None:
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
def test_the_line_that_goes_on_waiting_works(
    at_full_local: LocalKaggle, here: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    runs = here / ("my runs" if "--submissions" in options else "submissions")
    overlap = 24_000 if "--allow-overlap" in options else 0
    folder = make_run(runs, FULL_LABELS, n_overlap=overlap)
    if "--file" in options:
        (folder / "submission.csv").rename(here / "a b.csv")
    assert run(["submit", "--no-wait", *options]) == 0
    assert run(printed_command(capsys.readouterr().out)) == 0
    assert len(at_full_local.submissions) == 1


def test_a_table_on_a_terminal_shows_brackets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    print_table("Title", ["run", "score"], [["by hand [/b] [kit 0123456789ab]", "0.5"]])
    assert "by hand [/b] [kit 0123456789ab]" in capsys.readouterr().out


def test_json_names_what_was_sent_even_when_the_score_does_not_come(
    at_full_local: LocalKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "submissions", FULL_LABELS)
    at_full_local.state.judging_seconds = 60
    assert run(["submit", "--timeout", "0", "--json"]) == 6
    told = json.loads(capsys.readouterr().out)
    assert (told["ref"], told["status"]) == (40_000_000, "PENDING")
    assert run(["submit", "--dry-run", "--json", "--timeout", "60"]) == 0


def test_a_short_description_from_elsewhere_is_not_taken_for_ones_own(
    at_full_local: LocalKaggle, here: Path
) -> None:
    folder = make_run(here / "submissions", FULL_LABELS)
    content = (folder / "submission.csv").read_bytes()
    token = at_full_local.state.begin_upload("submission.csv", len(content))
    at_full_local.state.uploads[token].content += content
    at_full_local.state.submit(token, "wider")
    assert run(["submit", "--message", "wider, seed 2"]) == 0
    assert len(at_full_local.submissions) == 2


def test_a_refusal_after_an_unclear_try_hides_nothing(
    at_full_local: LocalKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(here / "submissions", FULL_LABELS)
    at_full_local.fail("CreateSubmission", 500)
    at_full_local.fail("CreateSubmission", 400, message="daily allowance (5)")
    assert run(["submit"]) == 6
    assert "It is open whether" in capsys.readouterr().err
    assert (folder / "receipt.json").is_file()


def test_a_file_cut_off_in_its_last_row_is_not_whole(
    at_full_local: LocalKaggle, here: Path
) -> None:
    assert run(["download"]) == 0
    file = here / "data/kaggle/train.csv"
    content = file.read_bytes()
    file.write_bytes(content[:-4])
    assert run(["download"]) == 3
    assert run(["download", "--force"]) == 0
    assert file.read_bytes() == content
