"""Parses a CSV of digits block by block into arrays.

The grammar is as narrow as Kaggle's files: decimal whole numbers without sign, space or leading
zero, quoted or not. The kit has a parser of its own for two reasons. pandas takes wrong files for
right ones: it accepts " 5", "NaN" or an empty field as a number and skips blank lines, so a damaged
file would be read as other digits. It is slower (benchmarks/RESULTS.md, "Reading Kaggle's CSVs").
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from kit.data.csv_faults import REMEDY, check_header, row_fault
from kit.data.digits import CLASSES, PIXELS
from kit.errors import DataError

_BOM = b"\xef\xbb\xbf"
# The longest right line is a quoted header, which takes a seventh of this
_LONGEST_LINE = 1 << 16
# A value in quotes. To take them off is slow, and few files have any
_QUOTED = re.compile(rb'(?<![^,\n])"([0-9]+)"(?![^,\r\n])')


def parse_digits(
    blocks: Iterable[bytes], origin: str, *, labelled: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Parse a CSV into pixels, uint8 (n, 784), and labels, int64 (n,) of 0–9 or None.

    A byte order mark, CRLF line ends, quoted fields and a missing last line end are allowed. A cut
    inside the last value of the last line cannot be seen in a CSV. But MNIST's last pixel is 0 in
    every image, so there a cut leaves an empty value, and is found.

    The `blocks` are the file's bytes, in pieces of any length; errors call the file `origin`.

    Raises:
        DataError: the file has a fault; the first is named.
    """
    columns = PIXELS + labelled
    pieces = _whole_lines(blocks)
    start = next(pieces, b"").removeprefix(_BOM)
    check_header(start, origin, labelled=labelled)
    line = 2
    parts = []
    for text in filter(None, chain([start.partition(b"\n")[2]], pieces)):
        values = _values(text, columns)
        if values is None or (labelled and values[:, 0].max() >= CLASSES):
            raise row_fault(text, line, origin, labelled=labelled)
        parts.append(values)
        line += len(values)
    if not parts:
        what = f"{origin}, line 2: expected {columns} values, found a header alone"
        raise DataError(what, REMEDY)
    pixels = np.concatenate([values[:, -PIXELS:] for values in parts])
    labels = np.concatenate([values[:, 0] for values in parts]).astype(np.int64)
    return pixels, labels if labelled else None


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup the blocks into pieces of whole lines. A line that is too long comes unfinished."""
    rest = b""
    for block in blocks:
        text = rest + block
        end = text.rfind(b"\n") + 1
        if not end and len(text) > _LONGEST_LINE:
            end = len(text)
        if end:
            yield text[:end]
        rest = text[end:]
    if rest:
        yield rest


def _values(text: bytes, columns: int) -> NDArray[np.uint8] | None:
    """The values of whole lines, uint8 (rows, `columns`), or None where any line has a fault."""
    if not text.endswith(b"\n"):
        text += b"\n"
    if b'"' in text:
        text = _QUOTED.sub(rb"\1", text)
    if b"\r" in text:
        # Replacing each CRLF would be several times slower, and hold up the other file's thread
        byte = np.frombuffer(text, np.uint8)
        if not (byte[np.flatnonzero(byte == ord("\r")) + 1] == ord("\n")).all():
            return None
        text = text.replace(b"\r", b"")
    # Three line ends in front, so that each byte has three before it
    digit = np.frombuffer(b"\n\n\n" + text, np.uint8) - np.uint8(ord("0"))
    is_digit = digit < 10
    digit *= is_digit
    # For each byte: is it the last of at least one, two, three digits in a row?
    one = is_digit[3:]
    two = one & is_digit[2:-1]
    three = two & is_digit[1:-2]
    units, tens, hundreds = digit[3:], digit[2:-1], digit[1:-2]
    below_100 = units + tens * np.uint8(10)
    above_255 = three & ((hundreds > 2) | ((hundreds == 2) & (below_100 > 55)))
    leading_zero = two & (tens == 0) & ~is_digit[1:-2]
    no_value = ~(one | is_digit[2:-1])
    if (three & is_digit[:-3] | above_255 | leading_zero | no_value).any():
        return None
    # What is no digit ends a value: a comma, or the line end after a row's last one
    ends = np.flatnonzero(~one)
    right = np.frombuffer(b"," * (columns - 1) + b"\n", np.uint8)
    if len(ends) % columns:
        return None
    found = np.frombuffer(text, np.uint8)[ends].reshape(-1, columns)
    values: NDArray[np.uint8] = below_100 + hundreds * is_digit[2:-1] * np.uint8(100)
    return values[ends - 1].reshape(-1, columns) if (found == right).all() else None
