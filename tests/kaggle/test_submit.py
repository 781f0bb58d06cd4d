"""Submitting: what is checked, what is remembered, and that there is never one too many."""

import json
from pathlib import Path

import pytest
from runs import SDK_HAS_LIMITS, make_run, needs_limits
from small_competition import LABELS, TEST_ROWS, write_labels

from kit.errors import (
    CompetitionError,
    CredentialsError,
    DataError,
    NetworkError,
    OverlapError,
    UsageError,
)
from kit.kaggle.answers import Limits
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import Entry, prepare_entry
from kit.kaggle.receipt import Receipt, load_receipt
from kit.kaggle.submit import compare, rejection, submit, wait_for_score
from kit.local_kaggle import LocalKaggle

GUESSES = [7, 2, 1, 9]


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    make_run(folder, GUESSES)
    return folder


def prepare(submissions: Path, **options: object) -> Entry:
    return prepare_entry(submissions, rows=TEST_ROWS, **options)  # type: ignore[arg-type]


def send(submissions: Path, entry: Entry | None = None, *, again: bool = False) -> Receipt:
    receipt = submit(
        Kaggle(),
        entry or prepare(submissions),
        submissions,
        lambda _limits: True,
        lambda _done, _size: None,
        again=again,
    )
    assert receipt is not None
    return receipt


def test_a_run_is_submitted_judged_and_remembered(at_local: LocalKaggle, submissions: Path) -> None:
    entry = prepare(submissions)
    asked: list[Limits | None] = []

    def confirm(limits: Limits | None) -> bool:
        asked.append(limits)
        assert not at_local.submissions
        return True

    sent = submit(Kaggle(), entry, submissions, confirm, lambda _done, _size: None)
    assert sent is not None
    limits = Limits(today=0, total=0, left=5, limited_by_total=False)
    assert asked == [limits if SDK_HAS_LIMITS else None]
    (submission,) = at_local.submissions
    assert submission.description == (
        "20260131-120000-tuned, tuned, validation 75.00%, commit 3eda181-dirty"
        f" [kit {entry.sha256[:12]}]"
    )
    assert sent.status == "PENDING"
    judged = wait_for_score(Kaggle(), entry.receipt_path, timeout=5)
    assert json.loads((submissions / "20260131-120000-tuned/receipt.json").read_text()) == {
        "ref": submission.ref,
        "time": judged.time,
        "file": "submission.csv",
        "sha256": entry.sha256,
        "message": entry.message,
        "status": "COMPLETE",
        "public_score": "0.75000",
        "private_score": None,
        "reason": None,
        "n_overlap": 0,
        "allow_overlap": False,
        "known_refs": [],
        "earlier": [],
    }


def test_a_no_sends_nothing(at_local: LocalKaggle, submissions: Path) -> None:
    entry = prepare(submissions)
    kaggle = Kaggle()
    assert submit(kaggle, entry, submissions, lambda _: False, lambda _d, _s: None) is None
    assert "StartSubmissionUpload" not in at_local.calls
    assert not entry.receipt_path.exists()


def test_the_score_is_set_beside_what_validation_foretold(
    at_local: LocalKaggle, submissions: Path
) -> None:
    send(submissions)
    entry = prepare(submissions)
    judged = wait_for_score(Kaggle(), entry.receipt_path, timeout=5)
    foretold = compare(entry, judged)
    assert foretold is not None
    assert foretold.validation.accuracy == 0.75
    assert (foretold.score.accuracy, foretold.score.n) == (0.75, TEST_ROWS)
    assert foretold.difference.difference == 0
    assert not foretold.difference.significant


def test_a_run_that_predicts_another_test_file_is_not_submitted(
    at_local: LocalKaggle, submissions: Path, tmp_path: Path
) -> None:
    other = tmp_path / "test.csv"
    other.write_text("pixel0\n")
    config = submissions / "20260131-120000-tuned/config.json"
    config.write_text(json.dumps({"data": {"test": {"origin": str(other)}}}))
    with pytest.raises(DataError, match=r"of 7 bytes; Kaggle's test\.csv has 20"):
        send(submissions)
    other.write_text("pixel0\r\n" + "0\r\n" * TEST_ROWS)
    assert send(submissions).ref


def test_a_run_that_saw_its_images_is_not_submitted(tmp_path: Path) -> None:
    make_run(tmp_path, GUESSES, n_overlap=3)
    with pytest.raises(OverlapError, match="3 of the 4 images"):
        prepare(tmp_path)
    assert prepare(tmp_path, allow_overlap=True).n_overlap == 3


