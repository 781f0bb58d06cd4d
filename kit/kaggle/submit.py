"""One submission a command: looked for, sent, remembered, and waited for.

A command makes at most one CreateSubmission that may have arrived. Where it is open whether Kaggle
took it, the attempt is looked for. Another one is only made once the attempt is known never to have
arrived, or with `--again`.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from kit.errors import CompetitionError, DataError, KitError, NetworkError, UsageError
from kit.kaggle.answers import Limits, Submission
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import Entry
from kit.kaggle.exchange import ENTER, SUBMISSIONS_PAGE, CallFailure, explain, limit_remedy
from kit.kaggle.receipt import (
    RECEIPT,
    Attempt,
    Kept,
    drop,
    has_mark,
    keep,
    load_receipt,
    load_receipts,
    mark_of,
)
from kit.kaggle.upload import upload

# Told the submissions left, or None where Kaggle does not say; whether to go ahead
Confirm = Callable[[Limits | None], bool]
Now = Callable[[], datetime]

# How long a command looks for an attempt; after how long Kaggle shows it, if it ever does; seconds
# between two looks, or two questions for the score, at first and at most
LOOK, SETTLED = timedelta(minutes=2), timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
_DOING = "creating the submission"


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def submit(
    kaggle: Kaggle,
    entry: Entry,
    confirm: Confirm,
    tell: Callable[[str], None],
    *,
    again: bool = False,
    now: Now = utc_now,
) -> Kept | None:
    """Submit an entry, unless it has been submitted already or may have been.

    Args:
        kaggle: where to.
        entry: what.
        confirm: asked before anything is sent.
        tell: told what is looked for, and why.
        again: submit content that was submitted before.
        now: tells the time in UTC.

    Returns:
        What is known of it, which may still be pending; None if `confirm` said no.

    Raises:
        UsageError: it was submitted before, or another submission is being made.
        DataError: the run predicts another test file than Kaggle's, or a receipt is damaged.
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused, or no submission is left.
        NetworkError: the network failed, or it is open whether Kaggle took it.
        OSError: the receipt cannot be written.
    """
    with _one_at_a_time(entry.submissions):
        return _Command(kaggle, entry, tell, again, now).run(confirm)


def wait_for_score(kaggle: Kaggle, kept: Kept, timeout: float, now: Now = utc_now) -> Kept:
    """Wait until a submission is judged, asking less and less often; its receipt is kept up.

    Args:
        kaggle: where it is.
        kept: the submission, with its ref.
        timeout: seconds to wait at most; the first look is always taken.
        now: tells the time in UTC.

    Raises:
        NetworkError: `timeout` is over; waiting can be gone on with.
    """
    end, pause = now() + timedelta(seconds=timeout), FIRST_PAUSE
    while True:
        # None for a while after it was made
        found = kaggle.get_submission(kept.attempt.ref or 0)
        if found is not None:
            kept = keep(Kept(kept.path, kept.attempt.brought_up(found)))
        if kept.attempt.is_judged:
            return kept
        left = (end - now()).total_seconds()
        if left <= 0:
            raise NetworkError(
                f"Kaggle has not judged submission {kept.attempt.ref} within {timeout:g} seconds.",
                "Not lost: the same command, without --again, goes on waiting and sends nothing.",
            )
        kaggle.sleep(min(left, pause))
        pause = min(1.5 * pause, LONGEST_PAUSE)


@contextlib.contextmanager
def _one_at_a_time(submissions: Path) -> Iterator[None]:
    submissions.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(submissions / ".submit.lock", timeout=0):
            yield
    except Timeout:
        raise UsageError(
            f"{submissions}: another submission is being made from there.",
            "Wait until it has been sent, then run the command again.",
        ) from None


@dataclass(frozen=True)
class _Command:
    kaggle: Kaggle
    entry: Entry
    tell: Callable[[str], None]
    again: bool
    now: Now

    def run(self, confirm: Confirm) -> Kept | None:
        same = self._attempts()
        listed = self.kaggle.list_submissions()
        if same and same[-1].attempt.ref is None:
            found = self._look(same[-1], may_send=True)
            if found is not None:
                return found
            listed = self.kaggle.list_submissions()
        known = [kept for kept in same if kept.attempt.ref is not None]
        if known and self._is_awaited(known[-1].attempt, listed):
            return known[-1]
        if not self.again:
            self._refuse_same(known, listed)
        self.kaggle.check_open()
        _check_test_file(self.kaggle, self.entry)
        limits = _check_limits(self.kaggle)
        if not confirm(limits):
            return None
        refs = {found.ref for found in listed} | {kept.attempt.ref or 0 for kept in known}
        return self._send(tuple(sorted(refs)), limits)

    def _attempts(self) -> list[Kept]:
        """What any receipt says of the content, oldest first."""
        entry = self.entry
        # Beside the file is where the kit kept it before
        old = entry.file.with_name(f"{entry.file.stem}.{RECEIPT}")
        if entry.run is None and not entry.receipt_path.exists():
            for attempt in load_receipt(old):
                if attempt.sha256 == entry.sha256:
                    keep(Kept(entry.receipt_path, attempt))
        receipts = load_receipts(entry.submissions).items()
        kept = [Kept(path, attempt) for path, attempts in receipts for attempt in attempts]
        same = [each for each in kept if each.attempt.sha256 == entry.sha256]
        return sorted(same, key=lambda each: each.attempt.time)

    def _is_awaited(self, attempt: Attempt, listed: list[Submission]) -> bool:
        """Whether the command goes on waiting for a submission, rather than make another."""
        if not self.again:
            return not attempt.is_judged
        found = next((found for found in listed if found.ref == attempt.ref), None)
        current = attempt.brought_up(found) if found else attempt
        return not current.is_judged and _is_young(attempt, self.now())

    def _refuse_same(self, known: list[Kept], listed: list[Submission]) -> None:
        marked = [found for found in listed if has_mark(found, self.entry.sha256)]
        if not known and not marked:
            return
        found, what = (known[-1].attempt, "it") if known else (marked[0], "the same content")
        if known and known[-1].path != self.entry.receipt_path:
            what = f"the same content, from {known[-1].path.parent.name},"
        became = {
            "COMPLETE": f"its score is {found.public_score}",
            "ERROR": f"Kaggle rejected it: {found.reason}",
        }.get(found.status, "it has not been judged yet")
        raise UsageError(
            f"Nothing was sent: {what} was submitted before as {found.ref}; {became}.",
            "Submit it once more with --again.",
        )

    def _send(self, known_refs: tuple[int, ...], limits: Limits | None) -> Kept:
        entry, kaggle = self.entry, self.kaggle
        token = upload(kaggle, entry.content, entry.file_name, int(self.now().timestamp()))
        attempt = Attempt(
            time=self.now(),
            file=entry.file_name,
            sha256=entry.sha256,
            mark=mark_of(entry.sha256),
            message=entry.message,
            n_overlap=entry.n_overlap,
            allow_overlap=entry.allow_overlap,
            known_refs=known_refs,
            count=limits.total if limits else None,
        )
        kept = Kept(entry.receipt_path, attempt)
        fields = {"blob_file_tokens": token, "submission_description": entry.message}

        def create() -> int | None:
            """Try once; None where it is open whether it arrived."""
            nonlocal kept
            drop(kept)
            kept = keep(Kept(kept.path, attempt.model_copy(update={"time": self.now()})))
            try:
                ref = kaggle.call_once("CreateSubmission", **fields).get("ref")
            except CallFailure as failure:
                if failure.was_not_sent or failure.is_refusal:
                    raise
                self.tell(explain(failure, _DOING, kaggle.credential, kaggle.shadowed).what)
                return None
            return ref if isinstance(ref, int) and ref > 0 else None

        try:
            ref = kaggle.retry(_DOING, create)
        except KitError:
            # Nothing has arrived: what was known before stands
            drop(kept)
            raise
        news = {"ref": ref, "status": "PENDING", "known_refs": (), "count": None}
        if ref is not None:
            return keep(Kept(kept.path, kept.attempt.model_copy(update=news)))
        return self._look(kept, may_send=False) or kept

    def _look(self, kept: Kept, *, may_send: bool) -> Kept | None:
        """Look for an open attempt; None where another one may be made, if `may_send`.

        Raises:
            NetworkError: it is still open.
        """
        path, attempt = kept
        name = f"the submission of {attempt.time:%H:%M:%S} UTC"
        end, pause = self.now() + LOOK, FIRST_PAUSE
        is_counted: bool | None = None
        while True:
            asked = self.now()
            try:
                # First the list, then the count: what comes in between makes the count higher
                listed = self.kaggle.list_submissions()
                found = next((each for each in listed if attempt.is_shown_by(each)), None)
                if found is not None:
                    return keep(Kept(path, attempt.brought_up(found)))
                is_counted = self._is_counted(attempt, listed, asked)
            except KitError as error:
                self.tell(error.what)
            else:
                if may_send and not _is_young(attempt, asked):
                    if is_counted is False:
                        self.tell(f"Kaggle never got {name}: it is sent again.")
                        drop(kept)
                    if is_counted is False or self.again:
                        return None
            left = (end - self.now()).total_seconds()
            if left <= 0:
                break
            if pause == FIRST_PAUSE:
                self.tell(f"Looking for {name} in Kaggle's list, for up to two minutes.")
            self.kaggle.sleep(min(left, pause))
            pause = min(1.5 * pause, LONGEST_PAUSE)
        case, then = {
            True: ("its count went up, but its list lacks it", "--again sends it once more"),
            False: ("neither its list nor its count shows it", "it is sent again if still so"),
            None: ("its list lacks it, and there is no count", "--again sends it once more"),
        }[is_counted]
        raise NetworkError(
            f"It is open whether Kaggle took {name}: {case}.",
            f"The same command looks again; from {attempt.time + SETTLED:%H:%M:%S} UTC on, {then}.",
        )

    def _is_counted(
        self, attempt: Attempt, listed: list[Submission], asked: datetime
    ) -> bool | None:
        """Whether Kaggle counts one that it does not list; None where it gives no count."""
        limits = self.kaggle.limits()
        if attempt.count is None or limits is None or not limits.known:
            return None
        # Not those from before the attempt, which the list may show late, and not those that the
        # count may still lack
        others = sum(
            found.ref not in attempt.known_refs
            and found.time is not None
            and attempt.time < found.time <= asked - SETTLED
            for found in listed
        )
        return limits.total - attempt.count > others


def _is_young(attempt: Attempt, moment: datetime) -> bool:
    # Where the clock was set back, an attempt may be in the future
    return abs(moment - attempt.time) < SETTLED


def _check_test_file(kaggle: Kaggle, entry: Entry) -> None:
    """Refuse a run that predicts another test.csv than Kaggle's, such as a rehearsal's."""
    test = (entry.run.config.get("data") or {}).get("test") if entry.run else None
    predicted = Path(test["origin"]) if test else None
    if predicted is None or not predicted.is_file():
        return
    size = predicted.stat().st_size
    listed = kaggle.list_files().get(predicted.name, size)
    if listed != size:
        raise DataError(
            f"Run {entry.name} predicts {predicted} of {size:,} bytes;"
            f" Kaggle's {predicted.name} has {listed:,}.",
            "Train on Kaggle's own with: kit download, then kit train --source kaggle",
        )


def _check_limits(kaggle: Kaggle) -> Limits | None:
    competition, limits = kaggle.check_open(), kaggle.limits()
    if limits is None or not limits.known:
        if not competition.entered:
            raise CompetitionError("You have not entered the competition.", ENTER)
        return None
    if not limits.left and limits.limited_by_total:
        what = f"No submission is left: {limits.total} were made ever."
        raise CompetitionError(what, f"No more are allowed; see {SUBMISSIONS_PAGE}")
    if not limits.left:
        what = f"No submission is left: {limits.today} were made today."
        raise CompetitionError(what, limit_remedy())
    return limits
