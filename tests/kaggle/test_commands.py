"""What the Kaggle side's commands print when all goes well."""

import json
from pathlib import Path

import pytest
from runs import make_run
from small_competition import FULL_LABELS

from kit.cli.main import run
from kit.local_kaggle.app import LocalKaggle

RUN = "20260131-120000-tuned"


@pytest.fixture
def here(at_full_local: LocalKaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "submissions", FULL_LABELS, validation=(0.9, 1000))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert run(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def test_download(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "data/kaggle/train.csv: 42,000 rows, 210,014 bytes",
        "data/kaggle/test.csv: 28,000 rows, 84,008 bytes",
        "data/kaggle/sample_submission.csv: 28,000 rows, 212,908 bytes",
    ]
    assert printed(capsys, "download") == lines
    at_first = (here / "data/kaggle/train.csv").stat().st_ino
    assert printed(capsys, "download") == lines
    assert (here / "data/kaggle/train.csv").stat().st_ino == at_first
    assert printed(capsys, "download", "--force") == lines
    assert (here / "data/kaggle/train.csv").stat().st_ino != at_first


def test_what_is_there_needs_no_credentials(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed(capsys, "download")
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (answer,) = printed(capsys, "download", "--json")
    assert json.loads(answer)["fetched"] is False


def test_submit_sets_the_score_beside_validation(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "submit", "--dry-run") == ["Nothing was sent."]
    assert printed(capsys, "submit") == [
        "Submission 40000000: COMPLETE",
        "Public score 1.00000",
        "Validation 90.00% (95% interval 88.00% to 92.00%, 1,000 images)",
        "The score differs by +10.00%; the difference is significant.",
    ]


def test_submit_without_waiting(
    at_full_local: LocalKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "submit", "--no-wait") == [
        "Submission 40000000: PENDING",
        "Its score comes later: kit history shows it, and kit submit waits for it.",
    ]
    assert printed(capsys, "submit", RUN)[1] == "Public score 1.00000"
    assert len(at_full_local.submissions) == 1


def test_submit_of_overlap_that_was_allowed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(here / "submissions", FULL_LABELS, name="20260201-120000-seen", n_overlap=24_000)
    lines = printed(capsys, "submit", "--allow-overlap")
    assert lines[-1] == "It has trained on 24,000 of these images: the score is void."


def test_history_online_offline_and_when_kaggle_fails(
    at_full_local: LocalKaggle, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "submit")
    token = at_full_local.state.begin_upload("other.csv", 0)
    at_full_local.state.submit(token, "by hand")
    header, first, second, rejected = printed(capsys, "history")
    assert header.split("\t")[:3] == ["run", "time", "source"]
    assert first.startswith("elsewhere: by hand\t")
    assert first.endswith("\t40000001\tERROR")
    assert second.startswith(f"{RUN}\t")
    assert second.endswith("\tkaggle\ttuned\t90.00%\t90.00%\t1.00000\t40000000\tCOMPLETE")
    reason = "Evaluation Exception: Submission must have 28000 rows"
    assert rejected == f"40000001 was rejected: {reason}"
    assert printed(capsys, "history", "--offline") == [header, second]
    at_full_local.fail("*", 500, times=100)
    assert printed(capsys, "history") == [header, second]
    (answer,) = printed(capsys, "history", "--json")
    shown = json.loads(answer)
    assert shown["online"] is False
    assert "Kaggle's server failed" in shown["failure"]
    assert [row["ref"] for row in shown["history"]] == [40_000_000]


def test_history_of_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = printed(capsys, "history", "--offline", "--submissions", "nowhere")
    assert "Make one with: kit train" in line


def test_doctor(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["checks"][-1]["remedy"] == "Fetch them with: kit download"
    printed(capsys, "download")
    assert all(line.startswith("ok  ") for line in printed(capsys, "doctor"))
