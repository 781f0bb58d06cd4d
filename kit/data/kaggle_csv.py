"""Kaggle's digits: `train.csv` and `test.csv`, in a folder or in the zip that Kaggle serves."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from kit.data.archive import member_blocks
from kit.data.checksum import Checksum, checksum, read_blocks
from kit.data.csv_cache import cache_path, load_cache, save_cache
from kit.data.csv_faults import REMEDY, foreign_content
from kit.data.csv_parser import parse_digits
from kit.data.digits import Digits, Source
from kit.errors import DataError

TRAIN = "train.csv"
TEST = "test.csv"
ARCHIVE = "digit-recognizer.zip"
# where kit download writes; where Kaggle's notebooks mount the competition, the older and the newer
PLACES = (
    Path("data/kaggle"),
    Path("/kaggle/input/digit-recognizer"),
    Path("/kaggle/input/competitions/digit-recognizer"),
)
_MISSING = "Get them with kit download, name their folder with --data, or use --source keras."


def load_kaggle(path: Path | None = None) -> Source:
    """Kaggle's digits: 42,000 with labels to train on, 28,000 without to predict.

    Read from `path`, a folder or the zip as Kaggle serves it; without it from `data/kaggle` or from
    where Kaggle's notebooks mount the competition. A cache is kept beside each file where its
    folder can be written, and is used while the file's content is the same.

    Returns:
        pixels uint8 (n, 784), row-major 28×28, ink = 255; labels int64 (n,) of 0–9, none for the
        test digits. Any number of rows from 1 up is read.

    Raises:
        DataError: no files there, or the first fault of a file, with its line and column.
    """
    path = path or find_kaggle()
    if path is None:
        places = ", ".join(map(str, PLACES))
        raise DataError(f"{TRAIN} and {TEST}: expected in one of {places}, found in none", _MISSING)
    with _reading(path):
        if not path.is_dir():
            return _both(_read_member, path, path)
        tables = [path / TRAIN, path / TEST]
        missing = [table.name for table in tables if not table.exists()]
        if missing and (path / ARCHIVE).exists():
            return _both(_read_member, path / ARCHIVE, path / ARCHIVE)
    if missing:
        raise DataError(
            f"{path}: expected {TRAIN} and {TEST}, found no {' and no '.join(missing)}", _MISSING
        )
    return _both(_read_table, *tables)


def find_kaggle() -> Path | None:
    """The first of the places where Kaggle's files are looked for that holds any, or None."""
    names = (TRAIN, TEST, ARCHIVE)
    return next((place for place in PLACES if any((place / name).exists() for name in names)), None)


def load_kaggle_test() -> Digits | None:
    """The digits to predict, from the first place that holds them; None where none does.

    Raises:
        DataError: the first fault of that file; what stands beside it is not read.
    """
    for place in PLACES:
        if (place / TEST).exists():
            return _read_table(place / TEST, labelled=False)
        if (place / ARCHIVE).exists():
            return _read_member(place / ARCHIVE, labelled=False)
    return None


def read_train(path: Path) -> Digits:
    """The digits of a CSV with labels: `label`, then `pixel0` to `pixel783`.

    Raises:
        DataError: the first fault of the file.
    """
    return _read_table(path, labelled=True)


def read_test(path: Path) -> Digits:
    """The digits of a CSV without labels: `pixel0` to `pixel783`.

    Raises:
        DataError: the first fault of the file.
    """
    return _read_table(path, labelled=False)


def _read_table(path: Path, *, labelled: bool) -> Digits:
    with _reading(path), _open(path) as stream:
        cache = cache_path(path, "train" if labelled else "test")
        if cache.exists():
            kept = load_cache(cache, checksum(stream), labelled=labelled)
            if kept is not None:
                return Digits(*kept, str(path))
            stream.seek(0)
        # of the very bytes that are parsed: the file may be written to while it is read
        content = Checksum()
        blocks = content.following(read_blocks(stream))
        pixels, labels = parse_digits(blocks, str(path), labelled=labelled)
    save_cache(cache, content.digest(), pixels, labels)
    return Digits(pixels, labels, str(path))


def _both(read: Callable[..., Digits], train: Path, test: Path) -> Source:
    # NumPy, zlib and the disk all leave the interpreter to the other thread
    with ThreadPoolExecutor(2) as pool:
        digits = pool.submit(read, train, labelled=True), pool.submit(read, test, labelled=False)
        return Source("kaggle", digits[0].result(), digits[1].result())


def _refuse_other_than_zip(stream: IO[bytes], path: Path) -> None:
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


def _read_member(path: Path, *, labelled: bool) -> Digits:
    name = TRAIN if labelled else TEST
    origin = f"{path}, member {name}"
    with _reading(path), _open(path) as stream:
        _refuse_other_than_zip(stream, path)
        content = checksum(stream)
        cache = cache_path(path, "train" if labelled else "test")
        kept = load_cache(cache, content, labelled=labelled)
        if kept is not None:
            return Digits(*kept, origin)
        pixels, labels = parse_digits(
            member_blocks(stream, name, str(path)), origin, labelled=labelled
        )
        # the archive may have been written to since it was summed
        stream.seek(0)
        unchanged = checksum(stream) == content
    if unchanged:
        save_cache(cache, content, pixels, labels)
    return Digits(pixels, labels, origin)


def _open(path: Path) -> IO[bytes]:
    # a pipe or a device would keep us waiting, or never end
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
