"""Digit Recognizer at Kaggle, through Kaggle's own SDK: the one place that talks to it."""

import base64
import io
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

from pydantic import ValidationError
from requests import HTTPError, PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError as TransferError

from kit import __version__
from kit.errors import CompetitionError, UsageError
from kit.kaggle.answers import Answer, Competition, Limits, Page, Submission
from kit.kaggle.credentials import Credential, find_credentials, usable_credentials
from kit.kaggle.exchange import CLOSED, COMPETITION, CallFailure, Trouble, explain, failure_of

T = TypeVar("T")
A = TypeVar("A", bound=Answer)
utc_now = partial(datetime.now, UTC)

# Seconds until a connection must stand; before the second try, doubled from try to try; at most
# between two tries; and what Kaggle may ask for with `Retry-After` and still be waited for
CONNECT_SECONDS, FIRST_WAIT, LONGEST_WAIT, LONGEST_RETRY_AFTER = 10.0, 1.0, 30.0, 120.0
_SERVICE = "competitions.CompetitionApiService"
# Entries of a list that are asked for in a page, and that are read at most
PAGE, MOST_ENTRIES = 100, 10_000
# What the SDK and the reading of an answer raise
_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class _Adapter(HTTPAdapter):
    """Sends requests with a time-out, since the SDK gives none.

    Calls, which are POSTs, follow no redirect, which would carry a token to another host, and leave
    no refusal to the SDK, which fails at words that it does not know. Transfers carry no
    credentials, which `~/.netrc` may give.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = min(CONNECT_SECONDS, timeout), timeout
        super().__init__()

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        is_call = request.method == "POST"
        if not is_call:
            request.headers.pop("Authorization", None)
        response = super().send(request, *args, **{**options, "timeout": self._timeout})
        if is_call:
            # The time-out is of silence alone, and an answer may trickle for ever
            content, end = b"", time.monotonic() + self._timeout[1]
            while block := response.raw.read1(1 << 16, decode_content=True):
                content += block
                if time.monotonic() > end:
                    raise TimeoutError
            response.raw = io.BytesIO(content)
            if response.status_code >= 300:
                raise HTTPError(response=response)
        return response


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
        on_retry: Callable[[str, float], None] = lambda _what, _seconds: None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Choose one of the credentials that were `found`, or else of this machine's.

        A request fails after `timeout` seconds of silence (`KIT_KAGGLE_TIMEOUT`, or 60), a call
        after so many `tries` (`KIT_KAGGLE_ATTEMPTS`, or 5). `on_retry` is told what failed before
        each wait for another try, and the seconds. `sleep` waits, and `now` tells the time in UTC.

        Raises:
            CredentialsError: no credential can be used.
            UsageError: a variable is no number above 0 and below 1e6, or names no environment.
        """
        self.usable = usable_credentials(find_credentials() if found is None else found)
        self.credential = self.usable[0]
        self.sleep, self.now, self._on_retry = sleep, now, on_retry
        self._timeout = timeout or _setting("KIT_KAGGLE_TIMEOUT", 60.0)
        self.tries = tries or int(_setting("KIT_KAGGLE_ATTEMPTS", 5))
        self._secrets = [c.secret for c in self.usable]
        # Keys, in the form in which a header has them
        pairs = (f"{c.username}:{c.secret}" for c in self.usable if c.kind == "key")
        self._secrets += [base64.b64encode(pair.encode()).decode() for pair in pairs]
        self._client = _open_client()
        # The SDK has no other door to its session
        self._session: Any = self._client.http_client()._session  # noqa: SLF001
        self.with_timeouts(self._session)
        self._session.auth = None
        if self.credential.kind == "key":
            self._session.auth = self.credential.username, self.credential.secret
        elif self.credential.kind == "token":
            self._use_token(self.credential.secret)

    def whoami(self) -> str:
        """The user's name, once Kaggle has accepted the credential."""
        from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

        def once() -> str:
            if self.credential.kind != "token":
                # These name their user. Any call shows whether they are accepted
                self.call_once("GetCompetition")
                return self.credential.username or ""
            request = IntrospectTokenRequest()
            request.token = self.credential.secret
            with self.failing():
                answer = self._client.security.oauth_client.introspect_token(request)
            if not answer.active or not answer.username:
                raise CallFailure(Trouble.STATUS, 401)
            return self._mask(str(answer.username))

        return self.retry("asking whose credential it is", once)

    def competition(self) -> Competition:
        """The competition, as it stands to the user; a CompetitionError if it is closed."""
        competition = self._ask("asking for the competition", "GetCompetition", Competition)
        if (deadline := competition.deadline) and deadline < self.now():
            what = f"The competition is closed: its deadline was {deadline:%Y-%m-%d %H:%M} UTC."
            raise CompetitionError(what, CLOSED)
        return competition

    def limits(self) -> Limits | None:
        """How many submissions are left; None where Kaggle, or an old SDK, does not say."""
        if _request_type("GetSubmissionLimits") is None:
            return None
        limits = self._ask("asking for the submissions left", "GetSubmissionLimits", Limits)
        # To who is not on a team, it answers with zeros
        return limits if limits.today or limits.total or limits.left else None

    def list_files(self) -> dict[str, int]:
        """The competition's files by name, with their sizes in bytes."""
        files = self._list("listing the competition's files", "ListDataFiles", "files", "name")
        return {file.name: file.total_bytes for file in files}

    def locate(self, name: str, **fields: Any) -> str:
        """Ask, once, where a file is, by a call that redirects; a CallFailure where that fails."""
        try:
            self.call_once(name, **fields)
        except CallFailure as failure:
            if failure.location is None:
                raise
            return failure.location
        raise CallFailure(Trouble.NONSENSE)

    def list_submissions(self) -> list[Submission]:
        """All submissions, newest first; where there are more than 10,000, at least so many."""
        return self._list("listing the submissions", "ListSubmissions", "submissions", "ref")

    def get_submission(self, ref: int) -> Submission | None:
        """One submission, as it stands now; None while Kaggle does not know it yet."""

        def once() -> Submission | None:
            try:
                found = Submission.model_validate(self.call_once("GetSubmission", ref=ref))
            except CallFailure as failure:
                if failure.status == 404:
                    return None
                raise
            return found if found.ref == ref else None

        return self.retry("asking for the submission", once)

    def upload(self, content: bytes, file_name: str) -> str:
        """Upload a file, in one request that is begun anew where it breaks; return its token."""
        now = int(self.now().timestamp())
        fields = {"content_length": len(content), "last_modified_epoch_seconds": now}

        def once() -> str:
            place = self.call_once("StartSubmissionUpload", file_name=file_name, **fields)
            with self.failing(), self.with_timeouts(Session()) as session:
                answer = session.put(str(place["createUrl"]), content, allow_redirects=False)
                answer.raise_for_status()
            is_page = answer.content.lstrip()[:5].lower() in (b"<!doc", b"<html")
            if is_page or answer.status_code not in (200, 201) or not place.get("token"):
                raise CallFailure(Trouble.NONSENSE)
            return str(place["token"])

        return self.retry("uploading the submission's file", once)

    def retry(self, doing: str, once: Callable[[], T], spent: Callable[[], int] | None = None) -> T:
        """Try something `once`, and again after a `CallFailure`; `doing` names it in the error.

        It ends when it succeeds, fails for good, or all tries are spent. `spent` tells how many
        have failed since the last progress; without it, all have.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return once()
            except CallFailure as caught:
                failure = caught
            except ValidationError:
                failure = CallFailure(Trouble.NONSENSE)
            error = explain(failure, doing, self.usable)
            futile = spent() if spent else tries
            wait = failure.retry_after
            if wait is None:
                jitter = random.uniform(0, FIRST_WAIT)  # noqa: S311 - it is no secret
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(futile - 1, 30)) + jitter
            if futile >= self.tries or not failure.is_transient or wait > LONGEST_RETRY_AFTER:
                # Without its cause: what requests says may quote addresses that hold secrets
                raise error
            self._on_retry(error.what, wait)
            self.sleep(wait)

    def call_once(self, name: str, **fields: Any) -> dict[str, Any]:
        """Make a call, such as `ListSubmissions`, once; return the JSON object of its answer.

        The fields of its request have the names that the SDK gives them. It may raise CallFailure.
        """
        if self._session.auth is None:
            self._log_in()
        request = _request_type(name)()
        if hasattr(request, "competition_name"):
            request.competition_name = COMPETITION
        for field, value in fields.items():
            setattr(request, field, value)
        # The SDK's own types of answers fail at words that are new to them
        kind = SimpleNamespace(prepare_from=self._read)
        with self.failing():
            return dict(self._client.http_client().call(_SERVICE, name, request, kind))

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Turn what requests, the SDK and the reading of an answer raise into a `CallFailure`."""
        try:
            yield
        except (OSError, TransferError, *_WRONG) as error:
            failure = failure_of(error)
            failure.words = self._mask(failure.words)
            raise failure from None

    def with_timeouts(self, session: Session) -> Session:
        """Give a session time-outs. Only its calls, which are POSTs, carry credentials then."""
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(self._timeout))
        return session

    def _ask(self, doing: str, name: str, kind: type[A], **fields: Any) -> A:
        return self.retry(doing, lambda: kind.model_validate(self.call_once(name, **fields)))

    def _list(self, doing: str, name: str, kind: str, key: str) -> list[Any]:
        """The entries of a list, which differ in their `key`, however short its pages are."""
        listed: dict[Any, Any] = {}
        token, idle = "", 0
        # A server that repeats itself would never end; a single page may be empty
        while idle < 2 and len(listed) < MOST_ENTRIES:
            page = self._ask(doing, name, Page, page_size=PAGE, page_token=token)
            entries = {getattr(entry, key): entry for entry in getattr(page, kind)}
            idle = idle + 1 if entries.keys() <= listed.keys() else 0
            listed |= entries
            if not (token := page.next_page_token):
                break
        return list(listed.values())

    def _read(self, response: Response) -> Any:
        content = response.json(object_hook=self._clean)
        if "error" in content:
            # It came with the status of a success
            raise HTTPError(response=response)
        return content

    def _clean(self, content: dict[str, Any]) -> dict[str, Any]:
        """An object of JSON without nulls, its texts masked."""
        told = {name: value for name, value in content.items() if value is not None}
        return {name: self._mask(v) if isinstance(v, str) else v for name, v in told.items()}

    def _mask(self, text: str) -> str:
        """Text without the secrets that are known: servers may repeat them."""
        for secret in self._secrets:
            # A short one may stand in what is none, such as a score. Kaggle's have 32 characters
            text = text.replace(secret, "***") if len(secret) >= 8 else text
        return text

    def _log_in(self) -> None:
        """Get an access token by the OAuth login. Its file is left to Kaggle's own client."""
        from kagglesdk import KaggleCredentials

        login = KaggleCredentials(self._client, self.credential.secret)
        try:
            with self.failing():
                self._use_token(str(login.generate_access_token().token))
        except CallFailure as failure:
            # Whatever Kaggle calls it, a login that gives no token is a refused credential
            if failure.status in (400, 403, 404):
                failure.status = 401
            raise

    def _use_token(self, token: str) -> None:
        self._secrets.append(token)
        self._session.auth = self._client.http_client().BearerAuth(token)


