"""What is to be submitted: a file, checked, and what is known of the run it comes from."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.errors import DataError, OverlapError, UsageError
from kit.kaggle.answers import Submission
from kit.kaggle.receipt import Receipt, load_receipt, receipt_path
from kit.runs import Run, find_run, list_runs
from kit.submission import check_submission

ROWS = 28_000
FILE = "submission.csv"
# a shorter message is no cut one, but one of its own: every submission.csv has the same size
_LEAST_CUT = 100


@dataclass(frozen=True)
class Entry:
    """A submission about to be made.

    Attributes:
        file: the file.
        content: its bytes, which are what is sent.
        run: the run it comes from, or None.
        message: its description, which ends with its mark.
        n_overlap: how many of its images the run had trained on, or None where that is unknown.
        allow_overlap: whether that is to be let pass.
    """

    file: Path
    content: bytes = field(repr=False)
    run: Run | None
    message: str
    n_overlap: int | None
    allow_overlap: bool

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def mark(self) -> str:
        """What shows in Kaggle's list that a submission has this content."""
        return mark_of(self.sha256)

    def is_content_of(self, submission: Submission) -> bool:
        """Whether a submission that Kaggle lists has this content.

        Its mark shows it; where Kaggle has cut the message short, what is left of the message, with
        the file's name and size.
        """
        description = submission.description
        if self.mark in description:
            return True
        cut_short = len(description) >= _LEAST_CUT and self.message.startswith(description)
        facts = (submission.file_name, submission.total_bytes)
        return cut_short and facts == (self.file.name, len(self.content))

    @property
    def receipt_path(self) -> Path:
        """Where its receipt is, or will be."""
        return receipt_path(self.file, self.run.folder if self.run else None)

    @property
    def name(self) -> str:
        """What a person calls it: the run's name, or the file."""
        return self.run.name if self.run else str(self.file)


def mark_of(sha256: str) -> str:
    """The mark of some content, of which twelve figures are as good as unique."""
    return f"[kit {sha256[:12]}]"


def prepare_entry(
    submissions: Path,
    run: str | None = None,
    file: Path | None = None,
    message: str | None = None,
    *,
    allow_overlap: bool = False,
    rows: int = ROWS,
) -> Entry:
    """Check what is to be submitted, without the network.

    Args:
        submissions: the folder of the runs.
        run: a run's name or folder; the newest if neither it nor `file` is given.
        file: a file instead; if a run made the same content, it is that run's.
        message: the description; the run's name, preset, accuracy and commit if None.
        allow_overlap: submit even a run that has trained on the images it predicts.
        rows: how many rows the file must have.

    Raises:
        UsageError: run and file are both given, or there is no such run.
        DataError: the file is missing or has a fault.
        OverlapError: the run has trained on images that it predicts.
    """
    if run is not None and file is not None:
        raise UsageError("A run and a file are given.", "Give one of the two.")
    if file is None:
        found: Run | None = find_run(submissions, run)
        file = found.folder / FILE if found else Path(FILE)
        if found is not None and not file.is_file():
            raise DataError(
                f"Run {found.name} has no {FILE}: Kaggle's test.csv was not at hand.",
                "Fetch it with kit download, then train again with: kit train --source kaggle",
            )
        content = _checked(file, rows)
    else:
        content = _checked(file, rows)
        found = _run_with(content, submissions)
    n_overlap = _overlap(found, allow_overlap)
    text = message or (_default_message(found) if found else file.name)
    mark = mark_of(hashlib.sha256(content).hexdigest())
    return Entry(file, content, found, f"{text} {mark}", n_overlap, allow_overlap)


def find_same(submissions: Path, entry: Entry) -> tuple[str, Receipt] | None:
    """Another run's receipt for the same content, with the run's name, or None.

    Raises:
        DataError: a receipt is damaged.
    """
    for run in list_runs(submissions):
        path = receipt_path(run.folder / FILE, run.folder)
        if path.resolve() == entry.receipt_path.resolve():
            continue
        receipt = load_receipt(path)
        if receipt is None or receipt.sha256 != entry.sha256:
            continue
        # of one that may not have arrived, Kaggle's list knows more
        if receipt.ref is not None:
            return run.name, receipt
    return None


def _checked(file: Path, rows: int) -> bytes:
    checked = check_submission(file, rows)
    if not checked.ok:
        more = len(checked.faults) - 1
        others = f", and {more:,} more" if more else ""
        raise DataError(
            f"{file}, {checked.faults[0]}{others}.", f"All faults are listed by: kit check {file}"
        )
    return file.read_bytes()


def _run_with(content: bytes, submissions: Path) -> Run | None:
    """The newest run whose submission has that content."""
    for run in list_runs(submissions):
        file = run.folder / FILE
        if file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content:
            return run
    return None


def _overlap(run: Run | None, allow_overlap: bool) -> int | None:
    if run is None:
        return None
    overlap: dict[str, Any] | None = run.metrics.get("overlap", {}).get("test")
    if overlap is None:
        return None
    n_overlap, n = int(overlap["n_overlap"]), int(overlap["n"])
    if n_overlap and not allow_overlap:
        raise OverlapError(
            f"Run {run.name} has trained on {n_overlap:,} of the {n:,} images that it predicts:"
            " its score would say nothing.",
            "Train on Kaggle's own images with: kit train --source kaggle"
            " (--allow-overlap submits it all the same)",
        )
    return n_overlap


def _default_message(run: Run) -> str:
    metrics, config = run.metrics, run.config
    parts = [run.name, str(metrics.get("preset", ""))]
    accuracy = metrics.get("validation", {}).get("accuracy")
    if accuracy is not None:
        parts.append(f"validation {accuracy:.2%}")
    commit = config.get("git_commit")
    if commit:
        dirty = "-dirty" if commit.endswith("-dirty") else ""
        parts.append(f"commit {commit[:7]}{dirty}")
    return ", ".join(part for part in parts if part)
