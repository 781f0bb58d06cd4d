"""The client: what it fetches, sends and lists, and how it gets over what goes wrong."""

import itertools
import socket
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faulty_kaggle import FaultyKaggle
from runs import SDK_HAS_LIMITS, needs_limits

from kit.errors import CompetitionError, KitError, NetworkError, UsageError
from kit.kaggle.answers import Limits
from kit.kaggle.client import Kaggle
from kit.kaggle.exchange import CallFailure

CONTENT = b"ImageId,Label\n1,7\n2,2\n3,1\n4,9\n"
READS = {
    "GetCompetition": lambda kaggle: kaggle.competition(),
    "ListDataFiles": lambda kaggle: kaggle.list_files(),
    "ListSubmissions": lambda kaggle: kaggle.list_submissions(),
    "IntrospectToken": lambda kaggle: kaggle.whoami(),
}
if SDK_HAS_LIMITS:
    READS["GetSubmissionLimits"] = lambda kaggle: kaggle.limits()


def submit(kaggle: Kaggle) -> int:
    token = kaggle.upload(CONTENT, "mine.csv")
    fields = {"blob_file_tokens": token, "submission_description": "mine"}
    return int(kaggle.call_once("CreateSubmission", **fields)["ref"])


def test_reads(at_local: FaultyKaggle) -> None:
    kaggle = Kaggle()
    assert kaggle.whoami() == "rehearser"
    assert kaggle.competition().entered
    assert kaggle.competition().deadline == datetime(2030, 1, 1, tzinfo=UTC)
    assert not kaggle.list_submissions()
    names = ("sample_submission.csv", "test.csv", "train.csv")
    sizes = {name: at_local.files[name].stat().st_size for name in names}
    assert kaggle.list_files() == sizes


def test_a_submission_is_sent_and_judged(at_local: FaultyKaggle) -> None:
    kaggle = Kaggle()
    ref = submit(kaggle)
    submission = kaggle.get_submission(ref)
    assert submission is not None
    assert submission.status == "COMPLETE"
    assert submission.public_score == "0.75000"
    assert submission.file_name == "mine.csv"
    assert submission.time is not None
    assert submission.time.tzinfo is not None
    assert kaggle.list_submissions() == [submission]
    assert kaggle.get_submission(ref + 1) is None


@needs_limits
def test_limits(at_local: FaultyKaggle) -> None:
    kaggle = Kaggle()
    assert kaggle.limits() == Limits(today=0, total=0, left=5)
    submit(kaggle)
    assert kaggle.limits() == Limits(today=1, total=1, left=4)


def test_an_error_with_the_status_of_a_success_is_no_empty_list(at_local: FaultyKaggle) -> None:
    submit(Kaggle())
    said = {"error": {"code": 503, "message": "Come back later"}}
    at_local.fail("ListSubmissions", change=lambda _answer: said)
    assert len(Kaggle(sleep=lambda _seconds: None).list_submissions()) == 1
    said = {"error": {"code": 403, "message": "Not for you"}}
    at_local.fail("ListSubmissions", change=lambda _answer: said)
    with pytest.raises(CompetitionError, match="Not for you"):
        Kaggle().list_submissions()


def test_a_name_that_is_a_secret_is_masked(at_local: FaultyKaggle, home: Path) -> None:
    folder = home / ".kaggle"
    folder.mkdir()
    (folder / "kaggle.json").write_text('{"username": "me", "key": "S3CRET-KEY"}')
    named = {"active": True, "username": "S3CRET-KEY"}
    at_local.fail("IntrospectToken", change=lambda _answer: named)
    assert Kaggle().whoami() == "***"


