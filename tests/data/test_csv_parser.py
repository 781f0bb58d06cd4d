import csv
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaggle_writer import csv_bytes

from kit.data.csv_faults import REMEDY
from kit.data.csv_parser import parse_digits
from kit.data.digits import Digits
from kit.errors import DataError

Lines = list[list[str]]
LABELS = "Only train.csv has labels: check that the two files were not renamed or exchanged."
SIGN_IN = (
    "Kaggle answers with a page until you have signed in and accepted the competition's rules: "
    "do so, then kit download."
)


def parse(content: bytes, labelled: bool, size: int = 1 << 18):
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    return parse_digits(blocks, "t.csv", labelled=labelled)


def fault(content: bytes, labelled: bool) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        parse(content, labelled)
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.what + caught.value.remedy
    return caught.value.what, caught.value.remedy


def put(line: int, column: int, text: str) -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        lines[line - 1][column] = text

    return edit


def drop(line: int, column: int) -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        del lines[line - 1][column]

    return edit


def add(line: int, column: int, *texts: str) -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        lines[line - 1][column:column] = texts

    return edit


def swap(line: int, first: int, second: int) -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        row = lines[line - 1]
        row[first], row[second] = row[second], row[first]

    return edit


def blank(line: int, text: str = "") -> Callable[[Lines], None]:
    def edit(lines: Lines) -> None:
        lines.insert(line - 1, [text])

    return edit


NUMBER = "expected a whole number from 0 to 255, found"

TRAIN_FAULTS = {
    "a missing column": (
        drop(1, 43),
        "line 1, column 44: expected 'pixel42', found 'pixel43' (784 columns in place of 785)",
    ),
    "an extra column": (
        add(1, 785, "id"),
        "line 1, column 786: expected nothing, found 'id' (786 columns in place of 785)",
    ),
    "an extra column without a name": (
        add(1, 785, ""),
        "line 1, column 786: expected nothing, found nothing (786 columns in place of 785)",
    ),
    "a renamed column": (
        put(1, 43, "Pixel42"),
        "line 1, column 44: expected 'pixel42', found 'Pixel42'",
    ),
    "a renamed label": (put(1, 0, "Label"), "line 1, column 1: expected 'label', found 'Label'"),
    "reordered columns": (
        swap(1, 10, 20),
        "line 1, column 11: expected 'pixel9', found 'pixel19'",
    ),
    "a column twice": (
        put(1, 20, "pixel3"),
        "line 1, column 21: expected 'pixel19', found 'pixel3'",
    ),
    "a word": (put(3, 43, "ink"), f"line 3, column pixel42: {NUMBER} 'ink'"),
    "a fraction": (put(3, 43, "0.5"), f"line 3, column pixel42: {NUMBER} '0.5'"),
    "a fraction that is whole": (put(3, 43, "5.0"), f"line 3, column pixel42: {NUMBER} '5.0'"),
    "an exponent": (put(3, 43, "1e1"), f"line 3, column pixel42: {NUMBER} '1e1'"),
    "a hexadecimal": (put(3, 43, "0x1F"), f"line 3, column pixel42: {NUMBER} '0x1F'"),
    "a negative": (put(3, 43, "-1"), f"line 3, column pixel42: {NUMBER} '-1'"),
    "a sign": (put(3, 43, "+5"), f"line 3, column pixel42: {NUMBER} '+5'"),
    "a space": (put(3, 43, " 5"), f"line 3, column pixel42: {NUMBER} ' 5'"),
    "a leading zero": (put(3, 43, "05"), f"line 3, column pixel42: {NUMBER} '05'"),
    "no value": (put(3, 43, ""), f"line 3, column pixel42: {NUMBER} nothing"),
    "NaN": (put(3, 43, "NaN"), f"line 3, column pixel42: {NUMBER} 'NaN'"),
    "256": (put(3, 43, "256"), f"line 3, column pixel42: {NUMBER} '256'"),
    "300": (put(3, 43, "300"), f"line 3, column pixel42: {NUMBER} '300'"),
    "1000": (put(3, 784, "1000"), f"line 3, column pixel783: {NUMBER} '1000'"),
    "a long number": (put(3, 1, "7" * 99), f"line 3, column pixel0: {NUMBER} '{'7' * 39}…'"),
    "digits of another script": (put(3, 1, "\u0665"), f"line 3, column pixel0: {NUMBER} '\u0665'"),
    "a control character": (put(3, 1, "5\x1b"), f"line 3, column pixel0: {NUMBER} '5\\x1b'"),
    "half a quote": (put(3, 1, '"5'), f"line 3, column pixel0: {NUMBER} '\"5'"),
    "a quote inside": (put(3, 1, '5"5'), f"line 3, column pixel0: {NUMBER} '5\"5'"),
    "a quoted comma": (put(3, 1, '"5,5"'), f"line 3, column pixel0: {NUMBER} '\"5'"),
    "a label above 9": (
        put(2, 0, "10"),
        "line 2, column label: expected a whole number from 0 to 9, found '10'",
    ),
    "a negative label": (
        put(4, 0, "-1"),
        "line 4, column label: expected a whole number from 0 to 9, found '-1'",
    ),
    "a short row": (drop(3, 700), "line 3, column pixel783: expected 785 values, found 784"),
    "a long row": (add(3, 700, "0", "0"), "line 3, column 786: expected 785 values, found 787"),
    "a blank line": (blank(3), "line 3, column label: expected 785 values, found a blank line"),
    "a line of spaces": (
        blank(3, "  "),
        "line 3, column label: expected 785 values, found a blank line",
    ),
    "a blank last line": (
        blank(6),
        "line 6, column label: expected 785 values, found a blank line",
    ),
}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("edit", "what"), TRAIN_FAULTS.values(), ids=TRAIN_FAULTS.keys())
def test_fault_is_named_with_line_column_expected_and_found(
    edit: Callable[[Lines], None], what: str, line_end: str, mnist_digits: Digits
) -> None:
    sound = csv_bytes(mnist_digits.pixels[:4], mnist_digits.labels[:4]).decode()
    lines = [line.split(",") for line in sound.splitlines()]
    edit(lines)
    content = "".join(",".join(line) + line_end for line in lines).encode()
    assert fault(content, labelled=True) == (f"t.csv, {what}", REMEDY)


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (b"", "line 1: expected a header of 785 columns, found an empty file", REMEDY),
        (b"\xef\xbb\xbf", "line 1: expected a header of 785 columns, found an empty file", REMEDY),
        (
            b"\n",
            "line 1, column 1: expected 'label', found nothing (1 columns in place of 785)",
            REMEDY,
        ),
        (
            b"5,0,0\n",
            "line 1, column 1: expected 'label', found '5' (3 columns in place of 785)",
            REMEDY,
        ),
        (
            b"label,pixel0,pix",
            "line 1, column 3: expected 'pixel1', found 'pix' (3 columns in place of 785)",
            REMEDY,
        ),
        (
            b"\r\n<!DOCTYPE html>\n<html>",
            "line 1: expected a header of 785 columns, found an HTML page",
            SIGN_IN,
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 76775041\n",
            "line 1: expected a header of 785 columns, found a Git LFS pointer",
            "Fetch the file that it points to with git lfs pull.",
        ),
        (
            b"PK\x03\x04\x14",
            "line 1: expected a header of 785 columns, found a zip archive",
            "Unpack it, or name it train.csv.zip or test.csv.zip, as Kaggle does.",
        ),
        (
            b"\x1f\x8b\x08\n",
            "line 1: expected a header of 785 columns, found a gzip archive",
            "Unpack it, or name it train.csv.gz or test.csv.gz.",
        ),
        (
            "label,pixel0\n".encode("utf-16"),
            "line 1: expected a header of 785 columns, found UTF-16 text",
            REMEDY,
        ),
    ],
)
def test_what_is_no_csv_is_named(content: bytes, what: str, remedy: str) -> None:
    assert fault(content, labelled=True) == (f"t.csv, {what}", remedy)


