"""What a failed exchange with Kaggle means: whether to try again, and what to tell the user."""

import os
import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from urllib.parse import urljoin

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import Retry
from urllib3 import exceptions as urllib3

from kit.errors import CompetitionError, CredentialsError, KitError, NetworkError, one_line
from kit.kaggle.credentials import LOG_IN, SETTINGS_PAGE, Credential

COMPETITION = "digit-recognizer"
COMPETITION_PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
RULES_PAGE = f"{COMPETITION_PAGE}/rules"
SUBMISSIONS_PAGE = f"{COMPETITION_PAGE}/submissions"
ENTER = f"Press Join Competition at {COMPETITION_PAGE} and accept its rules at {RULES_PAGE}."
_LATER = "Nothing was lost: run the command again in a few minutes."
_NETWORK = "Check the network connection, then run the command again."
_LONGEST_WORDS = 200
# Errors of TLS that come before anything is sent; others may come in the middle of an answer
_BEFORE_SENDING = ("VERIFY", "HANDSHAKE", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "NO_CERT")
# What Kaggle's words show that a refusal is about, and the remedy
_REMEDIES = {
    r"phone|\bsms\b": f"Verify your phone number at {SETTINGS_PAGE}, then run it again.",
    r"rules": f"Sign in and accept the rules at {RULES_PAGE}, then run the command again.",
    r"participate": ENTER,
    r"closed|has ended|deadline": f"It takes no more submissions: see {COMPETITION_PAGE}",
}
_MALFORMED = "its address is malformed"
# Signs, in what requests says, that a proxy cannot be used, and why
_PROXY_FAULTS = {
    "SOCKS support": "for SOCKS it needs: pip install PySocks",
    "Please check proxy URL": _MALFORMED,
    "Failed to parse": _MALFORMED,
    "Proxy URL had unsupported scheme": _MALFORMED,
    "to only use HTTP and not HTTPS": "it speaks no HTTPS, so its address begins with http://",
    "Tunnel connection failed: 407": "it wants a user and a password (407)",
    "Tunnel connection failed": "it lets nobody through to Kaggle",
}


class Trouble(Enum):
    """What went wrong, and what helps if no more is known."""

    STATUS = "Kaggle refused", _LATER
    NO_ADDRESS = "Kaggle's address was not found", _NETWORK
    NO_CONNECTION = "No connection to Kaggle", _NETWORK
    PROXY = "The proxy cannot be used", _NETWORK
    NO_TRUST = (
        "Kaggle's certificate could not be trusted",
        "Check the clock. A company's proxy needs its certificates in REQUESTS_CA_BUNDLE.",
    )
    TIMEOUT = "Kaggle did not answer in time", _LATER
    BROKEN = "The connection to Kaggle broke off", _LATER
    NONSENSE = (
        "Something other than Kaggle's answer came back",
        "A proxy or a sign-in page may be in between: see if kaggle.com opens.",
    )


@dataclass(eq=False, repr=False)
class CallFailure(Exception):  # noqa: N818 - the user sees a KitError, whose names end so
    """One try of a call that failed.

    Attributes:
        trouble: what went wrong.
        status: the HTTP status, or None where there was none.
        words: what Kaggle said, or what is known of the cause, in one line; may be empty.
        retry_after: after how many seconds Kaggle asks to try again, or None.
        is_kaggles: whether the answer is in Kaggle's own JSON, rather than a proxy's page.
        location: where the answer redirects, or None.
        remedy: what helps against the cause; may be empty.
    """

    trouble: Trouble
    status: int | None = None
    words: str = ""
    retry_after: float | None = None
    is_kaggles: bool = False
    location: str | None = None
    remedy: str = ""

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        if self.status is not None:
            return self.status in (408, 409, 429) or self.status >= 500
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


