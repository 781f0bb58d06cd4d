"""What is to be submitted: a file's bytes, checked, and the run that they come from."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kit.competition import TEST_ROWS
from kit.errors import DataError, OverlapError, UsageError
from kit.kaggle.receipt import RECEIPT, RECEIPTS, Attempt, mark_of
from kit.runs import Run, find_run, list_runs
from kit.submission import check_bytes, count_faults, read_bytes

FILE = "submission.csv"


@dataclass(frozen=True)
class Entry:
    """A submission about to be made: its file (`-` is standard input), and the run that made it.

    The `content` was read once: the same bytes are checked, hashed and sent. The `attempt` is what
    will be remembered, in the folder of the runs, `submissions`.
    """

    file: Path
    content: bytes = field(repr=False)
    run: Run | None
    submissions: Path
    attempt: Attempt


def prepare_entry(
    submissions: Path,
    run: str | None = None,
    file: Path | None = None,
    message: str | None = None,
    *,
    allow_overlap: bool = False,
    rows: int = TEST_ROWS,
) -> Entry:
    """Check what is to be submitted, without the network.

    Without `run` (a name or folder) and `file`, it is the newest run. If a run made the content of
    `file`, it is that run's. It must have so many `rows`.

    Raises:
        UsageError: run and file are both given, or there is no such run.
        DataError: the file is missing or has a fault.
        OverlapError: the run has trained on images that it predicts.
    """
    if run is not None and file is not None:
        raise UsageError("A run and a file are given.", "Give one of the two.")
    found = find_run(submissions, run) if file is None else None
    path = file or (found.folder if found else submissions) / FILE
    if found is not None and not path.is_file():
        what = f"Run {found.name} has no {FILE}: Kaggle's test.csv was not at hand."
        remedy = "Fetch it with kit download, then train again with: kit train --source kaggle"
        raise DataError(what, remedy)
    content = read_bytes(path)
    if faults := check_bytes(content, rows).faults:
        what = f"{path}: {count_faults(faults)}: {faults[0]}."
        raise DataError(what, f"All faults are listed by: kit check {path}")
    if found is None:
        files = ((each, each.folder / FILE) for each in list_runs(submissions))
        same = (each for each, file in files if file.is_file() and file.read_bytes() == content)
        found = next(same, None)
    sha256 = hashlib.sha256(content).hexdigest()
    attempt = Attempt(
        path=found.folder / RECEIPT if found else submissions / RECEIPTS / f"{sha256[:12]}.json",
        time=datetime.now(UTC),
        file=_in_utf8(path.name) if path.suffix else FILE,
        sha256=sha256,
        # In front, because Kaggle may cut a description short
        mark=mark_of(sha256),
        message=f"{mark_of(sha256)} {_in_utf8(message or _default_message(found, path))}",
        n_overlap=_check_overlap(found, allow_overlap),
        allow_overlap=allow_overlap,
    )
    return Entry(path, content, found, attempt.path.parents[1], attempt)


def _check_overlap(run: Run | None, allow_overlap: bool) -> int | None:
    overlap = run.metrics.get("overlap", {}).get("test") if run else None
    if run is None or overlap is None:
        return None
    n_overlap = int(overlap["n_overlap"])
    if n_overlap and not allow_overlap:
        seen = f"{n_overlap:,} of the {overlap['n']:,} images that it predicts"
        what = f"Run {run.name} has trained on {seen}: its score would say nothing."
        other = "Train on Kaggle's own images with: kit train --source kaggle"
        raise OverlapError(what, f"{other} (--allow-overlap submits it all the same)")
    return n_overlap


def _default_message(run: Run | None, file: Path) -> str:
    if run is None:
        return file.name
    accuracy = (run.metrics.get("validation") or {}).get("accuracy")
    commit, dash, dirty = str(run.config.get("git_commit") or "").partition("-")
    estimate = accuracy and f"validation {accuracy:.2%}"
    code = commit and f"commit {commit[:7]}{dash}{dirty}"
    return ", ".join(filter(None, (run.name, run.metrics.get("preset"), estimate, code)))


def _in_utf8(text: str) -> str:
    """Escape what is not Unicode: bytes of a command line in another encoding."""
    return text.encode("utf-8", "backslashreplace").decode()