def test_a_dummy_key_changes_nothing_that_kaggle_says(
    at_local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hidden by the token, set only so that Kaggle's own client can be imported
    monkeypatch.setenv("KAGGLE_USERNAME", "x")
    monkeypatch.setenv("KAGGLE_KEY", "0")
    kaggle = Kaggle()
    submission = kaggle.get_submission(submit(kaggle))
    assert submission is not None
    assert (submission.public_score, submission.file_name) == ("0.75000", "mine.csv")


def test_another_submission_than_was_asked_for_is_none(at_local: FaultyKaggle) -> None:
    kaggle = Kaggle()
    ref = submit(kaggle)
    at_local.fail("GetSubmission", change=lambda answer: {**answer, "ref": ref + 1})
    assert kaggle.get_submission(ref) is None


def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.05)

        threading.Thread(target=trickle, daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("KAGGLE_API_TOKEN", "local-token")
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        with pytest.raises(NetworkError, match="did not answer in time"):
            Kaggle(timeout=0.5, tries=1).list_submissions()


def test_an_answer_without_end_is_nonsense(at_local: FaultyKaggle) -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    at_local.fail("ListSubmissions", change=lambda _answer: nested)
    with pytest.raises(NetworkError, match="Something other than Kaggle's answer"):
        Kaggle(tries=1).list_submissions()


@pytest.mark.parametrize("seconds", ["1e12", "inf", "nan", "0"])
def test_a_time_out_that_no_machine_can_wait_for_is_refused(
    at_local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("KIT_KAGGLE_TIMEOUT", seconds)
    with pytest.raises(UsageError, match="KIT_KAGGLE_TIMEOUT: expected a number"):
        Kaggle()


def add_submissions(local: FaultyKaggle, number: int) -> None:
    first = int(local.submissions[-1].ref)
    for ref in range(first + 1, first + number):
        local.submissions.append(replace(local.submissions[0], ref=ref))


@pytest.mark.parametrize(("number", "size"), [(230, 100), (10_000, 20)])
def test_all_pages_are_listed_within_ten_seconds(
    at_local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch, number: int, size: int
) -> None:
    kaggle = Kaggle()
    submit(kaggle)
    add_submissions(at_local, number)
    monkeypatch.setattr("kit.kaggle.client.PAGE", size)
    started = time.perf_counter()
    listed = kaggle.list_submissions()
    assert time.perf_counter() - started < 10
    assert [found.ref for found in listed] == [
        submission.ref for submission in reversed(at_local.submissions)
    ]


@pytest.mark.parametrize("fresh", [False, True], ids=["the same page", "new entries each time"])
def test_pages_without_end_end(at_local: FaultyKaggle, fresh: bool) -> None:
    """A server may give the token of a next page for ever."""
    kaggle = Kaggle()
    submit(kaggle)
    entry = {"ref": at_local.submissions[0].ref, "status": "COMPLETE"}
    tokens = itertools.count()

    def go_on(_answer: dict[str, Any]) -> dict[str, Any]:
        number = next(tokens)
        refs = range(number * 1000, number * 1000 + 1000) if fresh else [entry["ref"]]
        entries = [{**entry, "ref": ref} for ref in refs]
        return {"submissions": entries, "nextPageToken": str(number + 1)}

    at_local.fail("ListSubmissions", times=1000, change=go_on)
    listed = kaggle.list_submissions()
    assert len(listed) == (10_000 if fresh else 1)
    assert at_local.calls.count("ListSubmissions") == (10 if fresh else 3)


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "how",
    [
        {"status": 500},
        {"status": 503, "retry_after": 0.01},
        {"status": 429, "retry_after": 0.01},
        {"status": 429},
        {"html": True},
        {"status": 502, "html": True},
        {"reset_after": 0},
        {"reset_after": 2, "done": True},
        {"cut_after": 2, "done": True},
    ],
    ids=str,
)
def test_reads_get_over_what_passes(
    at_local: FaultyKaggle, call: str, how: dict[str, float]
) -> None:
    at_local.fail(call, times=2, **how)
    READS[call](Kaggle())
    assert at_local.calls.count(call) == 3


@pytest.mark.usefixtures("little_patience")
def test_a_read_that_stalls_is_tried_again(at_local: FaultyKaggle) -> None:
    at_local.fail("ListDataFiles", times=2, stall=5)
    assert Kaggle().list_files()


def test_retry_after_is_honoured_and_told(at_local: FaultyKaggle) -> None:
    at_local.fail("ListDataFiles", 429, retry_after=3)
    told: list[tuple[str, float]] = []
    waited: list[float] = []
    Kaggle(on_retry=lambda *what: told.append(what), sleep=waited.append).list_files()
    assert [seconds for _, seconds in told] == waited == [3.0]
    assert "429" in told[0][0]


def test_a_long_retry_after_is_not_waited_for(at_local: FaultyKaggle) -> None:
    at_local.fail("ListDataFiles", 429, retry_after=3600)
    with pytest.raises(CompetitionError, match="429") as refused:
        Kaggle().list_files()
    assert "3600 seconds" in refused.value.remedy
    assert at_local.calls == ["ListDataFiles"]


ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a score that is None": ({"publicScore": "None"}, {"public_score": "None"}),
    "an empty score": ({"publicScore": ""}, {"public_score": ""}),
    "a percentage": ({"publicScore": 97.186}, {"public_score": "97.186"}),
    "no date": ({"date": "soon"}, {"time": None}),
    "a date in Kaggle's long form": (
        {"date": "2026-01-31T12:00:00.1234567Z"},
        {"time": datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)},
    ),
    "a status in lower case": ({"status": "rejudging"}, {"status": "rejudging"}),
    "a status that is a number": ({"status": 7}, {"status": "7"}),
    "fields that nobody knows": ({"teamRank": [1], "errorDescription": None}, {"reason": None}),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_words_and_scores_are_taken_as_they_are(at_local: FaultyKaggle, case: str) -> None:
    kaggle = Kaggle()
    ref = submit(kaggle)
    given, expected = ANSWERS[case]
    at_local.fail("GetSubmission", change=lambda answer: {**answer, **given})
    at_local.fail(
        "ListSubmissions",
        change=lambda answer: {"submissions": [{**answer["submissions"][0], **given}]},
    )
    for found in (kaggle.get_submission(ref), *kaggle.list_submissions()):
        assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [*READS, "CreateSubmission"])
def test_a_redirected_call_is_not_followed(
    at_local: FaultyKaggle, monkeypatch: pytest.MonkeyPatch, call: str, status: int
) -> None:
    monkeypatch.setenv("KIT_KAGGLE_ATTEMPTS", "1")
    kaggle = Kaggle()
    elsewhere = {"Location": "http://elsewhere.invalid/api/v1/stolen/Token"}
    at_local.fail(call, status, headers=elsewhere)
    with pytest.raises((NetworkError, CallFailure)):
        {**READS, "CreateSubmission": submit}[call](kaggle)
    assert "Token" not in at_local.calls


def test_no_secret_is_told(at_local: FaultyKaggle, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle = Kaggle()
    at_local.fail("*", 500, times=100)
    told = [repr(kaggle), repr(kaggle.credential), str(kaggle.credential)]
    for read in READS.values():
        with pytest.raises(KitError) as failed:
            read(kaggle)
        told += traceback.format_exception(failed.value)
        told.append(failed.value.remedy)
    assert "local-token" not in "".join(told)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
