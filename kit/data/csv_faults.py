"""What is wrong with a CSV of digits, where, what was expected and what was found."""

import re
from itertools import zip_longest

from kit.data.digits import CLASSES, PIXELS
from kit.errors import DataError, shown
from kit.files import foreign_kind

REMEDY = (
    "Write it as Kaggle does (this header, commas, whole numbers, no column of row numbers: with "
    "pandas index=False, with R row.names=FALSE), or get Kaggle's own with kit download."
)
_LABELS_REMEDY = (
    "Only train.csv has labels: check that the two files were not renamed or exchanged."
)
_REMEDIES = {
    "an HTML page": "Kaggle answers with a page until you have signed in and accepted the "
    "competition's rules: do so, then kit download.",
    "a zip archive": "Unpack it, or name it train.csv.zip or test.csv.zip, as Kaggle does.",
    "a gzip archive": "Unpack it, or name it train.csv.gz or test.csv.gz.",
    "a Git LFS pointer": "Fetch the file that it points to with git lfs pull.",
}
_WHOLE_NUMBER = re.compile(rb"0|[1-9][0-9]{0,2}")


def column_names(*, labelled: bool) -> list[str]:
    """Kaggle's header: `label` where there are labels, then `pixel0` to `pixel783`."""
    return ["label"] * labelled + [f"pixel{pixel}" for pixel in range(PIXELS)]


def foreign_content(start: bytes) -> tuple[str, str] | None:
    """What a file is, with its remedy, where its first bytes show that it is no CSV."""
    kind = foreign_kind(start)
    return None if kind is None else (kind, _REMEDIES.get(kind, REMEDY))


def check_header(start: bytes, origin: str, *, labelled: bool) -> None:
    """Raise a DataError if a CSV's first line has a fault. `start` holds at least that line."""
    expected = column_names(labelled=labelled)
    if (foreign := foreign_content(start)) is not None:
        found, remedy = foreign
        what = f"{origin}, line 1: expected a header of {len(expected)} columns, found {found}"
        raise DataError(what, remedy)
    fields = start.partition(b"\n")[0].removesuffix(b"\r").split(b",")
    names = [_unquoted(field).decode(errors="replace") for field in fields]
    if names == expected:
        return
    pairs = enumerate(zip_longest(expected, names), 1)
    number, pair = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    want, found = (_shown((name or "").encode()) for name in pair)
    what = f"{origin}, line 1, column {number}: expected {want}, found {found}"
    if len(names) != len(expected):
        what += f" ({len(names)} columns in place of {len(expected)})"
    is_other_file = names == column_names(labelled=not labelled)
    raise DataError(what, _LABELS_REMEDY if is_other_file else REMEDY)


def row_fault(text: bytes, first_line: int, origin: str, *, labelled: bool) -> DataError:
    """The first fault of the faulty rows in `text`, which starts at line `first_line`.

    A last line without its line end is taken for the file's last one.
    """
    columns = column_names(labelled=labelled)
    lines = text.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, first_line):
        fault = _line_fault(line.removesuffix(b"\r"), columns)
        if fault is not None:
            what = f"{origin}, line {number}, {fault}"
            has_end = number < first_line + len(lines) - 1 or text.endswith(b"\n")
            return DataError(what if has_end else f"{what}: the line is cut off", REMEDY)
    raise AssertionError("these rows have no fault")


def _line_fault(line: bytes, columns: list[str]) -> str | None:
    if not line.strip():
        return f"column {columns[0]}: expected {len(columns)} values, found a blank line"
    fields = line.split(b",")
    for name, field in zip(columns, fields, strict=False):
        highest = CLASSES - 1 if name == "label" else 255
        value = _unquoted(field)
        if not _WHOLE_NUMBER.fullmatch(value) or int(value) > highest:
            wanted = f"expected a whole number from 0 to {highest}"
            return f"column {name}: {wanted}, found {_shown(field)}"
    if len(fields) == len(columns):
        return None
    name = columns[len(fields)] if len(fields) < len(columns) else str(len(columns) + 1)
    return f"column {name}: expected {len(columns)} values, found {len(fields)}"


def _unquoted(field: bytes) -> bytes:
    quoted = len(field) > 1 and field.startswith(b'"') and field.endswith(b'"')
    return field[1:-1] if quoted else field


def _shown(field: bytes) -> str:
    return shown(field.decode(errors="replace")) if field else "nothing"
