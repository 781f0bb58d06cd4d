"""What an answer means, and how somebody else's text is shown."""

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import requests

from kit.errors import one_line
from kit.kaggle.credentials import Credential
from kit.kaggle.exchange import Trouble, explain, failure_of

TOKEN = Credential("token", "KAGGLE_API_TOKEN", secret="t")


def error(status: int, content: object, **headers: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code, response.url = status, "http://localhost/api"
    response._content = content if isinstance(content, bytes) else json.dumps(content).encode()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.HTTPError(response=response)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wider\nnet\twork \r\n", "wider net work"),
        ("\x1b[31mred\x1b[0m\a", r"\x1b[31mred\x1b[0m\x07"),
        ("\x9b2J\u202eabc\u200b", r"\x9b2J\u202eabc\u200b"),
        ("half \udc80 a letter", r"half \udc80 a letter"),
        ("Größe 数字 ☃", "Größe 数字 ☃"),
        ("a\u2028b\u00a0c\vd", "a b c d"),
        ("", ""),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("status", "content", "expected", "words", "had_no_effect"),
    [
        (403, {"code": 403, "message": "No."}, 403, "No", True),
        (200, {"code": 400, "message": "Late"}, 400, "Late", True),
        (
            404,
            {"error": {"code": 404, "message": "Gone", "status": "NOT_FOUND"}},
            404,
            "Gone",
            True,
        ),
        (403, {"code": "PERMISSION_DENIED", "message": "No"}, 403, "No", True),
        (409, {"message": "Busy"}, 409, "Busy", False),
        (500, {"message": "Oops"}, 500, "Oops", False),
        (403, b"<html>Forbidden</html>", 403, "", False),
        (404, ["Not", "found"], 404, "", False),
        (400, {"reason": "a proxy's own words"}, 400, "", False),
    ],
)
def test_what_a_refusal_says(
    status: int, content: object, expected: int, words: str, had_no_effect: bool
) -> None:
    failure = failure_of(error(status, content))
    assert (failure.status, failure.words, failure.had_no_effect) == (
        expected,
        words,
        had_no_effect,
    )


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("Verify by SMS that you are a person", "phone number at https://www.kaggle.com/settings"),
        ("Mobile phone needed by the rules", "phone number at https://www.kaggle.com/settings"),
        ("Accept the rules", "digit-recognizer/rules"),
        ("Banned for violating the rules", "kit doctor"),
        ("This competition has ended", "takes no more submissions"),
        ("It is no longer accepting submissions", "takes no more submissions"),
        ("Your account has been suspended", "kit doctor"),
        ("You have not completed your profile", "kit doctor"),
        ("Submission not allowed: daily Submission allowance (5)", "Wait until midnight UTC"),
        ("Wrong", "kit doctor"),
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_the_remedy_fits_the_reason(message: str, remedy: str, status: int) -> None:
    failure = failure_of(error(status, {"message": message}))
    told = explain(failure, "creating the submission", [TOKEN])
    assert (told.exit_code, message in told.what) == (5, True)
    assert remedy in told.remedy


def test_a_time_to_wait_that_is_none_is_passed_over() -> None:
    for moment in ("Fri, 31 Dec 99999999999999 23:59:59 GMT", "soon", "-1"):
        assert failure_of(error(429, {}, Retry_After=moment)).retry_after is None


def test_long_words_are_cut_and_control_characters_shown() -> None:
    failure = failure_of(error(400, {"message": "\x1b[2J" + "x" * 5000}))
    told = explain(failure, "listing", [TOKEN])
    assert r": \x1b[2Jxxx" in told.what
    assert len(told.what) < 300


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Wed, 32 Oct 99999 07:28:00 GMT", None),
        ("soon", None),
        ("nan", None),
        ("-3", None),
        ("", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert failure_of(error(429, {}, Retry_After=header)).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = failure_of(error(429, {}, Retry_After=header)).retry_after
    assert seconds == pytest.approx(60, abs=5)


def test_a_redirect_names_its_place() -> None:
    for given in ("http://localhost/files/all.zip?signed=1", "/files/all.zip?signed=1"):
        failure = failure_of(error(302, b"", Location=given))
        assert failure.trouble is Trouble.NONSENSE
        assert failure.location == "http://localhost/files/all.zip?signed=1"


def test_certificates_that_are_cut_off_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "company.pem"
    cut.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cut))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises((OSError, requests.RequestException)) as refused:
            requests.get(f"https://127.0.0.1:{port}", timeout=5)
    failure = failure_of(refused.value)
    assert failure.trouble is Trouble.NO_TRUST
    assert f"REQUESTS_CA_BUNDLE names {cut}" in failure.words
