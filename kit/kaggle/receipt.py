"""Receipts: what is remembered of submissions, from before Kaggle is asked to make them.

A receipt is a file of JSON: its newest attempt, with the `earlier` ones, oldest first.
"""

import json
from pathlib import Path
from typing import Self

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kit.errors import DataError
from kit.files import write_whole
from kit.kaggle.answers import Submission
from kit.runs import list_runs

RECEIPT, RECEIPTS = "receipt.json", "receipts"
# What is left at least of a message that Kaggle cut, without its white space
_LEAST_CUT = 60


class Attempt(BaseModel):
    """A submission, or an attempt at one of which it is open whether it has arrived.

    Attributes:
        path: the receipt that it is in.
        ref: Kaggle's number of it, or None while it is open.
        time: when it was sent, in UTC.
        file, sha256: the file's name, and the hash of its content.
        mark, message: what the description begins with, and all of it.
        status: SENDING while it is open, then Kaggle's word.
        public_score, private_score, reason: as Kaggle words them, or None.
        n_overlap, allow_overlap: how many of its images the run had trained on, or None where that
            is unknown, and whether that was let pass.
        known_refs, count: while it is open, the submissions known before it, and Kaggle's count.
    """

    model_config = ConfigDict(frozen=True)

    path: Path = Field(Path(), exclude=True)
    ref: int | None = None
    time: AwareDatetime
    file: str
    sha256: str
    mark: str = ""
    message: str
    status: str = "SENDING"
    public_score: str | None = None
    private_score: str | None = None
    reason: str | None = None
    n_overlap: int | None = None
    allow_overlap: bool = False
    known_refs: tuple[int, ...] = ()
    count: int | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it has a score or was rejected. Words new to the kit count as pending."""
        return self.status in ("COMPLETE", "ERROR")

    def is_shown_by(self, found: Submission) -> bool:
        """Whether a submission in Kaggle's list is this one: by its ref, or else by its mark."""
        if self.ref is not None:
            return found.ref == self.ref
        # Old messages end with their mark, which Kaggle may have cut off
        said, sent = ("".join(text.split()) for text in (found.description, self.message))
        was_cut = len(said) >= _LEAST_CUT and sent.startswith(said)
        return found.ref not in self.known_refs and (was_cut or has_mark(found, self.sha256))

    def brought_up(self, found: Submission) -> Self:
        """The same attempt, as Kaggle has it now. A list that lags takes no verdict back."""
        names = {"ref", "status", "public_score", "private_score", "reason"}
        news = found.model_dump(include=names)
        now = self.model_copy(update={**news, "known_refs": (), "count": None})
        return self if self.is_judged and not now.is_judged else now


def mark_of(sha256: str) -> str:
    """The mark of some content, of which twelve figures are as good as unique."""
    return f"[kit {sha256[:12]}]"


def has_mark(found: Submission, sha256: str) -> bool:
    """Whether a description has the mark of some content, whatever became of its spaces."""
    return "".join(mark_of(sha256).split()) in "".join(found.description.split())


def list_receipts(submissions: Path) -> list[Path]:
    """Where the receipts of all runs are, if they have one, and those of files that no run made."""
    of_runs = (run.folder / RECEIPT for run in list_runs(submissions))
    return [*of_runs, *sorted((submissions / RECEIPTS).glob("*.json"))]


def load_receipt(path: Path) -> list[Attempt]:
    """The attempts in a receipt, oldest first, none without a file; a DataError if damaged."""
    try:
        newest = json.loads(path.read_bytes())
        return [Attempt(**{**each, "path": path}) for each in (*newest.get("earlier", ()), newest)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "not a receipt as the kit writes it"
        remedy = "Move it away or rename it; kit history still finds submissions at Kaggle."
        raise DataError(f"{path}: {why}.", remedy) from error


def keep(attempt: Attempt) -> Attempt:
    """Write an attempt into its receipt, in place of what the receipt says of it."""
    drop(attempt, attempt)
    return attempt


def drop(attempt: Attempt, *instead: Attempt) -> None:
    """Remove an attempt from its receipt, or put those `instead` in its place."""
    path, same = attempt.path, (attempt.time, attempt.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A command that waits for a score writes here too, while another one submits
    with FileLock(path.parents[1] / ".receipts.lock"):
        others = [each for each in load_receipt(path) if (each.time, each.sha256) != same]
        attempts = sorted([*others, *instead], key=lambda each: each.time)
        if attempts:
            *earlier, newest = (each.model_dump(mode="json") for each in attempts)
            write_whole(path, json.dumps({**newest, "earlier": earlier}, indent=2) + "\n")
        else:
            path.unlink(missing_ok=True)
