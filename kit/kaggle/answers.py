"""What Kaggle's answers hold, read from their JSON. What is absent or null has its usual value."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel


def _moment(given: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


Entry = TypeVar("Entry")
# In UTC; None for words that are no time
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Text = Annotated[str, BeforeValidator(str)]
Reason = Annotated[Text | None, BeforeValidator(lambda given: given or None)]


class Answer(BaseModel):
    """An answer to a call, or a part of one."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}


class Competition(Answer):
    """Whether the user has entered the competition, and when it closes."""

    entered: bool = Field(False, validation_alias="userHasEntered")
    deadline: Moment = None


class Limits(Answer):
    """How many submissions were made, since midnight UTC and ever, and how many are left now.

    Where not the day limits them, they are `limited_by_total`.
    """

    today: int = Field(0, validation_alias="numToday")
    total: int = Field(0, validation_alias="numTotal")
    left: int = Field(0, validation_alias="numAllowedNow")
    limited_by_total: bool = False

    @property
    def known(self) -> bool:
        """Whether they say anything: to who is not on a team yet, Kaggle answers with zeros."""
        return bool(self.today or self.total or self.left)


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
    reason: Reason = Field(None, validation_alias="errorDescription")


class Page(Answer, Generic[Entry]):
    """A part of a list; without a token, it is the last one."""

    entries: list[Entry] = Field([], validation_alias=AliasChoices("files", "submissions"))
    next_page_token: Text = ""
