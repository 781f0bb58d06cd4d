"""What a failed exchange with Kaggle means: whether to try again, and what to tell the user."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

import requests
import urllib3

from kit.errors import CompetitionError, CredentialsError, KitError, NetworkError
from kit.kaggle.credentials import SETTINGS_PAGE, Credential

COMPETITION = "digit-recognizer"
COMPETITION_PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
RULES_PAGE = f"{COMPETITION_PAGE}/rules"
SUBMISSIONS_PAGE = f"{COMPETITION_PAGE}/submissions"
ENTER = f"Press Join Competition at {COMPETITION_PAGE} and accept its rules at {RULES_PAGE}."
_LATER = "Nothing was lost: run the command again in a few minutes."
_LONGEST_WORDS = 200


class Trouble(Enum):
    """What went wrong."""

    STATUS = auto()
    NO_ADDRESS = auto()
    NO_CONNECTION = auto()
    PROXY = auto()
    NO_TRUST = auto()
    TIMEOUT = auto()
    BROKEN = auto()
    NONSENSE = auto()


class CallFailure(Exception):  # noqa: N818 - the user sees a KitError, whose names end so
    """One try of a call that failed.

    Attributes:
        trouble: what went wrong.
        status: the HTTP status, or None where there was none.
        words: what Kaggle said, in one line of printable text; may be empty.
        retry_after: after how many seconds Kaggle asks to try again, or None.
        is_kaggles: whether the answer is in Kaggle's own JSON, rather than a proxy's page.
    """

    def __init__(
        self,
        trouble: Trouble,
        status: int | None = None,
        words: str = "",
        retry_after: float | None = None,
        *,
        is_kaggles: bool = False,
    ) -> None:
        super().__init__(trouble.name, status, words)
        self.trouble, self.status, self.words = trouble, status, words
        self.retry_after, self.is_kaggles = retry_after, is_kaggles

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        if self.trouble is Trouble.STATUS:
            return self.status in (408, 409, 429) or (self.status or 0) >= 500
        return self.trouble not in (Trouble.NO_TRUST, Trouble.PROXY)

    @property
    def was_not_sent(self) -> bool:
        """Whether Kaggle cannot have acted on the call."""
        unreached = (Trouble.NO_ADDRESS, Trouble.NO_CONNECTION, Trouble.NO_TRUST, Trouble.PROXY)
        return self.trouble in unreached or self.status == 429

    @property
    def is_refusal(self) -> bool:
        """Whether Kaggle itself refused, so that the call had no effect."""
        return self.is_kaggles and self.status in (400, 401, 403, 404)


def failure_of(error: Exception) -> CallFailure:
    """What an error of requests, or of reading an answer, says of the exchange."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return failure_of_response(error.response)
    if isinstance(error, requests.exceptions.ProxyError):
        return CallFailure(_proxy_trouble(error))
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
    return CallFailure(Trouble.NONSENSE)


def failure_of_response(response: requests.Response) -> CallFailure:
    """What an answer that is a refusal says; of a page in HTML, only the status."""
    status, words, is_kaggles = response.status_code, "", False
    try:
        content = response.json()
    except (requests.RequestException, ValueError):
        content = None
    if isinstance(content, dict):
        words, is_kaggles = str(content.get("message") or ""), True
        # Kaggle may say in JSON what it did not say with its status
        code = content.get("code")
        status = code if status < 400 and isinstance(code, int) else status
    if status < 400:
        return CallFailure(Trouble.NONSENSE)
    return CallFailure(
        Trouble.STATUS,
        status,
        one_line(words)[:_LONGEST_WORDS].rstrip("."),
        _seconds(response.headers.get("Retry-After")),
        is_kaggles=is_kaggles,
    )


def one_line(words: str) -> str:
    """Somebody else's text in one line that a terminal can show."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _connection_trouble(error: requests.ConnectionError) -> Trouble:
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, urllib3.exceptions.MaxRetryError):
        cause = cause.reason
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return Trouble.NO_ADDRESS
    if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return Trouble.TIMEOUT
    if isinstance(
        cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
    ):
        return Trouble.NO_CONNECTION
    return Trouble.BROKEN


def _proxy_trouble(error: requests.exceptions.ProxyError) -> Trouble:
    """Urllib3 also blames the proxy where a connection through it is reset, which may be late."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = getattr(reason, "original_error", None)
    return Trouble.BROKEN if isinstance(cause, ConnectionError) else Trouble.PROXY


