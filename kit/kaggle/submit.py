"""One submission a command: looked for, sent, remembered, and waited for.

A command makes at most one CreateSubmission that may have arrived. Where it is open whether Kaggle
took it, the attempt is looked for. Another one is only made once the attempt is known never to have
arrived, or with `--again`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from kit.errors import CompetitionError, DataError, KitError, NetworkError, UsageError
from kit.kaggle.answers import Limits, Submission
from kit.kaggle.client import Kaggle
from kit.kaggle.entry import Entry
from kit.kaggle.exchange import ENTER, CallFailure, explain, limit_remedy
from kit.kaggle.receipt import RECEIPT, Attempt, drop, has_mark, keep, list_receipts, load_receipt
from kit.runs import Run

# How long a command looks for an attempt; after how long Kaggle shows it, if it ever does; seconds
# between two looks, or two questions for the score, at first and at most
LOOK, SETTLED = timedelta(minutes=2), timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
_DOING = "creating the submission"


def submit(
    kaggle: Kaggle,
    entry: Entry,
    confirm: Callable[[Limits | None], bool],
    tell: Callable[[str], None],
    *,
    again: bool = False,
) -> Attempt | None:
    """Submit an entry, unless it has been submitted already or may have been.

    `confirm` is asked first, with the submissions left, if known; if it says no, the result is
    None. `tell` is told what is looked for. `again` sends what was submitted before once more.

    Raises:
        UsageError: it was submitted before, or another submission is being made.
        DataError: the run predicts another test file than Kaggle's, or a receipt is damaged.
        CredentialsError, CompetitionError: Kaggle refused, or no submission is left.
        NetworkError: the network failed, or it is open whether Kaggle took it.
    """
    entry.submissions.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(entry.submissions / ".submit.lock", timeout=0):
            return _Command(kaggle, entry, confirm, tell, again).run()
    except Timeout:
        what = f"{entry.submissions}: another submission is being made from there."
        raise UsageError(what, "Wait until it has been sent, then run it again.") from None


def wait_for_score(kaggle: Kaggle, attempt: Attempt, timeout: float) -> Attempt:
    """Wait until a submission is judged, asking less and less often; its receipt is kept up.

    Raises:
        NetworkError: that took more than `timeout` seconds; waiting can be gone on with.
    """
    for _ in _moments(kaggle, timedelta(seconds=min(1e8, timeout))):  # No timedelta is endless
        found = kaggle.get_submission(attempt.ref or 0)
        attempt = keep(attempt.brought_up(found)) if found else attempt
        if attempt.is_judged:
            return attempt
    what = f"Kaggle has not judged submission {attempt.ref} within {timeout:g} seconds."
    remedy = "Not lost: the same command, without --again, goes on waiting and sends nothing."
    raise NetworkError(what, remedy)


def check_limits(limits: Limits | None) -> Limits | None:
    """The same limits; a CompetitionError if it is known that no submission is left."""
    if limits is not None and not limits.left:
        raise CompetitionError(f"No submission is left: {limits.today} made today.", limit_remedy())
    return limits


def _moments(kaggle: Kaggle, timeout: timedelta) -> Iterator[datetime]:
    """The moments at which to look, farther and farther apart, the last one after `timeout`."""
    end, pause = kaggle.now() + timeout, FIRST_PAUSE
    yield kaggle.now()
    while (left := (end - kaggle.now()).total_seconds()) > 0:
        kaggle.sleep(min(left, pause))
        pause = min(1.5 * pause, LONGEST_PAUSE)
        yield kaggle.now()


@dataclass(frozen=True)
class _Command:
    kaggle: Kaggle
    entry: Entry
    confirm: Callable[[Limits | None], bool]
    tell: Callable[[str], None]
    again: bool
    never_arrived: list[Attempt] = field(default_factory=list)

    def run(self) -> Attempt | None:
        same = self._attempts()
        listed = self.kaggle.list_submissions()
        for each in reversed(same):
            # Where the clock was set back, one from the future hides no young one
            if each.ref is None and (each is same[-1] or _is_young(each, self.kaggle.now())):
                if found := self._look(each, may_send=True):
                    return found
                listed = self.kaggle.list_submissions()
        known = [attempt for attempt in same if attempt.ref is not None]
        if known and self._is_awaited(known[-1], listed):
            return known[-1]
        if not self.again:
            self._refuse_same(known, listed)
        _check_test_file(self.kaggle, self.entry.run)
        competition, limits = self.kaggle.competition(), check_limits(self._limits())
        if limits is None and not competition.entered:
            raise CompetitionError("You have not entered the competition.", ENTER)
        if not self.confirm(limits):
            return None
        refs = {found.ref for found in listed} | {attempt.ref or 0 for attempt in known}
        news = {"known_refs": tuple(sorted(refs)), "count": limits.total if limits else None}
        return self._send(self.entry.attempt.model_copy(update=news))

    def _limits(self) -> Limits | None:
        """How many submissions are left; None if unknown, with `again` also where asking fails."""
        try:
            return self.kaggle.limits()
        except (CompetitionError, NetworkError) as error:
            if not self.again:
                raise
            self.tell(error.what)
            return None

    def _attempts(self) -> list[Attempt]:
        """What any receipt says of the content, oldest first."""
        run, file, new = self.entry.run, self.entry.file, self.entry.attempt
        # Where the kit kept it before. `Path.is_file` raises where that name is too long
        beside = file.with_name(f"{file.stem}.{RECEIPT}")
        if run is None and not new.path.exists() and os.path.isfile(beside):  # noqa: PTH113
            for old in load_receipt(beside):
                if old.sha256 == new.sha256:
                    keep(old.model_copy(update={"path": new.path}))
        receipts = map(load_receipt, list_receipts(self.entry.submissions))
        same = [each for receipt in receipts for each in receipt if each.sha256 == new.sha256]
        return sorted(same, key=lambda attempt: attempt.time)

    def _is_awaited(self, attempt: Attempt, listed: list[Submission]) -> bool:
        """Whether the command goes on waiting for a submission, rather than make another."""
        if not self.again:
            return not attempt.is_judged
        for found in listed:
            attempt = attempt.brought_up(found) if found.ref == attempt.ref else attempt
        return not attempt.is_judged and _is_young(attempt, self.kaggle.now())

    def _refuse_same(self, known: list[Attempt], listed: list[Submission]) -> None:
        new = self.entry.attempt
        marked = (new.brought_up(found) for found in listed if has_mark(found, new.sha256))
        found = known[-1] if known else next(marked, None)
        if found is None:
            return
        origin = found.path.parent.name if found.path.name == RECEIPT else found.file
        source = "" if found.path == new.path else f", from {origin},"
        became = {
            "COMPLETE": f"its score is {found.public_score}",
            "ERROR": f"Kaggle rejected it: {found.reason}",
        }.get(found.status, "it has not been judged yet")
        what = f"the same content{source} was submitted before as {found.ref}; {became}"
        raise UsageError(f"Nothing was sent: {what}.", "Submit it once more with --again.")

    def _send(self, attempt: Attempt) -> Attempt:
        kaggle = self.kaggle
        token = kaggle.upload(self.entry.content, attempt.file)
        fields = {"blob_file_tokens": token, "submission_description": attempt.message}

        def create() -> int | None:
            """Try once; None where it is open whether it arrived."""
            nonlocal attempt
            attempt = keep(attempt.model_copy(update={"time": kaggle.now()}))
            try:
                ref = kaggle.call_once("CreateSubmission", **fields).get("ref")
            except CallFailure as failure:
                if failure.had_no_effect:
                    drop(attempt)
                    raise
                self.tell(explain(failure, _DOING, kaggle.usable).what)
                return None
            return ref if type(ref) is int and ref > 0 else None

        for old in self.never_arrived:
            self.tell(f"Kaggle never got the attempt of {old.time:%H:%M:%S} UTC: it is sent again.")
            drop(old)
        ref = kaggle.retry(_DOING, create)
        if ref is None:
            return self._look(attempt, may_send=False) or attempt
        return keep(attempt.brought_up(Submission(ref=ref)))

    def _look(self, attempt: Attempt, *, may_send: bool) -> Attempt | None:
        """Look for an open attempt; None where another one may be made, if `may_send`."""
        name = f"the submission of {attempt.time:%H:%M:%S} UTC"
        case = "its list or its count could not be asked"
        for number, asked in enumerate(_moments(self.kaggle, LOOK)):
            if number == 1:
                self.tell(f"Looking for {name} in Kaggle's list, for up to two minutes.")
            # It is repeated anyway
            tries, self.kaggle.tries = self.kaggle.tries, 1
            try:
                # First the list, then the count: what comes in between makes the count higher
                listed = self.kaggle.list_submissions()
                for found in filter(attempt.is_shown_by, listed):
                    return keep(attempt.brought_up(found))
                is_counted = self._is_counted(attempt, listed, asked)
            except KitError as error:
                self.tell(error.what)
                continue
            finally:
                self.kaggle.tries = tries
            case = {
                True: "its count went up, but its list lacks it",
                False: "neither its list nor its count shows it",
                None: "its list lacks it, and no count can tell",
            }[is_counted]
            if may_send and not _is_young(attempt, asked):
                if is_counted is False:
                    self.never_arrived.append(attempt)
                if is_counted is False or self.again:
                    return None
        what = f"It is open whether Kaggle took {name}: {case}."
        then = f"After {SETTLED.seconds // 60} minutes it is sent again if both lack it"
        raise NetworkError(what, f"The same command looks again. {then}, else only with --again.")

    def _is_counted(self, attempt: Attempt, listed: list[Submission], at: datetime) -> bool | None:
        """Whether Kaggle counts one that it does not list; None where nobody can tell."""
        limits = self._limits()
        if attempt.count is None or limits is None or attempt.time > at:
            return None
        # Not those from before it, which the list may show late, nor those that the count may lack
        end = at - SETTLED
        others = {each.ref for each in listed if each.time and attempt.time < each.time <= end}
        return limits.total - attempt.count > len(others.difference(attempt.known_refs))


def _is_young(attempt: Attempt, moment: datetime) -> bool:
    return abs(moment - attempt.time) < SETTLED


def _check_test_file(kaggle: Kaggle, run: Run | None) -> None:
    """Refuse a run that predicts another test.csv than Kaggle's, such as a rehearsal's."""
    data = run.config.get("data") if run else None
    predicted = Path(((data or {}).get("test") or {}).get("origin", ""))
    if run is None or not predicted.is_file():
        return
    size = predicted.stat().st_size
    if (listed := kaggle.list_files().get(predicted.name, size)) != size:
        sizes = f"of {size:,} bytes; Kaggle's {predicted.name} has {listed:,}"
        remedy = "Train on Kaggle's own with: kit download, then kit train --source kaggle"
        raise DataError(f"Run {run.name} predicts {predicted} {sizes}.", remedy)