def test_a_copy_of_a_run_is_that_run(tmp_path: Path) -> None:
    make_run(tmp_path / "submissions", GUESSES, n_overlap=3)
    copy = write_labels(tmp_path / "copy.csv", GUESSES)
    with pytest.raises(OverlapError):
        prepare(tmp_path / "submissions", file=copy)


def test_overlap_that_was_allowed_is_recorded(at_local: LocalKaggle, tmp_path: Path) -> None:
    make_run(tmp_path / "submissions", GUESSES, n_overlap=3)
    entry = prepare(tmp_path / "submissions", allow_overlap=True)
    receipt = send(tmp_path / "submissions", entry)
    assert (receipt.n_overlap, receipt.allow_overlap) == (3, True)


def test_a_file_of_ones_own_has_its_receipt_beside_it(
    at_local: LocalKaggle, submissions: Path, tmp_path: Path
) -> None:
    file = write_labels(tmp_path / "mine.csv", LABELS)
    entry = prepare(submissions, file=file, message="by hand")
    send(submissions, entry)
    assert load_receipt(tmp_path / "mine.receipt.json") == load_receipt(entry.receipt_path)
    assert at_local.submissions[0].description.startswith("by hand [kit ")
    assert at_local.submissions[0].file_name == "mine.csv"


def test_rows_in_another_order_are_sent_as_they_are(
    at_local: LocalKaggle, submissions: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shuffled.csv"
    content = b"ImageId,Label\n3,1\n1,7\n4,0\n2,9\n"
    file.write_bytes(content)
    entry = prepare(submissions, file=file)
    assert entry.content == content
    send(submissions, entry)
    assert at_local.submissions[0].total_bytes == len(content)
    assert wait_for_score(Kaggle(), entry.receipt_path, timeout=5).public_score == "0.75000"


def test_faults_and_missing_files_are_told(submissions: Path, tmp_path: Path) -> None:
    file = write_labels(tmp_path / "short.csv", LABELS[:-1])
    with pytest.raises(DataError, match="too few rows") as faulty:
        prepare(submissions, file=file)
    assert f"kit check {file}" in faulty.value.remedy
    make_run(submissions, None, name="20260201-120000-keras")
    with pytest.raises(DataError, match=r"has no submission\.csv"):
        prepare(submissions)
    with pytest.raises(UsageError):
        prepare(submissions, run="20260131-120000-tuned", file=file)


def test_the_same_content_is_not_sent_twice(at_local: LocalKaggle, submissions: Path) -> None:
    send(submissions)
    wait_for_score(Kaggle(), prepare(submissions).receipt_path, timeout=5)
    with pytest.raises(UsageError, match=r"submitted before as 40000000; its score is 0\.75000"):
        send(submissions)
    make_run(submissions, GUESSES, name="20260202-120000-copy")
    with pytest.raises(UsageError, match="from 20260131-120000-tuned"):
        send(submissions, prepare(submissions, run="20260202-120000-copy"))
    assert len(at_local.submissions) == 1


def test_the_same_content_is_known_from_kaggles_list_alone(
    at_local: LocalKaggle, submissions: Path
) -> None:
    send(submissions)
    prepare(submissions).receipt_path.unlink()
    with pytest.raises(UsageError, match="the same content was submitted before"):
        send(submissions)


def test_a_message_that_kaggle_cuts_short_is_recognised(
    at_local: LocalKaggle, submissions: Path
) -> None:
    entry = prepare(submissions, message="long " * 100)
    at_local.fail("CreateSubmission", 500, done=True)
    create = at_local.state.submit

    def cutting(token: str, description: str) -> object:
        return create(token, description[:100])

    at_local.state.submit = cutting  # type: ignore[method-assign,assignment]
    assert send(submissions, entry).ref == 40_000_000
    assert len(at_local.submissions) == 1


def test_again_sends_it_once_more_and_keeps_the_earlier_receipt(
    at_local: LocalKaggle, submissions: Path
) -> None:
    first = send(submissions)
    second = send(submissions, again=True)
    assert [first.ref, second.ref] == [submission.ref for submission in at_local.submissions]
    assert [attempt.ref for attempt in second.earlier] == [first.ref]


def test_a_pending_submission_is_waited_for_not_sent_again(
    at_local: LocalKaggle, submissions: Path
) -> None:
    at_local.state.judging_seconds = 60
    first = send(submissions)
    with pytest.raises(NetworkError, match="not judged submission 40000000 within 0 seconds"):
        wait_for_score(Kaggle(), prepare(submissions).receipt_path, timeout=0)
    assert send(submissions) == first
    assert len(at_local.submissions) == 1


def test_a_submission_whose_answer_was_lost_is_taken_up(
    at_local: LocalKaggle, submissions: Path
) -> None:
    at_local.fail("CreateSubmission", 504, done=True)
    at_local.fail("ListSubmissions", 503, times=3, skip=1)
    with pytest.raises(NetworkError, match="open whether"):
        send(submissions)
    kept = load_receipt(prepare(submissions).receipt_path)
    assert kept is not None
    assert (kept.status, kept.ref) == ("SENDING", None)
    for again in (True, False):
        assert send(submissions, again=again).ref == 40_000_000
        assert len(at_local.submissions) == 1
        prepare(submissions).receipt_path.write_text(kept.model_dump_json())


def test_a_submission_that_never_arrived_is_sent(at_local: LocalKaggle, submissions: Path) -> None:
    at_local.fail("CreateSubmission", 504)
    with pytest.raises(NetworkError, match="open whether"):
        send(submissions)
    receipt = send(submissions)
    assert receipt.earlier == ()
    assert len(at_local.submissions) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(400, CompetitionError), (401, CredentialsError), (403, CompetitionError)]
)
def test_a_refusal_leaves_what_was_known_before(
    at_local: LocalKaggle, submissions: Path, status: int, error: type[Exception]
) -> None:
    at_local.fail("CreateSubmission", status, times=2)
    with pytest.raises(error):
        send(submissions)
    assert not prepare(submissions).receipt_path.exists()
    at_local.failures.clear()
    first = send(submissions)
    at_local.fail("CreateSubmission", status, times=2)
    with pytest.raises(error):
        send(submissions, again=True)
    assert load_receipt(prepare(submissions).receipt_path) == first


