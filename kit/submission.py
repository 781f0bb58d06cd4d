"""The competition's submission file: written, read, and checked to the last byte."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError
from kit.files import write_whole
from kit.kaggle.fault import Fault
from kit.kaggle.id_order import order_faults
from kit.kaggle.submission_lines import CLASSES, COLUMNS, SubmissionLines

# a million rows take 9 MB, and twice that in quotes; Kaggle's 28,000 take a quarter of one
_MOST_BYTES = 16 * 2**20
_MOST_LINES = 2 * 2**20
_HEAD_BYTES = 4096

_TEXT_BYTES = bytes([*range(0x20, 0x7F), *b"\t\r\n"])
_SERVED_INSTEAD = {
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"version https://git-lfs": "a Git LFS pointer",
}


@dataclass(frozen=True)
class SubmissionCheck:
    """What a check of a submission file found.

    Attributes:
        ok: whether the file is in the required format; all its lines may end in CRLF instead of LF.
        rows: how many rows it has, without the header and blank lines.
        faults: every fault, by line.
    """

    ok: bool
    rows: int
    faults: tuple[Fault, ...]


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
        raise ValueError(f"{predicted.dtype} {predicted.shape} are no predictions for a submission")
    if predicted.min() < 0 or predicted.max() >= CLASSES:
        raise ValueError(f"predictions {predicted.min()} to {predicted.max()} are not digits 0–9")
    rows = (f"{image_id},{label}\n" for image_id, label in enumerate(predicted.tolist(), start=1))
    write_whole(path, f"{','.join(COLUMNS)}\n{''.join(rows)}")


def read_submission(path: Path) -> NDArray[np.int64]:
    """The labels of a submission or solution file: int64 (n,) of 0–9, for ids 1 to n.

    Raises:
        DataError: the file is missing, is no CSV, or has a fault; the first ones are named.
    """
    check, labels = _inspect(path, None)
    if not check.ok:
        first = "; ".join(str(fault) for fault in check.faults[:3])
        count = "1 fault" if len(check.faults) == 1 else f"{len(check.faults):,} faults"
        raise DataError(f"{path}: {count}: {first}", f"See every fault with: kit check {path}")
    return labels


def check_submission(path: Path, rows: int | None = None) -> SubmissionCheck:
    """Check a file against the required format, and list every fault in it.

    Args:
        path: the file.
        rows: how many rows it should have; None where that is unknown.

    Raises:
        DataError: there is no such file, or it is too big or too little like text to be a CSV of
            predictions; it is then not read whole.
    """
    return _inspect(path, rows)[0]


def _inspect(path: Path, rows: int | None) -> tuple[SubmissionCheck, NDArray[np.int64]]:
    """Check the file, and return its labels too: int64 (n,), right where no fault is found."""
    content = _read_content(path)
    beginning = content[:_HEAD_BYTES].lstrip().lower()
    for mark, what in _SERVED_INSTEAD.items():
        if beginning.startswith(mark):
            return _no_csv(Fault(1, None, "a CSV", what, "the file is not a CSV"))
    if not content:
        return _no_csv(Fault(1, None, ",".join(COLUMNS), "nothing", "the file is empty"))
    read = SubmissionLines(content)
    faults = [*read.faults, *read.count_faults(rows)]
    if read.lines:
        ids = np.array(read.ids, dtype=np.int64)
        lines = np.array(read.lines, dtype=np.int64)
        faults += order_faults(ids, lines, read.end, rows)
    faults.sort(key=lambda fault: fault.line)
    check = SubmissionCheck(not faults, len(read.lines), tuple(faults))
    return check, np.array(read.labels, dtype=np.int64)


def _no_csv(fault: Fault) -> tuple[SubmissionCheck, NDArray[np.int64]]:
    return SubmissionCheck(False, 0, (fault,)), np.empty(0, dtype=np.int64)


def _read_content(path: Path) -> bytes:
    """The file's bytes, refused early where they cannot be a submission."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            strange = len(head.translate(None, _TEXT_BYTES))
            if strange * 4 > len(head):
                raise DataError(
                    f"{path} is not a CSV: {strange:,} of its first {len(head):,} bytes are not"
                    " plain text",
                    "Name the submission.csv of a run, or save the file as CSV in UTF-8",
                )
            content = head + stream.read(_MOST_BYTES + 1 - len(head))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "Name an existing CSV file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder", "Name the submission.csv in it") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", "Name a readable CSV file"
        ) from error
    if len(content) > _MOST_BYTES or content.count(b"\n") > _MOST_LINES:
        raise DataError(
            f"{path} is too big for a submission: more than {_MOST_BYTES // 2**20} MiB"
            f" or {_MOST_LINES:,} lines",
            "Name the submission.csv of a run; Kaggle's has 28,001 lines and 0.2 MiB",
        )
    return content
