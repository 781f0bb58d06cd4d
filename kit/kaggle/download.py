"""The competition's files, fetched and unpacked: each one whole, or not there."""

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock, Timeout

from kit.errors import DataError, KitError, UsageError
from kit.kaggle.client import Kaggle
from kit.kaggle.refusals import COMPETITION, COMPETITION_PAGE
from kit.kaggle.transfer import Progress

ROWS = {"train.csv": 42_000, "test.csv": 28_000, "sample_submission.csv": 28_000}

_AGAIN = "Run kit download again; what is wrong at Kaggle's end shows at " + COMPETITION_PAGE
_BLOCK = 1 << 20
# the members of an archive of three files; a flood of them would be none of Kaggle's
_MOST_MEMBERS = 100
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
        DataError: one is there, but has not as many rows as it should.
        OSError: one cannot be read.
    """
    paths = [folder / name for name in rows]
    if not all(path.is_file() for path in paths):
        return None
    found = []
    for path in paths:
        with path.open("rb") as stream:
            counted = _count_rows(stream)
            stream.seek(0)
            whole = _is_even(stream, counted)
        if not whole:
            raise DataError(
                f"{path}: its rows have not all the columns of its header.",
                "Fetch it again with: kit download --force",
            )
        if counted != rows[path.name]:
            raise DataError(
                f"{path}: expected {rows[path.name]:,} rows, found {counted:,}.",
                "Fetch it again with: kit download --force",
            )
        found.append(CompetitionFile(path, path.stat().st_size, counted))
    return found


def download(
    kaggle: Kaggle,
    folder: Path,
    progress: Progress,
    rows: Mapping[str, int] = ROWS,
) -> list[CompetitionFile]:
    """Fetch the competition's files into `folder`, in place of those that are there.

    They come as one zip, of which an earlier part is gone on with. Only when all of them are
    unpacked, and have the sizes that Kaggle lists and the rows they should, do they take their
    places.

    Args:
        kaggle: where they come from.
        folder: where they will be; it is made.
        progress: told the bytes that are through, and all there are.
        rows: the files by name, with their rows.

    Raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the transfer failed; what came is kept for the next time.
        DataError: what came is not what Kaggle lists, or cannot be written.
        UsageError: another download into the same folder is under way.
    """
    sizes = _listed_sizes(kaggle, rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            _check_space(folder, sum(sizes.values()))
            archive = folder / f".{COMPETITION}.zip"
            try:
                kaggle.download(archive, progress)
                return _unpack(archive, folder, sizes, rows)
            finally:
                archive.unlink(missing_ok=True)
    except KitError:
        raise
    except OSError as error:
        # on a full disk, the part would stand in its own way
        for part in folder.glob(f".{COMPETITION}.zip.*.part"):
            part.unlink()
        raise DataError(
            f"{folder}: the competition's files cannot be written"
            f" ({error.strerror or type(error).__name__}).",
            f"Free {_megabytes(sum(sizes.values()))} more there, see that the folder can be"
            " written, then run kit download again.",
        ) from error


def _listed_sizes(kaggle: Kaggle, rows: Mapping[str, int]) -> dict[str, int]:
    listed = {entry.name: entry.total_bytes for entry in kaggle.list_files()}
    missing = [name for name in rows if name not in listed]
    if missing:
        raise DataError(f"Kaggle's list of files has no {' and no '.join(missing)}.", _AGAIN)
    return {name: listed[name] for name in rows}


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / ".download.lock", timeout=0):
            for left in folder.glob(f"{_UNPACKING}*/"):
                shutil.rmtree(left, ignore_errors=True)
            yield
    except Timeout:
        raise UsageError(
            f"{folder}: another download is under way there.", "Wait until it ends."
        ) from None


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder}: {_megabytes(needed)} are needed, {_megabytes(free)} are free.",
            f"Free {_megabytes(needed - free)} there, then run kit download again.",
        )


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6)):,} MB"


def _unpack(
    archive: Path, folder: Path, sizes: Mapping[str, int], rows: Mapping[str, int]
) -> list[CompetitionFile]:
    with tempfile.TemporaryDirectory(prefix=_UNPACKING, dir=folder) as hidden:
        try:
            with zipfile.ZipFile(archive) as opened:
                members = _safe_members(opened)
                for name, size in sizes.items():
                    if name not in members:
                        raise DataError(f"Kaggle's archive has no {name}.", _AGAIN)
                    _extract(opened, members[name], Path(hidden) / name, size)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
            raise DataError(f"Kaggle's archive is damaged ({error}).", _AGAIN) from error
        unpacked = []
        for name, expected in rows.items():
            with (Path(hidden) / name).open("rb") as stream:
                counted = _count_rows(stream)
            if counted != expected:
                what = f"{name} as Kaggle serves it: expected {expected:,} rows, found {counted:,}."
                raise DataError(what, _AGAIN)
            unpacked.append(CompetitionFile(folder / name, sizes[name], counted))
        for file in unpacked:
            (Path(hidden) / file.path.name).replace(file.path)
    return unpacked


def _safe_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members by name, none of which would reach beyond the folder it is unpacked in."""
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise DataError(f"Kaggle's archive has {len(members):,} members, not three.", _AGAIN)
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        climbs = path.is_absolute() or ".." in path.parts or ":" in member.filename
        if climbs or stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 0x1:
            what = f"Kaggle's archive has a member that is not safe to unpack: {member.filename!r}."
            raise DataError(what, _AGAIN)
    return {member.filename: member for member in members}


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, destination: Path, size: int
) -> None:
    """Unpack one member of exactly `size` bytes, whatever it says of itself."""
    left = size
    with archive.open(member) as packed, destination.open("wb") as stream:
        while block := packed.read(_BLOCK):
            left -= len(block)
            if left < 0:
                break
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    if left:
        than = "more" if left < 0 else "fewer"
        what = f"{member.filename} in Kaggle's archive has {than} than the {size:,} bytes listed."
        raise DataError(what, _AGAIN)


def _is_even(stream: IO[bytes], rows: int) -> bool:
    """Whether a CSV has as many commas as its header and rows should: one cut off has fewer."""
    expected = stream.readline().count(b",") * rows
    return sum(block.count(b",") for block in iter(lambda: stream.read(_BLOCK), b"")) == expected


def _count_rows(stream: IO[bytes]) -> int:
    """The lines of a CSV but its header; the last one need not have an end."""
    lines, last = 0, b"\n"
    while block := stream.read(_BLOCK):
        lines += block.count(b"\n")
        last = block[-1:]
    return max(0, lines + (last != b"\n") - 1)
