"""The client: what it fetches, sends and lists, and how it gets over what goes wrong."""

import traceback
from pathlib import Path

import pytest
from runs import SDK_HAS_LIMITS, needs_limits

from kit.errors import CompetitionError, KitError, NetworkError
from kit.kaggle.answers import DataFile, Limits, Submission
from kit.kaggle.client import Kaggle
from kit.local_kaggle import LocalKaggle

CONTENT = b"ImageId,Label\n1,7\n2,2\n3,1\n4,9\n"
READS = {
    "GetCompetition": lambda kaggle: kaggle.competition(),
    "ListDataFiles": lambda kaggle: kaggle.list_files(),
    "ListSubmissions": lambda kaggle: kaggle.list_submissions(),
    "IntrospectToken": lambda kaggle: kaggle.whoami(),
}
if SDK_HAS_LIMITS:
    READS["GetSubmissionLimits"] = lambda kaggle: kaggle.limits()


def is_mine(submission: Submission) -> bool:
    return submission.description == "mine"


def submit(kaggle: Kaggle) -> int:
    token = kaggle.upload(CONTENT, "mine.csv", 1_700_000_000)
    return kaggle.create_submission(token, "mine", is_mine)


def test_reads(at_local: LocalKaggle) -> None:
    kaggle = Kaggle()
    assert kaggle.whoami() == "rehearser"
    assert kaggle.competition().entered
    assert kaggle.competition().max_daily_submissions == 5
    assert not kaggle.list_submissions()
    sizes = {name: path.stat().st_size for name, path in served(at_local).items()}
    assert kaggle.list_files() == [DataFile(name, size) for name, size in sizes.items()]


def served(local: LocalKaggle) -> dict[str, Path]:
    files = {name: local.files.get(name) for name in local.files.names()}
    return {name: file.path for name, file in files.items() if file is not None}


def test_a_submission_is_sent_and_judged(at_local: LocalKaggle) -> None:
    kaggle = Kaggle()
    ref = submit(kaggle)
    submission = kaggle.get_submission(ref)
    assert submission.status == "COMPLETE"
    assert submission.public_score == "0.75000"
    assert submission.file_name == "mine.csv"
    assert submission.total_bytes == len(CONTENT)
    assert submission.time is not None
    assert submission.time.tzinfo is not None
    assert kaggle.list_submissions() == [submission]


@needs_limits
def test_limits(at_local: LocalKaggle) -> None:
    kaggle = Kaggle()
    assert kaggle.limits() == Limits(today=0, total=0, left=5, limited_by_total=False)
    submit(kaggle)
    assert kaggle.limits() == Limits(today=1, total=1, left=4, limited_by_total=False)


def test_all_pages_are_listed(at_local: LocalKaggle) -> None:
    at_local.state.daily_limit = 1000
    kaggle = Kaggle()
    token = kaggle.upload(CONTENT, "mine.csv", 1_700_000_000)
    for number in range(230):
        at_local.state.submit(token, f"number {number}")
    listed = kaggle.list_submissions()
    assert [submission.description for submission in listed] == [
        f"number {number}" for number in reversed(range(230))
    ]


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
    at_local: LocalKaggle, call: str, how: dict[str, float]
) -> None:
    at_local.fail(call, times=2, **how)
    READS[call](Kaggle())
    assert at_local.calls.count(call) == 3


@pytest.mark.usefixtures("little_patience")
def test_a_read_that_stalls_is_tried_again(at_local: LocalKaggle) -> None:
    at_local.fail("ListDataFiles", times=2, stall=5)
    assert Kaggle().list_files()


def test_retry_after_is_honoured_and_told(at_local: LocalKaggle) -> None:
    at_local.fail("ListDataFiles", 429, retry_after=0.3)
    told: list[tuple[str, float]] = []
    Kaggle(on_retry=lambda what, seconds: told.append((what, seconds))).list_files()
    assert [seconds for _, seconds in told] == [0.3]
    assert "429" in told[0][0]


def test_a_long_retry_after_is_not_waited_for(at_local: LocalKaggle) -> None:
    at_local.fail("ListDataFiles", 429, retry_after=3600)
    with pytest.raises(CompetitionError, match="429") as refused:
        Kaggle().list_files()
    assert "3600 seconds" in refused.value.remedy
    assert at_local.calls == ["ListDataFiles"]


