"""One failed exchange with Kaggle: what is known of it, before it is told to a person."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

import requests
import urllib3

_MOST_WORDS = 200


class Trouble(Enum):
    """What went wrong underneath, where Kaggle did not refuse with a status."""

    STATUS = auto()
    NO_NAME = auto()
    NO_CONNECTION = auto()
    NO_TRUST = auto()
    TIMEOUT = auto()
    BROKEN = auto()
    GARBAGE = auto()


class CallFailure(Exception):  # noqa: N818 - it is told as a KitError, whose names end so
    """One try of a call that failed.

    Attributes:
        trouble: what went wrong.
        status: the HTTP status, or None where there was none.
        words: what Kaggle said, in one line of printable text; may be empty.
        retry_after: after how many seconds Kaggle asks to try again, or None.
    """

    def __init__(
        self,
        trouble: Trouble,
        status: int | None = None,
        words: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(trouble.name, status, words)
        self.trouble = trouble
        self.status = status
        self.words = words
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """Whether the same call may go well a little later."""
        if self.trouble is Trouble.STATUS:
            return self.status in (408, 429) or (self.status or 0) >= 500
        return self.trouble is not Trouble.NO_TRUST

    @property
    def never_sent(self) -> bool:
        """Whether Kaggle cannot have acted on the call: it did not come, or was put off."""
        unreached = (Trouble.NO_NAME, Trouble.NO_CONNECTION, Trouble.NO_TRUST)
        return self.trouble in unreached or self.status == 429

    @property
    def may_still_run(self) -> bool:
        """Whether Kaggle may be acting on the call even now."""
        return self.trouble is Trouble.TIMEOUT or self.status in (408, 504)


def failure_of(error: Exception) -> CallFailure:
    """What an error of requests, or of reading an answer, says of the exchange."""
    if isinstance(error, requests.HTTPError):
        if error.response is None:
            return CallFailure(Trouble.GARBAGE)
        return failure_of_response(error.response)
    if isinstance(error, requests.exceptions.SSLError):
        return CallFailure(Trouble.NO_TRUST)
    if isinstance(error, requests.ConnectTimeout):
        return CallFailure(Trouble.NO_CONNECTION)
    if isinstance(error, requests.Timeout):
        return CallFailure(Trouble.TIMEOUT)
    if isinstance(error, requests.ConnectionError):
        return CallFailure(_connection_trouble(error))
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return CallFailure(Trouble.BROKEN)
    return CallFailure(Trouble.GARBAGE)


def failure_of_response(response: requests.Response) -> CallFailure:
    """What an answer with a status of 400 or above says; of a page in HTML, only the status."""
    words = ""
    try:
        content = response.json()
        if isinstance(content, dict):
            words = str(content.get("message") or "")
    except (requests.RequestException, ValueError):
        words = ""
    shown = "".join(letter if letter.isprintable() else " " for letter in words)
    shown = " ".join(shown.split())[:_MOST_WORDS]
    retry_after = _seconds(response.headers.get("Retry-After"))
    status = response.status_code
    # Kaggle may say in JSON what it did not say with its status
    if status < 400:
        try:
            status = int(response.json()["code"])
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return CallFailure(Trouble.GARBAGE)
    return CallFailure(Trouble.STATUS, status, shown.rstrip("."), retry_after)


def _connection_trouble(error: requests.ConnectionError) -> Trouble:
    cause: object = error.args[0] if error.args else None
    while True:
        if isinstance(cause, urllib3.exceptions.NameResolutionError):
            return Trouble.NO_NAME
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            return Trouble.TIMEOUT
        if isinstance(
            cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
        ):
            return Trouble.NO_CONNECTION
        if isinstance(cause, urllib3.exceptions.MaxRetryError):
            cause = cause.reason
        elif isinstance(cause, urllib3.exceptions.ProxyError):
            cause = cause.original_error
        else:
            return Trouble.BROKEN


def _seconds(header: str | None) -> float | None:
    """What `Retry-After` says, in seconds from now: it is a number, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
