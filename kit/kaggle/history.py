"""All submissions: what each run foretold, and what Kaggle said."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit.kaggle.answers import Submission
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import FILE, mark_of
from kit.kaggle.receipt import Attempt, Receipt, load_receipt, receipt_path, save_receipt
from kit.metrics import Accuracy
from kit.runs import Run, list_runs


@dataclass(frozen=True)
class HistoryRow:
    """A run, one of its submissions, or a submission made from elsewhere.

    Attributes:
        time: of the submission, else of the run; UTC.
        run: the run's name, or None for a submission made from elsewhere.
        source: what the run trained on.
        preset: the run's.
        validation: its accuracy on held-out rows, or None.
        keras_test: its accuracy on the Keras test split without overlap, or None.
        ref: of the submission, or None where there is none or it is open whether it has arrived.
        status: of the submission: SENDING, PENDING, COMPLETE or ERROR; None where there is none.
        public_score: as Kaggle words it, or None.
        reason: why Kaggle rejected it, or None.
        description: the submission's message, or None.
    """

    time: datetime
    run: str | None = None
    source: str | None = None
    preset: str | None = None
    validation: Accuracy | None = None
    keras_test: Accuracy | None = None
    ref: int | None = None
    status: str | None = None
    public_score: str | None = None
    reason: str | None = None
    description: str | None = None


def read_history(submissions: Path, kaggle: Kaggle | None) -> list[HistoryRow]:
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
    listed = {} if kaggle is None else {found.ref: found for found in kaggle.list_submissions()}
    rows: list[HistoryRow] = []
    for run in list_runs(submissions):
        path = receipt_path(run.folder / FILE, run.folder)
        receipt = load_receipt(path)
        if receipt is None:
            rows.append(_row(run, None))
            continue
        current = _bring_up(receipt, listed)
        if current != receipt:
            save_receipt(path, current)
        rows += [_row(run, attempt) for attempt in (current, *reversed(current.earlier))]
    known = {row.ref for row in rows}
    rows += [_elsewhere(found) for ref, found in listed.items() if ref not in known]
    return sorted(rows, key=lambda row: row.time, reverse=True)


def _bring_up(receipt: Receipt, listed: dict[int, Submission]) -> Receipt:
    earlier = tuple(
        attempt.brought_up(listed[attempt.ref]) if attempt.ref in listed else attempt
        for attempt in receipt.earlier
    )
    current = receipt.model_copy(update={"earlier": earlier})
    if receipt.ref is not None:
        return current.brought_up(listed[receipt.ref]) if receipt.ref in listed else current
    mark = mark_of(receipt.sha256)
    for ref, found in listed.items():
        if mark in found.description and ref not in receipt.known_refs:
            return current.brought_up(found)
    return current


def _row(run: Run, attempt: Attempt | None) -> HistoryRow:
    metrics = run.metrics
    facts: dict[str, Any] = {
        "time": datetime.strptime(run.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC),
        "run": run.name,
        "source": metrics.get("source"),
        "preset": metrics.get("preset"),
        "validation": _accuracy(metrics.get("validation")),
        "keras_test": _accuracy(metrics.get("keras_test")),
    }
    if attempt is not None:
        facts |= {
            "time": datetime.fromisoformat(attempt.time),
            "ref": attempt.ref,
            "status": attempt.status,
            "public_score": attempt.public_score,
            "reason": attempt.reason,
            "description": attempt.message,
        }
    return HistoryRow(**facts)


def _accuracy(figures: dict[str, Any] | None) -> Accuracy | None:
    if not figures or not figures.get("n"):
        return None
    return Accuracy(figures["accuracy"], figures["n"], tuple(figures["interval"]))


def _elsewhere(submission: Submission) -> HistoryRow:
    return HistoryRow(
        time=submission.time or datetime.fromtimestamp(0, UTC),
        ref=submission.ref,
        status=submission.status,
        public_score=submission.public_score,
        reason=submission.reason,
        description=submission.description or submission.file_name,
    )
