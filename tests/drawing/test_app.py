"""The page's server: what it reads, and what it refuses."""

import base64
import io
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image
from strokes import DRAWN, SEVEN, Strokes

from kit.cli.main import run
from kit.data.cutting import cut_digit, cut_drawing
from kit.data.digits import CLASSES, Digits, Source
from kit.drawing.app import Drawing, draw, make_app
from kit.loopback import LoopbackServer

NAME = "20260131-120000-<script>alert(1)</script>"


class NearestMean:
    """Reads digits by the mean image of each, which needs no Keras."""

    def __init__(self, digits: Digits) -> None:
        self.means = np.stack(
            [digits.images[digits.labels == each].mean(axis=0) for each in range(CLASSES)]
        )
        self.n_calls = self.n_inside = self.most_inside = 0

    def predict(self, digits: Digits) -> NDArray[np.float32]:
        self.n_calls += 1
        self.n_inside += 1
        self.most_inside = max(self.most_inside, self.n_inside)
        time.sleep(0.005)
        distances = np.linalg.norm(digits.images[:, np.newaxis] - self.means, axis=2)
        odds = np.exp(-3 * distances)
        self.n_inside -= 1
        shares: NDArray[np.float32] = odds / odds.sum(axis=1, keepdims=True)
        return shares


@pytest.fixture(scope="module")
def reader(mnist: Source) -> NearestMean:
    return NearestMean(mnist.test)


@pytest.fixture(scope="module")
def server(reader: NearestMean) -> Iterator[LoopbackServer]:
    with LoopbackServer(make_app(NAME, reader.predict)) as running:
        yield running


def ask(server: LoopbackServer, strokes: Strokes) -> requests.Response:
    return requests.post(f"{server.address}/read", json={"strokes": strokes}, timeout=30)


def send(server: LoopbackServer, body: bytes, kind: str = "application/json") -> int:
    headers = {"Content-Type": kind}
    return requests.post(f"{server.address}/read", body, headers=headers, timeout=30).status_code


@pytest.mark.parametrize("digit", DRAWN)
def test_a_digit_is_read(server: LoopbackServer, digit: int) -> None:
    answer = ask(server, DRAWN[digit]).json()
    assert answer["digit"] == digit
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1)
    assert max(answer["probabilities"]) == answer["probabilities"][digit]


def test_the_picture_is_what_was_read(server: LoopbackServer) -> None:
    start, content = ask(server, SEVEN).json()["image"].split(",")
    assert start == "data:image/png;base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert picture.shape == (28, 28)
    assert (255 - picture).reshape(784).tolist() == cut_drawing(
        draw(Drawing(strokes=SEVEN))
    ).tolist()


def test_strokes_are_ink_with_round_ends() -> None:
    drawn = draw(Drawing(strokes=[[(100, 140), (180, 140)], [(279, 0)]]))
    assert drawn.shape == (160, 160)
    # A pen of 10 along the line of 40, and half of it beyond its ends
    assert drawn[:, 80].sum() == pytest.approx(10, abs=1)
    assert drawn[80, :].sum() == pytest.approx(50, abs=1)
    # A point alone is a dot, and a corner of the box has paper around it
    assert drawn[10, 130:].sum() == pytest.approx(10, abs=1)
    assert not drawn[[0, -1]].any()
    assert not drawn[:, [0, -1]].any()


@pytest.mark.parametrize("digit", DRAWN)
def test_a_drawing_is_cut_as_a_photo_of_it(digit: int) -> None:
    ink = draw(Drawing(strokes=DRAWN[digit]))
    photo = cut_digit(np.where(ink, 40, 230).astype(np.uint8))
    assert np.abs(cut_drawing(ink).astype(int) - photo).mean() < 2


@pytest.mark.parametrize(
    "strokes", [[], [[(60, 40), (60, 240)], [(220, 40), (220, 240)]]], ids=["blank", "two"]
)
def test_what_is_not_one_digit_is_told(server: LoopbackServer, strokes: Strokes) -> None:
    answer = ask(server, strokes)
    assert answer.status_code == 200
    assert list(answer.json()) == ["problem"]
    assert answer.json()["problem"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b"null",
        b"[]",
        b"{}",
        b'{"strokes": 3}',
        b'{"strokes": "MNIST"}',
        b'{"strokes": [[]]}',
        b'{"strokes": [[1, 2]]}',
        b'{"strokes": [[[1]]]}',
        b'{"strokes": [[[1, 2, 3]]]}',
        b'{"strokes": [[[NaN, 2]]]}',
        b'{"strokes": [[[1e999, 2]]]}',
        b'{"strokes": [[[1.5, 2]]]}',
        b'{"strokes": [[["1", 2]]]}',
        b'{"strokes": [[[true, 2]]]}',
        b'{"strokes": [[[-1, 2]]]}',
        b'{"strokes": [[[1, 280]]]}',
        b'{"strokes": [[[' + b"9" * 5000 + b", 2]]]}",
        b'{"strokes": [], "run": "other"}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_what_is_no_drawing_is_refused(server: LoopbackServer, body: bytes) -> None:
    assert send(server, body) == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(server: LoopbackServer, kind: str) -> None:
    assert send(server, b'{"strokes": []}', kind) == 415
    assert send(server, b'{"strokes": []}', "application/json; charset=utf-8") == 200


def test_at_most_64_kilobytes_are_read(server: LoopbackServer) -> None:
    body = b'{"strokes": []}'
    assert send(server, body.ljust(64 * 1024)) == 200
    assert send(server, body.ljust(64 * 1024 + 1)) == 413
    assert send(server, body.ljust(10_000_000)) == 413


def test_the_longest_drawing_is_read(server: LoopbackServer) -> None:
    points = [(100 + i % 80, 100 + i // 80) for i in range(5_000)]
    assert "digit" in ask(server, [points]).json()


def test_one_drawing_is_read_at_a_time(server: LoopbackServer, reader: NearestMean) -> None:
    before = reader.n_calls
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda digit: ask(server, DRAWN[digit]).json()["digit"], [1, 7, 0] * 4)
    assert list(answers) == [1, 7, 0] * 4
    assert reader.n_calls == before + 12
    assert reader.most_inside == 1


def test_the_page_takes_nothing_from_elsewhere(server: LoopbackServer) -> None:
    answer = requests.get(server.address, timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self';"
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "<script>" not in answer.text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    files = [address for address in addresses if not address.startswith("data:")]
    assert files == ["/static/draw.css", "/static/draw.js"]
    for file in files:
        sent = requests.get(server.address + file, timeout=10)
        assert (sent.status_code, "http" in sent.text) == (200, False)
        assert "Content-Security-Policy" in sent.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_cannot_use_it(
    server: LoopbackServer, reader: NearestMean, headers: dict[str, str]
) -> None:
    before = reader.n_calls
    for path in ("/", "/static/draw.js", "/read"):
        assert requests.get(server.address + path, headers=headers, timeout=10).status_code == 403
    answer = requests.post(
        f"{server.address}/read", json={"strokes": SEVEN}, headers=headers, timeout=10
    )
    assert answer.status_code == 403
    assert reader.n_calls == before


@pytest.mark.parametrize(("package", "extra"), [("flask", "serve"), ("skimage", "images")])
def test_a_missing_extra_is_named(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("kit.drawing.app", "kit.loopback", "kit.data.cutting"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    assert run(["draw"]) == 2
    assert f"pip install 'digit-kit[{extra}]'" in capsys.readouterr().err


def test_a_run_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["draw", "20260131-120000-lost"]) == 2
    assert "20260131-120000-lost" in capsys.readouterr().err