def _seconds(header: str | None) -> float | None:
    """What `Retry-After` says, a number or a date, in seconds from now."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def explain(
    failure: CallFailure, doing: str, credential: Credential, shadowed: list[Credential]
) -> KitError:
    """Turn a failed exchange into an error: what and where in one line, the remedy in another.

    Args:
        failure: the last try.
        doing: what it was to do, such as `listing the competition's files`.
        credential: what it was tried with.
        shadowed: usable credentials that were not used because of that one.
    """
    if failure.trouble is not Trouble.STATUS:
        return _network_error(failure, doing)
    status, words = failure.status or 0, failure.words.lower()
    said = f": {failure.words}" if failure.words else ""
    told = f"Kaggle refused {doing} ({status}){said}."
    if status == 401:
        return refused_credential(credential, shadowed)
    if status in (408, 409) or status >= 500:
        return NetworkError(f"Kaggle's server failed {doing} ({status}){said}.", _LATER)
    if status == 429:
        seconds = failure.retry_after
        wait = "a few minutes" if seconds is None else f"{seconds:.0f} seconds"
        return CompetitionError(told, f"Too many requests: wait {wait}, then run it again.")
    if status == 404:
        return CompetitionError(told, f"See whether {COMPETITION_PAGE} opens in a browser.")
    if "phone" in words:
        return CompetitionError(told, f"Verify your phone number at {SETTINGS_PAGE}.")
    if "rules" in words:
        remedy = f"Sign in and accept the rules at {RULES_PAGE}, then run the command again."
        return CompetitionError(told, remedy)
    if "participate" in words:
        return CompetitionError(told, ENTER)
    if "allowance" in words:
        return CompetitionError(told, limit_remedy())
    return CompetitionError(told, f"kit doctor looks for the cause; see also {COMPETITION_PAGE}")


def refused_credential(credential: Credential, shadowed: list[Credential]) -> CredentialsError:
    """The error for a credential that Kaggle does not accept, and what it hides."""
    shadows = f"; it hides the {shadowed[0]}" if shadowed else ""
    what = f"Kaggle does not accept the {credential} (401): it has expired or is wrong{shadows}."
    if credential.kind == "oauth":
        return CredentialsError(what, "Log in again with: kaggle auth login")
    remedy = f"Make a new {credential.kind} at {SETTINGS_PAGE} and put it into {credential.place}"
    if shadowed:
        verb = "remove" if credential.path else "unset"
        remedy += f", or {verb} {credential.place} to use the other"
    return CredentialsError(what, remedy)


def limit_remedy() -> str:
    """When the day's submissions come back: Kaggle counts from midnight to midnight UTC."""
    now = datetime.now(UTC)
    minutes = 24 * 60 - (now.hour * 60 + now.minute)
    left = f"in {minutes // 60} h {minutes % 60} min"
    return f"Wait until midnight UTC ({left}), then run it again; see {SUBMISSIONS_PAGE}"


def _network_error(failure: CallFailure, doing: str) -> NetworkError:
    network = "Check the network connection, then run the command again."
    told = {
        Trouble.NO_ADDRESS: (f"Kaggle's address was not found, {doing}.", network),
        Trouble.NO_CONNECTION: (f"No connection to Kaggle, {doing}.", network),
        Trouble.PROXY: (
            f"The proxy cannot be used, {doing}.",
            "Correct or unset HTTPS_PROXY and ALL_PROXY.",
        ),
        Trouble.NO_TRUST: (
            f"Kaggle's certificate could not be trusted, {doing}.",
            "Check the clock. A company's proxy needs its certificates in REQUESTS_CA_BUNDLE.",
        ),
        Trouble.TIMEOUT: (f"Kaggle did not answer in time, {doing}.", _LATER),
        Trouble.BROKEN: (f"The connection to Kaggle broke off, {doing}.", _LATER),
    }
    nonsense = (
        f"Something other than Kaggle's answer came back, {doing}.",
        "A proxy or a sign-in page may be in between: open https://www.kaggle.com in a browser.",
    )
    return NetworkError(*told.get(failure.trouble, nonsense))
