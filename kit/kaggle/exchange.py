"""What a failed exchange with Kaggle means: whether to try again, and what to tell the user."""

import os
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
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
CLOSED = f"It takes no more submissions: see {COMPETITION_PAGE}"
_LATER = "Nothing was lost: run the command again in a few minutes."
_NETWORK = "Check the network connection, then run the command again."
_PROXY = "Write it as http://USER:PASSWORD@HOST:PORT (special characters as %XX), or unset it."
_TRUST = "Check the clock. In a company, name its certificates in REQUESTS_CA_BUNDLE."
_IN_BETWEEN = "A proxy or a sign-in page may be in between: see if kaggle.com opens."
# Errors of TLS that come before anything is sent; others may come in the middle of an answer
_BEFORE_SENDING = r"VERIFY|HANDSHAKE|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_CERT|PEM lib"
# What Kaggle's words show that a refusal is about, and the remedy
_REMEDIES = {
    r"phone|mobile|\bsms\b": f"Verify your phone number at {SETTINGS_PAGE}, then run it again.",
    r"accept.*rules|rules.*accept|participate": ENTER,
    r"\b(closed|ended|deadline)\b|has (been )?completed|no longer accept": CLOSED,
}
_NO_PASSWORD = "it wants a user and a password (407)"  # noqa: S105 - it is none
# What requests says where a proxy cannot be used, and why it cannot
_PROXY_FAULTS = {
    "SOCKS support": "for SOCKS it needs: pip install PySocks",
    "check proxy URL|Failed to parse|unsupported scheme|IPv6 URL|NFKC": "its address is malformed",
    "only use HTTP and not HTTPS": "it speaks no HTTPS, so its address begins with http://",
    "Tunnel connection failed: 407": _NO_PASSWORD,
    "Tunnel connection failed": "it lets nobody through to Kaggle",
}


class Trouble(Enum):
    """What went wrong, and what helps if no more is known."""

    STATUS = "Kaggle refused", _LATER
    NO_CONNECTION = "No connection to Kaggle", _NETWORK
    PROXY = "The proxy cannot be used", _PROXY
    NO_TRUST = "Kaggle's certificate could not be trusted", _TRUST
    TIMEOUT = "Kaggle did not answer in time", _LATER
    BROKEN = "The connection to Kaggle broke off", _LATER
    NONSENSE = "Something other than Kaggle's answer came back", _IN_BETWEEN


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
    """

    trouble: Trouble
    status: int | None = None
    words: str = ""
    retry_after: float | None = None
    is_kaggles: bool = False
    location: str | None = None

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed a little later."""
        if self.status is not None:
            return self.status in (408, 409, 429) or self.status >= 500
        return self.trouble not in (Trouble.NO_TRUST, Trouble.PROXY)

    @property
    def had_no_effect(self) -> bool:
        """Whether Kaggle cannot have acted on the call: it was not reached, or refused itself."""
        unreached = (Trouble.NO_CONNECTION, Trouble.NO_TRUST, Trouble.PROXY)
        is_refusal = self.is_kaggles and self.status in (400, 401, 403, 404)
        return self.trouble in unreached or self.status == 429 or is_refusal


