"""A submission made once: looked for, sent, remembered, and waited for."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kit.errors import (
    CompetitionError,
    CredentialsError,
    DataError,
    NetworkError,
    UsageError,
)
from kit.kaggle.answers import Limits, Submission
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import Entry, find_same
from kit.kaggle.receipt import Attempt, Receipt, load_receipt, save_receipt
from kit.kaggle.refusals import ENTER, SUBMISSIONS_PAGE, limit_remedy
from kit.kaggle.transfer import Progress
from kit.metrics import Accuracy, Difference, accuracy_difference

# told the submissions left, or None where Kaggle does not say; whether to go ahead
Confirm = Callable[[Limits | None], bool]


@dataclass(frozen=True)
class Foretold:
    """What validation foretold, beside the score that came.

    Attributes:
        validation: of the run.
        score: the public score, as the accuracy that it is.
        difference: score less validation.
    """

    validation: Accuracy
    score: Accuracy
    difference: Difference


def submit(
    kaggle: Kaggle,
    entry: Entry,
    submissions: Path,
    confirm: Confirm,
    progress: Progress,
    *,
    again: bool = False,
) -> Receipt | None:
    """Submit an entry, unless it has been submitted already.

    A submission that an interrupted run of this function may have made is looked for first, and
    taken up if it is there. `receipt.json` says that one is being made before Kaggle is asked to
    make it, and has its ref as soon as that is known.

    Args:
        kaggle: where to.
        entry: what.
        submissions: the folder of the runs; one submission at a time is made from it.
        confirm: asked before anything is sent.
        progress: told the bytes that are through, and all there are.
        again: submit content that was submitted before.

    Returns:
        What is known of it, which may still be PENDING; None if `confirm` said no.

    Raises:
        UsageError: it was submitted before, or another submission is being made.
        DataError: the run predicts another test file than Kaggle's, or a receipt is damaged.
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused, or no submission is left.
        NetworkError: the network failed; running the same again is safe.
        OSError: the receipt cannot be written.
    """
    with _one_at_a_time(submissions, entry):
        receipt = load_receipt(entry.receipt_path)
        listed = kaggle.list_submissions()
        marked = [submission for submission in listed if entry.is_content_of(submission)]
        if receipt is not None and receipt.sha256 == entry.sha256:
            taken_up = _take_up(entry.receipt_path, receipt, marked, again)
            if taken_up is not None:
                return taken_up
        if not again:
            _refuse_same(entry, submissions, marked)
        _check_test_file(kaggle, entry)
        if not confirm(_check_limits(kaggle)):
            return None
        return _send(kaggle, entry, receipt, marked, progress)


def wait_for_score(kaggle: Kaggle, path: Path, timeout: float) -> Receipt:
    """Wait until a submission is judged, asking less and less often; its receipt is kept up.

    Args:
        kaggle: where it is.
        path: its receipt, with its ref.
        timeout: seconds to wait at most; the first look is always taken.

    Raises:
        NetworkError: `timeout` is over; waiting can be gone on with.
        ValueError: there is no receipt, or it has no ref.
    """
    receipt = load_receipt(path)
    if receipt is None or receipt.ref is None:
        raise ValueError(f"{path}: no receipt of a submission that has arrived")
    started = time.monotonic()
    pause = 2 * kaggle.patience.wait
    while True:
        submission = kaggle.get_submission(receipt.ref)
        current = receipt.brought_up(submission)
        if current != receipt:
            save_receipt(path, current)
        if current.is_judged:
            return current
        left = timeout - (time.monotonic() - started)
        if left <= 0:
            raise NetworkError(
                f"Kaggle has not judged submission {receipt.ref} within {timeout:g} seconds.",
                "Not lost: the same command, without --again, goes on waiting and sends nothing.",
            )
        time.sleep(min(left, pause))
        pause = min(1.5 * pause, kaggle.patience.longest_wait)


def rejection(entry: Entry, receipt: Receipt) -> CompetitionError:
    """Tell a rejected submission, with Kaggle's reason."""
    reason = receipt.reason or "it gives no reason"
    return CompetitionError(
        f"Kaggle rejected submission {receipt.ref}: {reason}.".replace("..", "."),
        f"kit check {entry.file} finds faults of the file; see also {SUBMISSIONS_PAGE}",
    )


def compare(entry: Entry, receipt: Receipt) -> Foretold | None:
    """Set the score beside what validation foretold; None where either is missing."""
    if entry.run is None or receipt.public_score is None:
        return None
    validation = entry.run.metrics.get("validation") or {}
    if not validation.get("n"):
        return None
    rows = entry.content.count(b"\n") - 1
    foretold = Accuracy.from_counts(
        round(validation["accuracy"] * validation["n"]), validation["n"]
    )
    score = Accuracy.from_counts(round(float(receipt.public_score) * rows), rows)
    return Foretold(foretold, score, accuracy_difference(score, foretold))


