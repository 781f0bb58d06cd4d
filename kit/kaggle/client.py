"""Digit Recognizer at Kaggle, through Kaggle's own SDK: the one place that talks to it."""

import base64
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from kit import __version__
from kit.errors import CompetitionError, CredentialsError, UsageError
from kit.kaggle import answers
from kit.kaggle.answers import Competition, Limits, Submission
from kit.kaggle.credentials import Credential, choose_credential, find_credentials
from kit.kaggle.exchange import (
    COMPETITION,
    COMPETITION_PAGE,
    CallFailure,
    Trouble,
    explain,
    failure_of,
    refused_credential,
)

T = TypeVar("T")

# Seconds until a connection must stand; before the second try, doubled from try to try; at most
# between two tries; and what Kaggle may ask for with `Retry-After` and still be waited for
CONNECT_SECONDS, FIRST_WAIT, LONGEST_WAIT, LONGEST_RETRY_AFTER = 10.0, 1.0, 30.0, 120.0
# Entries that are asked for in a page; pages and entries of a list that are read at most
PAGE, MOST_PAGES, MOST_ENTRIES = 100, 500, 10_000

_ENVIRONMENTS = {"PROD": "PROD", "LOCALHOST": "LOCAL", "TEST": "TEST"}
# Keeps the SDK from looking for a token itself; the session's credential has the last word
_NO_TOKEN = "-"  # noqa: S105 - it stands for none
# What requests, the SDK and the reading of an answer raise where it is not what it should be
_EXCHANGE_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError)


class _Adapter(HTTPAdapter):
    """Sends requests with a time-out, since the SDK gives none.

    Calls follow no redirect, which would carry a token to another host, and leave no refusal to
    the SDK, which fails at words that it does not know. Transfers carry no credentials, which
    `~/.netrc` may give.
    """

    def __init__(self, timeout: float, *, is_for_calls: bool) -> None:
        self._timeout = min(CONNECT_SECONDS, timeout), timeout
        self._is_for_calls = is_for_calls
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        if not self._is_for_calls:
            request.headers.pop("Authorization", None)
        response = super().send(request, *args, **{**options, "timeout": self._timeout})
        if self._is_for_calls and response.status_code >= 300:
            raise requests.HTTPError(response=response)
        return response


def _mount(session: requests.Session, timeout: float, *, is_for_calls: bool) -> requests.Session:
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(timeout, is_for_calls=is_for_calls))
    return session


class _Json:
    """Has the SDK give an answer's JSON as it is: its own classes fail at words new to them."""

    @staticmethod
    def prepare_from(response: requests.Response) -> dict[str, Any]:
        content = response.json()
        if not isinstance(content, dict):
            raise TypeError("not a JSON object")
        return content


