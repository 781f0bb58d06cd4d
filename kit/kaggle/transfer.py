"""Files on their way from and to Kaggle, going on where a broken transfer stopped."""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import requests
import urllib3

from kit.kaggle.call_failure import CallFailure, Trouble, failure_of, failure_of_response
from kit.kaggle.wire import Wire

# told the bytes that are through, and all there are
Progress = Callable[[int, int], None]

_BLOCK = 1 << 18


class Download:
    """One file from Kaggle, in a hidden part file beside its place until it is whole."""

    def __init__(
        self,
        wire: Wire,
        locate: Callable[[], requests.Response],
        destination: Path,
        progress: Progress,
    ) -> None:
        """Prepare it.

        Args:
            wire: to Kaggle.
            locate: asks Kaggle for the file, and returns the answer unread; raises `CallFailure`.
            destination: where the file will be.
            progress: told how far it is.
        """
        self._wire = wire
        self._locate = locate
        self._destination = destination
        self._progress = progress
        self._futile_tries = 0

    def run(self, doing: str) -> None:
        """Fetch the file, whole or not at all; a part that was fetched earlier is gone on with.

        Raises:
            CredentialsError: Kaggle does not accept the credential.
            CompetitionError: Kaggle refused.
            NetworkError: the transfer failed for good; what came is kept for the next time.
            OSError: the file cannot be written.
        """
        self._wire.retry(doing, self._fetch, lambda: self._futile_tries)

    def _fetch(self) -> None:
        self._futile_tries += 1
        with self._locate() as whole:
            size = int(whole.headers.get("Content-Length") or 0)
            mark = whole.headers.get("ETag") or whole.headers.get("Last-Modified")
            if not size or "text/html" in whole.headers.get("Content-Type", ""):
                raise CallFailure(Trouble.GARBAGE)
            part = self._part(mark, size)
            held = part.stat().st_size if mark and part.exists() else 0
            if not held:
                self._receive(whole, part, 0, size)
        if 0 < held < size:
            self._go_on(whole, part, held, size, mark or "")
        if part.stat().st_size != size:
            part.unlink()
            raise CallFailure(Trouble.BROKEN)
        part.replace(self._destination)

    def _part(self, mark: str | None, size: int) -> Path:
        """The part file of this very content; those of others are removed."""
        name = f".{self._destination.name.removeprefix('.')}"
        content = hashlib.sha256(f"{mark} {size}".encode()).hexdigest()[:16]
        part = self._destination.with_name(f"{name}.{content}.part")
        for other in self._destination.parent.glob(f"{name}.*.part"):
            if other != part:
                other.unlink()
        return part

    def _go_on(self, whole: requests.Response, part: Path, held: int, size: int, mark: str) -> None:
        headers = {"Range": f"bytes={held}-", "If-Range": mark, "Accept-Encoding": "identity"}
        # requests took it away where the file is on another host than Kaggle's
        authorization = whole.request.headers.get("Authorization")
        if authorization:
            headers["Authorization"] = authorization
        try:
            session = self._wire.transfer_session()
            with session, session.get(whole.url, headers=headers, stream=True) as rest:
                if rest.status_code >= 400:
                    raise failure_of_response(rest)
                self._receive(rest, part, held if rest.status_code == 206 else 0, size)
        except requests.RequestException as error:
            raise failure_of(error) from None

    def _receive(self, response: requests.Response, part: Path, held: int, size: int) -> None:
        done = held
        with part.open("ab" if held else "wb") as stream:
            self._progress(done, size)
            # not iter_content, which drops what came of a block before the transfer broke
            while block := _read(response):
                stream.write(block)
                done += len(block)
                # whatever moves on is worth the whole patience anew
                self._futile_tries = 0
                self._progress(done, size)


class Upload:
    """One file to Kaggle, by the address that Kaggle gave for it."""

    def __init__(
        self, wire: Wire, begin: Callable[[], tuple[str, str]], content: bytes, progress: Progress
    ) -> None:
        """Prepare it.

        Args:
            wire: to Kaggle.
            begin: asks Kaggle for a token and an address; raises `CallFailure`.
            content: the file.
            progress: told how far it is.
        """
        self._wire = wire
        self._begin = begin
        self._content = content
        self._progress = progress
        self._token, self._address = "", ""
        self._sent = 0
        self._futile_tries = 0

    def run(self, doing: str) -> str:
        """Send the file, and return the token that stands for it.

        Raises:
            CredentialsError: Kaggle does not accept the credential.
            CompetitionError: Kaggle refused.
            NetworkError: the transfer failed for good.
        """
        self._wire.retry(doing, self._send, lambda: self._futile_tries)
        return self._token

    def _send(self) -> None:
        self._futile_tries += 1
        size = len(self._content)
        if not self._address:
            self._token, self._address = self._begin()
            self._put(0, {})
            return
        answer = self._request(b"", {"Content-Range": f"bytes */{size}"})
        if answer.status_code in (404, 410):
            # the address has expired: the next try asks for another
            self._address, self._sent = "", 0
            raise CallFailure(Trouble.BROKEN)
        if answer.status_code == 308:
            held = _held(answer.headers.get("Range"))
            if held > self._sent:
                self._sent, self._futile_tries = held, 0
            self._put(held, {"Content-Range": f"bytes {held}-{size - 1}/{size}"} if held else {})

    def _put(self, start: int, headers: dict[str, str]) -> None:
        rest = _Reader(self._content[start:], start, len(self._content), self._progress)
        answer = self._request(rest, headers)
        if answer.status_code == 308:
            raise CallFailure(Trouble.BROKEN)

    def _request(self, body: "bytes | _Reader", headers: dict[str, str]) -> requests.Response:
        try:
            with self._wire.transfer_session() as session:
                answer = session.put(self._address, data=body, headers=headers)
        except requests.RequestException as error:
            raise failure_of(error) from None
        expired = bool(headers) and answer.status_code in (404, 410)
        if answer.status_code >= 400 and not expired:
            failure = failure_of_response(answer)
            # it went without credentials: what is refused is the address that Kaggle gave
            failure.status = 403 if failure.status == 401 else failure.status
            raise failure
        is_page = answer.content.lstrip()[:5].lower() in (b"<!doc", b"<html")
        if is_page or (answer.status_code not in (200, 201, 308) and not expired):
            raise CallFailure(Trouble.GARBAGE)
        return answer


def _read(response: requests.Response) -> bytes:
    """What has come of the body, as soon as anything has; nothing at its end."""
    try:
        block: bytes = response.raw.read1(_BLOCK)
    except urllib3.exceptions.HTTPError as error:
        timed_out = isinstance(error, urllib3.exceptions.TimeoutError)
        raise CallFailure(Trouble.TIMEOUT if timed_out else Trouble.BROKEN) from None
    return block


class _Reader(io.BytesIO):
    """The bytes still to send, telling how far they were read."""

    def __init__(self, rest: bytes, start: int, size: int, progress: Progress) -> None:
        super().__init__(rest)
        self._start = start
        self._size = size
        self._report = progress

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._report(self._start + self.tell(), self._size)
        return block


def _held(header: str | None) -> int:
    """How many bytes the receiver has, as its header `Range` tells: `bytes=0-K`."""
    match = re.fullmatch(r"(?:bytes=)?0-(\d+)", header or "")
    return int(match[1]) + 1 if match else 0