@needs_limits
def test_no_submission_left_is_told_before_anything_is_sent(
    at_local: LocalKaggle, submissions: Path
) -> None:
    at_local.state.daily_limit = 1
    send(submissions)
    at_local.calls.clear()
    with pytest.raises(CompetitionError, match="No submission is left: 1 were made today") as none:
        send(submissions, again=True)
    assert "midnight UTC" in none.value.remedy
    assert "StartSubmissionUpload" not in at_local.calls


def test_the_limit_that_kaggle_tells_late_is_told(at_local: LocalKaggle, submissions: Path) -> None:
    at_local.fail("CreateSubmission", 400, message="your team has used its daily allowance (5)")
    with pytest.raises(CompetitionError, match="daily allowance") as late:
        send(submissions)
    assert "midnight UTC" in late.value.remedy


def test_who_has_not_entered_is_told_so_not_that_the_limit_is_reached(
    at_local: LocalKaggle, submissions: Path
) -> None:
    at_local.state.account.entered = False
    with pytest.raises(CompetitionError, match="not entered") as outside:
        send(submissions)
    assert "https://www.kaggle.com/competitions/digit-recognizer" in outside.value.remedy


def test_a_rejection_comes_with_kaggles_reason(at_local: LocalKaggle, tmp_path: Path) -> None:
    file = write_labels(tmp_path / "five.csv", [*LABELS, 5])
    entry = prepare_entry(tmp_path, file=file, rows=TEST_ROWS + 1)
    send(tmp_path, entry)
    rejected = wait_for_score(Kaggle(), entry.receipt_path, timeout=5)
    told = rejection(entry, rejected)
    assert "Evaluation Exception: Submission must have 4 rows" in told.what
    with pytest.raises(UsageError, match="Kaggle rejected it: Evaluation Exception"):
        send(tmp_path, entry)


def test_a_damaged_receipt_is_told(at_local: LocalKaggle, submissions: Path) -> None:
    prepare(submissions).receipt_path.write_text("{}")
    with pytest.raises(DataError, match="not a receipt"):
        send(submissions)
    assert not at_local.submissions


def test_one_submission_at_a_time(at_local: LocalKaggle, submissions: Path) -> None:
    def confirm(_limits: Limits | None) -> bool:
        with pytest.raises(UsageError, match="another submission is being made"):
            send(submissions)
        return True

    entry = prepare(submissions)
    assert submit(Kaggle(), entry, submissions, confirm, lambda _done, _size: None)
    assert len(at_local.submissions) == 1
