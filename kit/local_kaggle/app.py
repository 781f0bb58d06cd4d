"""A local Kaggle over HTTP, on Flask: calls, files and uploads, for this machine alone."""

import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, Self

from pydantic_core import from_json

# First, because it says what to do where Flask is missing
from kit.loopback import LoopbackServer, read_body  # isort: skip

from flask import Flask, Response, abort, redirect, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Answer

from kit.competition import ROWS
from kit.local_kaggle.calls import ARCHIVE, Calls
from kit.local_kaggle.judge import Judge
from kit.local_kaggle.state import CompetitionState


class LocalKaggle:
    """A Kaggle with one competition and one user. Its `state` may be changed while it answers."""

    def __init__(
        self, folder: Path, solution: Path, *, port: int = 0, state: Path | None = None
    ) -> None:
        """Listen on 127.0.0.1; answer once it is entered.

        `folder` has the competition's files, `solution` the hidden labels (`ImageId,Label`). `port`
        0 takes a free one. The file `state` keeps the submissions from one start to the next.

        Raises:
            UsageError: the port is taken.
            OSError: a file cannot be read.
            ValueError: the solution or the state is something else.
        """
        self.state = CompetitionState(Judge(solution), state, time.time)
        self.submissions = self.state.submissions
        self._temporary = tempfile.TemporaryDirectory(prefix="local-kaggle-")
        self.files = _add_archive(folder.absolute(), Path(self._temporary.name) / ARCHIVE)
        self._calls = Calls(self.state, self.files)
        self.app = Flask("local_kaggle", static_folder=None)
        self.app.post("/api/v1/<service>/<name>")(self._call)
        self.app.get("/files/<name>")(self._send)
        self.app.put("/upload/<token>")(self._take_upload)
        self.app.register_error_handler(HTTPException, self._refuse)
        self._server = LoopbackServer(self.app, port)
        self.port = self._server.port

    def environment(self) -> dict[str, str]:
        """The environment variables that turn Kaggle's client, and the kit, to this server."""
        proxy = self._server.address
        proxies = {"HTTP_PROXY": proxy, "http_proxy": proxy, "NO_PROXY": "", "no_proxy": ""}
        token = min(self.state.account.tokens)
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", **proxies, "KAGGLE_API_TOKEN": token}

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self._temporary.cleanup()

    def _call(self, service: str, name: str) -> dict[str, Any] | Answer:  # noqa: ARG002
        try:
            content = from_json(read_body())
        except ValueError:
            abort(400, "The request is not JSON")
        origin = request.host_url.rstrip("/")
        answer = self._calls.answer(name, content, request.headers.get("Authorization"), origin)
        return redirect(answer["location"]) if "location" in answer else answer

    def _send(self, name: str) -> Response:
        path = self.files.get(name) or abort(404, "Not found")
        if "Range" in request.headers and request.range is None:
            abort(400, "The header Range is malformed")
        return send_file(path, "application/octet-stream", conditional=True)

    def _take_upload(self, token: str) -> dict[str, Any]:
        upload = self.state.uploads.get(token) or abort(404, "No such upload")
        content = read_body()
        if "Content-Range" in request.headers or len(content) != upload.size:
            abort(400, f"Expected one request with all {upload.size} bytes")
        upload.content = content
        return {}

    def _refuse(self, error: HTTPException) -> Answer:
        body = json.dumps({"code": error.code, "message": error.description})
        headers = [header for header in error.get_headers() if header[0] != "Content-Type"]
        return Answer(body, error.code, headers, content_type="application/json")


def _add_archive(folder: Path, archive: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ROWS if (folder / name).is_file()}
    # The lowest level shrinks the digits to an eighth in a second
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for name, path in files.items():
            zipped.write(path, name)
    return {**files, ARCHIVE: archive}
