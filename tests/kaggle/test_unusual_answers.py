"""Hosts of files that answer otherwise than usual: lengths, addresses, redirects, pages."""

import threading
from pathlib import Path

import pytest
from fetching import HELD, PART, ROWS, assert_whole, fetch
from file_host import (
    ADDRESS,
    PAGE,
    TOKEN,
    Answer,
    FileHost,
    Request,
    asked_host,
    cut,
    endless,
    gzipped,
    moved,
    page,
    refused,
    unmeasured,
    zipped,
)

from kit.cli.main import run
from kit.competition import find_files
from kit.errors import CompetitionError, DataError, KitError, NetworkError

UNMEASURED: dict[str, Answer] = {
    "chunked": unmeasured(chunked=True),
    "until the connection closes": unmeasured(chunked=False),
    "compressed for the way": gzipped(),
}


@pytest.mark.parametrize("name", UNMEASURED)
def test_a_file_without_a_length_is_downloaded(
    host: FileHost, tables: dict[str, bytes], folder: Path, name: str
) -> None:
    host.get_answers = [UNMEASURED[name]]
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert host.ranges == [None]


@pytest.mark.parametrize("ranges", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("after", [0, 120, 350])
def test_a_file_without_a_length_that_breaks_off_is_not_taken_for_whole(
    host: FileHost,
    tables: dict[str, bytes],
    folder: Path,
    chunked: bool,
    ranges: bool,
    after: int,
) -> None:
    host.get_answers = [
        unmeasured(chunked=chunked, cut=after),
        unmeasured(chunked=chunked, ranges=ranges),
    ]
    assert len(fetch(folder)) == 1
    assert_whole(folder, tables)
    assert host.ranges == [None, f"bytes={after}-" if after else None]


def test_a_compressed_transfer_that_breaks_off_is_begun_anew(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    host.get_answers = [gzipped(cut=200), gzipped(), gzipped()]
    assert len(fetch(folder)) == 1
    assert_whole(folder, tables)


def test_a_file_without_etag_is_continued(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    host.etag = None
    host.get_answers = [cut(HELD)]
    fetch(folder)
    assert host.ranges == [None, f"bytes={HELD}-"]
    assert_whole(folder, tables)


def test_a_listed_size_tells_what_the_file_without_a_length_lacks(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    host.content = zipped({**tables, "test.csv": tables["test.csv"][:-3]})
    host.get_answers = [unmeasured(chunked=True)]
    with pytest.raises(DataError, match=r"test\.csv .* fewer than the 20 bytes"):
        fetch(folder)
    assert not list(folder.glob("*.csv"))


def test_a_file_that_never_ends_is_refused(host: FileHost, folder: Path) -> None:
    host.get_answers = [endless, endless]
    with pytest.raises(DataError, match="larger than the files in it"):
        fetch(folder)
    assert not (folder / PART).exists()
    assert len(host.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_an_address_that_has_expired_is_asked_for_anew(
    host: FileHost, tables: dict[str, bytes], folder: Path, status: int
) -> None:
    host.get_answers = [refused(status)]
    assert fetch(folder) == []
    assert [path for path, _ in host.requests] == [f"{ADDRESS}1", f"{ADDRESS}2"]
    assert_whole(folder, tables)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_host_that_refuses_each_address_is_told(
    host: FileHost, folder: Path, status: int
) -> None:
    host.get_answers = [refused(status)] * 20
    # No credential was sent, so that none can be at fault
    with pytest.raises(CompetitionError, match="404" if status == 404 else "403"):
        fetch(folder)
    assert len(host.requests) == 2


def test_redirects_of_a_download_are_followed_without_credentials(
    host: FileHost, tables: dict[str, bytes], folder: Path, home: Path
) -> None:
    (home / ".netrc").write_text(
        "machine storage.invalid login a password secret\n"
        "machine elsewhere.invalid login b password secret\n"
        "default login c password secret\n"
    )
    (home / ".netrc").chmod(0o600)
    host.get_answers = [moved("http://elsewhere.invalid/zip?x=1"), cut(HELD)]
    fetch(folder)
    assert_whole(folder, tables)
    assert [asked_host(path) for path, _ in host.requests] == [
        "storage.invalid",
        "elsewhere.invalid",
        "storage.invalid",
    ]
    for _, headers in host.requests:
        assert "Authorization" not in headers
        assert "Cookie" not in headers


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://[", "ftp://x.invalid/", ADDRESS])
def test_addresses_that_are_none_are_told(host: FileHost, folder: Path, address: str) -> None:
    # The last one leads to itself
    host.get_answers = [moved(address)] * 200
    with pytest.raises(NetworkError):
        fetch(folder)


def test_certificates_that_are_not_there_are_no_fault_of_the_folder(
    host: FileHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    secure = moved("https://storage.invalid/digit-recognizer.zip")
    host.get_answers = [secure] * 20
    with pytest.raises(NetworkError):
        fetch(folder)


NONSENSE: dict[str, tuple[Answer, type[KitError]]] = {
    "a page": (page, NetworkError),
    "a page that says it is a zip": (
        lambda request: request.send(200, PAGE, {"Content-Type": "application/zip"}),
        DataError,
    ),
    "nothing": (lambda request: request.send(200, b""), NetworkError),
    "no content": (lambda request: request.send(204, b""), NetworkError),
    "not gzip, though it says so": (
        lambda request: request.send(200, PAGE, {"Content-Encoding": "gzip"}),
        NetworkError,
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_something_else_than_the_file_is_told(
    host: FileHost, tables: dict[str, bytes], folder: Path, name: str
) -> None:
    answer, error = NONSENSE[name]
    host.get_answers = [answer] * 20
    with pytest.raises(error):
        fetch(folder)
    assert not list(folder.glob("*.csv"))
    host.get_answers = []
    assert fetch(folder) == []
    assert_whole(folder, tables)


def test_a_host_that_falls_silent_is_given_up(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    # kaggle-cli #113, #519: it stopped at some percentage, for ever
    goes_on = threading.Event()

    def falls_silent(request: Request) -> None:
        request.send(200, request.server.content, cut=HELD)
        request.wfile.flush()
        goes_on.wait(30)

    host.get_answers = [falls_silent]
    told = fetch(folder, timeout=0.3)
    goes_on.set()
    assert len(told) == 1
    assert "in time" in told[0]
    assert host.ranges == [None, f"bytes={HELD}-"]
    assert_whole(folder, tables)
    assert find_files(folder, ROWS) is not None


@pytest.mark.parametrize("answer", [refused(403), moved("http://["), cut(0), page, endless])
def test_signed_addresses_are_not_shown(
    host: FileHost,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    # Whoever has a signed address can fetch the file without an account
    monkeypatch.setattr("kit.kaggle.client.FIRST_WAIT", 0.01)
    host.get_answers = [answer] * 20
    host.sizes = dict.fromkeys(ROWS, 1_000)
    assert run(["download", "--data", str(folder), "--debug"]) in (3, 5, 6)
    told = capsys.readouterr()
    assert "Traceback" in told.err
    for secret in ("signed=", TOKEN):
        assert secret not in told.out + told.err
