"""The competition's files: fetched as one zip, unpacked and checked, whole or not at all."""

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from requests import Response, Session

from kit.competition import ROWS, find_fault
from kit.data.kaggle_csv import member_blocks
from kit.errors import DataError, UsageError
from kit.files import whole_file
from kit.kaggle.client import Kaggle
from kit.kaggle.exchange import COMPETITION, COMPETITION_PAGE, CallFailure, Trouble

# Told the bytes that have come, and all there are; 0 where nobody knows
Progress = Callable[[int, int], None]

_AGAIN = "Run kit download again; what is wrong at Kaggle's end shows at " + COMPETITION_PAGE
_BLOCK = 1 << 18
# A zip is smaller than its files, but for its directory
_DIRECTORY = 1 << 20


def download(
    kaggle: Kaggle, folder: Path, progress: Progress, rows: Mapping[str, int] = ROWS
) -> list[Path]:
    """Fetch the competition's files into `folder`, in place of those that are there.

    They come as one zip; what an earlier download left of it is continued. All of them must have
    the sizes that Kaggle lists, and as many `rows` as given by name.

    Raises:
        CredentialsError, CompetitionError, NetworkError: as the methods of `Kaggle`.
        DataError: what came is not what Kaggle lists, or cannot be written.
        UsageError: another download into the same folder is under way.
    """
    sizes = kaggle.list_files()
    if missing := [name for name in rows if name not in sizes]:
        raise DataError(f"Kaggle's list of files has no {' and no '.join(missing)}.", _AGAIN)
    needed = sum(sizes[name] for name in rows)
    part = folder / f".{COMPETITION}.zip.part"

    def fetch() -> list[Path]:
        try:
            _transfer(kaggle, part, needed + _DIRECTORY, progress)
            contents = {name: _unpack(part, name, sizes[name], rows[name]) for name in rows}
        except DataError:
            part.unlink(missing_ok=True)
            raise
        with contextlib.ExitStack() as files:
            for name, content in contents.items():
                files.enter_context(whole_file(folder / name)).write(content)
        part.unlink()
        return [folder / name for name in rows]

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock", timeout=0):
            # A part and its rest may be of two versions of the zip. Only the zip itself shows that:
            # Kaggle's `ETag` may be missing or change. So a damaged zip is fetched anew, once
            with contextlib.suppress(DataError):
                return fetch()
            return fetch()
    except Timeout:
        raise UsageError(f"{folder}: another download is at work.", "Wait until it ends.") from None
    except OSError as error:
        # On a full disk, the part would be in its own way
        with contextlib.suppress(OSError):
            part.unlink()
        what = f"{folder}: the competition's files cannot be written ({error.strerror or error})."
        remedy = f"Free {needed // 10**6 + 1} MB or make it writable, then run kit download again."
        raise DataError(what, remedy) from error


def _transfer(kaggle: Kaggle, part: Path, most: int, progress: Progress) -> None:
    """Fetch the zip into a part file, or the rest of it, trying again while it gets further."""
    futile_tries = furthest = 0

    def once() -> None:
        nonlocal futile_tries, furthest
        futile_tries += 1
        held = part.stat().st_size if part.exists() else 0
        with kaggle.with_timeouts(Session()) as session:
            response, done = _request(kaggle, session, held)
            size = _size(response)
            progress(done, size)
            with part.open("ab" if done else "wb") as stream:
                for block in _blocks(kaggle, response):
                    stream.write(block)
                    done += len(block)
                    if max(done, size) > most:
                        raise DataError("Kaggle's archive is larger than the files in it.", _AGAIN)
                    if done > furthest:
                        # Progress resets the retry budget
                        furthest, futile_tries = done, 0
                    progress(done, size)
        if done != size if size else not zipfile.is_zipfile(part):
            raise CallFailure(Trouble.BROKEN)

    kaggle.retry("downloading the competition's files", once, lambda: futile_tries)


def _request(kaggle: Kaggle, session: Session, held: int) -> tuple[Response, int]:
    """Ask for the zip without the bytes that are held: the answer, and where in the zip it begins.

    Where that is refused, it is asked for from its start, by a new address: an address expires.
    """
    for start in (held, 0):
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        address = kaggle.locate("DownloadDataFiles")
        with kaggle.failing():
            response = session.get(address, headers=headers, stream=True)
        if not _is_refused(response, start):
            break
    with kaggle.failing():
        response.raise_for_status()
    is_page = "text/html" in response.headers.get("Content-Type", "")
    if is_page or response.status_code not in (200, 206):
        raise CallFailure(Trouble.NONSENSE)
    return response, start if response.status_code == 206 else 0


def _is_refused(response: Response, start: int) -> bool:
    status = response.status_code
    if status == 206:
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        # The rest of a compressed file is not the file's rest
        return not begins or "Content-Encoding" in response.headers
    return status >= 400 and status not in (408, 429) and (start > 0 or status < 500)


def _size(response: Response) -> int:
    """How many bytes the whole file has, or 0 where the answer does not say."""
    length = response.headers.get("Content-Length", "")
    total = response.headers.get("Content-Range", length).rpartition("/")[2]
    return int(total) if total.isdecimal() and "Content-Encoding" not in response.headers else 0


def _blocks(kaggle: Kaggle, response: Response) -> Iterator[bytes]:
    with kaggle.failing():
        # Not iter_content, which drops what came of a block before the transfer broke
        while block := response.raw.read1(_BLOCK, decode_content=True):
            yield block


def _unpack(archive: Path, name: str, size: int, rows: int) -> bytearray:
    if not zipfile.is_zipfile(archive):
        raise DataError("What Kaggle served is not a zip archive.", _AGAIN)
    with archive.open("rb") as packed:
        content = bytearray()
        for block in member_blocks(packed, name, "Kaggle's archive", is_gzip=False):
            content += block
            if len(content) > size:
                break
    if len(content) != size:
        than = f"{'more' if len(content) > size else 'fewer'} than the {size:,} bytes listed"
        raise DataError(f"{name} in Kaggle's archive has {than}.", _AGAIN)
    if fault := find_fault(content, rows):
        raise DataError(f"{name} as Kaggle serves it: {fault}.", _AGAIN)
    return content
