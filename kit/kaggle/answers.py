"""What Kaggle's answers hold, read from their JSON as plain data."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Competition:
    """Whether the user has entered the competition, and when it closes, in UTC, or None."""

    entered: bool
    deadline: datetime | None


@dataclass(frozen=True)
class Limits:
    """How many submissions were made, and how many are left.

    Attributes:
        today: since midnight UTC.
        total: ever.
        left: how many can be made now.
        limited_by_total: whether it is not the day that limits them.
    """

    today: int
    total: int
    left: int
    limited_by_total: bool

    @property
    def known(self) -> bool:
        """Whether they say anything: to who is not on a team yet, Kaggle answers with zeros."""
        return bool(self.today or self.total or self.left)


@dataclass(frozen=True)
class Submission:
    """A submission, as Kaggle lists it.

    Attributes:
        ref: its number.
        time: when it was made, in UTC, or None.
        description: the message it came with.
        file_name: what its file is called.
        total_bytes: the file's size.
        status: PENDING, COMPLETE, ERROR, or another word of Kaggle's.
        public_score: as Kaggle gives it, such as `0.97186`; it may be no number. Or None.
        private_score: likewise.
        reason: why it was rejected, or None.
    """

    ref: int
    time: datetime | None
    description: str
    file_name: str
    total_bytes: int
    status: str
    public_score: str | None
    private_score: str | None
    reason: str | None


def read_file_size(entry: dict[str, Any]) -> tuple[str, int]:
    """A file's name, and its size in bytes."""
    return str(entry.get("name") or entry["ref"]), int(entry.get("totalBytes") or 0)


def read_competition(answer: dict[str, Any]) -> Competition:
    """The answer to GetCompetition."""
    return Competition(bool(answer.get("userHasEntered")), _moment(answer.get("deadline")))


def read_limits(answer: dict[str, Any]) -> Limits:
    """The answer to GetSubmissionLimits."""
    names = ("numToday", "numTotal", "numAllowedNow")
    today, total, left = (int(answer.get(name) or 0) for name in names)
    return Limits(today, total, left, bool(answer.get("limitedByTotal")))


def read_submission(answer: dict[str, Any]) -> Submission:
    """The answer to GetSubmission, or an entry of ListSubmissions."""
    return Submission(
        ref=int(answer["ref"]),
        time=_moment(answer.get("date")),
        description=str(answer.get("description") or ""),
        file_name=str(answer.get("fileName") or ""),
        total_bytes=int(answer.get("totalBytes") or 0),
        status=str(answer.get("status") or "PENDING"),
        public_score=_text(answer.get("publicScore")),
        private_score=_text(answer.get("privateScore")),
        reason=str(answer.get("errorDescription") or "") or None,
    )


def _text(given: object) -> str | None:
    return None if given is None else str(given)


def _moment(given: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
