import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kit.errors import DataError
from kit.kaggle.fault import Fault, shown
from kit.submission import (
    SubmissionCheck,
    check_submission,
    read_submission,
    write_submission,
)

HEADER = b"ImageId,Label\n"
GOOD = HEADER + b"1,2\n2,0\n3,9\n4,7\n5,3\n"


def examples(count: int) -> settings:
    # every example writes the file anew, so that one folder serves them all; a disk may be slow
    unshared = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=count, deadline=None, suppress_health_check=unshared)


predictions = arrays.arrays(
    np.int64, st.integers(1, 40), elements=st.integers(0, 9), fill=st.nothing()
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "submission.csv"


def check(path: Path, content: bytes, rows: int | None = 5) -> SubmissionCheck:
    path.write_bytes(content)
    return check_submission(path, rows)


def canonical(labels: np.ndarray) -> bytes:
    return HEADER + b"".join(b"%d,%d\n" % row for row in enumerate(labels.tolist(), start=1))


def test_write_is_exact_to_the_byte(path: Path) -> None:
    write_submission(path, np.array([2, 0, 9, 7, 3]))
    assert path.read_bytes() == GOOD


def test_write_takes_any_integers(path: Path) -> None:
    write_submission(path, np.array([2, 0, 9, 7, 3], dtype=np.uint8))
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize(
    "predicted",
    [
        np.array([1, 10]),
        np.array([-1, 1]),
        np.array([1.0, 2.0]),
        np.array([[1, 2]]),
        np.array([], dtype=np.int64),
    ],
)
def test_write_refuses_what_is_no_prediction_and_leaves_the_file(
    path: Path, predicted: np.ndarray
) -> None:
    path.write_bytes(GOOD)
    with pytest.raises(ValueError, match=r"no predictions|not digits"):
        write_submission(path, predicted)
    assert path.read_bytes() == GOOD
    assert list(path.parent.iterdir()) == [path]


@examples(100)
@given(predictions)
def test_what_is_written_is_right_and_reads_back(path: Path, predicted: np.ndarray) -> None:
    write_submission(path, predicted)
    assert check_submission(path, len(predicted)) == SubmissionCheck(True, len(predicted), ())
    assert check_submission(path) == SubmissionCheck(True, len(predicted), ())
    labels = read_submission(path)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, predicted)


