"""The competition's files: fetched as one zip, unpacked and checked, whole or not at all."""

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout

from kit.data.kaggle_csv import member_blocks
from kit.errors import DataError, UsageError
from kit.kaggle.client import Kaggle
from kit.kaggle.exchange import COMPETITION, COMPETITION_PAGE, CallFailure, Trouble, failure_of

# Told the bytes that have come, and all there are; 0 where nobody knows
Progress = Callable[[int, int], None]

ROWS = {"train.csv": 42_000, "test.csv": 28_000, "sample_submission.csv": 28_000}

_AGAIN = "Run kit download again; what is wrong at Kaggle's end shows at " + COMPETITION_PAGE
_BLOCK = 1 << 18
# A zip is smaller than its files, but for its directory
_DIRECTORY = 1 << 20
_UNPACKING = ".download-"


@dataclass(frozen=True)
class CompetitionFile:
    """One file of the competition, on this machine.

    Attributes:
        path: where it is.
        total_bytes: its size.
        rows: its rows, without the header.
    """

    path: Path
    total_bytes: int
    rows: int


def find_files(folder: Path, rows: Mapping[str, int] = ROWS) -> list[CompetitionFile] | None:
    """The competition's files if all are in `folder` and whole, None if any is not there.

    Raises:
        DataError: one is there, but has not the rows and columns that it should have.
        OSError: one cannot be read.
    """
    if not all((folder / name).is_file() for name in rows):
        return None
    for name, expected in rows.items():
        fault = _fault(folder / name, expected)
        if fault is not None:
            again = "Fetch it again with: kit download --force"
            raise DataError(f"{folder / name}: {fault}.", again)
    return _found(folder, rows)


def download(
    kaggle: Kaggle, folder: Path, progress: Progress, rows: Mapping[str, int] = ROWS
) -> list[CompetitionFile]:
    """Fetch the competition's files into `folder`, in place of those that are there.

    They come as one zip; what an earlier download left of it is continued. Files that have the
    sizes that Kaggle lists, and the rows they should have, replace those in the folder together.

    Args:
        kaggle: where they come from.
        folder: where they will be; it is made.
        progress: told the bytes that have come, and all there are.
        rows: the files by name, with their rows.

    Raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the transfer failed; what came is kept for the next time.
        DataError: what came is not what Kaggle lists, or cannot be written.
        UsageError: another download into the same folder is under way.
    """
    sizes = kaggle.list_files()
    missing = [name for name in rows if name not in sizes]
    if missing:
        raise DataError(f"Kaggle's list of files has no {' and no '.join(missing)}.", _AGAIN)
    sizes = {name: sizes[name] for name in rows}
    needed = sum(sizes.values())
    part = folder / f".{COMPETITION}.zip.part"
    transfer = _Transfer(kaggle, part, needed + _DIRECTORY, progress)

    def fetch() -> list[CompetitionFile]:
        try:
            transfer.run()
            return _unpack(part, folder, sizes, rows)
        except DataError:
            part.unlink(missing_ok=True)
            raise

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock", timeout=0):
            for left in folder.glob(f"{_UNPACKING}*/"):
                shutil.rmtree(left, ignore_errors=True)
            try:
                return fetch()
            except DataError:
                if not transfer.resumed:
                    raise
            # The part and the rest were of two versions of the zip
            return fetch()
    except Timeout:
        what = f"{folder}: another download is under way there."
        raise UsageError(what, "Wait until it ends.") from None
    except OSError as error:
        # On a full disk, the part would be in its own way
        with contextlib.suppress(OSError):
            part.unlink()
        raise DataError(
            f"{folder}: the competition's files cannot be written"
            f" ({error.strerror or type(error).__name__}).",
            f"Free {needed // 10**6 + 1} MB or make it writable, then run kit download again.",
        ) from error