def test_a_csv_of_semicolons_is_shown_with_what_is_right(mnist_digits: Digits) -> None:
    content = csv_bytes(mnist_digits.pixels[:2]).replace(b",", b";")
    what, remedy = fault(content, labelled=False)
    assert "found 'pixel0;pixel1" in what
    assert "commas" in remedy


@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
def test_header_alone_is_named(line_end: bytes) -> None:
    header = csv_bytes(np.empty((0, 784), np.uint8)).rstrip()
    what = "t.csv, line 2: expected 784 values, found a header alone"
    assert fault(header + line_end, labelled=False) == (what, REMEDY)


def test_labels_in_the_test_file_are_named(mnist_digits: Digits) -> None:
    content = csv_bytes(mnist_digits.pixels[:2], mnist_digits.labels[:2])
    what = "t.csv, line 1, column 1: expected 'pixel0', found 'label' (785 columns in place of 784)"
    assert fault(content, labelled=False) == (what, LABELS)


def test_missing_labels_in_the_training_file_are_named(mnist_digits: Digits) -> None:
    content = csv_bytes(mnist_digits.pixels[:2])
    what = "t.csv, line 1, column 1: expected 'label', found 'pixel0' (784 columns in place of 785)"
    assert fault(content, labelled=True) == (what, LABELS)