NOT_WHOLE = "the field is not a whole number"
NO_NUMBER = "the field is not a number"
ID, DIGIT = "a whole number, 1 or more", "a digit, 0 to 9"
CR = "a carriage return ends the line"


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        # the header
        (GOOD.removeprefix(HEADER), [(1, None, "ImageId,Label", "'1,2'", "the header is missing")]),
        (
            GOOD.replace(b"ImageId", b"id"),
            [(1, "ImageId", "ImageId", "'id'", "the column has another name")],
        ),
        (
            GOOD.replace(b"Label", b" Label"),
            [(1, "Label", "Label", "' Label'", "the column has another name")],
        ),
        (
            b"Label,ImageId\n2,1\n0,2\n9,3\n7,4\n3,5\n",
            [(1, None, "ImageId,Label", "'Label,ImageId'", "the columns are in another order")],
        ),
        (
            b",ImageId,Label\n0,1,2\n1,2,0\n2,3,9\n3,4,7\n4,5,3\n",
            [(1, None, "2 columns", "3, with ''", "there are extra columns")],
        ),
        (
            b"ImageId,Label,p\n1,2,.9\n2,0,.8\n3,9,1\n4,7,1\n5,12,1\n",
            [
                (1, None, "2 columns", "3, with 'p'", "there are extra columns"),
                (6, "Label", DIGIT, "12", "the label is out of range"),
            ],
        ),
        (
            b"Label\n2\n0\n9\n7\n33\n",
            [
                (1, "ImageId", "ImageId", "'Label'", "the column is missing"),
                (6, "Label", DIGIT, "33", "the label is out of range"),
            ],
        ),
        (
            GOOD.replace(HEADER, b'"ImageId","Label"\n'),
            [(1, None, "ImageId,Label", '\'"ImageId","Label"\'', "the header is quoted")],
        ),
        # the number of rows
        (
            GOOD.removesuffix(b"5,3\n"),
            [
                (6, None, "5 rows", "4 rows", "there are too few rows"),
                (6, "ImageId", "5", "the end of the file", "ids are missing"),
            ],
        ),
        (
            GOOD + b"6,1\n",
            [
                (7, None, "5 rows", "6 rows", "there are too many rows"),
                (7, "ImageId", "1 to 5", "6", "the id is out of range"),
            ],
        ),
        (HEADER, [(2, None, "5 rows", "0 rows", "there are too few rows")]),
        (b"", [(1, None, "ImageId,Label", "nothing", "the file is empty")]),
        # the ids
        (
            HEADER + b"1,2\n3,9\n2,0\n4,7\n5,3\n",
            [(3, "ImageId", "2", "3", "the id is out of order")],
        ),
        (
            HEADER + b"5,3\n1,2\n2,0\n3,9\n4,7\n",
            [(2, "ImageId", "1", "5", "the id is out of order")],
        ),
        (
            HEADER + b"1,2\n2,0\n2,9\n4,7\n5,3\n",
            [(4, "ImageId", "3", "2, also on line 3", "the id is repeated")],
        ),
        (
            HEADER + b"1,2\n5,3\n",
            [
                (3, "ImageId", "2 to 4", "5", "ids are missing"),
                (4, None, "5 rows", "2 rows", "there are too few rows"),
            ],
        ),
        (
            HEADER + b"0,2\n1,0\n2,9\n3,7\n4,3\n",
            [
                (2, "ImageId", "1 to 5", "0", "the id is out of range"),
                (7, "ImageId", "5", "the end of the file", "ids are missing"),
            ],
        ),
        (GOOD.replace(b"3,9", b"-3,9"), [(4, "ImageId", "1 to 5", "-3", "the id is out of range")]),
        (
            GOOD.replace(b"3,9", b"9" * 5000 + b",9"),
            [(4, "ImageId", ID, f"'{'9' * 39}…'", "the number is out of range")],
        ),
        # the fields
        (GOOD.replace(b"3,9", b"x,9"), [(4, "ImageId", ID, "'x'", NO_NUMBER)]),
        (GOOD.replace(b"3,9", b"3,nine"), [(4, "Label", DIGIT, "'nine'", NO_NUMBER)]),
        (GOOD.replace(b"3,9", b"3,nan"), [(4, "Label", DIGIT, "'nan'", NO_NUMBER)]),
        (
            GOOD.replace(b"3,9", "3,\N{FULLWIDTH DIGIT NINE}".encode()),
            [(4, "Label", DIGIT, "'\N{FULLWIDTH DIGIT NINE}'", NO_NUMBER)],
        ),
        (GOOD.replace(b"3,9", b"3,9.0"), [(4, "Label", DIGIT, "'9.0'", NOT_WHOLE)]),
        (GOOD.replace(b"3,9", b"3,8.6"), [(4, "Label", DIGIT, "'8.6'", NOT_WHOLE)]),
        (GOOD.replace(b"3,9", b"3,9e0"), [(4, "Label", DIGIT, "'9e0'", NOT_WHOLE)]),
        (GOOD.replace(b"3,9", b"3.0,9"), [(4, "ImageId", ID, "'3.0'", NOT_WHOLE)]),
        (
            GOOD.replace(b"3,9", b"3,10"),
            [(4, "Label", DIGIT, "10", "the label is out of range")],
        ),
        (GOOD.replace(b"3,9", b"3,-1"), [(4, "Label", DIGIT, "-1", "the label is out of range")]),
        (GOOD.replace(b"3,9", b"3,"), [(4, "Label", DIGIT, "''", "the field is empty")]),
        (GOOD.replace(b"3,9", b",9"), [(4, "ImageId", ID, "''", "the field is empty")]),
        (GOOD.replace(b"3,9", b'3,"9"'), [(4, "Label", DIGIT, "'\"9\"'", "the field is quoted")]),
        (
            GOOD.replace(b"3,9", b"3, 9"),
            [(4, "Label", DIGIT, "' 9'", "the field has spaces around it")],
        ),
        (
            GOOD.replace(b"3,9", b"3,09"),
            [(4, "Label", DIGIT, "'09'", "the number has leading zeros")],
        ),
        (GOOD.replace(b"3,9", b"+3,9"), [(4, "ImageId", ID, "'+3'", "the number has a sign")]),
        (GOOD.replace(b"2,0", b"2,-0"), [(3, "Label", DIGIT, "'-0'", "the number has a sign")]),
        (
            GOOD.replace(b"3,9", b" +03.0,9"),
            [
                (4, "ImageId", ID, "' +03.0'", "the field has spaces around it"),
                (4, "ImageId", ID, "' +03.0'", NOT_WHOLE),
                (4, "ImageId", ID, "' +03.0'", "the number has leading zeros"),
                (4, "ImageId", ID, "' +03.0'", "the number has a sign"),
            ],
        ),
        # the rows
        (GOOD.replace(b"3,9", b"3"), [(4, None, "2 fields", "1", "the row is short")]),
        (GOOD.replace(b"3,9", b"3,9,"), [(4, None, "2 fields", "3", "the row is long")]),
        (GOOD.replace(b"3,9\n", b"3,9\n\n"), [(5, None, "a row", "''", "the line is blank")]),
        (GOOD + b" \n", [(7, None, "a row", "' '", "the line is blank")]),
        (b"\n" + GOOD, [(1, None, "a row", "''", "the line is blank")]),
        # the bytes
        (
            b"\xef\xbb\xbf" + GOOD,
            [(1, None, "no byte order mark", "EF BB BF", "the file starts with a BOM")],
        ),
        (GOOD.replace(b"\n", b"\r"), [(line, None, "LF", "CR", CR) for line in range(1, 7)]),
        (GOOD.replace(b"9\n", b"9\r\n"), [(4, None, "LF", "CR", CR)]),
        (
            GOOD.removesuffix(b"\n"),
            [(6, None, "LF", "the end of the file", "the last line has no end")],
        ),
        (
            GOOD.replace(b"3,9", b"3,\xff"),
            [
                (4, None, "UTF-8", "byte FF", "the line is not UTF-8"),
                (4, "Label", DIGIT, r"'\xff'", NO_NUMBER),
            ],
        ),
        (
            GOOD.replace(b"3,9", b"3,\x00"),
            [
                (4, None, "text", "a NUL byte", "the line holds a NUL byte"),
                (4, "Label", DIGIT, r"'\x00'", NO_NUMBER),
            ],
        ),
        # what is served instead of a file
        (
            b"\n <!DOCTYPE html>\n<html>",
            [(1, None, "a CSV", "an HTML page", "the file is not a CSV")],
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            [(1, None, "a CSV", "a Git LFS pointer", "the file is not a CSV")],
        ),
    ],
)
def test_each_fault_is_found_once_with_its_line(
    path: Path, content: bytes, faults: list[tuple[int, str | None, str, str, str]]
) -> None:
    checked = check(path, content)
    assert list(checked.faults) == [Fault(*fault) for fault in faults]
    assert not checked.ok


