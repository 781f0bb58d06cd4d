"""What is remembered of a submission, beside the file that was submitted."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from kit.errors import DataError
from kit.files import write_whole
from kit.kaggle.answers import Submission

RECEIPT = "receipt.json"


class Attempt(BaseModel):
    """One submission of a file.

    Attributes:
        ref: Kaggle's number of it, or None as long as it is open whether it has arrived.
        time: when it was sent, in UTC, as ISO 8601.
        file: the file's name.
        sha256: of the file's content.
        message: what it was described with.
        status: SENDING until the ref is known; then as Kaggle has it.
        public_score: as Kaggle words it, or None.
        private_score: likewise.
        reason: why Kaggle rejected it, or None.
        n_overlap: how many of its images the run had trained on, or None where that is unknown.
        allow_overlap: whether it was sent with `--allow-overlap`.
        known_refs: submissions of the same content that Kaggle listed before this one was sent.
    """

    model_config = ConfigDict(frozen=True)

    ref: int | None = None
    time: str
    file: str
    sha256: str
    message: str
    status: Literal["SENDING", "PENDING", "COMPLETE", "ERROR"] = "SENDING"
    public_score: str | None = None
    private_score: str | None = None
    reason: str | None = None
    n_overlap: int | None = None
    allow_overlap: bool = False
    known_refs: tuple[int, ...] = ()

    @property
    def is_judged(self) -> bool:
        """Whether the score or the rejection has come."""
        return self.status in ("COMPLETE", "ERROR")

    def brought_up(self, submission: Submission) -> Self:
        """The same attempt, as Kaggle has it now."""
        return self.model_copy(
            update={
                "ref": submission.ref,
                "status": submission.status,
                "public_score": submission.public_score,
                "private_score": submission.private_score,
                "reason": submission.reason,
            }
        )


class Receipt(Attempt):
    """The newest submission of a file, and the earlier ones.

    Attributes:
        earlier: oldest first.
    """

    earlier: tuple[Attempt, ...] = ()

    @property
    def arrived(self) -> tuple[Attempt, ...]:
        """All submissions that are known to have arrived, oldest first."""
        newest = Attempt(**{name: getattr(self, name) for name in Attempt.model_fields})
        return tuple(attempt for attempt in (*self.earlier, newest) if attempt.ref is not None)


def receipt_path(file: Path, run_folder: Path | None) -> Path:
    """Where the receipt of a file is: in its run's folder, or beside it."""
    if run_folder is not None:
        return run_folder / RECEIPT
    return file.with_name(f"{file.stem}.{RECEIPT}")


def load_receipt(path: Path) -> Receipt | None:
    """Read a receipt, or None where there is none.

    Raises:
        DataError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Receipt.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"{path}: not a receipt as the kit writes it.",
            "Move it away; kit history still finds the submission at Kaggle.",
        ) from error


def save_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    write_whole(path, receipt.model_dump_json(indent=2) + "\n")
