"""All submissions: of each run, of files, and those made from elsewhere."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kit.errors import DataError
from kit.kaggle.answers import Submission
from kit.kaggle.receipt import RECEIPT, Attempt, keep, list_receipts, load_receipt
from kit.runs import Run, list_runs


class HistoryRow(NamedTuple):
    """A run, one of its submissions, or a submission of a file or from elsewhere.

    The time is that of the submission, else of the run, in UTC. One from elsewhere has no receipt.
    """

    time: datetime
    run: Run | None
    attempt: Attempt | None


def read_history(
    submissions: Path, listed: list[Submission]
) -> tuple[list[HistoryRow], list[DataError]]:
    """List every run and every submission, newest first, and the errors of damaged records.

    Receipts are brought up to date by what Kaggle has `listed`, if it was asked.
    """
    runs, attempts, damaged = dict[Path, Run](), list[Attempt](), list[DataError]()
    for run in list_runs(submissions):
        try:
            if run.metrics:
                runs[run.folder / RECEIPT] = run
        except DataError as error:
            damaged.append(error)
    for path in list_receipts(submissions):
        try:
            attempts += load_receipt(path)
        except DataError as error:
            damaged.append(error)
    rows = []
    # Those with a ref come first, so that none of them is taken for an open one
    for attempt in sorted(attempts, key=lambda each: each.ref is None):
        found = next(filter(attempt.is_shown_by, listed), None)
        listed = [each for each in listed if each is not found]
        current = attempt.brought_up(found) if found else attempt
        if current != attempt:
            with suppress(OSError):
                keep(current)
        rows.append(HistoryRow(current.time, runs.get(current.path), current))
    for found in listed:
        time = found.time or datetime.fromtimestamp(0, UTC)
        attempt = Attempt(time=time, file=found.file_name, sha256="", message=found.description)
        rows.append(HistoryRow(time, None, attempt.brought_up(found)))
    for path in runs.keys() - {attempt.path for attempt in attempts}:
        begun = datetime.strptime(runs[path].name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        rows.append(HistoryRow(begun, runs[path], None))
    return sorted(rows, key=lambda row: row.time, reverse=True), damaged