@pytest.mark.parametrize("how", [{"cut_after": 40}, {"reset_after": 40}], ids=str)
def test_a_broken_download_goes_on_where_it_stopped(
    at_local: LocalKaggle, tmp_path: Path, how: dict[str, int]
) -> None:
    at_local.fail("Download", times=4, **how)
    steps: list[int] = []
    Kaggle().download(tmp_path / "all.zip", lambda done, _size: steps.append(done))
    archive = at_local.files.get("digit-recognizer.zip")
    assert archive is not None
    assert (tmp_path / "all.zip").read_bytes() == archive.path.read_bytes()
    assert {40, 80}.issubset(steps)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["all.zip"]


def test_a_download_goes_on_in_the_next_run_but_not_with_other_content(
    at_local: LocalKaggle, tmp_path: Path
) -> None:
    at_local.fail("Download", cut_after=40)
    at_local.fail("Download", times=6, cut_after=0)
    with pytest.raises(NetworkError, match="broke off"):
        Kaggle().download(tmp_path / "all.zip")
    steps: list[int] = []
    Kaggle().download(tmp_path / "all.zip", lambda done, _size: steps.append(done))
    assert steps[0] == 40
    stale = tmp_path / ".all.zip.0123456789abcdef.part"
    stale.write_bytes(b"of another day")
    Kaggle().download(tmp_path / "all.zip", lambda done, _size: steps.append(done))
    assert not stale.exists()


@pytest.mark.parametrize(
    "how",
    [
        {"reset_after": 10},
        {"status": 503},
        {"status": 503, "done": True},
        {"status": 429, "retry_after": 0.01},
    ],
    ids=str,
)
def test_an_upload_goes_on_where_it_stopped(at_local: LocalKaggle, how: dict[str, float]) -> None:
    at_local.fail("Upload", times=1, **how)
    submit(Kaggle())
    assert at_local.submissions[0].score == "0.75000"
    assert at_local.calls.count("CreateSubmission") == 1


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize("done", [True, False])
def test_an_upload_that_stalls_is_gone_on_with(at_local: LocalKaggle, done: bool) -> None:
    at_local.fail("Upload", stall=5, done=done)
    submit(Kaggle())
    assert at_local.submissions[0].score == "0.75000"


def test_a_page_in_answer_to_an_upload_is_not_taken_for_success(at_local: LocalKaggle) -> None:
    at_local.fail("Upload", html=True)
    submit(Kaggle())
    assert at_local.submissions[0].score == "0.75000"


def test_an_upload_that_expired_starts_anew(at_local: LocalKaggle) -> None:
    at_local.fail("Upload", 503)
    at_local.fail("Upload", 404)
    submit(Kaggle())
    assert at_local.calls.count("StartSubmissionUpload") == 2
    assert len(at_local.submissions) == 1


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "how",
    [
        {"status": 429},
        {"status": 500},
        {"status": 502},
        {"status": 503},
        {"html": True},
        {"reset_after": 0},
        {"cut_after": 3},
    ],
    ids=str,
)
def test_an_unclear_answer_never_makes_two_submissions(
    at_local: LocalKaggle, done: bool, how: dict[str, int]
) -> None:
    # what is put off is not done
    at_local.fail("CreateSubmission", done=done and how != {"status": 429}, **how)
    ref = submit(Kaggle())
    assert [submission.ref for submission in at_local.submissions] == [ref]


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("how", [{"stall": 5}, {"status": 504}], ids=str)
def test_what_may_still_be_running_is_not_sent_again(
    at_local: LocalKaggle, done: bool, how: dict[str, float]
) -> None:
    at_local.fail("CreateSubmission", done=done, **how)
    if done:
        submit(Kaggle())
    else:
        with pytest.raises(NetworkError, match="open whether"):
            submit(Kaggle())
    assert at_local.calls.count("CreateSubmission") == 1
    assert len(at_local.submissions) == done


def test_where_the_list_fails_too_the_question_stays_open(at_local: LocalKaggle) -> None:
    at_local.fail("CreateSubmission", 500, done=True)
    at_local.fail("ListSubmissions", 503, times=10)
    with pytest.raises(NetworkError, match="open whether") as open_question:
        submit(Kaggle())
    assert "first looks whether it is there" in open_question.value.remedy
    assert len(at_local.submissions) == 1


def test_no_secret_is_told(at_local: LocalKaggle, capsys: pytest.CaptureFixture[str]) -> None:
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
