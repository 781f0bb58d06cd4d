"""What a local Kaggle remembers: its account, uploads and submissions."""

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kit.files import write_whole
from kit.local_kaggle.judge import Judge

FIRST_REF = 40_000_000


@dataclass
class Account:
    """Who may call, and what they have agreed to.

    Attributes:
        username: the one user.
        tokens: access tokens that work; any other is inactive.
        key: the legacy key, which goes with the username.
        refresh_token: what an OAuth login keeps to get access tokens with.
        rules_accepted: whether the competition's rules are.
        entered: whether the competition is.
    """

    username: str = "rehearser"
    tokens: set[str] = field(default_factory=lambda: {"local-token"})
    key: str = "local-key"
    refresh_token: str = "local-refresh-token"  # noqa: S105 - it opens nothing but a rehearsal
    rules_accepted: bool = True
    entered: bool = True


@dataclass
class Upload:
    """A file on its way.

    Attributes:
        file_name: what the sender calls it.
        size: how many bytes it will have.
        content: the bytes that have come.
    """

    file_name: str
    size: int
    content: bytearray = field(default_factory=bytearray)

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come."""
        return len(self.content) == self.size


@dataclass
class Submission:
    """One submission.

    Attributes:
        ref: its number.
        time: when it came, in seconds since 1970.
        judging_seconds: how long it is PENDING.
        description: the sender's message.
        file_name: what the sender calls the file.
        total_bytes: the file's size.
        score: the public score, or None.
        error: why there is no score, or None.
    """

    ref: int
    time: float
    judging_seconds: float
    description: str
    file_name: str
    total_bytes: int
    score: str | None
    error: str | None

    def as_kaggle(self, username: str, now: float) -> dict[str, object]:
        """As Kaggle words it, with the verdict only once it is due; defaults are left out."""
        date = datetime.fromtimestamp(self.time, UTC).replace(tzinfo=None)
        fields: dict[str, object] = {
            "ref": self.ref,
            "date": date.isoformat(timespec="milliseconds") + "Z",
            "description": self.description,
            "fileName": self.file_name,
            "totalBytes": self.total_bytes,
            "status": "PENDING",
            "submittedBy": username,
            "teamName": username,
        }
        if now >= self.time + self.judging_seconds:
            fields["status"] = "ERROR" if self.score is None else "COMPLETE"
            fields["publicScore"] = self.score
            fields["errorDescription"] = self.error
        return {name: value for name, value in fields.items() if value not in (None, "")}


class CompetitionState:
    """Uploads and submissions; the latter are also kept in a file, if one is named.

    Attributes:
        account: who may call.
        judge: has the hidden labels.
        daily_limit: submissions a day, from midnight to midnight UTC.
        judging_seconds: how long a new submission will be PENDING.
        clock: tells the time, in seconds since 1970.
        submissions: all of them, oldest first.
        uploads: by token.
    """

    def __init__(self, judge: Judge, path: Path | None, clock: Callable[[], float]) -> None:
        """Take up what `path` holds, if it is there.

        Raises:
            OSError: the file is there but cannot be read.
            ValueError: it holds something else.
        """
        self.account = Account()
        self.daily_limit = 5
        self.judging_seconds = 2.0
        self.clock = clock
        self.submissions: list[Submission] = []
        self.uploads: dict[str, Upload] = {}
        self.lock = threading.RLock()
        self.judge = judge
        self._path = path
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            self.submissions = [Submission(**fields) for fields in kept["submissions"]]

    def begin_upload(self, file_name: str, size: int) -> str:
        """Expect a file, and return the token that stands for it."""
        token = secrets.token_urlsafe(24)
        with self.lock:
            self.uploads[token] = Upload(file_name, size)
        return token

    def submit(self, token: str, description: str) -> Submission:
        """Make a whole upload a submission, judged at once though the verdict waits.

        Raises:
            KeyError: there is no such upload, or it is not whole.
        """
        with self.lock:
            upload = self.uploads[token]
            if not upload.is_whole:
                raise KeyError(token)
            verdict = self.judge.judge(bytes(upload.content))
            submission = Submission(
                ref=FIRST_REF + len(self.submissions),
                time=self.clock(),
                judging_seconds=self.judging_seconds,
                description=description,
                file_name=upload.file_name,
                total_bytes=upload.size,
                score=verdict.score,
                error=verdict.error,
            )
            self.submissions.append(submission)
            if self._path is not None:
                content = {"submissions": [asdict(kept) for kept in self.submissions]}
                write_whole(self._path, json.dumps(content, indent=2) + "\n")
            return submission

    def count_today(self) -> int:
        """How many submissions came since midnight UTC."""
        midnight = self.clock() // 86_400 * 86_400
        with self.lock:
            return sum(submission.time >= midnight for submission in self.submissions)


def wall_clock() -> float:
    """The time in seconds since 1970."""
    return time.time()