def test_all_faults_are_found_not_just_the_first(path: Path) -> None:
    checked = check(path, b"ImageId,Digit\n1,2\n3,x\n2,0\n\n4,70\n5,3")
    assert [(fault.line, fault.message) for fault in checked.faults] == [
        (1, "the column has another name"),
        (3, NO_NUMBER),
        (3, "the id is out of order"),
        (5, "the line is blank"),
        (6, "the label is out of range"),
        (7, "the last line has no end"),
    ]
    assert checked.rows == 5


def test_lines_may_all_end_as_those_of_kaggles_own_sample_submission_do(path: Path) -> None:
    crlf = GOOD.replace(b"\n", b"\r\n")
    assert check(path, crlf) == SubmissionCheck(True, 5, ())
    assert read_submission(path).tolist() == [2, 0, 9, 7, 3]


def test_without_a_count_any_number_of_rows_will_do_but_none(path: Path) -> None:
    assert check(path, GOOD, None) == SubmissionCheck(True, 5, ())
    assert check(path, HEADER, None) == SubmissionCheck(
        False, 0, (Fault(2, None, "1 row or more", "0 rows", "there are no rows"),)
    )


def test_a_lost_line_end_of_the_header_leaves_the_other_rows_alone(path: Path) -> None:
    checked = check(path, GOOD.replace(b"\n", b"", 1))
    assert [(fault.line, fault.message) for fault in checked.faults] == [
        (1, "the column has another name"),
        (1, "there are extra columns"),
        (2, "ids are missing"),
        (6, "there are too few rows"),
    ]


