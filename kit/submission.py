"""The competition's submission file: write it, read it, check every line of it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import DataError, shown
from kit.files import foreign_kind, write_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("ImageId", "Label")

_HEADER = ",".join(COLUMNS)
_EXPECTED = {"ImageId": "a whole number, 1 or more", "Label": "a digit, 0 to 9"}
_ROW = re.compile(r"[0-9]+,[0-9]")
# A longer one need not fit an int64, and no file has so many rows
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")
# Kaggle's 28,000 rows take 0.2 MiB; with ten probabilities in each row, 6 MiB
_MOST_BYTES, _MOST_LINES = 16 * 2**20, 2 * 2**20
# The image id of a row, None where it cannot be read, and its line
_Row = tuple[int | None, int]
_TEXT_BYTES = bytes([*range(0x20, 0x7F), *b"\t\r\n"])
_REMEDY = "Name a CSV file, such as the submission.csv of a run"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a file differs from the required format.

    Attributes:
        line: counted from 1; one past the last line where the end of the file is the fault.
        column: `ImageId` or `Label`, or None where the fault is not in one column.
        expected: what should stand there, in words.
        found: what stands there, printable and cut to 40 characters.
        message: the kind of fault; the same words for the same kind, to group by.
    """

    line: int
    column: str | None
    expected: str
    found: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.column is None else f"line {self.line}, {self.column}"
        return f"{place}: {self.message} (expected {self.expected}, found {self.found})"


@dataclass(frozen=True)
class SubmissionCheck:
    """The result of checking a submission file.

    Attributes:
        ok: whether the file is right. All lines may end in CRLF, and rows may be in any order.
        rows: how many rows it has, without the header and blank lines.
        faults: every fault, by line.
        in_order: whether the ids only rise. Kaggle reads rows by id, so this is no fault.
    """

    ok: bool
    rows: int
    faults: tuple[Fault, ...]
    in_order: bool = True


def write_submission(path: Path, predicted: NDArray[np.integer[Any]]) -> None:
    """Write predictions as a submission: `ImageId,Label`, ids from 1, LF, whole or not at all.

    `predicted` are integers (n,) of 0–9, n at least 1, in the order of the test file.
    """
    is_row_of_integers = predicted.ndim == 1 and predicted.dtype.kind in "iu" and predicted.size
    if not is_row_of_integers or predicted.min() < 0 or predicted.max() > 9:
        raise ValueError(f"{predicted.dtype} {predicted.shape}: not one digit, 0–9, for each image")
    rows = (f"{image_id},{label}\n" for image_id, label in enumerate(predicted.tolist(), start=1))
    write_whole(path, f"{_HEADER}\n{''.join(rows)}")


def read_submission(path: Path) -> NDArray[np.int64]:
    """Read the labels of a submission or solution file: int64 (n,) of 0–9, for ids 1 to n.

    Raises:
        DataError: the file is missing, is no CSV, or has a fault; the first ones are named.
    """
    import numpy as np

    content = read_bytes(path)
    if faults := check_bytes(content).faults:
        what = f"{path}: {count_faults(faults)}: {'; '.join(map(str, faults[:3]))}"
        raise DataError(what, f"See every fault with: kit check {path}")
    # A right file holds plain numbers
    rows = np.array([row.split(b",") for row in content.split()[1:]]).astype(np.int64)
    labels: NDArray[np.int64] = rows[rows[:, 0].argsort(), 1]
    return labels


def count_faults(faults: tuple[Fault, ...]) -> str:
    """Word how many faults there are: `1 fault`, `2 faults`."""
    return "1 fault" if len(faults) == 1 else f"{len(faults):,} faults"


def check_submission(path: Path | str, rows: int | None = None) -> SubmissionCheck:
    """Check a file against the required format, and list every fault in it.

    >>> kit.check_submission(run.folder / "submission.csv").ok
    True

    It should have so many `rows`, with the ids 1 to `rows`; None where that is unknown.

    Raises:
        DataError: the file cannot be read, is too big, or is too little like text to be a CSV.
    """
    return check_bytes(read_bytes(Path(path)), rows)


def check_bytes(content: bytes, rows: int | None = None) -> SubmissionCheck:
    """Check the bytes of a file, as `check_submission` does."""
    reader = _Reader(content)
    faults = reader.faults + _faults_of_all(reader.rows, reader.end, rows)
    if (kind := foreign_kind(content)) is not None:
        faults = [Fault(1, None, "a CSV", kind, "the file is not a CSV")]
    faults.sort(key=lambda fault: fault.line)
    ids = [image_id for image_id, _ in reader.rows if image_id is not None]
    return SubmissionCheck(not faults, len(reader.rows), tuple(faults), ids == sorted(ids))


def read_bytes(path: Path) -> bytes:
    """Read a file that may be a CSV, once; `-` is standard input.

    Raises:
        DataError: it cannot be read, is too big, or is too little like text to be a CSV.
    """
    try:
        with open(0, "rb", closefd=False) if str(path) == "-" else path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", _REMEDY) from error
    strange = len(content[:4096].translate(None, _TEXT_BYTES))
    if strange * 4 > len(content[:4096]):
        raise DataError(f"{path} is not a CSV: {strange:,} bytes are not plain text", _REMEDY)
    if len(content) > _MOST_BYTES or content.count(b"\n") > _MOST_LINES:
        most = f"{_MOST_BYTES // 2**20} MiB or {_MOST_LINES:,} lines"
        raise DataError(f"{path} is too big for a submission: more than {most}", _REMEDY)
    return content


