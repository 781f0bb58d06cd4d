"""The local Kaggle's HTTP: requests in, answers, files and failures out."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from kit.local_kaggle.calls import COMPETITION, Calls, Redirect, Refusal, http_date
from kit.local_kaggle.failures import Failure, FailurePlan
from kit.local_kaggle.judge import Judge
from kit.local_kaggle.served_files import ServedFiles
from kit.local_kaggle.state import CompetitionState, Submission, Upload, wall_clock

_BLOCK = 1 << 16
_PAGE = b"<!DOCTYPE html><html><body><h1>Something stands in between</h1></body></html>"
_CALL = re.compile(r"(?:/api)?/v1/[\w.]+/(\w+)")
_CONTENT_RANGE = re.compile(r"bytes (?:\*|(\d+)-(\d+))/(\d+)")


class LocalKaggle(ThreadingHTTPServer):
    """A Kaggle with one competition and one user, on this machine alone.

    It starts to answer when it is entered as a context, or with `start()`.

    Attributes:
        state: account, limits, submissions; may be changed while it runs.
        failures: what is planned to go wrong.
        calls: the names of the calls that came, in order.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        folder: Path,
        solution: Path,
        *,
        port: int = 0,
        state: Path | None = None,
        clock: Callable[[], float] = wall_clock,
    ) -> None:
        """Take the competition's three files from `folder`, and the hidden labels from `solution`.

        Args:
            folder: where `train.csv`, `test.csv` and `sample_submission.csv` are.
            solution: `ImageId,Label` of the test images.
            port: where to listen on 127.0.0.1; 0 takes a free one.
            state: a file that keeps the submissions from one start to the next.
            clock: tells the time, in seconds since 1970.

        Raises:
            OSError: the port is taken, or a file cannot be read.
            ValueError: the solution or the state is something else.
        """
        self.state = CompetitionState(Judge(solution), state, clock)
        self.failures = FailurePlan()
        self.calls: list[str] = []
        self.files = ServedFiles(folder, f"{COMPETITION}.zip")
        self.answers = Calls(self.state, self.files)
        self.closing = threading.Event()
        self._thread: threading.Thread | None = None
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self.server_address[1])

    @property
    def submissions(self) -> list[Submission]:
        """All submissions, oldest first."""
        return self.state.submissions

    def environment(self, *, token: bool = True) -> dict[str, str]:
        """The environment variables that turn Kaggle's client, and the kit, to this server.

        Args:
            token: whether an access token that works is among them.
        """
        proxy = f"http://127.0.0.1:{self.port}"
        variables = {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
        }
        if token:
            variables["KAGGLE_API_TOKEN"] = min(self.state.account.tokens)
        return variables

    def fail(self, call: str, status: int | None = None, times: int = 1, **how: Any) -> Failure:
        """Plan a failure; `how` takes the other attributes of `Failure`."""
        return self.failures.add(Failure(call, times, status=status, **how))

    def start(self) -> Self:
        """Answer from now on, in the background."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering, and let the port go."""
        self.closing.set()
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        self.files.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def server_bind(self) -> None:
        """Take the port, without looking up what the machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet of callers that went away: that is what they are told to do in a rehearsal."""


