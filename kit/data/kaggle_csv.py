"""Kaggle's digits: `train.csv` and `test.csv`, in a folder or in the zip that Kaggle serves."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from kit.data.archive import member_blocks, read_blocks
from kit.data.csv_faults import REMEDY, foreign_content
from kit.data.csv_parser import parse_digits
from kit.data.digits import Digits, Source
from kit.errors import DataError

TRAIN = "train.csv"
TEST = "test.csv"
ARCHIVE = "digit-recognizer.zip"
# Where kit download writes, and where Kaggle's notebooks mount the competition (older and newer)
PLACES = (
    Path("data/kaggle"),
    Path("/kaggle/input/digit-recognizer"),
    Path("/kaggle/input/competitions/digit-recognizer"),
)
_MISSING = "Get them with kit download, name their folder with --data, or use --source keras."


def load_kaggle(path: Path | None = None) -> Source:
    """Load Kaggle's digits: 42,000 with labels to train on, 28,000 without labels to predict.

    Args:
        path: a folder with both files, or the zip as Kaggle serves it. If None, `data/kaggle` and
            the folders where Kaggle's notebooks mount the competition are tried.

    Returns:
        pixels uint8 (n, 784), row-major 28×28, ink = 255; labels int64 (n,) of 0–9, none for the
        test digits. Any number of rows from 1 up is read.

    Raises:
        DataError: the files are missing, or one has a fault; the first is named with its line and
            column.
    """
    path = path or find_kaggle()
    if path is None:
        places = ", ".join(map(str, PLACES))
        raise DataError(f"{TRAIN} and {TEST}: expected in one of {places}, found in none", _MISSING)
    with _reading(path):
        if not path.is_dir():
            return _read_both(_read_member, path, path)
        tables = [path / TRAIN, path / TEST]
        missing = [table.name for table in tables if not table.exists()]
        if missing and (path / ARCHIVE).exists():
            return _read_both(_read_member, path / ARCHIVE, path / ARCHIVE)
    if missing:
        raise DataError(
            f"{path}: expected {TRAIN} and {TEST}, found no {' and no '.join(missing)}", _MISSING
        )
    return _read_both(_read_table, *tables)


def find_kaggle() -> Path | None:
    """Find the first of the usual places that holds any of Kaggle's files, or None."""
    names = (TRAIN, TEST, ARCHIVE)
    return next((place for place in PLACES if any((place / name).exists() for name in names)), None)


def load_kaggle_test() -> Digits | None:
    """Load the digits to predict from the first usual place that holds them; None without any.

    Raises:
        DataError: the file has a fault. What is beside it is not read.
    """
    for place in PLACES:
        if (place / TEST).exists():
            return _read_table(place / TEST, labelled=False)
        if (place / ARCHIVE).exists():
            return _read_member(place / ARCHIVE, labelled=False)
    return None


def _read_both(read: Callable[..., Digits], train: Path, test: Path) -> Source:
    # Two threads, because NumPy, zlib and the disk all release the interpreter's lock
    with ThreadPoolExecutor(2) as pool:
        digits = pool.submit(read, train, labelled=True), pool.submit(read, test, labelled=False)
        return Source("kaggle", digits[0].result(), digits[1].result())


def _read_table(path: Path, *, labelled: bool) -> Digits:
    with _reading(path), _open(path) as stream:
        pixels, labels = parse_digits(read_blocks(stream), str(path), labelled=labelled)
    return Digits(pixels, labels, str(path))


def _read_member(path: Path, *, labelled: bool) -> Digits:
    name = TRAIN if labelled else TEST
    origin = f"{path}, member {name}"
    with _reading(path), _open(path) as stream:
        _check_zip(stream, path)
        blocks = member_blocks(stream, name, str(path))
        pixels, labels = parse_digits(blocks, origin, labelled=labelled)
    return Digits(pixels, labels, origin)


def _check_zip(stream: IO[bytes], path: Path) -> None:
    start = stream.read(1 << 10)
    stream.seek(0)
    if start.startswith(b"PK"):
        return
    found, remedy = foreign_content(start) or (
        "another file",
        "Name the folder that both files are in, or the zip as Kaggle serves it.",
    )
    raise DataError(
        f"{path}: expected a folder or a zip archive with {TRAIN} and {TEST}, found {found}", remedy
    )


def _open(path: Path) -> IO[bytes]:
    # A pipe or a device could block, or never end
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: expected a file, found a folder or a device", REMEDY)
    return path.open("rb")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected Kaggle's digits, found nothing", _MISSING) from error
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, found an error ({error.strerror or error})",
            "Check the permissions of the file and its folder, and the disk.",
        ) from error
