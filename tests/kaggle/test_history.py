"""The history: runs, their submissions, and those made from elsewhere."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faulty_kaggle import FaultyKaggle
from runs import make_run
from small_competition import LABELS, TEST_ROWS, write_labels

from kit.cli.main import run
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import prepare_entry
from kit.kaggle.history import HistoryRow, read_history
from kit.kaggle.receipt import keep, load_receipt
from kit.kaggle.submit import submit
from kit.runs import begin_run


def send(submissions: Path, run: str | None, file: Path | None = None, again: bool = False) -> None:
    entry = prepare_entry(submissions, run, file, rows=TEST_ROWS)
    submit(Kaggle(), entry, lambda _: True, lambda _: None, again=again)


def elsewhere(local: FaultyKaggle, description: str) -> None:
    content = b"by hand"
    token = local.state.begin_upload("by hand.csv", len(content))
    local.state.uploads[token].content += content
    local.state.submit(token, description)


def facts(row: HistoryRow) -> tuple[object, ...]:
    """The run, and what is known of the submission."""
    attempt = row.attempt
    assert attempt is not None
    run = row.run.name if row.run else None
    has_receipt = attempt.path.is_file()
    return attempt.ref, run, attempt.file, attempt.public_score, attempt.status, has_receipt


def test_without_submissions_there_are_only_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, LABELS, name="20260101-000000-old")
    make_run(tmp_path, LABELS, name="20260102-000000-new", validation=(0.5, 0))
    assert run(["history", "--offline", "--json", "--submissions", str(tmp_path)]) == 0
    new, old = json.loads(capsys.readouterr().out)["history"]
    assert (new["run"], old["run"]) == ("20260102-000000-new", "20260101-000000-old")
    assert (old["source"], old["preset"], old["status"]) == ("kaggle", "tuned", None)
    assert old["validation"]["accuracy"] == 0.75
    assert new["validation"] is None


def test_every_submission_is_listed_once(at_local: FaultyKaggle, tmp_path: Path) -> None:
    name = "20260101-000000-perfect"
    make_run(tmp_path, LABELS, name=name)
    send(tmp_path, name)
    elsewhere(at_local, "by hand")
    send(tmp_path, name, again=True)
    send(tmp_path, None, write_labels(tmp_path / "mine.csv", [1, *LABELS[1:]]))
    rows, _ = read_history(tmp_path, Kaggle().list_submissions())
    assert sorted(map(facts, rows)) == [
        (40000000, name, "submission.csv", "1.00000", "COMPLETE", True),
        (40000001, None, "by hand.csv", None, "ERROR", False),
        (40000002, name, "submission.csv", "1.00000", "COMPLETE", True),
        (40000003, None, "mine.csv", "0.75000", "COMPLETE", True),
    ]
    # What Kaggle said is remembered for when it cannot be asked
    offline, _ = read_history(tmp_path, [])
    assert sorted(map(facts, offline)) == [facts(row) for row in offline[::-1]]
    assert [row.attempt and row.attempt.public_score for row in offline] == [
        "0.75000", "1.00000", "1.00000",
    ]  # fmt: skip


def test_a_list_that_lags_takes_no_verdict_back(at_local: FaultyKaggle, tmp_path: Path) -> None:
    name = "20260101-000000-perfect"
    make_run(tmp_path, LABELS, name=name)
    send(tmp_path, name)
    read_history(tmp_path, Kaggle().list_submissions())

    def lag(answer: dict[str, Any]) -> dict[str, Any]:
        (submission,) = answer["submissions"]
        return {"submissions": [{**submission, "status": "PENDING", "publicScore": ""}]}

    at_local.fail("ListSubmissions", change=lag)
    (row,), _ = read_history(tmp_path, Kaggle().list_submissions())
    assert facts(row)[3:5] == ("1.00000", "COMPLETE")
    assert facts(read_history(tmp_path, [])[0][0]) == facts(row)
    # Nor is it waited for where it is to be submitted once more
    at_local.fail("ListSubmissions", change=lag)
    send(tmp_path, name, again=True)
    assert len(at_local.submissions) == 2


def test_a_receipt_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    names = ["20260101-000000-one", "20260102-000000-two"]
    for name in names:
        make_run(tmp_path, LABELS, name=name)
    (tmp_path / names[0] / "receipt.json").mkdir()
    rows, (damaged,) = read_history(tmp_path, [])
    assert sorted(row.run.name for row in rows if row.run) == names
    assert str(tmp_path / names[0] / "receipt.json") in damaged.what


def test_a_submission_whose_answer_was_lost_is_found(
    at_local: FaultyKaggle, tmp_path: Path
) -> None:
    folder = make_run(tmp_path, LABELS)
    send(tmp_path, folder.name)
    (attempt,) = load_receipt(folder / "receipt.json")
    lost = attempt.model_copy(update={"ref": None, "status": "SENDING"})
    (folder / "receipt.json").write_text(lost.model_dump_json())
    (offline,), _ = read_history(tmp_path, [])
    assert facts(offline)[0] is None
    assert facts(offline)[4] == "SENDING"
    (online,), _ = read_history(tmp_path, Kaggle().list_submissions())
    assert facts(online)[0] == 40000000
    assert facts(online)[4] == "COMPLETE"
    assert [online.attempt] == load_receipt(folder / "receipt.json")


def test_a_known_submission_is_not_taken_for_an_open_one(
    at_local: FaultyKaggle, tmp_path: Path
) -> None:
    folder = make_run(tmp_path, LABELS)
    send(tmp_path, folder.name)
    (attempt,) = load_receipt(folder / "receipt.json")
    make_run(tmp_path, LABELS, name="20260101-000000-copy")
    earlier = {"time": datetime(2026, 1, 1, tzinfo=UTC), "ref": None, "status": "SENDING"}
    path = tmp_path / "20260101-000000-copy" / "receipt.json"
    keep(attempt.model_copy(update={**earlier, "path": path}))
    (known, open_one), _ = read_history(tmp_path, Kaggle().list_submissions())
    assert facts(known)[0] == 40000000
    assert facts(open_one)[0] is None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", b""),
        ("metrics.json", b"[1]"),
        ("metrics.json", b"\xff\xfe{}"),
        ("metrics.json", b'{"keras_test": "good"}'),
        ("metrics.json", b'{"validation": {"accuracy": 0.9}}'),
        ("metrics.json", b'{"overlap": {"test": {"n": "many"}}}'),
        ("metrics.json", b'{"validation": {"accuracy": null, "n": 9, "interval": [0, 1]}}'),
        ("metrics.json", b'{"keras_test": {"accuracy": NaN, "n": 9, "interval": [0, 1]}}'),
        ("receipt.json", b'{"ref": 1}'),
    ],
)
def test_a_damaged_record_is_named_and_the_others_are_listed(
    file: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, LABELS, name="20260101-000000-whole")
    damaged = make_run(tmp_path, LABELS, name="20260102-000000-damaged") / file
    damaged.write_bytes(content)
    command = ["history", "--offline", "--submissions", str(tmp_path)]
    assert run(command) == 0
    told = capsys.readouterr()
    assert "20260101-000000-whole" in told.out
    assert str(damaged) in told.err
    assert run([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert "20260101-000000-whole" in {row["run"] for row in record["history"]}
    assert [str(damaged) in what for what in record["damaged"]] == [True]
    if file == "metrics.json":
        committee = ["committee", "20260101-000000-whole", damaged.parent.name]
        assert run([*committee, "--submissions", str(tmp_path)]) == 3
        assert len([*tmp_path.iterdir()]) == 2


def test_interrupted_runs_are_listed_with_the_line_that_resumes_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = begin_run(tmp_path, "waiting", {"settings": {}})
    waiting.release()
    held = begin_run(tmp_path, "held", {"settings": {}})
    command = ["history", "--offline", "--submissions", str(tmp_path)]
    assert run(command) == 0
    err = capsys.readouterr().err
    assert f"kit train --submissions {tmp_path} --resume {waiting.name}\n" in err
    # A process is at work on this one
    assert held.name not in err
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfinished"] == [waiting.name]


@pytest.mark.parametrize("score", ["97.186", "None", "", "n/a"])
@pytest.mark.parametrize("width", ["60", "200"])
def test_scores_that_are_no_accuracy_leave_the_table_and_the_chart(
    at_local: FaultyKaggle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    score: str,
    width: str,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", width)
    for labels, name in ((LABELS, "20260101-000000-good"), ([1, 2, 3, 4], "20260102-000000-odd")):
        make_run(tmp_path, labels, name=name)
        send(tmp_path, name)

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        newest, *others = answer["submissions"]
        odd = {"publicScore": score, "status": "RESCORING", "errorDescription": "late\n\x1b[31m"}
        return {"submissions": [{**newest, **odd}, *others]}

    at_local.fail("ListSubmissions", change=change)
    assert run(["history", "--submissions", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "RESCORING" in told
    assert score in told
    chart = [line.split()[0] for line in told.splitlines() if line.startswith("2026")]
    assert chart == ["20260101-000000-good"]
    assert r"was rejected: late\n\x1b[31m" in told


def test_a_description_is_one_line_of_the_table(
    at_local: FaultyKaggle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere(at_local, "two\nlines\tand \x1b[31mred \u202e")
    assert run(["history", "--submissions", str(tmp_path)]) == 0
    head, row = capsys.readouterr().out.splitlines()[:2]
    assert len(row.split("\t")) == len(head.split("\t"))
    assert row.startswith(r"elsewhere: two\nlines\tand \x1b[31mred \u202e")
