"""Transfers that break off: what is continued, and what is begun anew."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fetching import HELD, PART, ROWS, assert_whole, fetch, hold
from file_host import (
    ADDRESS,
    Answer,
    FileHost,
    Request,
    cut,
    gzipped,
    page,
    partial,
    properly,
    refused,
    whole,
    zipped,
)

from kit.errors import CompetitionError, DataError, NetworkError
from kit.kaggle.client import Kaggle
from kit.kaggle.download import download

ANEW: dict[str, Answer] = {
    **{f"refused with {status}": refused(status) for status in (400, 401, 403, 404, 410, 412, 416)},
    **{f"failed with {status}": refused(status) for status in (500, 501)},
    "a 206 that begins at 0": partial(0),
    "a 206 that begins earlier": partial(HELD - 1),
    "a 206 that begins later": partial(HELD + 1),
    "a 206 of another place": lambda request: request.send(
        206, b"x", {"Content-Range": "bytes 1000-1000/1001"}
    ),
    "a 206 without a Content-Range": lambda request: request.send(206, request.server.content),
    "a 206 that is compressed": gzipped(),
}


@pytest.mark.parametrize("name", ANEW)
def test_a_rest_that_is_not_given_is_begun_anew_without_a_word(
    host: FileHost, tables: dict[str, bytes], folder: Path, name: str
) -> None:
    hold(folder, host.content[:HELD])
    host.get_answers = [ANEW[name]]
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert host.ranges == [f"bytes={HELD}-", None]
    # By another address
    assert [path for path, _ in host.requests] == [f"{ADDRESS}1", f"{ADDRESS}2"]


def test_a_whole_file_instead_of_the_rest_is_taken(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    hold(folder, host.content[:HELD])
    host.get_answers = [whole]
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert len(host.requests) == 1


@pytest.mark.parametrize("answer", [properly, partial(HELD, "*")])
def test_a_rest_is_continued(
    host: FileHost, tables: dict[str, bytes], folder: Path, answer: Answer
) -> None:
    hold(folder, host.content[:HELD])
    host.get_answers = [answer]
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert host.ranges == [f"bytes={HELD}-"]


@pytest.mark.parametrize("change", ["packed otherwise", "grown", "shrunk"])
def test_another_version_in_the_middle_is_begun_anew_without_a_word(
    host: FileHost, tables: dict[str, bytes], folder: Path, change: str
) -> None:
    # kaggle-cli #1142: the old start and the new end made one damaged file of the right size
    hold(folder, host.content[:HELD])
    host.etag = '"second"'
    if change == "packed otherwise":
        host.content = zipped(dict(reversed(tables.items())))
    elif change == "grown":
        host.content = zipped({**dict(reversed(tables.items())), "notes.txt": os.urandom(500)})
    else:
        hold(folder, host.content + os.urandom(500))
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert host.ranges[-1] is None
    assert len(host.ranges) == 2


def test_versions_that_change_at_each_try_end(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    def another(request: Request) -> None:
        first = list(ROWS)[len(host.requests) % 3]
        host.content = zipped({first: tables[first], **tables})
        properly(request, None if request.start else HELD)

    host.get_answers = [another] * 20
    with pytest.raises(DataError):
        fetch(folder)
    assert len(host.requests) == 4
    assert not list(folder.glob("*.csv"))


@pytest.mark.parametrize("extra", [b"", b"\0", os.urandom(1_000)])
def test_a_part_that_is_whole_or_larger_than_the_file(
    host: FileHost, tables: dict[str, bytes], folder: Path, extra: bytes
) -> None:
    hold(folder, host.content + extra)
    assert fetch(folder) == []
    assert_whole(folder, tables)
    assert host.ranges == [f"bytes={len(host.content + extra)}-", None]


def test_a_part_that_is_damaged_is_fetched_again(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    hold(folder, bytes(len(host.content)))
    assert fetch(folder) == []
    assert_whole(folder, tables)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_host_that_is_busy_does_not_cost_the_part(
    host: FileHost, tables: dict[str, bytes], folder: Path, status: int
) -> None:
    hold(folder, host.content[:HELD])
    host.get_answers = [refused(status), refused(status)]
    told = fetch(folder)
    assert len(told) == (2 if status < 500 else 1)
    assert str(status) in told[0]
    assert host.ranges[-1] == f"bytes={HELD}-"
    assert_whole(folder, tables)


def test_errors_do_not_overwrite_the_part(host: FileHost, folder: Path) -> None:
    # kaggle-cli #1179: the text of an error was written in place of the part
    hold(folder, host.content[:HELD])
    host.get_answers = [refused(403), refused(403)]
    with pytest.raises(CompetitionError, match="403"):
        fetch(folder)
    host.get_answers = [page] * 9
    with pytest.raises(NetworkError):
        fetch(folder)
    assert (folder / PART).read_bytes() == host.content[:HELD]


def test_a_transfer_that_breaks_off_again_and_again_goes_on(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    host.get_answers = [cut(40)] * (len(host.content) // 40)
    assert len(fetch(folder)) > 3
    assert_whole(folder, tables)


def test_a_transfer_without_progress_ends(host: FileHost, folder: Path) -> None:
    # Resuming is refused, and no try gets further than the one before
    host.get_answers = [cut(HELD)] + [refused(403), cut(HELD)] * 50
    with pytest.raises(NetworkError, match="broke off") as told:
        fetch(folder)
    assert "run the command again" in told.value.remedy
    assert len(host.requests) == 1 + 3 * 2


def test_what_came_is_kept_for_the_next_command(
    host: FileHost, tables: dict[str, bytes], folder: Path
) -> None:
    host.get_answers = [cut(HELD), *[cut(0)] * 20]
    with pytest.raises(NetworkError):
        fetch(folder)
    assert not list(folder.glob("*.csv"))
    host.get_answers, host.requests = [], []
    steps: list[tuple[int, int]] = []
    download(Kaggle(), folder, lambda done, size: steps.append((done, size)), ROWS)
    assert steps[0] == (HELD, len(host.content))
    assert steps[-1] == (len(host.content), len(host.content))
    assert_whole(folder, tables)


KILLED = """
import json, sys
from pathlib import Path
from kit.kaggle.client import Kaggle
from kit.kaggle.download import download
download(Kaggle(), Path(sys.argv[1]), lambda done, size: None, json.loads(sys.argv[2]))
"""


def test_kill_9_in_the_middle_then_again(host: FileHost, folder: Path) -> None:
    rows = {"train.csv": 100, "test.csv": 20_000}
    noise = "\n".join(str(number) for number in os.urandom(20_000)).encode()
    tables = {"train.csv": b"label\n" + b"1\n" * 100, "test.csv": b"pixel0\n" + noise}
    host.content, host.sizes = zipped(tables), {name: len(tables[name]) for name in tables}
    half = len(host.content) // 2
    is_halfway, goes_on = threading.Event(), threading.Event()

    def stops_halfway(request: Request) -> None:
        properly(request, half)
        is_halfway.set()
        goes_on.wait(30)

    host.get_answers = [stops_halfway]
    command = [sys.executable, "-c", KILLED, str(folder), json.dumps(rows)]
    with subprocess.Popen(command) as process:
        assert is_halfway.wait(30)
        while not (folder / PART).exists() or (folder / PART).stat().st_size < half:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    goes_on.set()
    download(Kaggle(), folder, lambda _done, _size: None, rows)
    assert host.ranges == [None, f"bytes={half}-"]
    assert_whole(folder, tables)