def test_a_fault_reads_as_one_line() -> None:
    fault = Fault(4, "Label", DIGIT, "'x'", NO_NUMBER)
    assert str(fault) == (
        "line 4, Label: the field is not a number (expected a digit, 0 to 9, found 'x')"
    )
    whole_line = Fault(5, None, "a row", "''", "the line is blank")
    assert str(whole_line) == "line 5: the line is blank (expected a row, found '')"


def test_what_is_shown_cannot_steer_a_terminal() -> None:
    assert shown("\x1b[31mred") == r"'\x1b[31mred'"
    assert shown("9" * 40) == f"'{'9' * 40}'"
    assert shown("9" * 41) == f"'{'9' * 39}…'"
    assert len(shown("\x1b" * 40)) == 42


def test_read_names_the_first_faults_how_many_and_the_remedy(path: Path) -> None:
    path.write_bytes(HEADER + b"1,x\n2,0\n3,10\n4,\n5,3.5\n")
    with pytest.raises(DataError) as raised:
        read_submission(path)
    assert raised.value.what == (
        f"{path}: 4 faults: "
        "line 2, Label: the field is not a number (expected a digit, 0 to 9, found 'x'); "
        "line 4, Label: the label is out of range (expected a digit, 0 to 9, found 10); "
        "line 5, Label: the field is empty (expected a digit, 0 to 9, found '')"
    )
    assert raised.value.remedy == f"See every fault with: kit check {path}"


def test_a_missing_file_a_folder_and_a_locked_file_are_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"submission\.csv does not exist"):
        check_submission(path)
    with pytest.raises(DataError, match="is a folder"):
        check_submission(path.parent)
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    with pytest.raises(DataError, match="loop cannot be read: "):
        check_submission(loop)


def test_a_binary_is_refused(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), np.arange(1000))
    with pytest.raises(DataError, match=r"is not a CSV: .* are not plain text"):
        check_submission(path.with_suffix(".npz"))
    path.write_bytes(GOOD.decode().encode("utf-16"))
    with pytest.raises(DataError, match="is not a CSV"):
        check_submission(path)


def test_gigabytes_are_refused_unread(path: Path) -> None:
    path.write_bytes(HEADER + b"1,1\n" * 2000)
    os.truncate(path, 4 * 2**30)
    start = time.perf_counter()
    with pytest.raises(DataError, match="is too big for a submission: more than 16 MiB"):
        check_submission(path)
    assert time.perf_counter() - start < 1


def test_lines_without_end_are_refused(path: Path) -> None:
    path.write_bytes(HEADER + b"\n" * 2**22)
    with pytest.raises(DataError, match="or 2,097,152 lines"):
        check_submission(path)


def test_kaggles_size_is_checked_at_once(path: Path) -> None:
    write_submission(path, np.arange(28_000) % 10)
    start = time.perf_counter()
    assert check_submission(path, 28_000) == SubmissionCheck(True, 28_000, ())
    assert time.perf_counter() - start < 0.3


