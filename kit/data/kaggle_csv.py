"""Kaggle's digits: `train.csv` and `test.csv`, in a folder or in the zip that Kaggle serves.

The zip is read in place, without unpacking it to disk. So are `train.csv.zip` and `train.csv.gz`,
as Kaggle serves single files.
"""

import gzip
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO

from kit.competition import TEST, TRAIN
from kit.data.csv_faults import REMEDY, foreign_content
from kit.data.csv_parser import parse_digits
from kit.data.digits import Digits, Source
from kit.data.mnist import BROKEN_ARCHIVE
from kit.errors import DataError

ARCHIVE = "digit-recognizer.zip"
# What a single file's name may have behind it
_ENDS = ("", ".zip", ".gz")
# Where kit download writes, and where Kaggle's notebooks mount the competition (older and newer)
PLACES = (
    Path("data/kaggle"),
    Path("/kaggle/input/digit-recognizer"),
    Path("/kaggle/input/competitions/digit-recognizer"),
)
_MISSING = "Get them with kit download, name their folder with --data, or use --source keras."
_DOWNLOAD = "Download the archive again with kit download."
# Kaggle's train.csv has 76 MB. More than seven times that is taken for a zip bomb
_LARGEST_MEMBER = 512 << 20
# Large enough that NumPy is fast on a block, small enough that its results stay in the cache
_BLOCK = 1 << 18


def load_kaggle(path: Path | str | None = None) -> Source:
    """Load Kaggle's digits: 42,000 with labels to train on, 28,000 without labels to predict.

    >>> len(kit.load_kaggle().test)
    28000

    `path` is a folder with both files, or the zip as Kaggle serves it. Without it, `data/kaggle`
    and the folders where Kaggle's notebooks mount the competition are tried. Any number of rows
    from 1 up is read.

    Raises:
        DataError: the files are missing, or one has a fault; the first is named with its line and
            column.
        OSError: a file cannot be read.
    """
    given = None if path is None else Path(path).absolute()
    names = (TRAIN, TEST, ARCHIVE)
    usual = (place for place in PLACES if any(_find(place, name) for name in names))
    path = next(usual, None) if path is None else Path(path)
    if path is None:
        places = ", ".join(map(str, PLACES))
        raise DataError(f"{TRAIN} and {TEST}: expected in one of {places}, found in none", _MISSING)
    if not path.exists():
        raise DataError(f"{path}: expected Kaggle's digits, found nothing", _MISSING)
    if path.is_dir():
        files, archive = [_find(path, name) for name in (TRAIN, TEST)], _find(path, ARCHIVE)
        missing = [name for name, file in zip((TRAIN, TEST), files, strict=True) if file is None]
        if missing and archive is None:
            found = " and no ".join(missing)
            raise DataError(f"{path}: expected {TRAIN} and {TEST}, found no {found}", _MISSING)
        # Both from one place: the archive may be of another day than the file that is there
        paths = [archive if missing else file for file in files]
    else:
        paths = [path, path]
    # Two threads, because NumPy, zlib and the disk all release the interpreter's lock
    with ThreadPoolExecutor(2) as pool:
        train, test = pool.map(_read, paths, (TRAIN, TEST))
        return Source("kaggle", train, test, given)


def _find(folder: Path, name: str) -> Path | None:
    """The folder's file of that name, or the zip or gzip archive of that one file."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    there = {path.name.lower(): path for path in paths}
    return next((there[name + end] for end in _ENDS if name + end in there), None)


def load_kaggle_test() -> Digits | None:
    """Load the digits to predict from the first usual place that holds them; None without any.

    Raises:
        DataError: the file has a fault. What is beside it is not read.
        OSError: the file cannot be read.
    """
    for place in PLACES:
        if path := _find(place, TEST) or _find(place, ARCHIVE):
            return _read(path, TEST)
    return None


def _read(path: Path, name: str) -> Digits:
    """Read one of the two files: itself, its gzip archive, or a zip that it is in."""
    origin, kind = str(path), path.name.lower()
    if not path.is_file():
        # A pipe or a device could block, or never end
        raise DataError(f"{path}: expected a file, found a folder or a device", REMEDY)
    with path.open("rb") as stream:
        is_gzip = kind == f"{name}.gz"
        blocks = _blocks(stream) if kind == name else member_blocks(stream, name, origin, is_gzip)
        if kind != name and not is_gzip:
            origin = f"{path}, member {name}"
        pixels, labels = parse_digits(blocks, origin, labelled=name == TRAIN)
    return Digits(pixels, labels, origin)


def _blocks(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    return iter(lambda: stream.read(_BLOCK), b"")


def member_blocks(stream: IO[bytes], name: str, origin: str, is_gzip: bool) -> Iterator[bytes]:
    """Unpack a file of a zip archive, whatever folder of the archive it is in, in blocks of bytes.

    With `is_gzip`, `stream` is the gzip archive of that one file.

    Raises:
        DataError: `stream` is no whole archive, or not exactly one file has that name, or it is
            too large.
    """
    kind, magic, expected = "zip", b"PK", f"a folder or a zip archive with {TRAIN} and {TEST}"
    if is_gzip:
        kind, magic, expected = "gzip", b"\x1f\x8b", "a gzip archive"
    start = stream.read(1 << 10)
    stream.seek(0)
    if not start.startswith(magic):
        use = "Name the folder that both files are in, or the zip as Kaggle serves it."
        found, remedy = foreign_content(start) or ("another file", use)
        raise DataError(f"{origin}: expected {expected}, found {found}", remedy)
    try:
        with gzip.open(stream) if is_gzip else _open_member(stream, name, origin) as content:
            for number, block in enumerate(_blocks(content)):
                if number * _BLOCK > _LARGEST_MEMBER:
                    what = f"{origin}: expected at most {_LARGEST_MEMBER >> 20} MiB, found more"
                    raise DataError(what, _DOWNLOAD)
                yield block
    except BROKEN_ARCHIVE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        what = f"{origin}: expected a whole {kind} archive, found a broken one ({reason})"
        raise DataError(what, _DOWNLOAD) from error


def _open_member(stream: IO[bytes], name: str, origin: str) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    members = archive.namelist()
    found = [member for member in members if PurePosixPath(member).name == name]
    if len(found) != 1:
        names = ", ".join(map(repr, members[:5])) or "none"
        remedy = "Use the archive as Kaggle serves it: kit download."
        if names.startswith(("'x_", "'y_")):
            remedy = "These are MNIST's arrays, which are read with --source keras."
        what = f"{origin}: expected one {name}, found {len(found)} (members: {names})"
        raise DataError(what, remedy)
    return archive.open(found[0])
