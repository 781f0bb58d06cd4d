"""What Kaggle's answers hold, read from their JSON. What is absent has its usual value."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _moment(given: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# In UTC; None for words that are no time
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Text = Annotated[str, BeforeValidator(str)]


class Answer(BaseModel):
    """An answer to a call, or a part of one."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=to_camel)


class Competition(Answer):
    """Whether the user has entered the competition, and when it closes."""

    entered: bool = Field(False, validation_alias="userHasEntered")
    deadline: Moment = None


class Limits(Answer):
    """How many submissions were made, since midnight UTC and ever, and how many are left now."""

    today: int = Field(0, validation_alias="numToday")
    total: int = Field(0, validation_alias="numTotal")
    left: int = Field(0, validation_alias="numAllowedNow")


class File(Answer):
    """A file of the competition, with its size in bytes."""

    name: Text
    total_bytes: int = 0


class Submission(Answer):
    """A submission, as Kaggle lists it, with its reason where it was rejected.

    The status may be another word than PENDING, COMPLETE or ERROR, and a score no number.
    """

    ref: int
    time: Moment = Field(None, validation_alias="date")
    description: Text = ""
    file_name: Text = ""
    status: Text = "PENDING"
    public_score: Text | None = None
    private_score: Text | None = None
    reason: Text | None = Field(None, validation_alias="errorDescription")


class Page(Answer):
    """A part of a list of files or submissions; without a token, it is the last one."""

    files: list[File] = []
    submissions: list[Submission] = []
    next_page_token: Text = ""
