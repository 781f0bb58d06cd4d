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
    """How many submissions were made, since midnight UTC and ever, and how many are left now.

    Where not the day limits them, they are `limited_by_total`.
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
    """A submission, as Kaggle lists it: its time in UTC, its reason where it was rejected.

    The status may be another word than PENDING, COMPLETE or ERROR, and a score no number.
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


def read_competition(answer: dict[str, Any]) -> Competition:
    """Read the answer to GetCompetition."""
    return Competition(bool(answer.get("userHasEntered")), _moment(answer.get("deadline")))


def read_limits(answer: dict[str, Any]) -> Limits:
    """Read the answer to GetSubmissionLimits."""
    names = ("numToday", "numTotal", "numAllowedNow")
    today, total, left = (int(answer.get(name) or 0) for name in names)
    return Limits(today, total, left, bool(answer.get("limitedByTotal")))


def read_submission(answer: dict[str, Any]) -> Submission:
    """Read the answer to GetSubmission, or an entry of ListSubmissions."""
    return Submission(
        ref=int(answer["ref"]),
        time=_moment(answer.get("date")),
        description=str(answer.get("description") or ""),
        file_name=str(answer.get("fileName") or ""),
        total_bytes=int(answer.get("totalBytes") or 0),
        status=str(answer.get("status") or "PENDING"),
        public_score=_text(answer.get("publicScore")),
        private_score=_text(answer.get("privateScore")),
        reason=_text(answer.get("errorDescription") or None),
    )


def read_size(entry: dict[str, Any]) -> int:
    """Read a file's size in bytes from an entry of ListDataFiles."""
    return int(entry.get("totalBytes") or 0)


def _text(given: object) -> str | None:
    return None if given is None else str(given)


def _moment(given: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
