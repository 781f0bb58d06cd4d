"""The wire to Kaggle: its SDK, with time-outs, tries, and errors that a person can read."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import requests
import tenacity
from requests.adapters import HTTPAdapter

from kit import __version__
from kit.errors import CredentialsError, KitError, UsageError
from kit.kaggle.call_failure import CallFailure, Trouble, failure_of
from kit.kaggle.credentials import Credential, choose_credential
from kit.kaggle.patience import Patience
from kit.kaggle.refusals import explain

T = TypeVar("T")
# told before each wait: what failed, and for how many seconds it waits
OnRetry = Callable[[str, float], None]

_ENVIRONMENT = "KAGGLE_API_ENVIRONMENT"
_ENVIRONMENTS = ("PROD", "LOCALHOST", "TEST")
# keeps the SDK from looking for a token itself; the session's credential has the last word
_NONE = "-"
# what the SDK and its parsing raise where an answer is not what it should be
_EXCHANGE_ERRORS = (
    requests.RequestException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)


class _TimeLimitedAdapter(HTTPAdapter):
    """Gives each request a time-out, since the SDK gives none."""

    def __init__(self, patience: Patience) -> None:
        self._limits = (min(patience.connect, patience.timeout), patience.timeout)
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        options["timeout"] = options.get("timeout") or self._limits
        return super().send(request, *args, **options)


class Wire:
    """Calls to Kaggle with one credential. Nothing is loaded or sent before the first call.

    Attributes:
        credential: the one that is used.
        shadowed: usable ones that are not.
        patience: how long to wait, how often to try.
        secret: what is sent: the key or token; of an OAuth login, its access token of the moment.
    """

    def __init__(
        self, found: list[Credential], patience: Patience, on_retry: OnRetry | None = None
    ) -> None:
        """Choose among the credentials that were found.

        Raises:
            CredentialsError: none can be used.
        """
        self.credential = choose_credential(found)
        self.shadowed = [
            other for other in found if other.problem is None and other is not self.credential
        ]
        self.patience = patience
        self.secret = self.credential.secret
        self._on_retry = on_retry
        self._client: Any = None
        self._session: Any = None
        self._login: Any = None

    def call(self, doing: str, method: Callable[[Any], T]) -> T:
        """Make a call that may safely be made again, until it goes well or patience ends.

        Args:
            doing: what it is to do, such as `listing the competition's files`.
            method: given the SDK's client, makes the call.

        Raises:
            CredentialsError: Kaggle does not accept the credential.
            CompetitionError: Kaggle refused.
            NetworkError: no answer, or none that makes sense.
        """
        return self.retry(doing, lambda: self.call_once(method))

    def retry(
        self, doing: str, once: Callable[[], T], futile_tries: Callable[[], int] | None = None
    ) -> T:
        """Do something until it goes well, it fails for good, or patience ends.

        Args:
            doing: what it is, for the error.
            once: one try, which raises `CallFailure`.
            futile_tries: how many tries have failed since the last that got on; all of them
                without it.

        Raises:
            CredentialsError: Kaggle does not accept the credential.
            CompetitionError: Kaggle refused.
            NetworkError: no answer, or none that makes sense.
        """

        def failed(state: tenacity.RetryCallState) -> int:
            return state.attempt_number if futile_tries is None else futile_tries()

        retrying = tenacity.Retrying(
            stop=lambda state: failed(state) >= int(self.patience.attempts),
            wait=lambda state: self._wait(state, failed(state)),
            retry=tenacity.retry_if_exception(self._is_worth_a_retry),
            before_sleep=lambda state: self._tell(doing, state),
            reraise=True,
        )
        try:
            return retrying(once)
        except CallFailure as failure:
            # without its cause: what requests says of it may quote addresses that hold secrets
            raise self.explain(failure, doing) from None

    def call_once(self, method: Callable[[Any], T]) -> T:
        """Make a call, once.

        Raises:
            CallFailure: it failed.
            CredentialsError: the OAuth login cannot be used.
        """
        client = self._open()
        try:
            return self._attempt(lambda: method(client))
        except CallFailure as failure:
            # the SDK takes an OAuth token for good until half an hour after it has expired
            if failure.status != 401 or self._login is None:
                raise
        self._refresh(client)
        return self._attempt(lambda: method(client))

    def transfer_session(self) -> requests.Session:
        """A session for transfers: with time-outs, without credentials."""
        session = requests.Session()
        self._limit(session)
        return session

    def explain(self, failure: CallFailure, doing: str) -> KitError:
        """Tell a failure to a person."""
        return explain(failure, doing, self.credential, self.shadowed)

    @staticmethod
    def _attempt(exchange: Callable[[], T]) -> T:
        try:
            return exchange()
        except _EXCHANGE_ERRORS as error:
            raise failure_of(error) from None

    def _open(self) -> Any:
        """The SDK's client, its session opened, limited and authorised."""
        if self._client is not None:
            return self._client
        environment = os.environ.get(_ENVIRONMENT) or "PROD"
        if environment not in _ENVIRONMENTS:
            raise UsageError(
                f"{_ENVIRONMENT}: expected one of {', '.join(_ENVIRONMENTS)},"
                f" found {environment!r}.",
                f"Unset {_ENVIRONMENT} to talk to Kaggle itself.",
            )
        from kagglesdk import KaggleClient
        from kagglesdk.kaggle_env import KaggleEnv

        places = {"PROD": KaggleEnv.PROD, "LOCALHOST": KaggleEnv.LOCAL, "TEST": KaggleEnv.TEST}
        client = KaggleClient(
            env=places[environment], api_token=_NONE, user_agent=f"digit-kit/{__version__}"
        )
        client.__enter__()
        # the SDK has no other door to the time-outs of its requests
        session: requests.Session = client.http_client()._session  # noqa: SLF001
        self._limit(session)
        self._session = session
        self._authorise(client, session)
        self._client = client
        return client

    def _limit(self, session: requests.Session) -> None:
        for scheme in ("https://", "http://"):
            session.mount(scheme, _TimeLimitedAdapter(self.patience))

    def _authorise(self, client: Any, session: requests.Session) -> None:
        if self.credential.kind == "key":
            session.auth = (self.credential.username or "", self.credential.secret)
        elif self.credential.kind == "token":
            session.auth = client.http_client().BearerAuth(self.credential.secret)
        else:
            self._log_in(client, session)

    def _log_in(self, client: Any, session: requests.Session) -> None:
        """Use the OAuth login as Kaggle's client does, which keeps it in its own file."""
        from kagglesdk import KaggleCredentials

        session.auth = None
        try:
            login = KaggleCredentials.load(client)
        except (ValueError, TypeError, AttributeError, OSError):
            login = None
        if login is None:
            raise CredentialsError(
                f"The {self.credential} is damaged.", "Log in anew with: kaggle auth login"
            )
        self._take_token(login.get_access_token, login, client, session)
        self._login = login

    def _refresh(self, client: Any) -> None:
        """Get another access token for the OAuth login."""
        session: requests.Session = self._session
        session.auth = None
        self._take_token(self._login.refresh_access_token, self._login, client, session)

    def _take_token(
        self, get: Callable[[], Any], login: Any, client: Any, session: requests.Session
    ) -> None:
        try:
            self._attempt(get)
            self.secret = str(self._attempt(login.get_access_token))
        except CallFailure as failure:
            if failure.status in (400, 403, 404):
                # whatever Kaggle calls it, a login that gives no token is a refused credential
                raise CallFailure(Trouble.STATUS, 401, failure.words) from None
            raise
        session.auth = client.http_client().BearerAuth(self.secret)

    def _is_worth_a_retry(self, error: BaseException) -> bool:
        if not isinstance(error, CallFailure) or not error.is_transient:
            return False
        return (error.retry_after or 0) <= self.patience.longest_retry_after

    def _wait(self, state: tenacity.RetryCallState, failed: int) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, CallFailure) and failure.retry_after is not None:
            return failure.retry_after
        patience = self.patience
        backoff = min(patience.longest_wait, patience.wait * 2.0 ** max(0, failed - 1))
        return backoff + tenacity.wait_random(0, patience.wait)(state)

    def _tell(self, doing: str, state: tenacity.RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        if self._on_retry is not None and isinstance(failure, CallFailure):
            waited = state.next_action.sleep if state.next_action else 0.0
            self._on_retry(self.explain(failure, doing).what, waited)
