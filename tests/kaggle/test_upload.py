"""The upload: one request with all bytes, begun anew where it breaks, and without credentials."""

import socket
import struct
import time
from pathlib import Path

import pytest
from file_host import ADDRESS, JSON, TOKEN, Answer, FileHost, Request, moved, page, refused

from kit.errors import CompetitionError, KitError, NetworkError
from kit.kaggle.client import Kaggle

CONTENT = b"ImageId,Label\n1,7\n" * 10_000


def send(content: bytes = CONTENT, timeout: float = 10.0) -> str:
    kaggle = Kaggle(tries=3, timeout=timeout, sleep=lambda _: None)
    return kaggle.upload(content, "mine.csv")


def resets(request: Request) -> None:
    """Take a little, then reset the connection."""
    request.rfile.read(1_000)
    linger = struct.pack("ii", 1, 0)
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.close_connection = True


def taken(status: int, body: bytes = b"{}") -> Answer:
    """Read all, and answer so."""

    def answer(request: Request) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        request.send(status, body, JSON)

    return answer


def test_all_bytes_are_sent_at_once(host: FileHost) -> None:
    assert send() == "token-1"
    assert host.uploads == [CONTENT]
    call, begun = host.calls[0]
    assert call == "StartSubmissionUpload"
    assert begun["competitionName"] == "digit-recognizer"
    assert begun["contentLength"] == len(CONTENT)
    assert begun["lastModifiedEpochSeconds"] == pytest.approx(time.time(), abs=60)
    assert begun["fileName"] == "mine.csv"


@pytest.mark.parametrize("name", ["dígitos 手.csv", "a,b;c'd\".txt", "x" * 300])
def test_any_name_will_do(host: FileHost, name: str) -> None:
    assert Kaggle().upload(b"1", name) == "token-1"
    assert host.calls[0][1]["fileName"] == name


BROKEN: dict[str, Answer] = {
    "a reset": resets,
    **{f"a {status}": taken(status) for status in (308, 408, 409, 429, 500, 502, 503, 204, 302)},
    "a page": page,
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_upload_that_breaks_is_begun_anew(host: FileHost, name: str) -> None:
    host.put_answers = [BROKEN[name]]
    assert send() == "token-2"
    assert host.uploads == [CONTENT]
    assert [path for path, _ in host.requests] == [f"{ADDRESS}1", f"{ADDRESS}2"]


@pytest.mark.parametrize(
    ("answer", "error", "tries"),
    [
        (resets, NetworkError, 3),
        (page, NetworkError, 3),
        (taken(503), NetworkError, 3),
        (taken(308), NetworkError, 3),
        (taken(403), CompetitionError, 1),
        (taken(413), CompetitionError, 1),
        # No credential was sent, so that none can be at fault
        (taken(401), CompetitionError, 1),
    ],
)
def test_an_upload_that_breaks_for_good_is_told(
    host: FileHost, answer: Answer, error: type[KitError], tries: int
) -> None:
    host.put_answers = [answer] * 20
    with pytest.raises(error, match="uploading"):
        send()
    assert len(host.requests) == tries
    assert host.uploads == []


def test_an_answer_without_an_address_is_told(host: FileHost) -> None:
    host.call_answers["StartSubmissionUpload"] = refused(200, b'{"token":"t"}', "application/json")
    assert send() == "token-2"


def test_the_content_goes_nowhere_else(host: FileHost, home: Path) -> None:
    (home / ".netrc").write_text("default login a password secret\n")
    (home / ".netrc").chmod(0o600)
    host.put_answers = [moved("http://elsewhere.invalid/take")] * 20
    with pytest.raises(NetworkError):
        send()
    for path, headers in host.requests:
        assert path.startswith("http://storage.invalid/")
        assert "Authorization" not in headers
        assert TOKEN not in str(headers)
