"""What Kaggle answers, as plain data."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Status = Literal["PENDING", "COMPLETE", "ERROR"]


@dataclass(frozen=True)
class Competition:
    """The competition, as it stands to the user.

    Attributes:
        entered: whether the user has entered it.
        deadline: when it closes, in UTC, or None.
        max_daily_submissions: how many are allowed a day, or None where Kaggle does not say.
    """

    entered: bool
    deadline: datetime | None
    max_daily_submissions: int | None


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
class DataFile:
    """One of the competition's files.

    Attributes:
        name: its name.
        total_bytes: its size.
    """

    name: str
    total_bytes: int


@dataclass(frozen=True)
class Submission:
    """A submission, as Kaggle lists it.

    Attributes:
        ref: its number.
        time: when it was made, in UTC.
        description: the message it came with.
        file_name: what its file is called.
        total_bytes: the file's size.
        status: PENDING, then COMPLETE or ERROR.
        public_score: as Kaggle words it, such as `0.97186`, or None.
        private_score: likewise.
        reason: why it was rejected, or None.
    """

    ref: int
    time: datetime | None
    description: str
    file_name: str
    total_bytes: int
    status: Status
    public_score: str | None
    private_score: str | None
    reason: str | None


def as_submission(answer: Any) -> Submission:
    """Take a submission over from the SDK's object."""
    status: Status = answer.status.name
    return Submission(
        ref=answer.ref,
        time=in_utc(answer.date),
        description=answer.description,
        file_name=answer.file_name,
        total_bytes=answer.total_bytes,
        status=status,
        public_score=answer.public_score or None,
        private_score=answer.private_score or None,
        reason=answer.error_description or None,
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """Say of a time from the SDK, which drops the zone, that it is in UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)
