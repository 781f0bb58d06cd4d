"""What a local Kaggle remembers: its account, uploads and submissions."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from kit.files import write_whole
from kit.local_kaggle.judge import Judge

FIRST_REF = 40_000_000


@dataclass
class Account:
    """The one user, and the credentials that work."""

    username: str = "rehearser"
    tokens: set[str] = field(default_factory=lambda: {"local-token"})
    key: str = "local-key"


@dataclass
class Upload:
    """A file of `size` bytes; `content` is empty until they have come."""

    file_name: str
    size: int
    content: bytes = b""


@dataclass
class StoredSubmission:
    """One submission, made at `time` (seconds since 1970); it has a `score` or an `error`."""

    ref: int
    time: float
    judging_seconds: float
    description: str
    file_name: str
    total_bytes: int
    score: str | None
    error: str | None

    def as_kaggle(self, now: float) -> dict[str, object]:
        """As Kaggle words it, with the verdict only once it is due; what is empty is left out."""
        fields: dict[str, object] = {
            "ref": self.ref,
            "date": kaggle_date(self.time),
            "description": self.description,
            "fileName": self.file_name,
            "totalBytes": self.total_bytes,
            "status": "PENDING",
        }
        if now >= self.time + self.judging_seconds:
            fields["status"] = "COMPLETE" if self.error is None else "ERROR"
            fields |= {"publicScore": self.score, "errorDescription": self.error}
        return {name: value for name, value in fields.items() if value not in (None, "")}


_KEPT = TypeAdapter(dict[str, list[StoredSubmission]])


class CompetitionState:
    """Uploads by token, and submissions, oldest first. Whoever counts before submitting locks."""

    def __init__(self, judge: Judge, path: Path | None, clock: Callable[[], float]) -> None:
        """Load what `path` holds, if it is there; anything else in it is a ValueError."""
        self.judge, self.clock, self._path = judge, clock, path
        self.account, self.lock = Account(), threading.RLock()
        self.daily_limit, self.judging_seconds = 5, 2.0
        self.uploads: dict[str, Upload] = {}
        self.submissions: list[StoredSubmission] = []
        if path is not None and path.exists():
            self.submissions = _KEPT.validate_json(path.read_bytes()).get("submissions", [])

    def begin_upload(self, file_name: str, size: int) -> str:
        """Expect a file, and return the token that stands for it."""
        token = secrets.token_urlsafe(24)
        self.uploads[token] = Upload(file_name, size)
        return token

    def submit(self, token: str, description: str) -> StoredSubmission:
        """Make an upload a submission. It is judged at once, though its verdict is shown later.

        Raises:
            KeyError: there is no such upload, or its bytes have not come.
        """
        upload = self.uploads[token]
        if len(upload.content) != upload.size:
            raise KeyError(token)
        verdict = self.judge.judge(upload.content)
        file, seconds = (upload.file_name, upload.size), self.judging_seconds
        with self.lock:
            ref = FIRST_REF + len(self.submissions)
            submission = StoredSubmission(ref, self.clock(), seconds, description, *file, *verdict)
            self.submissions.append(submission)
            if self._path is not None:
                kept = _KEPT.dump_json({"submissions": self.submissions}, indent=2)
                write_whole(self._path, kept)
        return submission

    def count_today(self) -> int:
        """How many submissions came since midnight UTC."""
        midnight = self.clock() // 86_400 * 86_400
        return sum(submission.time >= midnight for submission in self.submissions)


def kaggle_date(time: float) -> str:
    """A time in seconds since 1970 as Kaggle writes it, in UTC."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