def test_disorder_costs_memory_in_proportion(path: Path) -> None:
    rows = 50_000
    ids = np.random.default_rng(0).permutation(rows) + 1
    content = HEADER + b"".join(b"%d,1\n" % image_id for image_id in ids)
    path.write_bytes(content)
    tracemalloc.start()
    checked = check_submission(path, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.95 * rows < len(checked.faults) < rows
    assert peak < 1000 * rows


def test_neither_check_nor_score_loads_what_starts_slowly() -> None:
    program = (
        "import sys, kit.submission, kit.evaluation.scoring\n"
        "slow = {'tensorflow', 'keras', 'kaggle', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(', '.join(slow) or None)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@st.composite
def changed_bytes(draw: st.DrawFn) -> tuple[np.ndarray, bytes, set[int]]:
    """Predictions, their file with one byte deleted, inserted or replaced, and the lines of it."""
    predicted = draw(predictions)
    content = canonical(predicted)
    place = draw(st.integers(0, len(content) - 1))
    byte = bytes([draw(st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789,\n\r" .-+')))])
    line = content.count(b"\n", 0, place) + 1
    change = draw(st.sampled_from(["delete", "insert", "replace"]))
    if change == "delete":
        return predicted, content[:place] + content[place + 1 :], {line}
    lines = {line, line + 1} if byte == b"\n" else {line}
    if change == "insert":
        return predicted, content[:place] + byte + content[place:], lines
    return predicted, content[:place] + byte + content[place + 1 :], lines


@examples(600)
@given(changed_bytes())
def test_any_changed_byte_is_found_or_is_a_changed_label(
    path: Path, changed: tuple[np.ndarray, bytes, set[int]]
) -> None:
    predicted, content, lines = changed
    checked = check(path, content, len(predicted))
    if checked.ok:
        labels = read_submission(path)
        assert content == canonical(labels)
        assert set(np.flatnonzero(labels != predicted) + 2) <= lines
    else:
        assert lines & {fault.line for fault in checked.faults}, checked.faults


@st.composite
def changed_lines(draw: st.DrawFn) -> tuple[np.ndarray, bytes, set[int]]:
    """Predictions, their file with lines swapped, doubled or dropped, and the lines of it."""
    predicted = draw(predictions)
    lines = canonical(predicted).splitlines(keepends=True)
    first = draw(st.integers(0, len(lines) - 1))
    second = draw(st.integers(0, len(lines) - 1))
    change = draw(st.sampled_from(["swap", "double", "drop"]))
    if change == "swap":
        lines[first], lines[second] = lines[second], lines[first]
        return predicted, b"".join(lines), {first + 1, second + 1}
    if change == "double":
        lines.insert(first, lines[first])
        return predicted, b"".join(lines), {first + 1, first + 2}
    del lines[first]
    return predicted, b"".join(lines), {first + 1}


@examples(300)
@given(changed_lines())
def test_any_changed_line_is_found(path: Path, changed: tuple[np.ndarray, bytes, set[int]]) -> None:
    predicted, content, lines = changed
    checked = check(path, content, len(predicted))
    assert checked.ok == (content == canonical(predicted))
    assert checked.ok or lines & {fault.line for fault in checked.faults}, checked.faults


anything = st.one_of(
    st.binary(max_size=200),
    st.text('ImageId,Label0123456789\n\r" .-+\0é', max_size=200).map(str.encode),
    st.lists(st.sampled_from([*GOOD.splitlines(keepends=True), b",", b"\n", b"7"])).map(b"".join),
)


@examples(600)
@given(anything, st.one_of(st.none(), st.integers(1, 10)))
def test_no_bytes_break_the_checker(path: Path, content: bytes, rows: int | None) -> None:
    try:
        checked = check(path, content, rows)
    except DataError:
        return
    assert checked.ok == (not checked.faults)
    numbers = [fault.line for fault in checked.faults]
    assert numbers == sorted(numbers)
    assert all(1 <= line <= content.count(b"\n") + content.count(b"\r") + 2 for line in numbers)
    assert all(str(fault).isprintable() for fault in checked.faults)
    assert len(set(checked.faults)) == len(checked.faults)
    if checked.ok:
        assert content == canonical(read_submission(path))
        assert rows in {None, checked.rows}


@examples(100)
@given(st.permutations(range(1, 9)))
def test_as_few_ids_as_can_be_are_out_of_order(path: Path, ids: list[int]) -> None:
    checked = check(path, HEADER + b"".join(b"%d,0\n" % image_id for image_id in ids), len(ids))
    # the length of the longest run in order that ends at each id
    lengths: list[int] = []
    for place, image_id in enumerate(ids):
        before = [
            length for length, other in zip(lengths, ids[:place], strict=True) if other < image_id
        ]
        lengths.append(1 + max(before, default=0))
    assert {fault.message for fault in checked.faults} <= {"the id is out of order"}
    assert len(checked.faults) == len(ids) - max(lengths)
