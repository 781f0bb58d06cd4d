"""The competition's files: how many rows each has, and whether those on this machine are whole."""

from collections.abc import Mapping
from pathlib import Path

from kit.errors import DataError

TRAIN, TEST = "train.csv", "test.csv"
TRAIN_ROWS, TEST_ROWS = 42_000, 28_000
ROWS = {TRAIN: TRAIN_ROWS, TEST: TEST_ROWS, "sample_submission.csv": TEST_ROWS}


def find_files(folder: Path, rows: Mapping[str, int] = ROWS) -> list[Path] | None:
    """The competition's files if all are in `folder` and whole, None if any is not there.

    Raises:
        DataError: one is there, but has not the rows and columns that it should have.
        OSError: one cannot be read.
    """
    files = [folder / name for name in rows]
    if not all(file.is_file() for file in files):
        return None
    for file in files:
        if fault := find_fault(file.read_bytes(), rows[file.name]):
            raise DataError(f"{file}: {fault}.", "Fetch it again with: kit download --force")
    return files


def find_fault(content: bytes | bytearray, rows: int) -> str | None:
    """Why a CSV is not whole: its rows are not as many as `rows`, or have too few columns."""
    header_commas = content[: content.find(b"\n") + 1].count(b",")
    # The last line need not have an end
    lines = content.count(b"\n") + (content[-1:] != b"\n")
    if lines != rows + 1:
        return f"expected {rows:,} rows, found {lines - 1:,}"
    if content.count(b",") != header_commas * lines:
        return "its rows have not all the columns of its header"
    return None