@contextlib.contextmanager
def _one_at_a_time(submissions: Path, entry: Entry) -> Iterator[None]:
    folder = submissions if submissions.is_dir() else entry.file.parent
    try:
        with FileLock(folder / ".submit.lock", timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"{folder}: another submission is being made from there.",
            "Wait until it has been sent, then run the command again.",
        ) from None


def _take_up(path: Path, receipt: Receipt, marked: list[Submission], again: bool) -> Receipt | None:
    """Go on with what a receipt says was begun; None where nothing is there to go on with."""
    if receipt.ref is None:
        # Kaggle was asked for it, and what came of that was never heard
        arrived = [found for found in marked if found.ref not in receipt.known_refs]
        if not arrived:
            return None
        receipt = receipt.brought_up(arrived[0])
        save_receipt(path, receipt)
        return receipt
    now = next((found.status for found in marked if found.ref == receipt.ref), receipt.status)
    if receipt.status == "PENDING" and (now == "PENDING" or not again):
        # even with --again: the same command, repeated, goes on waiting
        return receipt
    if again:
        return None
    raise _already(receipt.ref, receipt.status, receipt.public_score, receipt.reason, "it")


def _refuse_same(entry: Entry, submissions: Path, marked: list[Submission]) -> None:
    same = find_same(submissions, entry)
    if same is not None:
        name, kept = same
        raise _already(
            kept.ref, kept.status, kept.public_score, kept.reason, f"the same content, from {name},"
        )
    if marked:
        found = marked[0]
        raise _already(
            found.ref, found.status, found.public_score, found.reason, "the same content"
        )


def _already(
    ref: int | None, status: str, score: str | None, reason: str | None, what: str
) -> UsageError:
    became = {"COMPLETE": f"its score is {score}", "ERROR": f"Kaggle rejected it: {reason}"}
    told = became.get(status, "it has not been judged yet")
    return UsageError(
        f"Nothing was sent: {what} was submitted before as {ref}; {told}.",
        "Submit it once more with --again.",
    )


def _check_test_file(kaggle: Kaggle, entry: Entry) -> None:
    """Refuse a run that predicts another test.csv than Kaggle's, such as a rehearsal's."""
    test = (entry.run.config.get("data") or {}).get("test") if entry.run else None
    predicted = Path(test["origin"]) if test else None
    if predicted is None or not predicted.is_file():
        return
    size = predicted.stat().st_size
    for listed in kaggle.list_files():
        if listed.name == predicted.name and listed.total_bytes != size:
            raise DataError(
                f"Run {entry.name} predicts {predicted} of {size:,} bytes;"
                f" Kaggle's {listed.name} has {listed.total_bytes:,}.",
                "Train on Kaggle's own with: kit download, then kit train --source kaggle",
            )


def _check_limits(kaggle: Kaggle) -> Limits | None:
    limits = kaggle.limits()
    if limits is not None and limits.left:
        return limits
    if limits is not None and limits.known:
        why = "ever" if limits.limited_by_total else "today"
        made = limits.total if limits.limited_by_total else limits.today
        raise CompetitionError(
            f"No submission is left: {made} were made {why}.",
            f"No more are allowed; see {SUBMISSIONS_PAGE}"
            if limits.limited_by_total
            else limit_remedy(),
        )
    if not kaggle.competition().entered:
        raise CompetitionError("You have not entered the competition.", ENTER)
    return None


def _send(
    kaggle: Kaggle,
    entry: Entry,
    earlier: Receipt | None,
    marked: list[Submission],
    progress: Progress,
) -> Receipt:
    modified = int(entry.file.stat().st_mtime)
    token = kaggle.upload(entry.content, entry.file.name, modified, progress)
    attempt = Attempt(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        file=entry.file.name,
        sha256=entry.sha256,
        message=entry.message,
        n_overlap=entry.n_overlap,
        allow_overlap=entry.allow_overlap,
        known_refs=tuple(submission.ref for submission in marked),
    )
    receipt = Receipt(**attempt.model_dump(), earlier=earlier.arrived if earlier else ())
    save_receipt(entry.receipt_path, receipt)

    def is_own(submission: Submission) -> bool:
        return entry.is_content_of(submission) and submission.ref not in attempt.known_refs

    try:
        ref = kaggle.create_submission(token, entry.message, is_own)
    except (CompetitionError, CredentialsError):
        # refused is not sent: what was known before stands
        if earlier is None:
            entry.receipt_path.unlink()
        else:
            save_receipt(entry.receipt_path, earlier)
        raise
    receipt = receipt.model_copy(update={"ref": ref, "status": "PENDING"})
    save_receipt(entry.receipt_path, receipt)
    return receipt
