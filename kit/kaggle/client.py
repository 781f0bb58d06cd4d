"""Digit Recognizer at Kaggle, through Kaggle's own SDK: the one place that talks to it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
import tenacity
from requests.adapters import HTTPAdapter

from kit import __version__
from kit.errors import CredentialsError, NetworkError, UsageError
from kit.kaggle.credentials import Credential, choose_credential, find_credentials
from kit.kaggle.exchange import (
    COMPETITION,
    CallFailure,
    Trouble,
    explain,
    failure_of,
    refused_credential,
)

T = TypeVar("T")
# Told before each wait: what failed, and for how many seconds it waits
OnRetry = Callable[[str, float], None]

# Seconds until a connection must stand; before the second try, doubled from try to try; at most
# between two tries; and what Kaggle may ask for with `Retry-After` and still be waited for
CONNECT_SECONDS, FIRST_WAIT, LONGEST_WAIT, LONGEST_RETRY_AFTER = 10.0, 1.0, 30.0, 120.0
PAGE = 100
MOST_PAGES = 200

_ENVIRONMENTS = ("PROD", "LOCALHOST", "TEST")
# Keeps the SDK from looking for a token itself; the session's credential has the last word
_NO_TOKEN = "-"  # noqa: S105 - it stands for none
# What requests, the SDK and the reading of an answer raise where it is not what it should be
_EXCHANGE_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Competition:
    """The competition, as it stands to the user.

    Attributes:
        entered: whether the user has entered it.
        deadline: when it closes, in UTC, or None.
    """

    entered: bool
    deadline: datetime | None


@dataclass(frozen=True)
class Limits:
    """How many submissions were made, and how many are left.

    Attributes:
        today: since midnight UTC.
        total: ever.
        left: how many can be made now.
        limited_by_total: whether it is not the day that limits them.
    """

    today: int
    total: int
    left: int
    limited_by_total: bool

    @property
    def known(self) -> bool:
        """Whether they say anything: to who is not on a team yet, Kaggle answers with zeros."""
        return bool(self.today or self.total or self.left)


@dataclass(frozen=True)
class Submission:
    """A submission, as Kaggle lists it.

    Attributes:
        ref: its number.
        time: when it was made, in UTC, or None.
        description: the message it came with.
        file_name: what its file is called.
        total_bytes: the file's size.
        status: PENDING, COMPLETE, ERROR, or another word of Kaggle's.
        public_score: as Kaggle gives it, such as `0.97186`, or None.
        private_score: likewise.
        reason: why it was rejected, or None.
    """

    ref: int
    time: datetime | None
    description: str
    file_name: str
    total_bytes: int
    status: str
    public_score: str | None
    private_score: str | None
    reason: str | None


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
        on_retry: OnRetry | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Choose a credential.

        Args:
            found: credentials; those of this machine if None.
            timeout: seconds of silence after which an answer or a transfer has failed;
                `KIT_KAGGLE_TIMEOUT`, or 60, if None.
            tries: of a call before it has failed; `KIT_KAGGLE_ATTEMPTS`, or 5, if None.
            on_retry: told what failed before each wait for another try, and how long it waits.
            sleep: waits for so many seconds.

        Raises:
            CredentialsError: no credential can be used.
            UsageError: a variable is not a number above 0.
        """
        found = find_credentials() if found is None else found
        self.credential = choose_credential(found)
        self.shadowed = [
            other for other in found if other.problem is None and other is not self.credential
        ]
        self._timeout = timeout or _setting("KIT_KAGGLE_TIMEOUT", 60.0)
        self._tries = tries or int(_setting("KIT_KAGGLE_ATTEMPTS", 5))
        self._on_retry, self.sleep = on_retry, sleep
        self._secret = self.credential.secret
        self._client: Any = None
        self._login: Any = None

    def whoami(self) -> str:
        """The user's name, once Kaggle has accepted the credential."""
        if self.credential.kind == "key":
            # For keys there is no such call; any other shows whether they are accepted
            self.competition()
            return self.credential.username or ""

        def introspect() -> Any:
            from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

            client = self._open()
            request = IntrospectTokenRequest()
            request.token = self._secret
            return _attempt(lambda: client.security.oauth_client.introspect_token(request))

        answer = self.retry("asking whose credential it is", introspect)
        if not answer.active or not answer.username:
            raise refused_credential(self.credential, self.shadowed)
        return str(answer.username)

    def competition(self) -> Competition:
        """The competition, as it stands to the user."""
        answer = self._call("asking for the competition", "GetCompetition")
        return Competition(bool(answer.get("userHasEntered")), _moment(answer.get("deadline")))

    def limits(self) -> Limits | None:
        """How many submissions are left, or None if the installed version of the SDK cannot ask."""
        if not hasattr(_types(), "ApiGetSubmissionLimitsRequest"):
            return None
        answer = self._call("asking for the submissions left", "GetSubmissionLimits")
        today, total, left = (
            int(answer.get(key) or 0) for key in ("numToday", "numTotal", "numAllowedNow")
        )
        return Limits(today, total, left, bool(answer.get("limitedByTotal")))

    def list_files(self) -> dict[str, int]:
        """The competition's files by name, with their sizes in bytes."""
        pages = self._pages("listing the competition's files", "ListDataFiles")
        return {
            str(entry.get("name") or entry["ref"]): int(entry.get("totalBytes") or 0)
            for page in pages
            for entry in page.get("files") or ()
        }

    def check_rules(self) -> None:
        """Ask for a file, without fetching it: that needs the rules to be accepted."""
        self.retry(
            "giving out the files",
            lambda: self.locate("DownloadDataFile", file_name="sample_submission.csv"),
        )

    def locate(self, name: str, **fields: Any) -> str:
        """Ask, once, where a file can be fetched, by a call that answers with a redirect.

        Raises:
            CallFailure: it failed.
        """
        try:
            self.call_once(name, **fields)
        except CallFailure as failure:
            redirect = failure.__cause__
            if isinstance(redirect, requests.TooManyRedirects) and redirect.response is not None:
                return str(redirect.response.headers["Location"])
            raise
        raise CallFailure(Trouble.NONSENSE)

    def create_submission(self, token: str, message: str) -> int:
        """Make an uploaded file a submission, once, and return its ref.

        Where nothing was sent, and after a 429, it is tried again.

        Args:
            token: stands for the file.
            message: the submission's description.

        Raises:
            OpenAttemptError: it is open whether Kaggle took it.
        """
        doing = "creating the submission"

        def once() -> int:
            try:
                answer = self.call_once(
                    "CreateSubmission", blob_file_tokens=token, submission_description=message
                )
                return _attempt(lambda: int(answer["ref"]))
            except CallFailure as failure:
                if failure.was_not_sent or failure.is_refusal:
                    raise
                why = explain(failure, doing, self.credential, self.shadowed)
                raise OpenAttemptError(why.what, why.remedy) from None

        return self.retry(doing, once)

    def list_submissions(self) -> list[Submission]:
        """All submissions, newest first."""
        doing = "listing the submissions"
        pages = list(self._pages(doing, "ListSubmissions"))
        return self._read(
            doing, lambda: [submission for page in pages for submission in _submissions(page)]
        )

    def get_submission(self, ref: int) -> Submission | None:
        """One submission, as it stands now; None while Kaggle does not know it yet."""
        doing = "asking for the submission"

        def once() -> dict[str, Any] | None:
            try:
                return self.call_once("GetSubmission", ref=ref)
            except CallFailure as failure:
                if failure.status != 404:
                    raise
                return None

        answer = self.retry(doing, once)
        return None if answer is None else self._read(doing, lambda: _submission(answer))

    def retry(
        self, doing: str, once: Callable[[], T], futile_tries: Callable[[], int] | None = None
    ) -> T:
        """Do something until it succeeds, fails for good, or all tries are used.

        Args:
            doing: what it is, for the error.
            once: one try, which raises `CallFailure`.
            futile_tries: how many tries have failed since the last progress; all without it.
        """

        def failed(state: tenacity.RetryCallState) -> int:
            return state.attempt_number if futile_tries is None else futile_tries()

        def wait(state: tenacity.RetryCallState) -> float:
            failure = state.outcome.exception() if state.outcome else None
            if isinstance(failure, CallFailure) and failure.retry_after is not None:
                return failure.retry_after
            longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** max(0, failed(state) - 1))
            return longest + tenacity.wait_random(0, FIRST_WAIT)(state)

        def tell(state: tenacity.RetryCallState) -> None:
            failure = state.outcome.exception() if state.outcome else None
            if self._on_retry is not None and isinstance(failure, CallFailure):
                what = explain(failure, doing, self.credential, self.shadowed).what
                self._on_retry(what, state.next_action.sleep if state.next_action else 0.0)

        retrying = tenacity.Retrying(
            stop=lambda state: failed(state) >= self._tries,
            wait=wait,
            retry=tenacity.retry_if_exception(_is_worth_a_retry),
            before_sleep=tell,
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(once)
        except CallFailure as failure:
            # Without its cause: what requests says of it may quote addresses that hold secrets
            raise explain(failure, doing, self.credential, self.shadowed) from None

    def call_once(self, name: str, **fields: Any) -> dict[str, Any]:
        """Make a call of the competition's service, once; return the JSON object of its answer.

        Args:
            name: of the call, such as `ListSubmissions`.
            fields: of its request, as the SDK names them.

        Raises:
            CallFailure: it failed.
            CredentialsError: the OAuth login cannot be used.
        """
        client = self._open()
        request = getattr(_types(), f"Api{name}Request")()
        if name != "GetSubmission":
            request.competition_name = COMPETITION
        for field, value in fields.items():
            setattr(request, field, value)
        service = "competitions.CompetitionApiService"

        def exchange() -> dict[str, Any]:
            answer: dict[str, Any] = client.http_client().call(service, name, request, _Json)
            return answer

        try:
            return _attempt(exchange)
        except CallFailure as failure:
            # The SDK takes an OAuth token for good until half an hour after it has expired
            if failure.status != 401 or self._login is None:
                raise
        self._take_token(self._login.refresh_access_token)
        return _attempt(exchange)

    def transfer_session(self) -> requests.Session:
        """A session for transfers: with time-outs, without credentials."""
        return self._limited(_AnonymousSession())

    def _call(self, doing: str, name: str, **fields: Any) -> dict[str, Any]:
        return self.retry(doing, lambda: self.call_once(name, **fields))

    def _read(self, doing: str, read: Callable[[], T]) -> T:
        try:
            return _attempt(read)
        except CallFailure as failure:
            raise explain(failure, doing, self.credential, self.shadowed) from None

    def _pages(self, doing: str, name: str) -> Iterator[dict[str, Any]]:
        tokens = {""}
        fields: dict[str, Any] = {"page": 1} if name == "ListSubmissions" else {}
        for _ in range(MOST_PAGES):
            page = self._call(doing, name, page_size=PAGE, **fields)
            yield page
            token = str(page.get("nextPageToken") or "")
            # A server that repeats itself would never end
            if token in tokens:
                return
            tokens.add(token)
            fields = {"page_token": token}

    def _open(self) -> Any:
        """The SDK's client, its session opened, limited and authorised."""
        if self._client is not None:
            return self._client
        environment = os.environ.get("KAGGLE_API_ENVIRONMENT") or "PROD"
        if environment not in _ENVIRONMENTS:
            raise UsageError(
                f"KAGGLE_API_ENVIRONMENT: expected one of {', '.join(_ENVIRONMENTS)},"
                f" found {environment!r}.",
                "Unset it to talk to Kaggle itself.",
            )
        from kagglesdk import KaggleClient
        from kagglesdk.kaggle_env import KaggleEnv

        places = {"PROD": KaggleEnv.PROD, "LOCALHOST": KaggleEnv.LOCAL, "TEST": KaggleEnv.TEST}
        client = KaggleClient(
            env=places[environment], api_token=_NO_TOKEN, user_agent=f"digit-kit/{__version__}"
        )
        client.__enter__()
        # The SDK has no other door to its session
        session = self._limited(client.http_client()._session)  # noqa: SLF001
        # A call that is redirected would carry its token to another host
        session.max_redirects = 0
        self._client = client
        if self.credential.kind == "key":
            session.auth = (self.credential.username or "", self.credential.secret)
        elif self.credential.kind == "token":
            session.auth = client.http_client().BearerAuth(self.credential.secret)
        else:
            self._log_in()
        return client

    def _limited(self, session: requests.Session) -> requests.Session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, _TimeLimitedAdapter(self._timeout))
        return session

    def _log_in(self) -> None:
        """Use the OAuth login as Kaggle's client does, which keeps it in its own file."""
        from kagglesdk import KaggleCredentials

        try:
            self._login = KaggleCredentials.load(self._client)
        except (ValueError, TypeError, AttributeError, OSError):
            self._login = None
        if self._login is None:
            self._client = None
            raise CredentialsError(
                f"The {self.credential} is damaged.", "Log in again with: kaggle auth login"
            )
        self._take_token(self._login.get_access_token)

    def _take_token(self, get: Callable[[], Any]) -> None:
        session = self._client.http_client()._session  # noqa: SLF001 - as above
        session.auth = None
        try:
            _attempt(get)
            self._secret = str(_attempt(self._login.get_access_token))
        except CallFailure as failure:
            self._client = None
            if failure.status in (400, 403, 404):
                # Whatever Kaggle calls it, a login that gives no token is a refused credential
                raise CallFailure(Trouble.STATUS, 401, failure.words) from None
            raise
        session.auth = self._client.http_client().BearerAuth(self._secret)


