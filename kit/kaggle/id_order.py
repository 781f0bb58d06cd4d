"""What is wrong with the sequence of a submission's ids, told in as few faults as explain it."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from kit.kaggle.fault import Fault

UNREADABLE = np.iinfo(np.int64).min


def order_faults(
    ids: NDArray[np.int64], lines: NDArray[np.int64], end: int, rows: int | None
) -> list[Fault]:
    """Find the ids that are out of range, repeated, out of order, or missing.

    One misplaced row among thousands is one fault, not thousands: the rows that stay in order are
    the most that can, and only the others are at fault.

    Args:
        ids: int64 (n,), the id of each row, `UNREADABLE` where there is none to read.
        lines: int64 (n,), the line of each row.
        end: the line after the last one.
        rows: how many rows the file should have, ids 1 to `rows`; None where that is unknown.
    """
    readable = ids != UNREADABLE
    in_range = readable & (ids >= 1)
    if rows is not None:
        in_range &= ids <= rows
    found = [
        Fault(int(lines[row]), "ImageId", _range(rows), str(ids[row]), "the id is out of range")
        for row in np.flatnonzero(readable & ~in_range)
    ]
    candidates = np.flatnonzero(in_range)
    kept = candidates[_longest_increasing(ids[candidates])]
    found += _misplaced(ids, lines, np.setdiff1d(candidates, kept, assume_unique=True), kept)
    found += _missing(ids, lines, kept, np.unique(ids[candidates]), end, rows)
    return found


def _range(rows: int | None) -> str:
    return "1 or more" if rows is None else f"1 to {rows}"


def _misplaced(
    ids: NDArray[np.int64],
    lines: NDArray[np.int64],
    misplaced: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> list[Fault]:
    """The faults of the rows (int64, ascending) that are in range but do not keep the order."""
    if not misplaced.size:
        return []
    # the id that a row should have goes on from the last row before it that keeps the order
    before = np.searchsorted(kept, misplaced)
    last_rows = np.concatenate(([-1], kept))[before]
    last_ids = np.concatenate(([0], ids[kept]))[before]
    expected = last_ids + misplaced - last_rows
    first_lines = dict(zip(ids[kept].tolist(), lines[kept].tolist(), strict=True))
    found = []
    columns = (lines[misplaced].tolist(), ids[misplaced].tolist(), expected.tolist())
    for line, image_id, due in zip(*columns, strict=True):
        other = first_lines.setdefault(image_id, line)
        if other == line:
            fault = Fault(line, "ImageId", str(due), str(image_id), "the id is out of order")
        else:
            again = f"{image_id}, also on line {other}"
            fault = Fault(line, "ImageId", str(due), again, "the id is repeated")
        found.append(fault)
    return found


def _missing(
    ids: NDArray[np.int64],
    lines: NDArray[np.int64],
    kept: NDArray[np.int64],
    present: NDArray[np.int64],
    end: int,
    rows: int | None,
) -> list[Fault]:
    """The gaps: ids that stand nowhere in the file, where no faulty row stands in their stead."""
    rows_around = np.concatenate(([-1], kept))
    ids_around = np.concatenate(([0], ids[kept]))
    lines_after = lines[kept].tolist()
    if rows is not None:
        rows_around = np.append(rows_around, len(ids))
        ids_around = np.append(ids_around, rows + 1)
        lines_after.append(end)
    lacking = np.diff(ids_around) - 1
    elsewhere = np.searchsorted(present, ids_around[1:]) - np.searchsorted(
        present, ids_around[:-1], side="right"
    )
    between = np.diff(rows_around) - 1
    found = []
    for gap in np.flatnonzero(lacking - elsewhere > between):
        first, after = int(ids_around[gap]) + 1, int(ids_around[gap + 1])
        expected = str(first) if after == first + 1 else f"{first} to {after - 1}"
        at_end = rows is not None and gap == len(kept)
        what = "the end of the file" if at_end else str(after)
        found.append(Fault(lines_after[gap], "ImageId", expected, what, "ids are missing"))
    return found


def _longest_increasing(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places, ascending, of one longest strictly increasing subsequence of `ids`.

    Patience sorting, in O(n log n). Of equal ids the first is taken.

    Source: M. L. Fredman, "On computing the length of longest increasing subsequences",
    Discrete Mathematics 11 (1975), 29–35.
    """
    if np.all(np.diff(ids) > 0):
        return np.arange(len(ids))
    tails: list[int] = []
    tail_places: list[int] = []
    previous: list[int] = []
    for place, image_id in enumerate(ids.tolist()):
        length = bisect_left(tails, image_id)
        previous.append(tail_places[length - 1] if length else -1)
        if length == len(tails):
            tails.append(image_id)
            tail_places.append(place)
        elif tails[length] != image_id:
            tails[length] = image_id
            tail_places[length] = place
    chain = []
    place = tail_places[-1]
    while place >= 0:
        chain.append(place)
        place = previous[place]
    return np.array(chain[::-1], dtype=np.int64)
