"""All submissions: of each run, of files, and those made from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit.kaggle.receipt import RECEIPT, Attempt, Kept, keep, load_receipts
from kit.runs import Run, list_runs

if TYPE_CHECKING:
    from kit.kaggle.answers import Submission
    from kit.kaggle.client import Kaggle


class HistoryRow(NamedTuple):
    """A run, one of its submissions, or a submission that no run is known for.

    Attributes:
        time: of the submission, else of the run; UTC.
        run: the run, or None.
        attempt: the submission, or None for a run without.
        is_own: whether it was made from this folder.
    """

    time: datetime
    run: Run | None = None
    attempt: Attempt | None = None
    is_own: bool = True


def read_history(submissions: Path, kaggle: "Kaggle | None") -> list[HistoryRow]:
    """List every run and every submission, newest first.

    Args:
        submissions: the folder of the runs.
        kaggle: asked for all submissions, by which receipts are brought up to date; None for what
            is known without the network.

    Raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the network failed.
        DataError: a receipt is damaged.
        OSError: a run cannot be read, or its receipt not be written.
    """
    elsewhere = {} if kaggle is None else {found.ref: found for found in kaggle.list_submissions()}
    receipts = load_receipts(submissions)
    runs = {run.folder / RECEIPT: run for run in list_runs(submissions)}
    rows = [
        HistoryRow(datetime.strptime(run.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC), run)
        for path, run in runs.items()
        if path not in receipts
    ]
    kept = [Kept(path, attempt) for path, attempts in receipts.items() for attempt in attempts]
    # Those with a ref come first, so that none of them is taken for an open one
    for path, attempt in sorted(kept, key=lambda each: each.attempt.ref is None):
        found = _find(attempt, elsewhere)
        current = attempt.brought_up(elsewhere.pop(found)) if found is not None else attempt
        if current != attempt:
            keep(Kept(path, current))
        rows.append(HistoryRow(current.time, runs.get(path), current))
    rows += [_elsewhere(found) for found in elsewhere.values()]
    return sorted(rows, key=lambda row: row.time, reverse=True)


def _find(attempt: Attempt, listed: "dict[int, Submission]") -> int | None:
    if attempt.ref is not None:
        return attempt.ref if attempt.ref in listed else None
    return next((ref for ref, found in listed.items() if attempt.is_shown_by(found)), None)


def _elsewhere(found: "Submission") -> HistoryRow:
    time = found.time or datetime.fromtimestamp(0, UTC)
    message = found.description or found.file_name
    attempt = Attempt(time=time, file=found.file_name, sha256="", message=message)
    return HistoryRow(time, attempt=attempt.brought_up(found), is_own=False)
