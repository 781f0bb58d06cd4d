"""The table of failures: for each its exit code, its one line and its remedy, and nothing else."""

import base64
import json
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from faulty_kaggle import FaultyKaggle
from runs import SDK_HAS_LIMITS, make_run, needs_limits
from small_competition import FULL_LABELS, write_labels

from kit.cli.main import run
from kit.competition import find_files
from kit.kaggle.receipt import load_receipt
from kit.local_kaggle.judge import Judge

RULES = "https://www.kaggle.com/competitions/digit-recognizer/rules"
SETTINGS = "https://www.kaggle.com/settings"
SUBMISSIONS = "https://www.kaggle.com/competitions/digit-recognizer/submissions"
PAIR = base64.b64encode(b"rehearser:local-key").decode()
SECRETS = (
    *("local-token", "local-key", "local-refresh-token", "local-oauth-token", PAIR),
    *("stale-secret", "sec\nret", '"secret"'),
)
RUN = "20260131-120000-tuned"
LABELS = [(label + (image % 20 == 0)) % 10 for image, label in enumerate(FULL_LABELS)]


def assert_no_secret(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


@dataclass
class Place:
    """Where a failure happens.

    Attributes:
        local: the local Kaggle.
        home: the user's.
        here: the working folder, with the one run in `submissions/`.
        env: changes the environment.
    """

    local: FaultyKaggle
    home: Path
    here: Path
    env: pytest.MonkeyPatch

    def save(self, name: str, content: object) -> None:
        """Write a file of credentials, in place of the token."""
        self.env.delenv("KAGGLE_API_TOKEN", raising=False)
        path = self.home / ".kaggle" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def login(self) -> None:
        """Log in as `kaggle auth login` does, though with another token."""
        content = {"refresh_token": "secret", "access_token": "secret", "username": "rehearser"}
        self.save("credentials.json", content)

    def proxy(self, address: str) -> None:
        """Turn the client to another address."""
        for name in ("HTTP_PROXY", "http_proxy"):
            self.env.setenv(name, address)

    @property
    def run_folder(self) -> Path:
        """The one run's."""
        return self.here / "submissions" / RUN


@pytest.fixture
def place(
    at_full_local: FaultyKaggle, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "submissions", LABELS)
    monkeypatch.setattr("kit.kaggle.submit.LOOK", timedelta(seconds=0.1))
    monkeypatch.setattr("kit.kaggle.submit.FIRST_PAUSE", 0.02)
    yield Place(at_full_local, home, tmp_path, monkeypatch)
    for path in tmp_path.rglob("*"):
        if path.is_file() and home not in path.parents:
            assert_no_secret(path.read_bytes().decode("latin1"))


@dataclass(frozen=True)
class Case:
    """One failure.

    Attributes:
        arrange: makes it happen.
        code: the exit code.
        what: stands in the one line.
        remedy: stands in the other.
        submissions: how many are at Kaggle afterwards.
    """

    arrange: Callable[[Place], object]
    code: int
    what: str
    remedy: str
    submissions: int = 0


def stale_token_over_good_key(place: Place) -> None:
    place.save("kaggle.json", {"username": "rehearser", "key": "local-key"})
    place.env.setenv("KAGGLE_API_TOKEN", "stale-secret")


def closed_port(place: Place) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place.proxy(f"http://127.0.0.1:{unused.getsockname()[1]}")


def judged_by_other_rows(place: Place) -> None:
    solution = write_labels(place.here / "solution.csv", LABELS[:418])
    place.local.state.judge = Judge(solution)


def stall(place: Place, call: str, **how: float) -> None:
    place.env.setenv("KIT_KAGGLE_TIMEOUT", "0.2")
    place.local.fail(call, times=100, stall=5, **how)


def already_submitted(place: Place) -> None:
    assert run(["submit"]) == 0


CREDENTIALS = {
    "none": Case(
        lambda place: place.env.delenv("KAGGLE_API_TOKEN"), 4, "No Kaggle credentials", SETTINGS
    ),
    "inactive token": Case(
        lambda place: place.env.setenv("KAGGLE_API_TOKEN", "stale-secret"),
        4,
        "does not accept the access token in KAGGLE_API_TOKEN",
        SETTINGS,
    ),
    "inactive token in a file": Case(
        lambda place: place.save("access_token", "stale-secret"),
        4,
        ".kaggle/access_token",
        SETTINGS,
    ),
    "empty token file": Case(
        lambda place: place.save("access_token", ""), 4, "it is empty", SETTINGS
    ),
    "token that names a missing file": Case(
        lambda place: place.env.setenv("KAGGLE_API_TOKEN", "/nowhere/token"),
        4,
        "names a file that is not there",
        SETTINGS,
    ),
    "token with a line end inside": Case(
        lambda place: place.env.setenv("KAGGLE_API_TOKEN", "sec\nret"),
        4,
        "characters that no token has",
        SETTINGS,
    ),
    "kaggle.json that is not JSON": Case(
        lambda place: place.save("kaggle.json", '{"username": "me", "key": "secret"'),
        4,
        "it is not JSON",
        SETTINGS,
    ),
    "kaggle.json without a username": Case(
        lambda place: place.save("kaggle.json", {"key": "secret"}), 4, "no username", SETTINGS
    ),
    "wrong key": Case(
        lambda place: place.save("kaggle.json", {"username": "rehearser", "key": "secret"}),
        4,
        "does not accept the legacy API key",
        SETTINGS,
    ),
    "stale token over a good key": Case(
        stale_token_over_good_key, 4, "it hides the legacy API key", "or unset KAGGLE_API_TOKEN"
    ),
    "revoked login": Case(Place.login, 4, "does not accept the OAuth login", "kaggle auth login"),
    "damaged login": Case(
        lambda place: place.save("credentials.json", {"access_token": "secret"}),
        4,
        "it holds no refresh token",
        "kaggle auth login",
    ),
}
NETWORK = {
    # Without a proxy, localhost is asked at port 80, where nobody listens
    "offline": Case(
        lambda place: place.proxy(""), 6, "No connection to Kaggle", "network connection"
    ),
    "a proxy that is not there": Case(
        closed_port, 6, "HTTP_PROXY and http_proxy names: nobody answers there", "unset it"
    ),
    "unknown environment": Case(
        lambda place: place.env.setenv("KAGGLE_API_ENVIRONMENT", "MOON"),
        2,
        "found 'MOON'",
        "Unset KAGGLE_API_ENVIRONMENT",
    ),
    "time-out that is no number": Case(
        lambda place: place.env.setenv("KIT_KAGGLE_TIMEOUT", "soon"),
        2,
        "found 'soon'",
        "Unset KIT_KAGGLE_TIMEOUT",
    ),
}
DOWNLOAD = {
    "rules not accepted": Case(
        lambda place: setattr(place.local.user, "rules_accepted", False),
        5,
        "You must accept this competition's rules",
        RULES,
    ),
    "not entered": Case(
        lambda place: setattr(place.local.user, "entered", False),
        5,
        "'competitions.participate' was denied",
        RULES,
    ),
    "cut off for good": Case(
        lambda place: place.local.fail("Download", times=100, cut_after=0),
        6,
        "broke off",
        "run the command again",
    ),
    "reset for good": Case(
        lambda place: place.local.fail("Download", times=100, reset_after=0),
        6,
        "broke off",
        "run the command again",
    ),
    "stalls": Case(
        lambda place: stall(place, "Download"), 6, "did not answer in time", "run the command again"
    ),
    "a long Retry-After": Case(
        lambda place: place.local.fail("ListDataFiles", 429, retry_after=900),
        5,
        "(429)",
        "wait 900 seconds",
    ),
    "an archive that is none": Case(
        lambda place: archive(place).write_bytes(b"maintenance"), 3, "zip archive", "again"
    ),
    "data/kaggle cannot be made": Case(
        lambda place: (place.here / "data").write_text("a file"), 3, "cannot be written", "Free"
    ),
}
SUBMIT = {
    "rules not accepted": Case(
        lambda place: setattr(place.local.user, "rules_accepted", False),
        5,
        "until you accept the competition rules",
        RULES,
    ),
    "not entered": Case(
        lambda place: setattr(place.local.user, "entered", False),
        5,
        "You have not entered the competition",
        RULES,
    ),
    "limit told late": Case(
        lambda place: place.local.fail("CreateSubmission", 400, message="daily allowance (5)"),
        5,
        "daily allowance (5)",
        SUBMISSIONS,
    ),
    "same content again": Case(
        already_submitted, 2, "its score is 0.95000", "--again", submissions=1
    ),
    "upload refused": Case(
        lambda place: place.local.fail("Upload", 403, times=100),
        5,
        "refused uploading",
        "kit doctor",
    ),
    "upload reset half-way for good": Case(
        lambda place: place.local.fail("Upload", times=100, reset_after=0),
        6,
        "broke off, uploading",
        "run the command again",
    ),
    "upload stalled": Case(
        lambda place: stall(place, "Upload"), 6, "did not answer in time, uploading", "again"
    ),
    "creating stalled": Case(
        lambda place: stall(place, "CreateSubmission"), 6, "It is open whether", "looks again"
    ),
    "creating stalled, and done": Case(
        lambda place: (
            stall(place, "CreateSubmission", done=True),
            place.local.fail("ListSubmissions", 503, times=100, skip=1),
        ),
        6,
        "It is open whether",
        "The same command looks again",
        submissions=1,
    ),
    "judged ERROR": Case(
        judged_by_other_rows,
        5,
        "Evaluation Exception: Submission must have 418 rows",
        SUBMISSIONS,
        submissions=1,
    ),
    "judging takes too long": Case(
        lambda place: setattr(place.local.state, "judging_seconds", 60),
        6,
        "has not judged submission 40000000",
        "goes on waiting",
        submissions=1,
    ),
    "overlap": Case(
        lambda place: rewrite_overlap(place, 24_000),
        7,
        "trained on 24,000 of the 28,000 images",
        "kit train --source kaggle",
    ),
    "a file with a fault": Case(
        lambda place: write_labels(place.run_folder / "submission.csv", LABELS[:-1]),
        3,
        "too few rows",
        "kit check",
    ),
    "no run": Case(
        lambda place: place.run_folder.rename(place.here / "elsewhere"), 2, "no run", "kit train"
    ),
    "damaged receipt": Case(
        lambda place: (place.run_folder / "receipt.json").write_text("{"),
        3,
        "not a receipt",
        "Move it away",
    ),
}


def archive(place: Place) -> Path:
    return place.local.files["digit-recognizer.zip"]


def rewrite_overlap(place: Place, n_overlap: int) -> None:
    path = place.run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["overlap"]["test"]["n_overlap"] = n_overlap
    path.write_text(json.dumps(metrics))


def assert_told(
    place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], case: Case
) -> None:
    """Run a command that fails: two lines at the end of stderr, and no trace of it elsewhere."""
    capsys.readouterr()
    assert run(arguments) == case.code
    captured = capsys.readouterr()
    what, remedy = captured.err.splitlines()[-2:]
    assert case.what in what
    assert case.remedy in remedy
    assert "Traceback" not in captured.err
    assert_no_secret(captured.err + captured.out)
    assert len(place.local.submissions) == case.submissions
    assert_nothing_half_written(place)