def _open_client() -> Any:
    """The SDK's client, its session opened, for the environment that is asked for."""
    from kagglesdk import KaggleClient
    from kagglesdk.kaggle_env import KaggleEnv

    known = {"PROD": KaggleEnv.PROD, "LOCALHOST": KaggleEnv.LOCAL, "TEST": KaggleEnv.TEST}
    name, agent = os.environ.get("KAGGLE_API_ENVIRONMENT") or "PROD", f"digit-kit/{__version__}"
    if name not in known:
        what = f"KAGGLE_API_ENVIRONMENT: expected one of {', '.join(known)}, found {name!r}."
        raise UsageError(what, "Unset KAGGLE_API_ENVIRONMENT to talk to Kaggle itself.")
    # A token that is none keeps the SDK from looking for one itself
    return KaggleClient(env=known[name], api_token="-", user_agent=agent).__enter__()  # noqa: S106


def _setting(variable: str, usual: float) -> float:
    text = os.environ.get(variable) or str(usual)
    with suppress(ValueError):
        if 0 < float(text) < 1e6:
            return float(text)
    remedy = f"Unset {variable}, or give it a number below 1e6, such as {usual:g}."
    raise UsageError(f"{variable}: expected a number above 0, found {text!r}.", remedy)


def _request_type(name: str) -> Any:
    """The SDK's class for a call's request, or None where the SDK has no such call."""
    from kagglesdk.competitions.types import competition_api_service

    return getattr(competition_api_service, f"Api{name}Request", None)
