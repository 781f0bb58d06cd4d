import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kit.errors import DataError
from kit.submission import (
    Fault,
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
    with pytest.raises(ValueError, match="not one digit"):
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


NO_NUMBER = "the field is not a plain whole number"
ID, DIGIT = "a whole number, 1 or more", "a digit, 0 to 9"
OTHER = "the header is another one"
CR = "a carriage return ends the line"


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        # the header
        (
            b"ImageId,Label,p\n1,2,.9\n2,0,.8\n3,9,1\n4,7,1\n5,12,1\n",
            [
                (1, None, "ImageId,Label", "'ImageId,Label,p'", OTHER),
                (6, "Label", DIGIT, "12", "the label is out of range"),
            ],
        ),
        # the number of rows
        (
            GOOD.removesuffix(b"5,3\n"),
            [
                (6, None, "5 rows", "4 rows", "there are too few rows"),
                (6, "ImageId", "5", "no such row", "ids are missing"),
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
        (b"", [(1, None, "a CSV", "an empty file", "the file is not a CSV")]),
        # the ids
        (
            HEADER + b"1,2\n2,0\n2,9\n4,7\n5,3\n",
            [
                (4, "ImageId", "each id once", "2, also on line 3", "the id is repeated"),
                (5, "ImageId", "3", "no such row", "ids are missing"),
            ],
        ),
        (
            HEADER + b"4,7\n2,0\n4,2\n5,3\n4,9\n",
            [
                (2, "ImageId", "3", "no such row", "ids are missing"),
                (3, "ImageId", "1", "no such row", "ids are missing"),
                (4, "ImageId", "each id once", "4, also on line 2", "the id is repeated"),
                (6, "ImageId", "each id once", "4, also on line 2", "the id is repeated"),
            ],
        ),
        (
            HEADER + b"1,2\n5,3\n",
            [
                (3, "ImageId", "2 to 4", "no such row", "ids are missing"),
                (4, None, "5 rows", "2 rows", "there are too few rows"),
            ],
        ),
        (
            HEADER + b"0,2\n1,0\n2,9\n3,7\n4,3\n",
            [
                (2, "ImageId", "1 to 5", "0", "the id is out of range"),
                (7, "ImageId", "5", "no such row", "ids are missing"),
            ],
        ),
        (
            GOOD.replace(b"3,9", b"-3,9"),
            [
                (4, "ImageId", "1 to 5", "-3", "the id is out of range"),
                (5, "ImageId", "3", "no such row", "ids are missing"),
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
        (GOOD.replace(b"\n", b"\r"), [(1, None, "LF", "CR, on all lines", CR)]),
        (GOOD.replace(b"9\n", b"9\r\n"), [(4, None, "LF", "CR", CR)]),
        (
            GOOD.removesuffix(b"\n"),
            [(6, None, "LF", "the end of the file", "the last line has no end")],
        ),
        (
            GOOD.removesuffix(b"\n").replace(b"\n", b"\r\n"),
            [(6, None, "LF", "the end of the file", "the last line has no end")],
        ),
        (
            GOOD.replace(b"3,9", b"3,\xff"),
            [
                (4, "Label", DIGIT, "'\N{REPLACEMENT CHARACTER}'", NO_NUMBER),
            ],
        ),
        (
            GOOD.replace(b"3,9", b"3,\x00"),
            [
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


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(b"ImageId", b"id"),
        GOOD.replace(b"Label", b" Label"),
        GOOD.replace(b"Label", b"ImageId"),
        GOOD.replace(HEADER, b'"ImageId","Label"\n'),
        b"Label,ImageId\n2,1\n0,2\n9,3\n7,4\n3,5\n",
        b",ImageId,Label\n0,1,2\n1,2,0\n2,3,9\n3,4,7\n4,5,3\n",
    ],
)
def test_another_header_is_one_fault_and_the_rows_are_read_by_it(
    path: Path, content: bytes
) -> None:
    found = repr(content.split()[0].decode()) if b" " not in content else "'ImageId, Label'"
    assert check(path, content).faults == (Fault(1, None, "ImageId,Label", found, OTHER),)


def test_a_missing_header_is_found(path: Path) -> None:
    missing = Fault(1, None, "ImageId,Label", "'1,2'", "the header is missing")
    assert check(path, GOOD.removeprefix(HEADER)).faults == (missing,)


@pytest.mark.parametrize(
    ("row", "column", "found", "messages"),
    [
        (b"x,9", "ImageId", "'x'", [NO_NUMBER]),
        (b"3,nine", "Label", "'nine'", [NO_NUMBER]),
        (b"3,nan", "Label", "'nan'", [NO_NUMBER]),
        (b"3,\xef\xbc\x99", "Label", "'\N{FULLWIDTH DIGIT NINE}'", [NO_NUMBER]),
        (b"3,9.0", "Label", "'9.0'", [NO_NUMBER]),
        (b"3,8.6", "Label", "'8.6'", [NO_NUMBER]),
        (b"3,9e0", "Label", "'9e0'", [NO_NUMBER]),
        (b"3.0,9", "ImageId", "'3.0'", [NO_NUMBER]),
        (b"3,10", "Label", "10", ["the label is out of range"]),
        (b"3,-1", "Label", "-1", ["the label is out of range"]),
        (b"9" * 5000 + b",9", "ImageId", f"'{'9' * 39}…'", [NO_NUMBER]),
        (b"3,", "Label", "''", ["the field is empty"]),
        (b",9", "ImageId", "''", ["the field is empty"]),
        (b'3,"9"', "Label", "'\"9\"'", [NO_NUMBER]),
        (b"3, 9", "Label", "' 9'", [NO_NUMBER]),
        (b"3,09", "Label", "'09'", [NO_NUMBER]),
        (b"+3,9", "ImageId", "'+3'", [NO_NUMBER]),
        (b"3,-0", "Label", "'-0'", [NO_NUMBER]),
        (b" +03.0,9", "ImageId", "' +03.0'", [NO_NUMBER]),
    ],
)
def test_each_fault_of_a_field_is_found(
    path: Path, row: bytes, column: str, found: str, messages: list[str]
) -> None:
    expected = ID if column == "ImageId" else DIGIT
    checked = check(path, GOOD.replace(b"3,9", row))
    assert list(checked.faults) == [
        Fault(4, column, expected, found, message) for message in messages
    ]


def test_all_faults_are_found_not_just_the_first(path: Path) -> None:
    checked = check(path, b"ImageId,Digit\n1,2\n3,x\n2,0\n\n4,70\n5,3")
    assert [(fault.line, fault.message) for fault in checked.faults] == [
        (1, OTHER),
        (3, NO_NUMBER),
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
        (1, OTHER),
        (2, "ids are missing"),
        (6, "there are too few rows"),
    ]


def test_a_fault_reads_as_one_line() -> None:
    fault = Fault(4, "Label", DIGIT, "'x'", NO_NUMBER)
    assert str(fault) == (
        "line 4, Label: the field is not a plain whole number (expected a digit, 0 to 9, found 'x')"
    )
    whole_line = Fault(5, None, "a row", "''", "the line is blank")
    assert str(whole_line) == "line 5: the line is blank (expected a row, found '')"


def test_what_is_found_is_escaped_for_a_terminal_and_cut(path: Path) -> None:
    found = [fault.found for fault in check(path, HEADER + b"1,\x1b[31mred\n").faults]
    assert r"'\x1b[31mred'" in found
    assert check(path, HEADER + b"1," + b"x" * 40 + b"\n", 1).faults[0].found == f"'{'x' * 40}'"
    assert check(path, HEADER + b"1," + b"x" * 41 + b"\n", 1).faults[0].found == f"'{'x' * 39}…'"


def test_read_names_the_first_faults_how_many_and_the_remedy(path: Path) -> None:
    path.write_bytes(HEADER + b"1,x\n2,0\n3,10\n4,\n5,3.5\n")
    with pytest.raises(DataError) as raised:
        read_submission(path)
    assert raised.value.what == (
        f"{path}: 4 faults: "
        f"line 2, Label: {NO_NUMBER} (expected a digit, 0 to 9, found 'x'); "
        "line 4, Label: the label is out of range (expected a digit, 0 to 9, found 10); "
        "line 5, Label: the field is empty (expected a digit, 0 to 9, found '')"
    )
    assert raised.value.remedy == f"See every fault with: kit check {path}"


def test_a_missing_file_a_folder_and_a_locked_file_are_named(path: Path) -> None:
    with pytest.raises(DataError, match=r"submission\.csv cannot be read: No such file"):
        check_submission(path)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
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
    # Threads that other tests left have no part in it
    start = time.thread_time()
    assert check_submission(path, 28_000) == SubmissionCheck(True, 28_000, ())
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("rows", [None, 28_000])
def test_many_missing_ids_are_one_fault(path: Path, rows: int | None) -> None:
    content = HEADER + b"".join(b"%d,1\n" % image_id for image_id in range(20_001, 28_001))
    missing = [fault for fault in check(path, content, rows).faults if fault.column == "ImageId"]
    assert missing == [Fault(2, "ImageId", "1 to 20000", "no such row", "ids are missing")]
    assert check(path, HEADER + b"1,1\n999999999999999999,1\n", None).faults == (
        Fault(3, "ImageId", "2 to 999999999999999998", "no such row", "ids are missing"),
    )


@examples(200)
@given(predictions, st.data())
def test_right_rows_in_any_order_are_right(
    path: Path, predicted: np.ndarray, data: st.DataObject
) -> None:
    rows = canonical(predicted).splitlines(keepends=True)[1:]
    shuffled = data.draw(st.permutations(rows))
    in_order = shuffled == rows
    for count in (None, len(rows)):
        checked = check(path, HEADER + b"".join(shuffled), count)
        assert checked == SubmissionCheck(True, len(rows), (), in_order)
    np.testing.assert_array_equal(read_submission(path), predicted)


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
        assert names_one_of(lines, checked)


def names_one_of(lines: set[int], checked: SubmissionCheck) -> bool:
    """Whether a fault is on one of the lines, or says that the same id is on one of them."""
    named = {fault.line for fault in checked.faults}
    named |= {
        int(fault.found.rsplit(" ", 1)[1]) for fault in checked.faults if "also on" in fault.found
    }
    return not named.isdisjoint(lines)


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
    if checked.ok:
        np.testing.assert_array_equal(read_submission(path), predicted)
        assert checked.in_order == (content == canonical(predicted))
    else:
        assert (
            sorted(content.splitlines()) != sorted(canonical(predicted).splitlines()) or 1 in lines
        )
        assert names_one_of(lines, checked)


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
        header, *right = canonical(read_submission(path)).split()
        assert content.split()[0] == header
        assert sorted(content.split()[1:]) == sorted(right)
        assert rows in {None, checked.rows}
