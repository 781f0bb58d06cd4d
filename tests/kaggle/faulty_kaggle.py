"""A local Kaggle that records its calls, and shows the failures that it is told to show."""

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import abort
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import get_input_stream

from kit.local_kaggle.app import LocalKaggle
from kit.local_kaggle.calls import Calls

ANY_CALL = "*"
REFRESH_TOKEN = "local-refresh-token"
# What each call that needs the rules to be accepted says otherwise
_NO_RULES = dict.fromkeys(
    ("DownloadDataFiles", "DownloadDataFile"),
    "You must accept this competition's rules before you'll be able to download files.",
) | dict.fromkeys(
    ("StartSubmissionUpload", "CreateSubmission"),
    "You cannot submit until you accept the competition rules",
)
_PAGE = b"<!DOCTYPE html><html><body><h1>Something stands in between</h1></body></html>"


@dataclass(eq=False)
class Failure:
    """What goes wrong with a call, and how often.

    Attributes:
        call: the name of the call, such as `CreateSubmission`, `Download` or `Upload`; `Resume` for
            a download that goes on where it stopped; `*` for any.
        times: how often it still goes wrong.
        skip: how many such calls still go well before.
        status: answer with this HTTP status.
        message: the words that go with the status.
        retry_after: seconds for the header `Retry-After`, or None to leave it out.
        headers: others that go with the status, such as `Location`.
        html: answer with a page of HTML instead of JSON.
        stall: say nothing for so many seconds, then close the connection.
        reset_after: reset the connection after so many bytes of the body that is transferred.
        cut_after: promise the whole answer, send so many bytes of its body, then close.
        change: gets the answer's JSON and gives another one.
        lengthless: send the body without its length and without an ETag, `chunked` or until the
            connection is `closed`.
        etag: whatever the request says of ETags is ignored, and the answer has this one.
        from_start: a transfer that is resumed is answered by a 206 that begins at byte 0.
        done: whether the call takes effect all the same, so that only its answer is lost.
        reached: set when an answer fails to come, by when a call that is `done` has taken effect.
    """

    call: str
    times: int = 1
    skip: int = 0
    status: int | None = None
    message: str = "Told to fail"
    retry_after: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    html: bool = False
    stall: float = 0.0
    reset_after: int | None = None
    cut_after: int | None = None
    change: Callable[[Any], Any] | None = None
    lengthless: str | None = None
    etag: str | None = None
    from_start: bool = False
    done: bool = False
    reached: threading.Event = field(default_factory=threading.Event)

    @property
    def spoils_body(self) -> bool:
        """Whether an answer comes, and something is wrong with it on its way."""
        if self.html or self.stall or self.status is not None:
            return False
        alters = self.change, self.lengthless, self.etag, self.cut_after
        return self.from_start or any(way is not None for way in alters)


