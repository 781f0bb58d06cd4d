"""Submitting: what is checked, what is remembered, and that there is never one too many."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from faulty_kaggle import FaultyKaggle
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
from kit.kaggle.client import Kaggle, utc_now
from kit.kaggle.entry import Entry, prepare_entry
from kit.kaggle.receipt import Attempt, drop, load_receipt
from kit.kaggle.submit import submit, wait_for_score

GUESSES = [7, 2, 1, 9]


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    make_run(folder, GUESSES)
    return folder


def prepare(submissions: Path, **options: object) -> Entry:
    return prepare_entry(submissions, rows=TEST_ROWS, **options)  # type: ignore[arg-type]


def send(
    submissions: Path, entry: Entry | None = None, *, again: bool = False, minutes: float = 0
) -> Attempt:
    """Submit, by a clock that is some minutes ahead."""
    entry = entry or prepare(submissions)
    kaggle = Kaggle(now=lambda: utc_now() + timedelta(minutes=minutes))
    attempt = submit(kaggle, entry, lambda _limits: True, lambda _note: None, again=again)
    assert attempt is not None
    assert attempt in load_receipt(attempt.path)
    return attempt


def wait(entry: Entry, timeout: float = 5) -> Attempt:
    """Wait for the score of what was sent last."""
    return wait_for_score(Kaggle(), load_receipt(entry.attempt.path)[-1], timeout)


def test_a_run_is_submitted_judged_and_remembered(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    entry = prepare(submissions)
    asked: list[Limits | None] = []

    def confirm(limits: Limits | None) -> bool:
        asked.append(limits)
        assert not at_local.submissions
        return True

    sent = submit(Kaggle(), entry, confirm, lambda _note: None)
    assert sent is not None
    limits = Limits(today=0, total=0, left=5)
    assert asked == [limits if SDK_HAS_LIMITS else None]
    (submission,) = at_local.submissions
    assert submission.description == (
        f"[kit {entry.attempt.sha256[:12]}] "
        "20260131-120000-tuned, tuned, validation 75.00%, commit 3eda181-dirty"
    )
    assert sent.status == "PENDING"
    judged = wait_for_score(Kaggle(), sent, timeout=5)
    assert json.loads((submissions / "20260131-120000-tuned/receipt.json").read_text()) == {
        "ref": submission.ref,
        "time": judged.model_dump(mode="json")["time"],
        "file": "submission.csv",
        "sha256": entry.attempt.sha256,
        "mark": f"[kit {entry.attempt.sha256[:12]}]",
        "message": entry.attempt.message,
        "status": "COMPLETE",
        "public_score": "0.75000",
        "private_score": None,
        "reason": None,
        "n_overlap": 0,
        "allow_overlap": False,
        "known_refs": [],
        "count": None,
        "earlier": [],
    }


def test_a_no_sends_nothing(at_local: FaultyKaggle, submissions: Path) -> None:
    entry = prepare(submissions)
    kaggle = Kaggle()
    assert submit(kaggle, entry, lambda _: False, lambda _: None) is None
    assert "StartSubmissionUpload" not in at_local.calls
    assert not entry.attempt.path.exists()


def test_a_run_that_predicts_another_test_file_is_not_submitted(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path
) -> None:
    other = tmp_path / "test.csv"
    other.write_text("pixel0\n")
    config = submissions / "20260131-120000-tuned/config.json"
    config.write_text(json.dumps({"data": {"test": {"origin": str(other)}}}))
    with pytest.raises(DataError, match=r"of 7 bytes; Kaggle's test\.csv has 20"):
        send(submissions)
    other.write_text("pixel0\r\n" + "0\r\n" * TEST_ROWS)
    assert send(submissions).ref is not None


def test_a_run_that_saw_its_images_is_not_submitted(tmp_path: Path) -> None:
    make_run(tmp_path, GUESSES, n_overlap=3)
    with pytest.raises(OverlapError, match="3 of the 4 images"):
        prepare(tmp_path)
    assert prepare(tmp_path, allow_overlap=True).attempt.n_overlap == 3


def test_a_copy_of_a_run_is_that_run(tmp_path: Path) -> None:
    make_run(tmp_path / "submissions", GUESSES, n_overlap=3)
    copy = write_labels(tmp_path / "copy.csv", GUESSES)
    with pytest.raises(OverlapError):
        prepare(tmp_path / "submissions", file=copy)


def test_overlap_that_was_allowed_is_recorded(at_local: FaultyKaggle, tmp_path: Path) -> None:
    make_run(tmp_path / "submissions", GUESSES, n_overlap=3)
    entry = prepare(tmp_path / "submissions", allow_overlap=True)
    receipt = send(tmp_path / "submissions", entry)
    assert (receipt.n_overlap, receipt.allow_overlap) == (3, True)


def test_a_file_of_ones_own_has_its_receipt_among_the_runs(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path
) -> None:
    file = write_labels(tmp_path / "mine.csv", LABELS)
    other = write_labels(tmp_path / "mine.txt", [1, *LABELS[1:]])
    entry = prepare(submissions, file=file, message="by hand")
    tmp_path.chmod(0o500)
    sent = send(submissions, entry)
    assert send(submissions, prepare(submissions, file=other)).ref != sent.ref
    tmp_path.chmod(0o700)
    assert load_receipt(submissions / "receipts" / f"{entry.attempt.sha256[:12]}.json") == [sent]
    assert at_local.submissions[0].description == f"[kit {entry.attempt.sha256[:12]}] by hand"
    assert [sent.file_name for sent in at_local.submissions] == ["mine.csv", "mine.txt"]


def test_rows_in_another_order_are_sent_as_they_are(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shuffled.csv"
    content = b"ImageId,Label\n3,1\n1,7\n4,0\n2,9\n"
    file.write_bytes(content)
    entry = prepare(submissions, file=file)
    assert entry.content == content
    send(submissions, entry)
    assert at_local.submissions[0].total_bytes == len(content)
    assert wait(entry).public_score == "0.75000"


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


def test_the_same_content_is_not_sent_twice(at_local: FaultyKaggle, submissions: Path) -> None:
    send(submissions)
    wait(prepare(submissions))
    with pytest.raises(UsageError, match=r"submitted before as 40000000; its score is 0\.75000"):
        send(submissions)
    make_run(submissions, GUESSES, name="20260202-120000-copy")
    with pytest.raises(UsageError, match="from 20260131-120000-tuned"):
        send(submissions, prepare(submissions, run="20260202-120000-copy"))
    assert len(at_local.submissions) == 1
    file = write_labels(submissions.parent / "mine.csv", LABELS)
    entry = prepare(submissions, file=file)
    send(submissions, entry)
    wait(entry)
    make_run(submissions, LABELS, name="20260203-120000-same")
    with pytest.raises(UsageError, match=r"from mine\.csv,"):
        send(submissions)


def test_the_same_content_is_known_from_kaggles_list_alone(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    send(submissions)
    prepare(submissions).attempt.path.unlink()
    with pytest.raises(UsageError, match="the same content was submitted before"):
        send(submissions)


@pytest.mark.parametrize("length", [100, 500])
@pytest.mark.parametrize("is_old", [False, True])
def test_a_message_that_kaggle_cuts_short_is_recognised(
    at_local: FaultyKaggle, submissions: Path, length: int, is_old: bool
) -> None:
    entry = prepare(submissions, message="long  and wide " * 100)
    if is_old:
        mark, _, text = entry.attempt.message.partition("] ")
        old = entry.attempt.model_copy(update={"message": f"{text} {mark}]"})
        entry = replace(entry, attempt=old)
    at_local.fail("CreateSubmission", 500, done=True)
    create = at_local.state.submit

    def cutting(token: str, description: str) -> object:
        return create(token, " ".join(description[:length].split()))

    at_local.state.submit = cutting  # type: ignore[method-assign,assignment]
    assert send(submissions, entry).ref == 40_000_000
    assert len(at_local.submissions) == 1


def test_again_sends_it_once_more_and_keeps_the_earlier_receipt(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    first = send(submissions)
    second = send(submissions, again=True)
    assert [first.ref, second.ref] == [submission.ref for submission in at_local.submissions]
    assert load_receipt(prepare(submissions).attempt.path) == [first, second]


def test_a_pending_submission_is_waited_for_not_sent_again(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    at_local.state.judging_seconds = 60
    first = send(submissions)
    with pytest.raises(NetworkError, match="not judged submission 40000000 within 0 seconds"):
        wait(prepare(submissions), timeout=0)
    assert send(submissions) == first
    assert send(submissions, again=True, minutes=9.9) == first
    assert len(at_local.submissions) == 1
    # Kaggle may never judge it
    assert send(submissions, again=True, minutes=10.1) != first


def lose(at_local: FaultyKaggle, submissions: Path, *, arrives: bool, again: bool = False) -> None:
    """Submit; the answer is lost, and Kaggle cannot be asked what came of it."""
    at_local.fail("CreateSubmission", 504, done=arrives)
    at_local.fail("ListSubmissions", 503, times=1000, skip=1)
    with pytest.raises(NetworkError, match="open whether") as lost:
        send(submissions, again=again)
    assert "same command looks again" in lost.value.remedy
    at_local.failures.clear()


def test_a_submission_whose_answer_was_lost_is_taken_up(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    lose(at_local, submissions, arrives=True)
    path = prepare(submissions).attempt.path
    kept = path.read_bytes()
    (attempt,) = load_receipt(path)
    assert (attempt.status, attempt.ref) == ("SENDING", None)
    for again in (True, False):
        assert send(submissions, again=again).ref == 40_000_000
        assert len(at_local.submissions) == 1
        path.write_bytes(kept)


def test_an_attempt_that_never_arrived_is_sent_after_ten_minutes(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    lose(at_local, submissions, arrives=False)
    sends_again = "sent again" if SDK_HAS_LIMITS else "--again"
    for again in (False, True):
        with pytest.raises(NetworkError, match="open whether") as young:
            send(submissions, minutes=9.9, again=again)
        assert sends_again in young.value.remedy
    assert not at_local.submissions
    sent = send(submissions, minutes=10.1, again=not SDK_HAS_LIMITS)
    assert [submission.ref for submission in at_local.submissions] == [sent.ref]
    if SDK_HAS_LIMITS:
        assert load_receipt(prepare(submissions).attempt.path) == [sent]


def test_a_receipt_from_the_future_does_not_hide_a_young_attempt(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    send(submissions, minutes=90)
    lose(at_local, submissions, arrives=False, again=True)
    with pytest.raises(NetworkError, match="open whether"):
        send(submissions, minutes=5, again=True)
    assert len(at_local.submissions) == 1
    send(submissions, minutes=11, again=True)
    assert len(at_local.submissions) == 2


def test_nobody_knows_how_old_an_open_attempt_from_the_future_is(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    lose(at_local, submissions, arrives=False)
    (attempt,) = load_receipt(prepare(submissions).attempt.path)
    drop(attempt, attempt.model_copy(update={"time": attempt.time + timedelta(hours=1)}))
    with pytest.raises(NetworkError, match="no count can tell"):
        send(submissions)
    send(submissions, again=True)
    assert len(at_local.submissions) == 1


@needs_limits
@pytest.mark.parametrize("ends", ["dry run", "no submission left", "upload refused"])
def test_an_attempt_is_only_dropped_once_it_is_sent_again(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path, ends: str
) -> None:
    file = write_labels(tmp_path / "other.csv", LABELS)
    send(submissions, prepare(submissions, file=file))
    lose(at_local, submissions, arrives=False)
    kept = load_receipt(prepare(submissions).attempt.path)
    told: list[str] = []
    kaggle = Kaggle(now=lambda: utc_now() + timedelta(minutes=30))
    at_local.state.daily_limit = 1 if ends == "no submission left" else 5
    if ends == "upload refused":
        at_local.fail("StartSubmissionUpload", 403)
    with nullcontext() if ends == "dry run" else pytest.raises(CompetitionError):
        assert not submit(kaggle, prepare(submissions), lambda _: ends != "dry run", told.append)
    assert not any("sent again" in each for each in told)
    assert load_receipt(prepare(submissions).attempt.path) == kept
    at_local.state.daily_limit = 5
    sent = submit(kaggle, prepare(submissions), lambda _: True, told.append)
    assert f"of {kept[0].time:%H:%M:%S} UTC: it is sent again" in told[-1]
    assert load_receipt(prepare(submissions).attempt.path) == [sent]


@pytest.mark.parametrize(
    "call", ["ListSubmissions", pytest.param("GetSubmissionLimits", marks=needs_limits)]
)
def test_what_could_not_be_asked_is_not_said_to_lack_it(
    at_local: FaultyKaggle, submissions: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """And a silent server is asked once by each look."""
    monkeypatch.setenv("KIT_KAGGLE_TIMEOUT", "0.2")
    at_local.fail("CreateSubmission", 500)
    at_local.fail(call, times=1000, skip=1, stall=5)
    with pytest.raises(NetworkError, match=r"could not be asked\.\n") as lost:
        send(submissions)
    assert "--again" in lost.value.remedy
    # Before the attempt, and in the one look for which there is time
    assert at_local.calls.count(call) == 2


@needs_limits
def test_what_is_counted_but_not_listed_is_sent_by_again_alone(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    lose(at_local, submissions, arrives=True)
    at_local.fail("ListSubmissions", times=1000, change=lambda _: {})
    with pytest.raises(NetworkError, match="count went up") as counted:
        send(submissions, minutes=30)
    assert "--again" in counted.value.remedy
    assert len(at_local.submissions) == 1
    send(submissions, minutes=30, again=True)
    assert len(at_local.submissions) == 2


@needs_limits
@pytest.mark.parametrize(("minutes_after", "n"), [(1, 2), (-5, 1), (25, 1)])
def test_a_team_mates_submission_is_told_apart(
    at_local: FaultyKaggle, submissions: Path, minutes_after: float, n: int
) -> None:
    lose(at_local, submissions, arrives=False)
    token = at_local.state.begin_upload("mate.csv", 4)
    at_local.state.uploads[token].content += b"mate"
    # Listed at once. One from before the attempt, or of the last minutes, may explain no count
    at_local.state.submit(token, "wider").time += 60 * minutes_after
    if n == 2:
        assert send(submissions, minutes=30).ref == 40_000_001
    else:
        with pytest.raises(NetworkError, match="count went up"):
            send(submissions, minutes=30)
    assert len(at_local.submissions) == n


def test_without_a_count_only_again_sends(at_local: FaultyKaggle, submissions: Path) -> None:
    at_local.fail("GetSubmissionLimits", times=1000, change=lambda _: {})
    lose(at_local, submissions, arrives=False)
    at_local.fail("GetSubmissionLimits", times=1000, change=lambda _: {})
    with pytest.raises(NetworkError, match="no count") as without:
        send(submissions, minutes=30)
    assert "--again" in without.value.remedy
    send(submissions, minutes=30, again=True)
    assert len(at_local.submissions) == 1


def test_an_open_attempt_of_any_run_counts_for_its_content(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path
) -> None:
    lose(at_local, submissions, arrives=True)
    make_run(submissions, GUESSES, name="20260202-120000-copy")
    copy = prepare(submissions, run="20260202-120000-copy")
    assert send(submissions, copy).ref == 40_000_000
    assert not copy.attempt.path.exists()
    assert len(at_local.submissions) == 1


@pytest.mark.parametrize("other", ['{"shop": "corner", "total": 5}', "[1]", "[" * 100_000])
def test_a_receipt_of_another_origin_is_named_with_the_remedy(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path, other: str
) -> None:
    file = write_labels(tmp_path / "s.csv", LABELS)
    receipt = tmp_path / "s.receipt.json"
    receipt.write_text(other)
    with pytest.raises(DataError) as blocked:
        send(submissions, prepare(submissions, file=file))
    assert str(receipt) in blocked.value.what
    assert "rename it" in blocked.value.remedy
    assert not at_local.submissions
    receipt.rename(tmp_path / "shop.json")
    assert send(submissions, prepare(submissions, file=file)).ref


@pytest.mark.parametrize("name", ["x" * 245 + ".csv", "s.csv"])
def test_where_no_receipt_can_be_beside_a_file_it_is_sent(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path, name: str
) -> None:
    file = write_labels(tmp_path / name, LABELS)
    (tmp_path / "s.receipt.json").mkdir()
    send(submissions, prepare(submissions, file=file))
    assert at_local.submissions[0].file_name == name


@pytest.mark.parametrize("status", ["SENDING", "COMPLETE"])
def test_old_receipts_count(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path, status: str
) -> None:
    file = write_labels(tmp_path / "mine.csv", LABELS)
    entry = prepare(submissions, file=file)
    old = {
        "ref": None if status == "SENDING" else 39_000_000,
        "time": "2026-01-31T12:00:00+00:00",
        "file": "mine.csv",
        "sha256": entry.attempt.sha256,
        "message": f"mine.csv [kit {entry.attempt.sha256[:12]}]",
        "status": status,
        "public_score": None if status == "SENDING" else "1.00000",
        "private_score": None,
        "reason": None,
        "n_overlap": None,
        "allow_overlap": False,
        "known_refs": [],
        "earlier": [],
    }
    (tmp_path / "mine.receipt.json").write_text(json.dumps(old))
    error, words = (
        (NetworkError, "open whether") if status == "SENDING" else (UsageError, "39000000")
    )
    with pytest.raises(error, match=words):
        send(submissions, entry)
    assert not at_local.submissions
    (attempt,) = load_receipt(entry.attempt.path)
    assert (attempt.ref, attempt.message) == (old["ref"], old["message"])


@pytest.mark.parametrize(
    ("failure", "is_open"),
    [
        ({"status": 409}, True),
        ({"status": 502, "html": True}, True),
        ({"status": 403, "html": True}, True),
        ({"html": True}, True),
        ({"reset_after": 0}, True),
        ({"change": lambda _: {"message": "Successfully submitted"}}, True),
        ({"status": 429, "retry_after": 0.0}, False),
    ],
)
def test_one_creation_that_may_have_arrived(
    at_local: FaultyKaggle, submissions: Path, failure: dict[str, Any], is_open: bool
) -> None:
    at_local.fail("ListSubmissions", times=1000, skip=1, change=lambda _: {})
    at_local.fail("CreateSubmission", done=is_open, **failure)
    if is_open:
        with pytest.raises(NetworkError, match="open whether"):
            send(submissions)
    else:
        send(submissions)
    assert at_local.calls.count("CreateSubmission") == 2 - is_open
    assert len(at_local.submissions) == 1


def test_a_submission_that_kaggle_does_not_know_yet_is_pending(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    sent = send(submissions)
    at_local.fail("GetSubmission", 404, times=3)
    assert wait_for_score(Kaggle(), sent, timeout=5).status == "COMPLETE"
    assert at_local.calls.count("GetSubmission") == 4
    at_local.fail("GetSubmission", 404, times=1000)
    with pytest.raises(NetworkError, match="not judged"):
        wait_for_score(Kaggle(), sent, timeout=0.1)


@pytest.mark.parametrize("score", ["97.186", "None", "", "n/a", "-0.5"])
def test_a_score_that_is_no_accuracy_is_kept_as_it_is(
    at_local: FaultyKaggle, submissions: Path, score: str
) -> None:
    send(submissions)
    at_local.fail("GetSubmission", change=lambda answer: {**answer, "publicScore": score})
    judged = wait(prepare(submissions))
    assert judged.status == "COMPLETE"
    assert judged.public_score == score


def test_a_status_that_is_new_is_pending(at_local: FaultyKaggle, submissions: Path) -> None:
    send(submissions)
    at_local.fail("GetSubmission", change=lambda answer: {**answer, "status": "RESCORING"})
    with pytest.raises(NetworkError, match="not judged"):
        wait(prepare(submissions), timeout=0)
    assert load_receipt(prepare(submissions).attempt.path)[-1].status == "RESCORING"
    assert send(submissions).status == "RESCORING"
    assert wait(prepare(submissions)).status == "COMPLETE"


@pytest.mark.parametrize("name", ["m\udcfcller.csv", "ziffern-\u2780.csv"])
def test_names_and_messages_that_are_not_utf_8_are_escaped(
    at_local: FaultyKaggle, submissions: Path, tmp_path: Path, name: str
) -> None:
    file = write_labels(tmp_path / name, LABELS)
    for message in (None, "caf\udce9"):
        entry = prepare(submissions, file=file, message=message)
        send(submissions, entry, again=True)
    first, second = at_local.submissions
    shown = name.replace("\udcfc", r"\udcfc")
    assert (first.file_name, first.description[19:]) == (shown, shown)
    assert second.description[19:] == r"caf\udce9"


@pytest.mark.parametrize(
    ("status", "error"), [(400, CompetitionError), (401, CredentialsError), (403, CompetitionError)]
)
def test_a_refusal_leaves_what_was_known_before(
    at_local: FaultyKaggle, submissions: Path, status: int, error: type[Exception]
) -> None:
    at_local.fail("CreateSubmission", status, times=2)
    with pytest.raises(error):
        send(submissions)
    assert not prepare(submissions).attempt.path.exists()
    at_local.failures.clear()
    first = send(submissions)
    at_local.fail("CreateSubmission", status, times=2)
    with pytest.raises(error):
        send(submissions, again=True)
    assert load_receipt(prepare(submissions).attempt.path) == [first]


@needs_limits
def test_no_submission_left_is_told_before_anything_is_sent(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    at_local.state.daily_limit = 1
    send(submissions)
    at_local.calls.clear()
    with pytest.raises(CompetitionError, match="No submission is left: 1 made today") as none:
        send(submissions, again=True)
    assert "midnight UTC" in none.value.remedy
    assert "StartSubmissionUpload" not in at_local.calls


def test_the_limit_that_kaggle_tells_late_is_told(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    at_local.fail("CreateSubmission", 400, message="your team has used its daily allowance (5)")
    with pytest.raises(CompetitionError, match="daily allowance") as late:
        send(submissions)
    assert "midnight UTC" in late.value.remedy


def test_who_has_not_entered_is_told_so_not_that_the_limit_is_reached(
    at_local: FaultyKaggle, submissions: Path
) -> None:
    at_local.user.entered = False
    with pytest.raises(CompetitionError, match="not entered") as outside:
        send(submissions)
    assert "https://www.kaggle.com/competitions/digit-recognizer" in outside.value.remedy


def test_a_rejected_file_was_submitted(at_local: FaultyKaggle, tmp_path: Path) -> None:
    file = write_labels(tmp_path / "five.csv", [*LABELS, 5])
    entry = prepare_entry(tmp_path, file=file, rows=TEST_ROWS + 1)
    send(tmp_path, entry)
    assert wait(entry).reason == "Evaluation Exception: Submission must have 4 rows"
    with pytest.raises(UsageError, match="Kaggle rejected it: Evaluation Exception"):
        send(tmp_path, entry)


def test_a_damaged_receipt_is_told(at_local: FaultyKaggle, submissions: Path) -> None:
    prepare(submissions).attempt.path.write_text("{}")
    with pytest.raises(DataError, match="not a receipt"):
        send(submissions)
    assert not at_local.submissions


def test_one_submission_at_a_time(at_local: FaultyKaggle, submissions: Path) -> None:
    def confirm(_limits: Limits | None) -> bool:
        with pytest.raises(UsageError, match="another submission is being made"):
            send(submissions)
        return True

    entry = prepare(submissions)
    assert submit(Kaggle(), entry, confirm, lambda _note: None)
    assert len(at_local.submissions) == 1


@needs_limits
@pytest.mark.parametrize(
    "fault", [{"status": 403}, {"status": 404}, {"status": 500}, {"html": True}]
)
def test_a_count_that_cannot_be_asked_is_no_hindrance_to_again(
    at_local: FaultyKaggle, submissions: Path, fault: dict[str, Any]
) -> None:
    lose(at_local, submissions, arrives=False)
    at_local.fail("GetSubmissionLimits", times=1000, **fault)
    with pytest.raises(NetworkError, match="no count can tell"):
        send(submissions, minutes=5, again=True)
    with pytest.raises((CompetitionError, NetworkError), match="could not be asked"):
        send(submissions, minutes=30)
    assert not at_local.submissions
    assert send(submissions, minutes=30, again=True).ref == 40_000_000
    # And what has arrived is sent once more
    assert send(submissions, minutes=60, again=True).ref == 40_000_001
    assert len(at_local.submissions) == 2