@pytest.mark.parametrize(
    ("end", "what"),
    [
        (-101, "line 3, column pixel734: expected 784 values, found 734: the line is cut off"),
        (-2, f"line 3, column pixel783: {NUMBER} nothing: the line is cut off"),
    ],
    ids=["in a value", "behind a comma"],
)
def test_cut_off_last_line_is_named(end: int, what: str, mnist_digits: Digits) -> None:
    content = csv_bytes(mnist_digits.pixels[:2])
    assert fault(content[:end], labelled=False)[0] == f"t.csv, {what}"


def test_fault_of_a_later_block_has_its_line_in_the_file(mnist_digits: Digits) -> None:
    lines = csv_bytes(mnist_digits.pixels).splitlines(keepends=True)
    lines[280] = lines[280].replace(b",", b";", 1)
    with pytest.raises(DataError, match=r"t\.csv, line 281, column pixel0: .*, found '0;0'"):
        parse(b"".join(lines), labelled=False, size=1 << 13)


def test_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    def endless():
        yield csv_bytes(np.zeros((1, 784), np.uint8))
        for _ in range(3):
            yield b"0" * (1 << 16)
        pytest.fail("read on")

    with pytest.raises(DataError, match="line 3, column pixel0"):
        parse_digits(endless(), "t.csv", labelled=False)


tables = st.tuples(st.integers(0, 2**32), st.integers(1, 5), st.booleans())


def random_digits(seed: int, rows: int, labelled: bool):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (rows, 784), np.uint8)
    return pixels, random.integers(0, 10, rows) if labelled else None


@given(
    table=tables,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    last_line_end=st.booleans(),
    bom=st.booleans(),
    size=st.integers(1 << 10, 1 << 15),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(table, quoting, line_end, last_line_end, bom, size) -> None:
    pixels, labels = random_digits(*table)
    content = csv_bytes(
        pixels, labels, quoting=quoting, line_end=line_end, last_line_end=last_line_end, bom=bom
    )
    read, read_labels = parse(content, labels is not None, size)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, pixels)
    if labels is None:
        assert read_labels is None
    else:
        assert read_labels.dtype == np.int64
        np.testing.assert_array_equal(read_labels, labels)


def reference(content: bytes, labelled: bool):
    """The values of a CSV as Python's own reader takes it, or None where it is not Kaggle's."""
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        header, *rows = csv.reader(text, strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError):
        return None
    columns = ["label"] * labelled + [f"pixel{i}" for i in range(784)]
    number = re.compile("0|[1-9][0-9]{0,2}", re.ASCII)
    if header != columns or not rows or any(len(row) != len(columns) for row in rows):
        return None
    if not all(number.fullmatch(field) for row in rows for field in row):
        return None
    values = np.array(rows, np.int64)
    return values if values.max() < 256 and (values[:, :labelled] < 10).all() else None


@given(data=st.data(), table=tables, quoted=st.booleans(), crlf=st.booleans())
@settings(max_examples=250, deadline=None)
def test_one_corruption_is_read_as_it_stands_or_refused(data, table, quoted, crlf) -> None:
    pixels, labels = random_digits(*table)
    sound = csv_bytes(
        pixels,
        labels,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
        line_end="\r\n" if crlf else "\n",
    )
    # half of the corruptions near the end, where a file is cut off
    place = data.draw(st.integers(0, len(sound) - 1) | st.integers(len(sound) - 9, len(sound) - 1))
    byte = data.draw(st.sampled_from(b'0123456789,\n\r" +-.xeN\x00\xff') | st.integers(0, 255))
    broken = data.draw(
        st.sampled_from(
            [
                sound[:place],
                sound[:place] + sound[place + 1 :],
                sound[:place] + bytes([byte]) + sound[place:],
                sound[:place] + bytes([byte]) + sound[place + 1 :],
                sound[:place] + sound[place:][:7] + sound[place:],
            ]
        )
    )
    expected = reference(broken, labels is not None)
    try:
        read, read_labels = parse(broken, labels is not None)
    except DataError:
        # Python's reader also takes the line ends of old Macs, which Kaggle never wrote
        assert expected is None or re.search(rb"\r(?!\n)", broken)
        return
    assert expected is not None
    np.testing.assert_array_equal(read, expected[:, -784:])
    if read_labels is not None:
        np.testing.assert_array_equal(read_labels, expected[:, 0])


@given(data=st.data(), table=tables)
@settings(max_examples=60, deadline=None)
def test_row_cut_or_grown_is_always_refused(data, table) -> None:
    pixels, labels = random_digits(*table)
    sound = csv_bytes(pixels, labels)
    commas_and_ends = [match.start() for match in re.finditer(rb"[,\n]", sound)]
    place = data.draw(st.sampled_from(commas_and_ends[:-1]))
    mark = data.draw(st.sampled_from([b"", b",,", b"\n\n", b";", b" ", b"\t"]))
    with pytest.raises(DataError):
        parse(sound[:place] + mark + sound[place + 1 :], labels is not None)