class FailurePlan:
    """The failures that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._planned: list[Failure] = []
        self._lock = threading.Lock()

    def add(self, failure: Failure) -> Failure:
        """Plan a failure, and return it."""
        with self._lock:
            self._planned.append(failure)
        return failure

    def clear(self) -> None:
        """Forget all that were planned."""
        with self._lock:
            self._planned.clear()

    def take(self, names: set[str]) -> Failure | None:
        """Take the failure that a call of these names is to show, or None if it is to go well."""
        with self._lock:
            for failure in self._planned:
                if failure.call not in names:
                    continue
                if failure.skip:
                    failure.skip -= 1
                    continue
                failure.times -= 1
                if failure.times <= 0:
                    self._planned.remove(failure)
                return failure
        return None


class UserCalls(Calls):
    """The calls, also of a user who has not `entered` or accepted the rules, or who logs in."""

    entered = rules_accepted = True

    def answer(
        self, name: str, request: Any, authorization: str | None, origin: str
    ) -> dict[str, Any]:
        if name == "GenerateAccessToken":
            return self._log_in(request)
        if name in _NO_RULES and not self.entered:
            abort(403, "Permission 'competitions.participate' was denied")
        if name in _NO_RULES and not self.rules_accepted:
            abort(403, _NO_RULES[name])
        answer = super().answer(name, request, authorization, origin)
        if name == "GetCompetition":
            answer["userHasEntered"] = self.entered
        return answer if self.entered or name != "GetSubmissionLimits" else {}

    def _log_in(self, request: Any) -> dict[str, Any]:
        """Give an OAuth login an access token."""
        if request.get("refreshToken") != REFRESH_TOKEN:
            abort(401, "Unauthenticated")
        account = self._state.account
        token = f"local-oauth-token-{len(account.tokens)}"
        account.tokens.add(token)
        return {"token": token, "expiresIn": 43_200, "userName": account.username, "userId": 1}


class FaultyKaggle(LocalKaggle):
    """The local Kaggle, and round it a WSGI middleware that fails as planned.

    Attributes:
        failures: what is planned to go wrong.
        user: what the user has entered and accepted.
        calls: the names of the calls that came, in order.
    """

    def __init__(self, folder: Path, solution: Path, **options: Any) -> None:
        super().__init__(folder, solution, **options)
        self.user = self._calls = UserCalls(self.state, self.files)
        self.failures = FailurePlan()
        self.calls: list[str] = []
        self._closing = threading.Event()
        self._whole = self.app.wsgi_app
        self.app.wsgi_app = self._answer  # type: ignore[method-assign]

    def fail(self, call: str, status: int | None = None, times: int = 1, **how: Any) -> Failure:
        """Plan a failure; `how` takes the other attributes of `Failure`."""
        return self.failures.add(Failure(call, times, status=status, **how))

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        super().__exit__(*error)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        names = {"POST": environ["PATH_INFO"].rpartition("/")[2], "PUT": "Upload"}
        call = names.get(environ["REQUEST_METHOD"], "Download")
        self.calls.append(call)
        resumes = {"Resume"} if call == "Download" and "HTTP_RANGE" in environ else set()
        failure = self.failures.take({call, ANY_CALL, *resumes})
        if failure is None:
            return self._whole(environ, start_response)
        if call == "Upload" and failure.reset_after is not None and not failure.done:
            environ["wsgi.input"].read(failure.reset_after)
        else:
            environ["wsgi.input"] = BytesIO(get_input_stream(environ).read())
        spoilt = failure.spoils_body or (call == "Download" and failure.reset_after is not None)
        if not (spoilt or failure.done):
            return self._fail(failure, environ, start_response)
        if failure.etag is not None or failure.from_start:
            environ.pop("HTTP_IF_RANGE", None)
        if failure.from_start and "HTTP_RANGE" in environ:
            environ["HTTP_RANGE"] = "bytes=0-"
        chunks, status, headers = run_wsgi_app(self._whole, environ, buffered=True)
        if spoilt:
            answer = b"".join(chunks), status, headers
            return self._spoil(failure, environ["werkzeug.socket"], start_response, *answer)
        if int(status[:3]) < 300:
            return self._fail(failure, environ, start_response)
        start_response(status, list(headers))
        return chunks

    def _spoil(
        self,
        failure: Failure,
        connection: socket.socket,
        start_response: Any,
        body: bytes,
        status: str,
        headers: Headers,
    ) -> Iterable[bytes]:
        """Send an answer with what the failure makes of it."""
        failure.reached.set()
        if failure.change is not None:
            body = json.dumps(failure.change(json.loads(body))).encode()
            headers["Content-Length"] = str(len(body))
        if failure.etag is not None:
            headers["ETag"] = failure.etag
        if failure.lengthless:
            headers.remove("Content-Length")
            headers.remove("ETag")
        end = failure.cut_after if failure.reset_after is None else failure.reset_after
        if end is None and failure.lengthless != "closed":
            start_response(status, list(headers))
            return [body]
        connection.sendall(f"HTTP/1.1 {status}\r\n{headers}".encode() + body[:end])
        return self._end(connection, reset=failure.reset_after is not None)

    def _fail(self, failure: Failure, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer with the failure alone, or not at all."""
        failure.reached.set()
        if failure.stall:
            self._closing.wait(failure.stall)
        if failure.stall or failure.reset_after is not None:
            return self._end(environ["werkzeug.socket"], reset=not failure.stall)
        status = failure.status or 200
        body, kind = _PAGE, "text/html; charset=utf-8"
        if not failure.html:
            body = json.dumps({"code": status, "message": failure.message}).encode()
            kind = "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **failure.headers}
        if failure.retry_after is not None:
            headers["Retry-After"] = f"{failure.retry_after:g}"
        start(f"{status} {HTTP_STATUS_CODES.get(status, 'Unknown')}", list(headers.items()))
        return [body]

    @staticmethod
    def _end(connection: socket.socket, *, reset: bool) -> Iterable[bytes]:
        """End a connection, so that the server finds that its caller has gone."""
        if reset:
            # Closed with a linger of no seconds, a connection is reset. The server goes on with
            # the other end of a pair that has ended.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            ended, other = socket.socketpair()
            with ended:
                other.close()
                os.dup2(ended.fileno(), connection.fileno())
        else:
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError
