"""How requests are sent to Kaggle: with time-outs, and tokens and passwords to nobody else."""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

# Seconds until a connection must stand
CONNECT_SECONDS = 10.0


class TransferAdapter(HTTPAdapter):
    """Gives each request a time-out, since the SDK gives none."""

    def __init__(self, timeout: float) -> None:
        """Take the seconds of silence after which a request has failed."""
        self._limits = (min(CONNECT_SECONDS, timeout), timeout)
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send a request, and give up after the time-out."""
        options["timeout"] = options.get("timeout") or self._limits
        return super().send(request, *args, **options)


class CallAdapter(TransferAdapter):
    """Follows no redirect, which would carry a token to another host.

    Nor does it leave refusals to the SDK, which fails at words of Kaggle's that it does not know.
    """

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send a request; an HTTPError for each answer with a status of 300 or above."""
        response = super().send(request, *args, **options)
        if response.status_code >= 300:
            raise requests.HTTPError(response=response)
        return response


class AnonymousSession(requests.Session):
    """Sends no credentials: else `~/.netrc` would give some, to each address of a redirect too."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = lambda request: request

    def rebuild_auth(self, *_redirect: object) -> None:
        """Leave the request of a redirect without credentials."""
