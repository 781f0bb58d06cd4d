"""Serves a Flask app to the programs and to the browser of this machine (the extra `serve`)."""

import ipaddress
import os
import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from kit.errors import UsageError, missing_extra

try:
    from flask import Flask, abort, request
    from werkzeug.serving import WSGIRequestHandler, make_server
except ImportError as error:
    raise missing_extra("serve", "Flask") from error

_ADDRESS = "127.0.0.1"


class _Handler(WSGIRequestHandler):
    # Else an answer's body waits 40 ms until its headers are acknowledged
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        try:
            urlsplit(self.path)
        except ValueError:
            self.send_error(400)
        else:
            super().run_wsgi()

    def log_request(self, *_: object) -> None:
        """Write no log: a user sees the other side."""

    log_error = log_request  # type: ignore[assignment]


class LoopbackServer:
    """Serves an app at 127.0.0.1, from the moment it is entered; other sites' pages get a 403.

    Attributes:
        port: the port that it listens on.
        address: the address of the app, such as `http://127.0.0.1:8000`.
    """

    def __init__(self, app: Flask, port: int = 0) -> None:
        """Listen; `port` 0 takes a free one.

        Raises:
            UsageError: the port is taken, or needs other rights.
        """
        app.before_request(_refuse_other_sites)
        # If the server made the socket, it would exit where the port is taken
        try:
            listener = socket.create_server((_ADDRESS, port))
        except OSError as error:
            what = f"Port {port} cannot be used ({os.strerror(error.errno or 0)})."
            raise UsageError(what, "Leave out --port to get a free one.") from error
        with listener:
            self.port: int = listener.getsockname()[1]
            self._server = make_server(
                _ADDRESS, self.port, app, True, False, _Handler, fd=listener.fileno()
            )
        self.address = f"http://{_ADDRESS}:{self.port}"
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()


def read_body() -> bytes:
    """The whole body of the request; one that is malformed gets a 400."""
    try:
        return request.get_data()
    except OSError:
        abort(400, "The request's body is malformed")


def _refuse_other_sites() -> None:
    # The pages of any web site that the user looks at can send requests to this machine. A page
    # whose own name leads here (DNS rebinding) gives itself away by that name, and any other page
    # by what browsers say of where a request is from. Programs say nothing.
    if not _is_loopback(request.host):
        abort(403, "Only localhost and loopback addresses are served")
    own = request.host_url.rstrip("/")
    is_own = request.headers.get("Origin", own) == own
    if not is_own or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        abort(403, "Pages of other sites are not answered. Type this address into the browser.")


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    return False