class OpenAttemptError(NetworkError):
    """It is open whether Kaggle took the submission."""


class _Json:
    """Has the SDK give an answer's JSON as it is: its own classes fail at words new to them."""

    @staticmethod
    def prepare_from(response: requests.Response) -> dict[str, Any]:
        if response.status_code != 200:
            raise requests.HTTPError(response=response)
        content = response.json()
        if not isinstance(content, dict):
            raise TypeError("not a JSON object")
        return content


class _TimeLimitedAdapter(HTTPAdapter):
    """Gives each request a time-out, since the SDK gives none."""

    def __init__(self, timeout: float) -> None:
        self._limits = (min(CONNECT_SECONDS, timeout), timeout)
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        options["timeout"] = options.get("timeout") or self._limits
        return super().send(request, *args, **options)


class _AnonymousSession(requests.Session):
    """Sends no credentials: else `~/.netrc` would give some, to each address of a redirect too."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request

    def rebuild_auth(self, *_redirect: object) -> None:
        """Leave the request of a redirect without credentials."""


def _attempt(exchange: Callable[[], T]) -> T:
    try:
        return exchange()
    except _EXCHANGE_ERRORS as error:
        raise failure_of(error) from error


def _is_worth_a_retry(error: BaseException) -> bool:
    if not isinstance(error, CallFailure) or not error.is_transient:
        return False
    return (error.retry_after or 0) <= LONGEST_RETRY_AFTER


def _submissions(page: dict[str, Any]) -> list[Submission]:
    return [_submission(entry) for entry in page.get("submissions") or ()]


def _submission(answer: dict[str, Any]) -> Submission:
    return Submission(
        ref=int(answer["ref"]),
        time=_moment(answer.get("date")),
        description=str(answer.get("description") or ""),
        file_name=str(answer.get("fileName") or ""),
        total_bytes=int(answer.get("totalBytes") or 0),
        status=str(answer.get("status") or "PENDING").upper(),
        public_score=_score(answer.get("publicScore")),
        private_score=_score(answer.get("privateScore")),
        reason=str(answer.get("errorDescription") or "") or None,
    )


def _score(given: object) -> str | None:
    return None if given in (None, "", "None") else str(given)


def _moment(given: object) -> datetime | None:
    if not given:
        return None
    moment = datetime.fromisoformat(str(given))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _setting(variable: str, usual: float) -> float:
    text = os.environ.get(variable) or str(usual)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(
            f"{variable}: expected a number above 0, found {text!r}.",
            f"Unset {variable}, or give it a number such as {usual:g}.",
        )
    return number


def _types() -> Any:
    from kagglesdk.competitions.types import competition_api_service

    return competition_api_service
