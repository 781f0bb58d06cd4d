"""The history: runs, their submissions, and those made from elsewhere."""

from pathlib import Path

from runs import make_run
from small_competition import LABELS, TEST_ROWS

from kit.kaggle.client import Kaggle
from kit.kaggle.entry import prepare_entry
from kit.kaggle.history import read_history
from kit.kaggle.receipt import load_receipt
from kit.kaggle.submit import submit
from kit.local_kaggle import LocalKaggle


def send(submissions: Path, run: str, *, again: bool = False) -> None:
    entry = prepare_entry(submissions, run, rows=TEST_ROWS)
    submit(Kaggle(), entry, submissions, lambda _: True, lambda _d, _s: None, again=again)


def elsewhere(local: LocalKaggle, description: str) -> None:
    content = b"by hand"
    token = local.state.begin_upload("by hand.csv", len(content))
    local.state.uploads[token].content += content
    local.state.submit(token, description)


def test_without_submissions_there_are_only_runs(tmp_path: Path) -> None:
    make_run(tmp_path, LABELS, name="20260101-000000-old")
    make_run(tmp_path, LABELS, name="20260102-000000-new", validation=(0.5, 0))
    new, old = read_history(tmp_path, None)
    assert (new.run, old.run) == ("20260102-000000-new", "20260101-000000-old")
    assert (old.source, old.preset, old.status) == ("kaggle", "tuned", None)
    assert old.validation is not None
    assert old.validation.accuracy == 0.75
    assert new.validation is None


def test_every_submission_is_listed_once(at_local: LocalKaggle, tmp_path: Path) -> None:
    make_run(tmp_path, LABELS, name="20260101-000000-perfect")
    send(tmp_path, "20260101-000000-perfect")
    elsewhere(at_local, "by hand")
    send(tmp_path, "20260101-000000-perfect", again=True)
    rows = read_history(tmp_path, Kaggle())
    assert sorted((row.ref or 0, row.run, row.public_score, row.status) for row in rows) == [
        (40000000, "20260101-000000-perfect", "1.00000", "COMPLETE"),
        (40000001, None, None, "ERROR"),
        (40000002, "20260101-000000-perfect", "1.00000", "COMPLETE"),
    ]
    # what Kaggle said is remembered for when it cannot be asked
    assert len(read_history(tmp_path, None)) == 2
    assert all(row.public_score == "1.00000" for row in read_history(tmp_path, None))


def test_a_submission_whose_answer_was_lost_is_found(at_local: LocalKaggle, tmp_path: Path) -> None:
    folder = make_run(tmp_path, LABELS)
    send(tmp_path, folder.name)
    receipt = load_receipt(folder / "receipt.json")
    assert receipt is not None
    lost = receipt.model_copy(update={"ref": None, "status": "SENDING"})
    (folder / "receipt.json").write_text(lost.model_dump_json())
    (offline,) = read_history(tmp_path, None)
    assert (offline.ref, offline.status) == (None, "SENDING")
    (online,) = read_history(tmp_path, Kaggle())
    assert (online.ref, online.status) == (40000000, "COMPLETE")