def assert_nothing_half_written(place: Place) -> None:
    data = place.here / "data/kaggle"
    if data.is_dir():
        left = {path.name for path in data.iterdir() if not path.name.endswith(".part")}
        assert left <= {".download.lock"}
    path = place.run_folder / "receipt.json"
    if path.is_file() and path.read_text() != "{":
        refs = [attempt.ref for attempt in load_receipt(path) if attempt.ref is not None]
        assert refs == [submission.ref for submission in place.local.submissions][: len(refs)]


@pytest.mark.parametrize("name", {**CREDENTIALS, **NETWORK})
@pytest.mark.parametrize("command", ["download", "submit"])
def test_neither_command_gets_past(
    place: Place, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    case = {**CREDENTIALS, **NETWORK}[name]
    case.arrange(place)
    assert_told(place, capsys, [command], case)


@pytest.mark.parametrize("name", CREDENTIALS)
def test_the_doctor_names_each_credentials_remedy(
    place: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    case = CREDENTIALS[name]
    case.arrange(place)
    assert run(["doctor"]) == 4
    told = capsys.readouterr().out
    assert case.remedy in told
    assert "secret" not in told


@pytest.mark.parametrize("name", DOWNLOAD)
def test_download(place: Place, capsys: pytest.CaptureFixture[str], name: str) -> None:
    DOWNLOAD[name].arrange(place)
    assert_told(place, capsys, ["download"], DOWNLOAD[name])


@pytest.mark.parametrize("name", SUBMIT)
def test_submit(place: Place, capsys: pytest.CaptureFixture[str], name: str) -> None:
    SUBMIT[name].arrange(place)
    timeout = ["--timeout", "0.1"] if name == "judging takes too long" else []
    assert_told(place, capsys, ["submit", *timeout], SUBMIT[name])


@needs_limits
def test_limit_reached(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    already_submitted(place)
    place.local.state.daily_limit = 1
    case = Case(already_submitted, 5, "No submission is left: 1 made today", SUBMISSIONS, 1)
    assert_told(place, capsys, ["submit", "--again"], case)


@pytest.mark.parametrize("command", ["download", "submit", "history", "doctor"])
@pytest.mark.parametrize("name", ["stale token over a good key", "revoked login", "offline"])
def test_debug_shows_where_but_not_with_what(
    place: Place, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    {**CREDENTIALS, **NETWORK}[name].arrange(place)
    code = run([command, "--debug"])
    captured = capsys.readouterr()
    assert ("Traceback" in captured.err) == (command in ("download", "submit"))
    assert bool(code) == (command != "history")
    for secret in (*SECRETS, "secret", "Bearer", "Basic"):
        assert secret not in captured.err + captured.out


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Fail writes beyond `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_disk_full_while_downloading(
    place: Place, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    # the first limit breaks the transfer, the second the unpacking
    assert 10_000 < archive(place).stat().st_size < 100_000
    case = Case(archive, 3, "cannot be written (File too large)", "then run kit download again")
    with largest_file(size):
        assert_told(place, capsys, ["download"], case)
    assert not list((place.here / "data/kaggle").glob(".*.part"))
    assert run(["download"]) == 0


# what each answer ends in: exit code, what stands in the one line before what was being done, and
# what stands in the remedy
ANSWERS: dict[str, tuple[dict[str, object], int, str, str]] = {
    "400": ({"status": 400}, 5, "Kaggle refused {doing} (400)", "kit doctor looks for the cause"),
    "401": ({"status": 401}, 4, "does not accept the access token", SETTINGS),
    "403": ({"status": 403}, 5, "Kaggle refused {doing} (403)", "kit doctor looks for the cause"),
    "404": ({"status": 404}, 5, "Kaggle refused {doing} (404)", "opens in a browser"),
    "429": ({"status": 429}, 5, "Kaggle refused {doing} (429)", "wait a few minutes"),
    "500": ({"status": 500}, 6, "server failed {doing} (500)", "in a few minutes"),
    "503": ({"status": 503, "html": True}, 6, "server failed {doing} (503)", "in a few minutes"),
    "HTML": ({"html": True}, 6, "than Kaggle's answer came back, {doing}", "A proxy"),
}
DOWNLOAD_CALLS = {
    "ListDataFiles": "listing the competition's files",
    "DownloadDataFiles": "downloading the competition's files",
    "Download": "downloading the competition's files",
}
SUBMIT_CALLS = {
    "ListSubmissions": "listing the submissions",
    "StartSubmissionUpload": "uploading the submission's file",
    "Upload": "uploading the submission's file",
    "CreateSubmission": "creating the submission",
    "GetSubmission": "asking for the submission",
}
if SDK_HAS_LIMITS:
    SUBMIT_CALLS["GetSubmissionLimits"] = "asking for the submissions left"


def answered(answer: str, doing: str, submissions: int = 0) -> Case:
    _, code, what, remedy = ANSWERS[answer]
    return Case(archive, code, what.format(doing=doing), remedy, submissions)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", DOWNLOAD_CALLS)
def test_each_call_of_download(
    place: Place, capsys: pytest.CaptureFixture[str], call: str, answer: str
) -> None:
    place.local.fail(call, times=100, **ANSWERS[answer][0])
    # The file goes without credentials, so that none of them can be at fault
    at_fault = "403" if (call, answer) == ("Download", "401") else answer
    assert_told(place, capsys, ["download"], answered(at_fault, DOWNLOAD_CALLS[call]))
    place.local.failures.clear()
    assert run(["download"]) == 0
    assert find_files(place.here / "data/kaggle") is not None


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", SUBMIT_CALLS)
def test_each_call_of_submit(
    place: Place, capsys: pytest.CaptureFixture[str], call: str, answer: str
) -> None:
    place.local.fail(call, times=100, **ANSWERS[answer][0])
    # the upload goes without credentials, so that none of them can be at fault
    at_fault = "403" if (call, answer) == ("Upload", "401") else answer
    case = answered(at_fault, SUBMIT_CALLS[call], submissions=int(call == "GetSubmission"))
    if call == "CreateSubmission" and case.code == 6:
        case = Case(archive, 6, "It is open whether Kaggle took", "The same command looks again")
    if (call, answer) == ("GetSubmission", "404"):
        # Kaggle does not know it yet
        case = Case(archive, 6, "has not judged submission", "goes on waiting", 1)
    assert_told(place, capsys, ["submit", "--timeout", "0.1"], case)
    place.local.failures.clear()
    is_open = call == "CreateSubmission" and case.code == 6
    if is_open:
        # An open attempt is not overrun while it is young
        place.env.setattr("kit.kaggle.submit.SETTLED", timedelta(0))
    # Without a count, only --again sends once more
    assert run(["submit", *["--again"] * (is_open and not SDK_HAS_LIMITS)]) == 0
    assert [submission.score for submission in place.local.submissions] == ["0.95000"]
    newest = load_receipt(place.run_folder / "receipt.json")[-1]
    assert (newest.ref, newest.public_score) == (40_000_000, "0.95000")


PHONE = "You must verify your phone number before you accept the rules"
CLOSED = "Competition is closed: no late submissions are accepted"


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("download", "DownloadDataFiles"),
        ("download", "Download"),
        ("submit", "StartSubmissionUpload"),
        ("submit", "CreateSubmission"),
        ("submit", "ListSubmissions"),
    ],
)
def test_a_phone_that_is_not_verified(
    place: Place, capsys: pytest.CaptureFixture[str], command: str, call: str
) -> None:
    place.local.fail(call, 403, times=100, message=PHONE)
    remedy = f"Verify your phone number at {SETTINGS}"
    assert_told(place, capsys, [command], Case(archive, 5, "(403): You must verify", remedy))


@pytest.mark.parametrize("call", ["StartSubmissionUpload", "CreateSubmission"])
@pytest.mark.parametrize("status", [400, 403])
def test_a_competition_that_says_it_is_closed(
    place: Place, capsys: pytest.CaptureFixture[str], call: str, status: int
) -> None:
    place.local.fail(call, status, message=CLOSED)
    case = Case(archive, 5, "Competition is closed", "takes no more submissions")
    assert_told(place, capsys, ["submit"], case)


def test_a_deadline_that_has_passed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def close(answer: dict[str, object]) -> dict[str, object]:
        return {**answer, "deadline": "2025-12-31T23:59:00Z"}

    place.local.fail("GetCompetition", times=100, change=close)
    place.local.fail("CreateSubmission", 404, times=100, message="Not found")
    case = Case(archive, 5, "closed: its deadline was 2025-12-31 23:59 UTC", "no more submissions")
    assert_told(place, capsys, ["submit"], case)


def test_a_404_from_a_competition_without_a_deadline(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.local.fail("CreateSubmission", 404, times=100, message="Not found")
    case = Case(archive, 5, "creating the submission (404): Not found", "is not closed")
    assert_told(place, capsys, ["submit"], case)


# What Kaggle may repeat: headers, bodies, and what they were made of
REPEATED = f"Bad: Bearer local-token, Basic {PAIR}, key=local-key, local-refresh-token"


def with_all_credentials(place: Place) -> None:
    place.save("kaggle.json", {"username": "rehearser", "key": "local-key"})
    place.save(
        "credentials.json",
        {"refresh_token": "local-refresh-token", "access_token": "local-oauth-token-1"},
    )
    place.env.setenv("KAGGLE_API_TOKEN", "local-token")


@pytest.mark.parametrize("status", [400, 403, 409, 429, 500])
@pytest.mark.parametrize(
    ("command", "call"),
    [
        *(("download", call) for call in DOWNLOAD_CALLS),
        *(("submit", call) for call in SUBMIT_CALLS),
        *(("doctor", call) for call in ("IntrospectToken", "GetCompetition", "DownloadDataFile")),
        ("history", "ListSubmissions"),
    ],
)
def test_secrets_that_are_repeated_are_masked(
    place: Place, capsys: pytest.CaptureFixture[str], command: str, call: str, status: int
) -> None:
    with_all_credentials(place)
    place.local.fail(call, status, times=100, message=REPEATED)
    run([command, "--debug"])
    captured = capsys.readouterr()
    assert "Bad: Bearer ***, Basic ***, key=***" in captured.err + captured.out
    assert_no_secret(captured.err + captured.out)


def test_an_access_token_that_is_repeated_is_masked(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"refresh_token": "local-refresh-token", "access_token": "", "username": "rehearser"}
    place.save("credentials.json", content)
    said = "Bad: local-oauth-token-1 of local-refresh-token"
    place.local.fail("ListDataFiles", 400, message=said)
    assert run(["download", "--debug"]) == 5
    captured = capsys.readouterr()
    assert "Bad: *** of ***" in captured.err
    assert_no_secret(captured.err + captured.out)


def test_secrets_in_descriptions_and_reasons_are_not_kept(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with_all_credentials(place)
    judged_by_other_rows(place)

    def repeat(answer: dict[str, object]) -> dict[str, object]:
        return {**answer, "errorDescription": REPEATED, "description": REPEATED}

    place.local.fail("GetSubmission", times=100, change=repeat)
    place.local.fail(
        "ListSubmissions",
        times=100,
        change=lambda page: {
            "submissions": [repeat(entry) for entry in page.get("submissions", [])]
        },
    )
    assert run(["submit", "--json"]) == 5
    assert run(["history"]) == 0
    assert run(["history", "--json"]) == 0
    captured = capsys.readouterr()
    assert "Bad: Bearer ***" in captured.out
    assert_no_secret(captured.err + captured.out)