class _Reader:
    """The rows of a file, the faults of each line by itself, and the line after the last one."""

    def __init__(self, content: bytes) -> None:
        self.rows: list[_Row] = []
        self.faults: list[Fault] = []
        self._names: list[str] = []
        lines = self._split(content)
        self.end = len(lines) + 1
        for line, raw in enumerate(lines, start=1):
            if raw.endswith(b"\r"):
                self._fault(line, None, "LF", "CR", "a carriage return ends the line")
            # What is not UTF-8 is no number and no column's name either
            text = raw.removesuffix(b"\r").decode("utf-8", "replace")
            if not text.strip():
                self._fault(line, None, "a row", shown(text), "the line is blank")
            elif self._names:
                self._read_row(line, text)
            else:
                self._read_header(line, text)
        if not self._names:
            self._fault(1, None, _HEADER, "no text", "the header is missing")

    def _fault(self, line: int, column: str | None, expected: str, found: str, kind: str) -> None:
        self.faults.append(Fault(line, column, expected, found, kind))

    def _split(self, content: bytes) -> list[bytes]:
        if content.startswith(_BOM):
            self._fault(1, None, "no byte order mark", "EF BB BF", "the file starts with a BOM")
            content = content.removeprefix(_BOM)
        if b"\r" in content and b"\n" not in content:
            self._fault(1, None, "LF", "CR, on all lines", "a carriage return ends the line")
            content = content.replace(b"\r", b"\n")
        *lines, rest = content.split(b"\n")
        # Kaggle's own sample_submission.csv ends every line in CRLF, and Kaggle takes it
        if all(line.endswith(b"\r") for line in lines):
            lines = [line.removesuffix(b"\r") for line in lines]
        if rest:
            lines.append(rest)
            self._fault(len(lines), None, "LF", "the end of the file", "the last line has no end")
        return lines

    def _read_header(self, line: int, text: str) -> None:
        self._names = [*COLUMNS]
        if _ROW.fullmatch(text):
            self._fault(line, None, _HEADER, shown(text), "the header is missing")
            self._read_row(line, text)
        elif text != _HEADER:
            self._fault(line, None, _HEADER, shown(text), "the header is another one")
            # The rows are read by its names if it has both, else as if it were right
            names = [name.removeprefix('"').removesuffix('"') for name in text.split(",")]
            if {*COLUMNS} <= {*names}:
                self._names = names

    def _read_row(self, line: int, text: str) -> None:
        fields = text.split(",")
        if len(fields) != len(self._names):
            message = f"the row is {'short' if len(fields) < len(self._names) else 'long'}"
            self._fault(line, None, f"{len(self._names)} fields", str(len(fields)), message)
        row = dict(zip(self._names, fields, strict=False))
        image_id, label = (self._whole_number(line, column, row.get(column)) for column in COLUMNS)
        if label is not None and not 0 <= label <= 9:
            self._fault(line, "Label", _EXPECTED["Label"], str(label), "the label is out of range")
        self.rows.append((image_id, line))

    def _whole_number(self, line: int, column: str, field: str | None) -> int | None:
        if field is None:
            return None
        if _WHOLE_NUMBER.fullmatch(field):
            return int(field)
        kind = "not a plain whole number" if field.strip() else "empty"
        self._fault(line, column, _EXPECTED[column], shown(field), f"the field is {kind}")
        return None


def _faults_of_all(rows: list[_Row], end: int, expected: int | None) -> list[Fault]:
    """The faults of the rows together: their number, and ids out of range, repeated, missing."""
    faults = []
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    wanted = "1 row or more" if expected is None else f"{expected:,} rows"
    if len(rows) < (expected or 1):
        kind = "too few" if expected else "no"
        faults.append(Fault(end, None, wanted, count, f"there are {kind} rows"))
    elif expected and len(rows) > expected:
        faults.append(Fault(rows[expected][1], None, wanted, count, "there are too many rows"))
    lines: dict[int, int] = {}
    unreadable = 0
    for image_id, line in rows:
        if image_id is None:
            unreadable += 1
        elif image_id < 1 or (expected and image_id > expected):
            wanted = f"1 to {expected}" if expected else "1 or more"
            faults.append(Fault(line, "ImageId", wanted, str(image_id), "the id is out of range"))
        elif image_id in lines:
            found = f"{image_id}, also on line {lines[image_id]}"
            faults.append(Fault(line, "ImageId", "each id once", found, "the id is repeated"))
        else:
            lines[image_id] = line
    last = expected or max(lines, default=0)
    # rows whose id cannot be read may hold the missing ids, and are faults already
    if rows and last - len(lines) > unreadable:
        for before, after in itertools.pairwise([0, *sorted(lines), last + 1]):
            if after - before > 1:
                ids = f"{before + 1} to {after - 1}" if after - before > 2 else str(after - 1)
                line = lines.get(after, end)
                faults.append(Fault(line, "ImageId", ids, "no such row", "ids are missing"))
    return faults
