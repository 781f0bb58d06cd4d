"""What is wrong with a CSV of digits, where, what was expected and what was found."""

import re
from itertools import zip_longest

from kit.data.digits import CLASSES, PIXELS

REMEDY = "Download the file again with kit download, or use MNIST's own: kit train --source keras."
_LABELS_REMEDY = (
    "Only train.csv has labels: check that the two files were not renamed or exchanged."
)
_HTML_REMEDY = (
    "Kaggle answers with a page until you have signed in and accepted the competition's rules: "
    "do so, then kit download."
)
_WHOLE_NUMBER = re.compile(rb"0|[1-9][0-9]{0,2}")
# what a cut can leave of a value, where that is no value itself
_CUT_VALUE = re.compile(rb'"?|"[0-9]{1,3}')
_SHOWN = 40


def column_names(*, labelled: bool) -> list[str]:
    """Kaggle's header: `label` where there are labels, then `pixel0` to `pixel783`."""
    return ["label"] * labelled + [f"pixel{pixel}" for pixel in range(PIXELS)]


def foreign_content(start: bytes) -> tuple[str, str] | None:
    """What stands in a file, with its remedy, where its first bytes show that it is no CSV."""
    if not start:
        return "an empty file", REMEDY
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer", "Fetch the file that it points to with git lfs pull."
    if start.lstrip()[:1] == b"<":
        return "an HTML page", _HTML_REMEDY
    for magic, kind in (
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ):
        if start.startswith(magic):
            return kind, REMEDY
    return None


def header_fault(header: bytes, *, labelled: bool) -> tuple[str, str] | None:
    """The first fault of a CSV's first line (without its line end), and its remedy."""
    expected = column_names(labelled=labelled)
    found = [_unquoted(field).decode(errors="replace") for field in header.split(b",")]
    if found == expected:
        return None
    if labelled and found == expected[1:]:
        return "line 1, column label: expected 'label' first, found 'pixel0'", _LABELS_REMEDY
    if not labelled and "label" in found:
        where = f"line 1, column {found.index('label') + 1}"
        return f"{where}: expected no labels in the test file, found 'label'", _LABELS_REMEDY
    known = set(expected)
    first: dict[str, int] = {}
    for number, name in enumerate(found, 1):
        if first.setdefault(name, number) != number and name in known:
            once = f"expected {name!r} once, found it in column {first[name]} too"
            return f"line 1, column {number}: {once}", REMEDY
    missing = [name for name in expected if name not in first]
    extra = sorted(first[name] for name in first.keys() - known)
    counts = f"expected {len(expected)} columns, found {len(found)}"
    if missing and not extra:
        return f"line 1, column {missing[0]}: {counts}, without {missing[0]!r}", REMEDY
    if extra and not missing:
        name = _shown(found[extra[0] - 1].encode())
        return f"line 1, column {extra[0]}: {counts}, with {name} among them", REMEDY
    number, want, name = next(
        (number, want, name)
        for number, (want, name) in enumerate(zip_longest(expected, found, fillvalue=""), 1)
        if want != name
    )
    fault = f"expected {_shown(want.encode())}, found {_shown(name.encode())}"
    order = "" if extra else ": the columns stand in another order"
    return f"line 1, column {number}: {fault}{order}", REMEDY


def row_fault(text: bytes, first_line: int, *, labelled: bool) -> str:
    """The first fault of the rows in `text`, which starts with the file's line `first_line`.

    A last line without its line end is taken for the file's last one.

    Raises:
        AssertionError: there is no fault.
    """
    columns = column_names(labelled=labelled)
    *lines, unended = text.split(b"\n")
    for number, line in enumerate(lines, first_line):
        fault = _line_fault(line.removesuffix(b"\r"), columns, ended=True)
        if fault is not None:
            return f"line {number}, {fault}"
    fault = _line_fault(unended.removesuffix(b"\r"), columns, ended=False) if unended else None
    if fault is None:
        raise AssertionError("these rows have no fault")
    return f"line {first_line + len(lines)}, {fault}"


def _line_fault(line: bytes, columns: list[str], *, ended: bool) -> str | None:
    if not line.strip():
        return f"column {columns[0]}: expected {len(columns)} values, found a blank line"
    fields = line.split(b",")
    at_end = min(len(fields), len(columns)) - 1
    cut_off = (
        f"column {columns[at_end]}: expected {len(columns)} values, "
        f"found the end of the file in value {len(fields)}: the last line is cut off"
    )
    for index, (name, field) in enumerate(zip(columns, fields, strict=False)):
        highest = CLASSES - 1 if name == "label" else 255
        value = _unquoted(field)
        if not _WHOLE_NUMBER.fullmatch(value) or int(value) > highest:
            if not ended and index == len(fields) - 1 and _CUT_VALUE.fullmatch(field):
                return cut_off
            return (
                f"column {name}: expected a whole number from 0 to {highest}, found {_shown(field)}"
            )
    if len(fields) == len(columns):
        return None
    if len(fields) < len(columns) and not ended:
        return cut_off
    name = columns[len(fields)] if len(fields) < len(columns) else str(len(columns) + 1)
    return f"column {name}: expected {len(columns)} values, found {len(fields)}"


def _unquoted(field: bytes) -> bytes:
    quoted = len(field) > 1 and field.startswith(b'"') and field.endswith(b'"')
    return field[1:-1] if quoted else field


def _shown(field: bytes) -> str:
    if not field:
        return "nothing"
    text = field[: _SHOWN + 1].decode(errors="replace")
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