def failure_of(error: Exception | requests.Response) -> CallFailure:
    """What an answer, or an error of requests or of reading an answer, says of the exchange."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        error = error.response
    if isinstance(error, requests.Response):
        return _failure_of_response(error)
    if type(error) is requests.exceptions.InvalidURL and error.request is None:
        # An address that Kaggle gave is malformed: no proxy has seen it
        return CallFailure(Trouble.NONSENSE)
    said, trouble = str(error), _trouble(_innermost(error))
    if "CA certificate bundle" in said or trouble is Trouble.NO_TRUST:
        return _no_trust()
    proxy = _proxy(getattr(error, "request", None))
    why = next((why for sign, why in _PROXY_FAULTS.items() if sign in said), None)
    if why is None and trouble in (Trouble.NO_ADDRESS, Trouble.NO_CONNECTION):
        why = "nobody answers there"
    return _proxy_failure(proxy, why) if proxy and why else CallFailure(trouble)


def _failure_of_response(response: requests.Response) -> CallFailure:
    status, location = response.status_code, response.headers.get("Location")
    if status == 407:
        why = _PROXY_FAULTS["Tunnel connection failed: 407"]
        return _proxy_failure(_proxy(response.request) or "the system's settings", why)
    if location and status < 400:
        try:
            return CallFailure(Trouble.NONSENSE, location=urljoin(response.url, location))
        except ValueError:
            return CallFailure(Trouble.NONSENSE)
    try:
        content = response.json()
    except (OSError, ValueError):
        content = None
    said = content if isinstance(content, dict) else {}
    said = said["error"] if isinstance(said.get("error"), dict) else said
    # Kaggle may say in JSON what it did not say with its status
    code = said.get("code")
    status = code if status < 400 and isinstance(code, int) else status
    if status < 400:
        return CallFailure(Trouble.NONSENSE)
    if status == 401 and "Authorization" not in response.request.headers:
        # No credential was sent, so none can be at fault
        status = 403
    return CallFailure(
        Trouble.STATUS,
        status,
        one_line(str(said.get("message") or "")).rstrip("."),
        retry_after=_seconds(response.headers.get("Retry-After") or ""),
        is_kaggles="message" in said or "code" in said,
    )


def explain(
    failure: CallFailure, doing: str, credential: Credential, shadowed: list[Credential]
) -> KitError:
    """The error that tells of a failed try of `doing` something, such as `listing the files`.

    It was tried with one credential, which hides the others that are usable.
    """
    status, words = failure.status, failure.words
    if status is None:
        what, remedy = failure.trouble.value
        why = f": {words}" if words else ""
        return NetworkError(f"{what}, {doing}{why}.", failure.remedy or remedy)
    if status == 401:
        return _refused_credential(credential, shadowed)
    said = f" ({status}): {words[:_LONGEST_WORDS]}" if words else f" ({status})"
    if status in (408, 409) or status >= 500:
        return NetworkError(f"Kaggle's server failed {doing}{said}.", _LATER)
    remedy = f"kit doctor looks for the cause; see also {COMPETITION_PAGE}"
    if status == 429:
        seconds = failure.retry_after
        wait = "a few minutes" if seconds is None else f"{seconds:.0f} seconds"
        remedy = f"Too many requests: wait {wait}, then run it again."
    elif "allowance" in words.lower():
        remedy = limit_remedy()
    else:
        if status == 404:
            remedy = f"See whether {COMPETITION_PAGE} opens in a browser and is not closed."
        known = (each for about, each in _REMEDIES.items() if re.search(about, words.lower()))
        remedy = next(known, remedy)
    return CompetitionError(f"Kaggle refused {doing}{said}.", remedy)


def _refused_credential(credential: Credential, shadowed: list[Credential]) -> CredentialsError:
    shadows = f"; it hides the {shadowed[0]}" if shadowed else ""
    what = f"Kaggle does not accept the {credential} (401): it has expired or is wrong{shadows}."
    if credential.kind == "oauth":
        return CredentialsError(what, LOG_IN)
    if credential.kind == "key" and credential.secret.startswith("KGAT_"):
        remedy = "save it alone as ~/.kaggle/access_token, or set KAGGLE_API_TOKEN to it"
        return CredentialsError(what, f"Its key is an access token: {remedy}.")
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


def _innermost(error: BaseException) -> BaseException:
    """What requests and urllib3 wrapped in an error."""
    wrapped = (getattr(error, "reason", None), getattr(error, "original_error", None))
    inside = (e for e in (*wrapped, *error.args) if isinstance(e, BaseException))
    inner = next(inside, None)
    return error if inner is None else _innermost(inner)


def _trouble(cause: BaseException) -> Trouble:
    if isinstance(cause, urllib3.NameResolutionError):
        return Trouble.NO_ADDRESS
    if isinstance(cause, urllib3.NewConnectionError | urllib3.ConnectTimeoutError):
        return Trouble.NO_CONNECTION
    if isinstance(cause, urllib3.ReadTimeoutError | TimeoutError):
        return Trouble.TIMEOUT
    if isinstance(cause, ssl.SSLError):
        is_early = any(word in str(cause) for word in _BEFORE_SENDING)
        return Trouble.NO_TRUST if is_early else Trouble.BROKEN
    # Of requests' own errors, the others are about addresses and answers that are none
    own = isinstance(cause, requests.RequestException)
    is_broken = isinstance(cause, requests.ConnectionError if own else OSError | urllib3.HTTPError)
    return Trouble.BROKEN if is_broken else Trouble.NONSENSE


def _proxy(request: requests.PreparedRequest | None) -> str:
    """The variables that name the proxy of a failed request; empty where there is none."""
    is_local = os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST"
    usual = "http://localhost" if is_local else "https://api.kaggle.com"
    address = str(request.url) if request is not None else usual
    proxy = select_proxy(address, get_environ_proxies(address))
    variables = (name for name in os.environ if name.lower().endswith("_proxy"))
    names = " and ".join(sorted(name for name in variables if os.environ[name] == proxy))
    return names or ("the system's settings" if proxy else "")


def _proxy_failure(names: str, why: str) -> CallFailure:
    # Without the proxy's address, which may hold a password
    remedy = f"Write {names} as http://USER:PASSWORD@HOST:PORT (special characters as %XX)"
    words = f"the one that {names} names: {why}"
    return CallFailure(Trouble.PROXY, words=words, remedy=f"{remedy}, or unset it.")


def _no_trust() -> CallFailure:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path:
            is_there = os.access(path, os.R_OK)
            state = "may lack the right one" if is_there else "is not there or cannot be read"
            words, remedy = f"{name} names {path}, which {state}", f"Correct or unset {name}."
            return CallFailure(Trouble.NO_TRUST, words=words, remedy=remedy)
    return CallFailure(Trouble.NO_TRUST)


def _seconds(header: str) -> float | None:
    """What `Retry-After` says, a number or a date, in seconds from now."""
    try:
        return Retry().parse_retry_after(header)
    except urllib3.InvalidHeader:
        return None