class Kaggle:
    """The competition and the user's submissions to it. Nothing is sent before the first call.

    Each method raises:
        CredentialsError: Kaggle does not accept the credential.
        CompetitionError: Kaggle refused.
        NetworkError: the network failed, or no answer came in time that makes sense.
    """

    def __init__(
        self,
        found: list[Credential] | None = None,
        *,
        timeout: float | None = None,
        tries: int | None = None,
        on_retry: Callable[[str, float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Choose a credential.

        Args:
            found: credentials; those of this machine if None.
            timeout: seconds of silence after which a request has failed; if None,
                `KIT_KAGGLE_TIMEOUT`, or 60.
            tries: of a call before it has failed; if None, `KIT_KAGGLE_ATTEMPTS`, or 5.
            on_retry: told what failed before each wait for another try, and the seconds.
            sleep: waits for so many seconds.

        Raises:
            CredentialsError: no credential can be used.
            UsageError: a variable is not a number above 0.
        """
        found = find_credentials() if found is None else found
        self.credential = choose_credential(found)
        self.shadowed = [c for c in found if c.problem is None and c is not self.credential]
        self.sleep = sleep
        self._timeout = timeout or _setting("KIT_KAGGLE_TIMEOUT", 60.0)
        self._tries = tries or int(_setting("KIT_KAGGLE_ATTEMPTS", 5))
        self._on_retry = on_retry
        self._secret = self.credential.secret
        self._secrets = [secret for known in found for secret in _secrets(known)]
        self._client: Any = None
        self._login: Any = None

    def whoami(self) -> str:
        """The user's name, once Kaggle has accepted the credential."""
        if self.credential.kind == "key":
            # For keys there is no such call; any other shows whether they are accepted
            self.competition()
            return self.credential.username or ""

        answer = self._ask("asking whose credential it is", "IntrospectToken", dict)
        if not answer.get("active") or not answer.get("username"):
            raise refused_credential(self.credential, self.shadowed)
        return str(answer["username"])

    def competition(self) -> Competition:
        """The competition, as it stands to the user."""
        return self._ask("asking for the competition", "GetCompetition", answers.read_competition)

    def check_open(self) -> Competition:
        """The competition, whose deadline has not passed; a CompetitionError if it has."""
        competition = self.competition()
        deadline = competition.deadline
        if deadline is not None and deadline < datetime.now(UTC):
            what = f"The competition is closed: its deadline was {deadline:%Y-%m-%d %H:%M} UTC."
            raise CompetitionError(what, f"It takes no more submissions: see {COMPETITION_PAGE}")
        return competition

    def limits(self) -> Limits | None:
        """How many submissions are left, or None if the installed version of the SDK cannot ask."""
        if _request_type("GetSubmissionLimits") is None:
            return None
        return self._ask(
            "asking for the submissions left", "GetSubmissionLimits", answers.read_limits
        )

    def list_files(self) -> dict[str, int]:
        """The competition's files by name, with their sizes in bytes."""
        doing = "listing the competition's files"
        return self._list(doing, "ListDataFiles", "files", "name", answers.read_size)

    def check_rules(self) -> None:
        """Ask for a file, without fetching it: that needs the rules to be accepted."""
        doing, name = "giving out the files", "sample_submission.csv"
        self.retry(doing, lambda: self.locate("DownloadDataFile", file_name=name))

    def locate(self, name: str, **fields: Any) -> str:
        """Ask, once, where a file can be fetched, by a call that answers with a redirect.

        Raises:
            CallFailure: it failed.
        """
        try:
            self.call_once(name, **fields)
        except CallFailure as failure:
            if failure.location is None:
                raise
            return failure.location
        raise CallFailure(Trouble.NONSENSE)

    def list_submissions(self) -> list[Submission]:
        """All submissions, newest first; where there are more than 10,000, at least so many."""
        doing, key = "listing the submissions", "submissions"
        return list(
            self._list(doing, "ListSubmissions", key, "ref", answers.read_submission).values()
        )

    def get_submission(self, ref: int) -> Submission | None:
        """One submission, as it stands now; None while Kaggle does not know it yet."""

        def once() -> Submission | None:
            try:
                answer = self.call_once("GetSubmission", ref=ref)
            except CallFailure as failure:
                if failure.status == 404:
                    return None
                raise
            return self._attempt(lambda: answers.read_submission(answer))

        return self.retry("asking for the submission", once)

    def retry(
        self, doing: str, once: Callable[[], T], futile_tries: Callable[[], int] | None = None
    ) -> T:
        """Do something until it succeeds, fails for good, or all tries are used.

        Args:
            doing: what it is, for the error.
            once: one try, which raises `CallFailure`.
            futile_tries: how many tries have failed since the last progress; all without it.
        """
        tries = 0
        while True:
            try:
                return once()
            except CallFailure as failure:
                tries += 1
                futile = futile_tries() if futile_tries else tries
                failure.words = self._mask(failure.words)
                error = explain(failure, doing, self.credential, self.shadowed)
                asked, wait = failure.retry_after, FIRST_WAIT * 2.0 ** min(futile - 1, 30)
                is_long = asked is not None and asked > LONGEST_RETRY_AFTER
                if futile >= self._tries or not failure.is_transient or is_long:
                    # Without its cause: what requests says may quote addresses that hold secrets
                    raise error from None
            jitter = random.uniform(0, FIRST_WAIT)  # noqa: S311 - it is no secret
            wait = min(LONGEST_WAIT, wait) + jitter if asked is None else asked
            if self._on_retry is not None:
                self._on_retry(error.what, wait)
            self.sleep(wait)

    def call_once(self, name: str, **fields: Any) -> dict[str, Any]:
        """Make a call of the competition's service, once; return the JSON object of its answer.

        Args:
            name: of the call, such as `ListSubmissions`.
            fields: of its request, as the SDK names them.

        Raises:
            CallFailure: it failed.
            CredentialsError: the OAuth login cannot be used.
        """
        self._open()
        request = _request_type(name)()
        if name == "IntrospectToken":
            fields = {"token": self._secret}
        if hasattr(request, "competition_name"):
            request.competition_name = COMPETITION
        for field, value in fields.items():
            setattr(request, field, value)
        try:
            return self._post(name, request)
        except CallFailure as failure:
            # The SDK takes an OAuth token for good until half an hour after it has expired
            if failure.status != 401 or self._login is None:
                raise
        self._take_token(self._login.refresh_access_token)
        return self._post(name, request)

    def transfer_session(self) -> requests.Session:
        """A session for transfers: with time-outs, without credentials."""
        return _mount(requests.Session(), self._timeout, is_for_calls=False)

    def _ask(self, doing: str, name: str, read: Callable[[dict[str, Any]], T], **fields: Any) -> T:
        """Make a call that may be made again, and read its answer."""
        return self.retry(
            doing, lambda: self._attempt(lambda: read(self.call_once(name, **fields)))
        )

    def _list(
        self, doing: str, name: str, key: str, field: str, read: Callable[[dict[str, Any]], T]
    ) -> dict[Any, T]:
        """The entries of a list by one of their fields, however short Kaggle makes its pages."""

        def read_page(answer: dict[str, Any]) -> tuple[dict[Any, T], str]:
            entries = {entry[field]: read(entry) for entry in answer.get(key) or ()}
            return entries, str(answer.get("nextPageToken") or "")

        listed: dict[Any, T] = {}
        token, idle = "", 0
        for _ in range(MOST_PAGES):
            page, token = self._ask(doing, name, read_page, page_size=PAGE, page_token=token)
            # A server that repeats itself would never end; a single page may be empty
            idle = idle + 1 if page.keys() <= listed.keys() else 0
            listed |= page
            if idle > 1 or not token or len(listed) >= MOST_ENTRIES:
                break
        return listed

    def _post(self, name: str, request: object) -> dict[str, Any]:
        is_oauth = name == "IntrospectToken"
        service = "security.OAuthService" if is_oauth else "competitions.CompetitionApiService"
        call = self._client.http_client().call
        answer = self._attempt(lambda: call(service, name, request, _Json))
        return {key: self._mask(value) for key, value in answer.items()}

    def _attempt(self, exchange: Callable[[], T]) -> T:
        try:
            return exchange()
        except _EXCHANGE_ERRORS as error:
            failure = failure_of(error)
        failure.words = self._mask(failure.words)
        raise failure

    def _mask(self, content: Any) -> Any:
        """Text, or JSON, without the secrets that are known: servers may repeat them."""
        if isinstance(content, dict):
            return {key: self._mask(value) for key, value in content.items()}
        if isinstance(content, list):
            return [self._mask(value) for value in content]
        for secret in self._secrets if isinstance(content, str) else ():
            content = content.replace(secret, "***")
        return content

    def _open(self) -> None:
        """Have the SDK's client, its session opened, limited and authorised."""
        if self._client is not None:
            return
        environment = os.environ.get("KAGGLE_API_ENVIRONMENT") or "PROD"
        if environment not in _ENVIRONMENTS:
            expected = f"expected one of {', '.join(_ENVIRONMENTS)}, found {environment!r}"
            remedy = "Unset KAGGLE_API_ENVIRONMENT to talk to Kaggle itself."
            raise UsageError(f"KAGGLE_API_ENVIRONMENT: {expected}.", remedy)
        from kagglesdk import KaggleClient
        from kagglesdk.kaggle_env import KaggleEnv

        place, agent = KaggleEnv[_ENVIRONMENTS[environment]], f"digit-kit/{__version__}"
        client = KaggleClient(env=place, api_token=_NO_TOKEN, user_agent=agent)
        client.__enter__()
        # The SDK has no other door to its session
        self._session = client.http_client()._session  # noqa: SLF001
        _mount(self._session, self._timeout, is_for_calls=True)
        self._client = client
        if self.credential.kind == "key":
            self._session.auth = (self.credential.username or "", self.credential.secret)
        elif self.credential.kind == "token":
            self._session.auth = client.http_client().BearerAuth(self.credential.secret)
        else:
            self._log_in()

    def _log_in(self) -> None:
        """Use the OAuth login as Kaggle's client does, which keeps it in its own file."""
        from kagglesdk import KaggleCredentials

        try:
            self._login = KaggleCredentials.load(self._client)
        except (ValueError, TypeError, AttributeError, OSError):
            self._login = None
        if self._login is None:
            self._client = None
            remedy = "Log in again with: kaggle auth login"
            raise CredentialsError(f"The {self.credential} is damaged.", remedy)
        self._take_token(self._login.get_access_token)

    def _take_token(self, get: Callable[[], Any]) -> None:
        self._session.auth = None
        try:
            self._attempt(get)
            self._secret = str(self._attempt(self._login.get_access_token))
        except CallFailure as failure:
            self._client = None
            if failure.status in (400, 403, 404):
                # Whatever Kaggle calls it, a login that gives no token is a refused credential
                raise CallFailure(Trouble.STATUS, 401) from None
            raise
        self._secrets.append(self._secret)
        self._session.auth = self._client.http_client().BearerAuth(self._secret)


def _setting(variable: str, usual: float) -> float:
    text = os.environ.get(variable) or str(usual)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        remedy = f"Unset {variable}, or give it a number such as {usual:g}."
        raise UsageError(f"{variable}: expected a number above 0, found {text!r}.", remedy)
    return number


def _secrets(credential: Credential) -> list[str]:
    """A credential's secret, and the form in which a header has it."""
    pair = f"{credential.username}:{credential.secret}".encode()
    return [base64.b64encode(pair).decode(), credential.secret] if credential.secret else []


def _request_type(name: str) -> Any:
    """The SDK's class for a call's request, or None where the SDK has no such call."""
    from kagglesdk.competitions.types import competition_api_service
    from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

    if name == "IntrospectToken":
        return IntrospectTokenRequest
    return getattr(competition_api_service, f"Api{name}Request", None)