class _Transfer:
    """Fetches the zip into a part file, and continues one that is there.

    Nothing but the zip itself tells whether a part and its rest belong together: Kaggle's `ETag`
    may be missing or change. So a zip that was `resumed` and is damaged is to be fetched anew.
    """

    def __init__(self, kaggle: Kaggle, part: Path, most: int, progress: Progress) -> None:
        self._kaggle, self._part, self._most, self._progress = kaggle, part, most, progress
        self._futile_tries = self._furthest = 0
        self.resumed = False

    def run(self) -> None:
        self._futile_tries = self._furthest = 0
        doing = "downloading the competition's files"
        self._kaggle.retry(doing, self._try, lambda: self._futile_tries)

    def _try(self) -> None:
        self._futile_tries += 1
        held = self._part.stat().st_size if self._part.exists() else 0
        self.resumed = held > 0
        with self._kaggle.transfer_session() as session:
            response = self._ask(session, held)
            if held and response.headers.get("Content-Range") == f"bytes */{held}":
                return
            if _is_refused(response, held):
                # The address has expired, or the rest is not given: from the start, once
                held, response = 0, self._ask(session, 0)
            if response.status_code >= 400:
                raise failure_of(response)
            self._receive(response, held if response.status_code == 206 else 0)

    def _ask(self, session: requests.Session, held: int) -> requests.Response:
        address = self._kaggle.locate("DownloadDataFiles")
        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
        try:
            return session.get(address, headers=headers, stream=True)
        except (OSError, ValueError) as error:
            raise failure_of(error) from None

    def _receive(self, response: requests.Response, held: int) -> None:
        is_page = "text/html" in response.headers.get("Content-Type", "")
        if is_page or response.status_code not in (200, 206):
            raise CallFailure(Trouble.NONSENSE)
        self.resumed = held > 0
        size, done = _size(response), held
        self._furthest = max(self._furthest, held)
        with self._part.open("ab" if held else "wb") as stream:
            self._progress(done, size)
            # Not iter_content, which drops what came of a block before the transfer broke
            while block := _read(response):
                stream.write(block)
                done += len(block)
                if max(done, size) > self._most:
                    raise DataError("Kaggle's archive is larger than the files in it.", _AGAIN)
                if done > self._furthest:
                    # Progress resets the retry budget
                    self._furthest, self._futile_tries = done, 0
                self._progress(done, size)
        if done != size if size else not zipfile.is_zipfile(self._part):
            raise CallFailure(Trouble.BROKEN)


def _is_refused(response: requests.Response, held: int) -> bool:
    """Whether another request, from the start, may succeed at once."""
    status = response.status_code
    if status == 206:
        starts = response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        return not starts or _is_encoded(response)
    return (400 <= status < 500 and status not in (408, 429)) or (held > 0 and status >= 500)


def _is_encoded(response: requests.Response) -> bool:
    return response.headers.get("Content-Encoding", "identity") != "identity"


def _size(response: requests.Response) -> int:
    """How many bytes the whole file has, or 0 where the answer does not say."""
    total = response.headers.get("Content-Length", "")
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() and not _is_encoded(response) else 0


def _read(response: requests.Response) -> bytes:
    """What has come of the body, as soon as anything has; nothing at its end."""
    try:
        block: bytes = response.raw.read1(_BLOCK, decode_content=True)
    except urllib3.exceptions.HTTPError as error:
        timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
        raise CallFailure(Trouble.TIMEOUT if timed_out else Trouble.BROKEN) from None
    return block


def _unpack(
    archive: Path, folder: Path, sizes: Mapping[str, int], rows: Mapping[str, int]
) -> list[CompetitionFile]:
    if not zipfile.is_zipfile(archive):
        raise DataError("What Kaggle served is not a zip archive.", _AGAIN)
    with tempfile.TemporaryDirectory(prefix=_UNPACKING, dir=folder) as hidden:
        for name, size in sizes.items():
            with archive.open("rb") as packed:
                _write(Path(hidden) / name, member_blocks(packed, name, "Kaggle's archive"), size)
            fault = _fault(Path(hidden) / name, rows[name])
            if fault is not None:
                raise DataError(f"{name} as Kaggle serves it: {fault}.", _AGAIN)
        for name in sizes:
            (Path(hidden) / name).replace(folder / name)
    archive.unlink()
    return _found(folder, rows)


def _found(folder: Path, rows: Mapping[str, int]) -> list[CompetitionFile]:
    return [
        CompetitionFile(folder / name, (folder / name).stat().st_size, rows[name]) for name in rows
    ]


def _write(path: Path, blocks: Iterable[bytes], size: int) -> None:
    """Write a file of exactly `size` bytes, whatever the archive says of it."""
    left = size
    with path.open("wb") as stream:
        for block in blocks:
            left -= len(block)
            if left < 0:
                break
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    if left:
        than = "more" if left < 0 else "fewer"
        what = f"{path.name} in Kaggle's archive has {than} than the {size:,} bytes listed."
        raise DataError(what, _AGAIN)


def _fault(path: Path, rows: int) -> str | None:
    """Why a CSV is not whole: its rows are not as many as `rows`, or have too few columns."""
    lines, commas, last = 0, 0, b"\n"
    with path.open("rb") as stream:
        header = stream.readline()
        while block := stream.read(_BLOCK):
            lines += block.count(b"\n")
            commas += block.count(b",")
            last = block[-1:]
    # The last line need not have an end
    lines += last != b"\n"
    if lines != rows:
        return f"expected {rows:,} rows, found {lines:,}"
    if commas != header.count(b",") * rows:
        return "its rows have not all the columns of its header"
    return None
