"""Kaggle's calls around one file, and the host of that file, which answers as a test asks it to.

Each answer is a function of a `Request`. A test appends answers to one of the lists of a
`FileHost`; each is used once, in order. When the list is empty, the answer is as it should be.
"""

import gzip
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

TOKEN = "host-token"
ADDRESS = "http://storage.invalid/digit-recognizer.zip?signed="
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"


class Request(BaseHTTPRequestHandler):
    """One request, and the ways to answer it."""

    server: "FileHost"
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Write no log."""

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        call = self.path.rpartition("/")[2]
        self.server.calls.append((call, body))
        planned = self.server.call_answers.pop(call, None)
        if planned is not None:
            planned(self)
        elif call == "ListDataFiles":
            sizes = self.server.sizes.items()
            files = [{"name": name, "totalBytes": size} for name, size in sizes]
            self.send(200, json.dumps({"files": files}).encode(), JSON)
        elif call == "StartSubmissionUpload":
            number = self.server.count(call)
            answer = {"token": f"token-{number}", "createUrl": f"{ADDRESS}{number}"}
            self.send(200, json.dumps(answer).encode(), JSON)
        else:
            self.send(302, b"", {"Location": f"{ADDRESS}{self.server.count(call)}"})

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        answers = self.server.get_answers
        (answers.pop(0) if answers else properly)(self)

    def do_PUT(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        answers = self.server.put_answers
        if answers:
            answers.pop(0)(self)
            return
        self.server.uploads.append(self._body())
        self.send(200, b"{}", JSON)

    @property
    def start(self) -> int:
        """Where the range that is asked for begins; 0 if all is asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return int(asked[1]) if asked else 0

    def send(
        self, status: int, body: bytes, headers: Mapping[str, str] = {}, cut: int | None = None
    ) -> None:
        """Answer with a length; `cut` closes the connection after so many bytes of the body."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = cut is not None

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


Answer = Callable[[Request], None]
JSON = {"Content-Type": "application/json"}
ZIP = {"Content-Type": "application/zip", "Accept-Ranges": "bytes"}


class FileHost(ThreadingHTTPServer):
    """Kaggle and the host of its files, on one port of this machine.

    Attributes:
        content: the file.
        sizes: what Kaggle lists.
        etag: of the file, or None.
        calls: each call's name and JSON, in order.
        requests: each address that a file was asked for or sent to, with its headers, in order.
        uploads: what was uploaded.
    """

    daemon_threads = True

    def __init__(self, tables: Mapping[str, bytes]) -> None:
        self.content = zipped(tables)
        self.sizes = {name: len(table) for name, table in tables.items()}
        self.etag: str | None = '"first"'
        self.calls: list[tuple[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.uploads: list[bytes] = []
        self.call_answers: dict[str, Answer] = {}
        self.get_answers: list[Answer] = []
        self.put_answers: list[Answer] = []
        super().__init__(("127.0.0.1", 0), Request)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def turn_to(self, environment: pytest.MonkeyPatch) -> None:
        """Turn the kit to this host."""
        proxy = f"http://127.0.0.1:{self.server_port}"
        variables = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "KAGGLE_API_TOKEN": TOKEN}
        for name in ("HTTP_PROXY", "http_proxy"):
            variables[name] = proxy
        for name in ("NO_PROXY", "no_proxy"):
            variables[name] = ""
        for name, value in variables.items():
            environment.setenv(name, value)

    def count(self, call: str) -> int:
        """How often a call was made."""
        return [name for name, _ in self.calls].count(call)

    @property
    def ranges(self) -> list[str | None]:
        """What part of the file each request asked for."""
        return [headers.get("Range") for _, headers in self.requests]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet of clients that go away."""


def zipped(tables: Mapping[Any, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The files in one zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, table in tables.items():
            member = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(member, table, compression)
    return stream.getvalue()


def properly(request: Request, cut: int | None = None) -> None:
    """All of the file, or the rest of it, as Google's storage gives it."""
    content, start = request.server.content, request.start
    headers = {**ZIP, **({"ETag": request.server.etag} if request.server.etag else {})}
    if start >= len(content):
        request.send(416, b"<Error/>", {"Content-Range": f"bytes */{len(content)}"})
    elif start:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.send(206, content[start:], headers, cut)
    else:
        request.send(200, content, headers, cut)


def cut(after: int) -> Answer:
    """A connection that breaks after so many bytes."""
    return lambda request: properly(request, after)


def whole(request: Request) -> None:
    """All of the file, whatever was asked for."""
    request.send(200, request.server.content, ZIP)


def refused(status: int, body: bytes = b"<Error/>", kind: str = "application/xml") -> Answer:
    return lambda request: request.send(status, body, {"Content-Type": kind})


def page(request: Request) -> None:
    """A page for a person."""
    request.send(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})


def partial(begin: int, total: str | None = None) -> Answer:
    """A 206 whose bytes begin at `begin`, whatever was asked for."""

    def answer(request: Request) -> None:
        content = request.server.content
        size = total or str(len(content))
        asked = f"bytes {begin}-{len(content) - 1}/{size}"
        request.send(206, content[begin:], {**ZIP, "Content-Range": asked})

    return answer


def unmeasured(*, chunked: bool, cut: int | None = None, ranges: bool = False) -> Answer:
    """The file without a length: in chunks, or until the connection closes.

    Args:
        chunked: which of the two.
        cut: after how many bytes the connection closes too early.
        ranges: whether the rest is given where the rest is asked for.
    """

    def answer(request: Request) -> None:
        content, start = request.server.content, request.start if ranges else 0
        request.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/*")
        request.send_header(
            *("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")
        )
        request.end_headers()
        rest = content[start:][:cut]
        for block in (rest[place : place + 50] for place in range(0, len(rest), 50)):
            request.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked and cut is None:
            request.wfile.write(b"0\r\n\r\n")
        request.close_connection = not chunked or cut is not None

    return answer


def gzipped(cut: int | None = None) -> Answer:
    """The file, compressed once more for the way, though nobody asked for that."""

    def answer(request: Request) -> None:
        body = gzip.compress(request.server.content)[request.start :]
        status = 206 if request.start else 200
        headers = {**ZIP, "Content-Encoding": "gzip"}
        if request.start:
            end = request.start + len(body)
            headers["Content-Range"] = f"bytes {request.start}-{end - 1}/{end}"
        request.send(status, body, headers, cut)

    return answer


def endless(request: Request) -> None:
    """Zeros, for as long as anybody reads them."""
    request.send_response(200)
    request.send_header("Connection", "close")
    request.end_headers()
    while True:
        request.wfile.write(bytes(1 << 16))


def moved(address: str) -> Answer:
    """A redirect."""
    return lambda request: request.send(307, b"", {"Location": address})


def asked_host(path: str) -> str:
    """The host that a request was for."""
    return urlsplit(path).netloc