def failure_of(error: Exception) -> CallFailure:
    """What an error of requests, or of reading an answer, says of the exchange."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _failure_of_response(error.response)
    if type(error) is requests.exceptions.InvalidURL and error.request is None:
        # An address that Kaggle gave is malformed: no proxy has seen it
        return CallFailure(Trouble.NONSENSE)
    said, trouble = str(error), _trouble(_innermost(error))
    if "CA certificate bundle" in said or trouble is Trouble.NO_TRUST:
        return _no_trust()
    why = _first(_PROXY_FAULTS, said)
    if why is None and trouble is Trouble.NO_CONNECTION:
        why = "nobody answers there"
    blamed = _proxy_failure(getattr(error, "request", None), why) if why else None
    return blamed or CallFailure(trouble)


def _failure_of_response(response: requests.Response) -> CallFailure:
    status = response.status_code
    if status == 407:
        return _proxy_failure(response.request, _NO_PASSWORD) or CallFailure(Trouble.PROXY)
    said: dict[str, Any] = {}
    place = response.headers.get("Location")
    with suppress(OSError, ValueError, TypeError, RecursionError):
        place = place and urljoin(response.url, place)
        content = dict(response.json())
        said = content["error"] if isinstance(content.get("error"), dict) else content
    # Kaggle may say in JSON what it did not say with its status
    code = said.get("code")
    status = code if status < 400 and isinstance(code, int) else status
    if status < 400:
        return CallFailure(Trouble.NONSENSE, location=place)
    if status == 401 and "Authorization" not in response.request.headers:
        # No credential was sent, so none can be at fault
        status = 403
    retry_after = None
    with suppress(urllib3.InvalidHeader, ValueError, OverflowError):
        retry_after = Retry().parse_retry_after(response.headers.get("Retry-After") or "")
    words = one_line(str(said.get("message") or "")).rstrip(".")
    is_kaggles = "message" in said or "code" in said
    return CallFailure(Trouble.STATUS, status, words, retry_after, is_kaggles)


def explain(failure: CallFailure, doing: str, usable: list[Credential]) -> KitError:
    """The error that tells of a failed try of `doing` something, such as `listing the files`.

    It was tried with the first of the usable credentials, which hides the others.
    """
    status, words = failure.status, failure.words
    if status is None:
        what, remedy = failure.trouble.value
        why = f": {words}" if words else ""
        return NetworkError(f"{what}, {doing}{why}.", remedy)
    if status == 401:
        return _refused_credential(*usable)
    said = f" ({status}): {words[:200]}" if words else f" ({status})"
    if status in (408, 409) or status >= 500:
        return NetworkError(f"Kaggle's server failed {doing}{said}.", _LATER)
    seconds = failure.retry_after
    wait = "a few minutes" if seconds is None else f"{seconds:.0f} seconds"
    usual = {
        404: f"See whether {COMPETITION_PAGE} opens in a browser and is not closed.",
        429: f"Too many requests: wait {wait}, then run it again.",
    }.get(status, f"kit doctor looks for the cause; see also {COMPETITION_PAGE}")
    known = _first({"allowance": limit_remedy(), **_REMEDIES}, words.lower())
    return CompetitionError(f"Kaggle refused {doing}{said}.", known or usual)


def _refused_credential(credential: Credential, *shadowed: Credential) -> CredentialsError:
    shadows = f"; it hides the {shadowed[0]}" if shadowed else ""
    what = f"Kaggle does not accept the {credential} (401): it has expired or is wrong{shadows}."
    remedy = f"Make a new {credential.kind} at {SETTINGS_PAGE} and put it into {credential.place}"
    if credential.kind == "oauth":
        remedy = LOG_IN
    elif credential.kind == "key" and credential.secret.startswith("KGAT_"):
        remedy = "Its key is an access token: save it alone as ~/.kaggle/access_token"
    elif shadowed:
        verb = "remove" if credential.path else "unset"
        remedy += f", or {verb} {credential.place} to use the other"
    return CredentialsError(what, remedy)


def limit_remedy() -> str:
    """When the day's submissions come back: Kaggle counts from midnight to midnight UTC."""
    now = datetime.now(UTC)
    h, m = divmod(24 * 60 - now.hour * 60 - now.minute, 60)
    return f"Wait until midnight UTC (in {h} h {m} min), then run it again; see {SUBMISSIONS_PAGE}"


def _first(table: dict[str, str], text: str) -> str | None:
    """What the first pattern of a table stands for that is found in a text."""
    return next((told for sign, told in table.items() if re.search(sign, text)), None)


def _innermost(error: BaseException) -> BaseException:
    """What requests and urllib3 wrapped in an error."""
    inside = (getattr(error, "reason", None), *error.args)
    inner = next((each for each in inside if isinstance(each, BaseException)), None)
    return error if inner is None else _innermost(inner)


def _trouble(cause: BaseException) -> Trouble:
    # A name without an address is one of these, too
    if isinstance(cause, urllib3.NewConnectionError | urllib3.ConnectTimeoutError):
        return Trouble.NO_CONNECTION
    if isinstance(cause, urllib3.ReadTimeoutError | TimeoutError):
        return Trouble.TIMEOUT
    if isinstance(cause, ssl.SSLError):
        return Trouble.NO_TRUST if re.search(_BEFORE_SENDING, str(cause)) else Trouble.BROKEN
    # What requests itself finds is about addresses and answers that are none
    if isinstance(cause, requests.RequestException):
        return Trouble.NONSENSE
    return Trouble.BROKEN if isinstance(cause, OSError | urllib3.HTTPError) else Trouble.NONSENSE


def _proxy_failure(request: requests.PreparedRequest | None, why: str) -> CallFailure | None:
    """That a request's proxy cannot be used, by the variables that name it; None without one."""
    scheme = "http" if os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST" else "https"
    address = str(request.url) if request is not None else f"{scheme}://api.kaggle.com"
    proxy = select_proxy(address, get_environ_proxies(address))
    if not proxy:
        return None
    variables = (name for name in os.environ if name.lower().endswith("_proxy"))
    names = " and ".join(sorted(name for name in variables if os.environ[name] == proxy))
    # Without the proxy's address, which may hold a password
    return CallFailure(Trouble.PROXY, words=f"the one that {names or 'the system'} names: {why}")


def _no_trust() -> CallFailure:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if path := os.environ.get(name):
            is_there = os.access(path, os.R_OK)
            state = "may lack the right one" if is_there else "is not there or cannot be read"
            words = f"{name} names {path}, which {state}: correct or unset {name}"
            return CallFailure(Trouble.NO_TRUST, words=words)
    return CallFailure(Trouble.NO_TRUST)
