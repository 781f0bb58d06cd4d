"""The competition's submission file: write it, read it, check every line of it."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError
from kit.files import write_whole

COLUMNS = ("ImageId", "Label")

_HEADER = ",".join(COLUMNS)
_EXPECTED = {"ImageId": "a whole number, 1 or more", "Label": "a digit, 0 to 9"}
_PLAIN_ROW = re.compile(rb"([1-9][0-9]{0,17}),([0-9])")
# sign, leading zeros, figures, a point
_WHOLE = re.compile(r"([+-]?)(0*)([0-9]+)(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Kaggle's 28,000 rows take 0.2 MiB; with ten probabilities in each row, 6 MiB
_MOST_BYTES, _MOST_LINES = 16 * 2**20, 2 * 2**20
_TEXT_BYTES = bytes([*range(0x20, 0x7F), *b"\t\r\n"])
_BOM = b"\xef\xbb\xbf"
_NO_CSV = {
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"version https://git-lfs": "a Git LFS pointer",
}


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

    Args:
        path: the file to write or replace.
        predicted: integers (n,) of 0–9, n at least 1, in the order of the test file.

    Raises:
        ValueError: `predicted` is not such an array.
        OSError: the file cannot be written; what was at `path` is untouched.
    """
    if predicted.ndim != 1 or not predicted.size or predicted.dtype.kind not in "iu":
        raise ValueError(f"{predicted.dtype} {predicted.shape} are no predictions")
    if predicted.min() < 0 or predicted.max() > 9:
        raise ValueError(f"predictions {predicted.min()} to {predicted.max()} are not digits 0–9")
    rows = (f"{image_id},{label}\n" for image_id, label in enumerate(predicted.tolist(), start=1))
    write_whole(path, f"{_HEADER}\n{''.join(rows)}")


def read_submission(path: Path) -> NDArray[np.int64]:
    """Read the labels of a submission or solution file: int64 (n,) of 0–9, for ids 1 to n.

    Raises:
        DataError: the file is missing, is no CSV, or has a fault; the first ones are named.
    """
    check, rows = _inspect(read_bytes(path), None)
    if not check.ok:
        first = "; ".join(str(fault) for fault in check.faults[:3])
        count = "1 fault" if len(check.faults) == 1 else f"{len(check.faults):,} faults"
        raise DataError(f"{path}: {count}: {first}", f"See every fault with: kit check {path}")
    return np.array([row.label for row in sorted(rows)], dtype=np.int64)


def check_submission(path: Path | str, rows: int | None = None) -> SubmissionCheck:
    """Check a file against the required format, and list every fault in it.

    Args:
        path: the file.
        rows: how many rows it should have, with the ids 1 to `rows`; None where that is unknown.

    Raises:
        DataError: the file cannot be read, is too big, or is too little like text to be a CSV.
    """
    return check_bytes(read_bytes(Path(path)), rows)


def check_bytes(content: bytes, rows: int | None = None) -> SubmissionCheck:
    """Check the bytes of a file, as `check_submission` does."""
    return _inspect(content, rows)[0]


class _Row(NamedTuple):
    """A row of the file, with None in place of what cannot be read."""

    image_id: int | None
    label: int | None
    line: int


def _inspect(content: bytes, expected: int | None) -> tuple[SubmissionCheck, list[_Row]]:
    reader = _Reader(content)
    faults = reader.faults + _faults_of_all(reader.rows, reader.end, expected)
    if not content:
        faults = [Fault(1, None, _HEADER, "nothing", "the file is empty")]
    for start, what in _NO_CSV.items():
        if content[:4096].lstrip().lower().startswith(start):
            faults = [Fault(1, None, "a CSV", what, "the file is not a CSV")]
    faults.sort(key=lambda fault: fault.line)
    ids = [row.image_id for row in reader.rows if row.image_id is not None]
    check = SubmissionCheck(not faults, len(reader.rows), tuple(faults), ids == sorted(ids))
    return check, reader.rows


def read_bytes(path: Path) -> bytes:
    """Read a file that may be a CSV, once; `-` is standard input.

    Raises:
        DataError: it cannot be read, is too big, or is too little like text to be a CSV.
    """
    try:
        with open(0, "rb", closefd=False) if str(path) == "-" else path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "Name an existing CSV file") from error
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        raise DataError(reason, "Name a CSV file, such as the submission.csv of a run") from error
    head = content[:4096]
    strange = len(head.translate(None, _TEXT_BYTES))
    if strange * 4 > len(head):
        problem = f"not a CSV: {strange:,} of its first {len(head):,} bytes are not plain text"
    elif len(content) > _MOST_BYTES or content.count(b"\n") > _MOST_LINES:
        most = f"{_MOST_BYTES // 2**20} MiB or {_MOST_LINES:,} lines"
        problem = f"too big for a submission: more than {most}"
    else:
        return content
    raise DataError(f"{path} is {problem}", "Name a CSV file, such as the submission.csv of a run")