class _Handler(BaseHTTPRequestHandler):
    server: LocalKaggle
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Write no log: a person sees the client's side."""

    def do_POST(self) -> None:
        """Answer a call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = _CALL.fullmatch(self._path())
        if address is None:
            self._refuse(404, "Not found")
            return
        name = address[1]
        failure = self._begin(name)
        if failure is not None and not failure.done and self._fails(failure):
            return
        try:
            request = json.loads(body or b"{}")
            answer = self.server.answers.answer(
                name, request, self.headers.get("Authorization"), self._origin()
            )
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.message)
        except Redirect as redirect:
            self._respond(
                302, b"", {"Location": f"{self._origin()}/files/{redirect.file}?signed=1"}
            )
        else:
            if failure is None or not self._fails(failure):
                self._json(200, answer, failure)

    def do_GET(self) -> None:
        """Send a file, or the rest of it."""
        failure = self._begin("Download")
        if failure is not None and failure.cut_after is None and failure.reset_after is None:
            self._fails(failure)
            return
        file = self.server.files.get(self._path().rpartition("/")[2])
        if file is None:
            self._refuse(404, "Not found")
            return
        size, start = file.size, 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.headers.get("If-Range", file.etag) == file.etag:
            start = int(wanted[1])
        headers = {
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": file.etag,
            "Last-Modified": http_date(file.modified),
        }
        if start and start >= size:
            self._respond(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send_response(206 if start else 200)
        self._headers({**headers, "Content-Length": str(size - start)})
        with file.path.open("rb") as stream:
            stream.seek(start)
            while block := stream.read(_BLOCK):
                if self._breaks(failure, block):
                    return
                self.wfile.write(block)

    def do_PUT(self) -> None:
        """Take the bytes of an upload, from the start or from where it stands."""
        failure = self._begin("Upload")
        length = int(self.headers.get("Content-Length") or 0)
        if failure is not None and failure.reset_after is None and not failure.done:
            self.rfile.read(length)
            if self._fails(failure):
                return
        upload = self.server.state.uploads.get(self._path().rpartition("/")[2])
        given = self.headers.get("Content-Range")
        asked = _CONTENT_RANGE.fullmatch(given) if given else None
        if upload is None or (given and not asked):
            self.rfile.read(length)
            self._refuse(404 if upload is None else 400, "No such upload")
            return
        if asked is None:
            upload.content.clear()
        if asked is not None and asked[1] is not None and int(asked[1]) != len(upload.content):
            self.rfile.read(length)
        elif not self._receive(upload, length, failure):
            return
        if failure is not None and failure.done and self._fails(failure):
            return
        if upload.is_whole:
            self._json(200, {}, None)
        else:
            held = len(upload.content)
            self._respond(308, b"", {"Range": f"bytes=0-{held - 1}"} if held else {})

    def _receive(self, upload: Upload, length: int, failure: Failure | None) -> bool:
        """Take `length` bytes of an upload; whether all of them came."""
        while length:
            most = min(length, _BLOCK)
            if failure is not None and failure.reset_after is not None:
                most = min(most, failure.reset_after)
                if not most:
                    self._reset()
                    return False
                failure.reset_after -= most
            block = self.rfile.read1(most)
            if not block:
                self.close_connection = True
                return False
            if failure is not None and failure.reset_after is not None:
                failure.reset_after += most - len(block)
            upload.content += block
            length -= len(block)
        return True

    def _path(self) -> str:
        return urlsplit(self.path).path

    def _origin(self) -> str:
        """The server's address as the caller knows it; through a proxy the whole one is told."""
        address = urlsplit(self.path)
        if address.netloc:
            return f"{address.scheme}://{address.netloc}"
        return f"http://{self.headers.get('Host')}"

    def _begin(self, call: str) -> Failure | None:
        self.server.calls.append(call)
        return self.server.failures.take(call)

    def _fails(self, failure: Failure) -> bool:
        """Show a failure in place of an answer; whether there was one to show."""
        failure.reached.set()
        if failure.stall:
            self.server.closing.wait(failure.stall)
            self.close_connection = True
        elif failure.html:
            headers = {"Content-Type": "text/html; charset=utf-8", **_retry_after(failure)}
            self._respond(failure.status or 200, _PAGE, headers)
        elif failure.status is not None:
            content = {"code": failure.status, "message": failure.message}
            self._json(failure.status, content, None, _retry_after(failure))
        elif failure.reset_after is not None:
            self._reset()
        else:
            return False
        return True

    def _breaks(self, failure: Failure | None, block: bytes) -> bool:
        """Break a transfer off within `block`, if that is where it is to break."""
        if failure is None:
            return False
        left = failure.cut_after if failure.reset_after is None else failure.reset_after
        if left is None:
            return False
        if left >= len(block):
            if failure.reset_after is None:
                failure.cut_after = left - len(block)
            else:
                failure.reset_after = left - len(block)
            return False
        self.wfile.write(block[:left])
        if failure.reset_after is None:
            self.close_connection = True
        else:
            self._reset()
        return True

    def _reset(self) -> None:
        # closed with a linger of no seconds, a connection is reset instead of ended
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def _refuse(self, status: int, message: str) -> None:
        self._json(status, {"code": status, "message": message}, None)

    def _json(
        self,
        status: int,
        content: dict[str, Any],
        failure: Failure | None,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        length = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._headers({**length, **(headers or {})})
        if not self._breaks(failure, body):
            self.wfile.write(body)

    def _respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self._headers({"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _headers(self, headers: dict[str, str]) -> None:
        # to a proxy, clients write a request in two parts, and over a connection that is kept the
        # second one waits 40 ms for the first to be acknowledged
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()


def _retry_after(failure: Failure) -> dict[str, str]:
    return {} if failure.retry_after is None else {"Retry-After": f"{failure.retry_after:g}"}