class _Reader:
    """The rows of a file, the faults of each line by itself, and the line after the last one."""

    def __init__(self, content: bytes) -> None:
        self.rows: list[_Row] = []
        self.faults: list[Fault] = []
        self._places = {column: place for place, column in enumerate(COLUMNS)}
        self._width = len(COLUMNS)
        lines = self._split(content)
        self.end = len(lines) + 1
        header = ""
        plain_rows = True
        for line, raw in enumerate(lines, start=1):
            if not header and _PLAIN_ROW.fullmatch(raw.strip()):
                header = _shown(raw.decode("ascii"))
                self._fault(line, None, _HEADER, header, "the header is missing")
            if plain_rows and (row := _PLAIN_ROW.fullmatch(raw)):
                self.rows.append(_Row(int(row[1]), int(row[2]), line))
            elif text := self._text(line, raw):
                if header:
                    self._read_row(line, text)
                else:
                    header = text
                    plain_rows = self._read_header(line, text, lines[line:])
        if not header:
            self._fault(1, None, _HEADER, "no text", "the header is missing")

    def _fault(self, line: int, column: str | None, *words: str) -> None:
        self.faults.append(Fault(line, column, *words))

    def _split(self, content: bytes) -> list[bytes]:
        """The lines without their ends."""
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
            end = "the end of the file"
            self._fault(len(lines), None, "LF", end, "the last line has no end")
        return lines

    def _text(self, line: int, raw: bytes) -> str:
        """The text of a line; empty where the line is blank."""
        if raw.endswith(b"\r"):
            self._fault(line, None, "LF", "CR", "a carriage return ends the line")
            raw = raw[:-1]
        if b"\0" in raw:
            self._fault(line, None, "text", "a NUL byte", "the line holds a NUL byte")
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"byte {raw[error.start]:02X}"
            self._fault(line, None, "UTF-8", found, "the line is not UTF-8")
        text = raw.decode("utf-8", "replace")
        if not text.strip():
            self._fault(line, None, "a row", _shown(text), "the line is blank")
            return ""
        return text

    def _read_header(self, line: int, text: str, rows: list[bytes]) -> bool:
        """Find what is wrong with the header, and where it puts each column; True if nothing is."""
        names = [name.removeprefix('"').removesuffix('"') for name in text.split(",")]
        wrong = {
            "the header is quoted": '"' in text,
            "the columns are in another order": [*filter(COLUMNS.count, names)] == [*COLUMNS[::-1]],
            "there are extra columns": len(names) > len(COLUMNS),
        }
        for message in (message for message, is_so in wrong.items() if is_so):
            self._fault(line, None, _HEADER, _shown(text), message)
        places = {}
        for place, column in enumerate(COLUMNS):
            if column in names:
                places[column] = names.index(column)
            elif place < len(names) and names[place] not in COLUMNS:
                places[column] = place
                found = _shown(names[place])
                self._fault(line, column, column, found, "the column has another name")
            else:
                self._fault(line, column, column, _shown(text), "the column is missing")
        # a header that has lost its line end holds a row too, so that most rows have fewer columns
        commas = [row.count(b",") for row in rows]
        if commas.count(len(names) - 1) >= commas.count(len(COLUMNS) - 1):
            self._places, self._width = places, len(names)
        return text == _HEADER

    def _read_row(self, line: int, text: str) -> None:
        fields = text.split(",")
        if len(fields) != self._width:
            message = f"the row is {'short' if len(fields) < self._width else 'long'}"
            self._fault(line, None, f"{self._width} fields", str(len(fields)), message)
        image_id, label = (self._whole_number(line, column, fields) for column in COLUMNS)
        if label is not None and not 0 <= label <= 9:
            self._fault(line, "Label", _EXPECTED["Label"], str(label), "the label is out of range")
        self.rows.append(_Row(image_id, label, line))

    def _whole_number(self, line: int, column: str, fields: list[str]) -> int | None:
        """The number in a column, or None where there is none to read."""
        place = self._places.get(column)
        if place is None or place >= len(fields):
            return None
        field = fields[place]
        bare = field.strip().removeprefix('"').removesuffix('"').strip()
        whole, number = _WHOLE.fullmatch(bare), _NUMBER.fullmatch(bare)
        sign, zeros, figures, point = whole.groups() if whole else ("", "", "", "")
        # a longer number need not fit an int64, and no file has so many rows
        too_long = len(figures) > 18
        wrong = {
            "the field has spaces around it": field != field.strip(),
            "the field is quoted": '"' in field,
            "the field is empty": not bare,
            "the field is not a number": bare and not number,
            "the field is not a whole number": number and (point or not whole),
            "the number has leading zeros": zeros,
            "the number has a sign": sign == "+" or (sign and figures == "0"),
            "the number is out of range": too_long,
        }
        for message in (message for message, is_so in wrong.items() if is_so):
            self._fault(line, column, _EXPECTED[column], _shown(field), message)
        return int(sign + figures) if whole and not too_long else None


def _faults_of_all(rows: list[_Row], end: int, expected: int | None) -> list[Fault]:
    """The faults of the rows together: their number, and ids out of range, repeated, missing."""
    faults = []
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    wanted = "1 row or more" if expected is None else f"{expected:,} rows"
    if len(rows) < (expected or 1):
        message = "there are too few rows" if expected else "there are no rows"
        faults.append(Fault(end, None, wanted, count, message))
    elif expected and len(rows) > expected:
        faults.append(Fault(rows[expected].line, None, wanted, count, "there are too many rows"))
    lines: dict[int, int] = {}
    unreadable = 0
    for image_id, _, line in rows:
        if image_id is None:
            unreadable += 1
        elif image_id < 1 or (expected and image_id > expected):
            wanted = f"1 to {expected}" if expected else "1 or more"
            message = "the id is out of range"
            faults.append(Fault(line, "ImageId", wanted, str(image_id), message))
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


def _shown(text: str) -> str:
    """Text from a file, escaped for a terminal and cut to 40 characters."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
