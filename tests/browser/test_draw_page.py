"""kit draw: the page in a real browser, where a network reads what the mouse draws."""

import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, request
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from kit.cli.main import run as run_kit
from kit.config import make_config
from kit.drawing.app import make_app
from kit.loopback import LoopbackServer
from kit.runs import Run
from kit.training.backend import load_backend

OpenPage = Callable[..., Page]
# A name that leads the browser to this machine, as whoever owns one can make it
ELSEWHERE = "evil.localhost"
# Points (x, y) as shares of the box
Stroke = list[tuple[float, float]]
DRAWN: dict[int, list[Stroke]] = {
    1: [[(0.52, 0.15), (0.48, 0.85)]],
    7: [[(0.27, 0.2), (0.74, 0.2), (0.45, 0.85)]],
    0: [
        [(0.5, 0.16), (0.34, 0.22), (0.27, 0.4), (0.27, 0.6), (0.34, 0.78), (0.5, 0.84),
         (0.66, 0.78), (0.73, 0.6), (0.73, 0.4), (0.66, 0.22), (0.5, 0.16)]
    ],
}  # fmt: skip
TWO_DIGITS: list[Stroke] = [[(0.2, 0.2), (0.2, 0.8)], [(0.8, 0.2), (0.8, 0.8)]]


@pytest.fixture(scope="module")
def trained(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small network that has learned 1,500 digits."""
    load_backend()
    from kit.training.callback import Callback
    from kit.training.committee import train_plan

    settings = {"preset": "baseline", "hidden": [128], "optimizer": "adam", "epochs": 20,
                "learning_rate": 0.003, "batch_size": 100}  # fmt: skip
    given = {"source": "kaggle", "data": small_kaggle, **settings}
    submissions = tmp_path_factory.mktemp("runs") / "submissions"
    return train_plan([make_config(given)], submissions, Callback())


@pytest.fixture(scope="module")
def app(trained: Run) -> Flask:
    from kit.training.predictor import Predictor

    return make_app(trained.name, Predictor.load(trained).predict)


@pytest.fixture(scope="module")
def answers(app: Flask) -> list[tuple[str, str, int]]:
    """The method, the path and the status of each answer."""
    given = []

    @app.after_request
    def note(answer: Response) -> Response:
        given.append((request.method, request.path, answer.status_code))
        return answer

    return given


@pytest.fixture(scope="module")
def address(app: Flask, answers: list[tuple[str, str, int]]) -> Iterator[str]:
    with LoopbackServer(app) as server:
        yield server.address


def on_page(page: Page, points: Stroke) -> list[tuple[float, float]]:
    box = page.locator("#box").bounding_box()
    assert box is not None
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page: Page, strokes: list[Stroke]) -> None:
    mouse = page.mouse
    for stroke in strokes:
        first, *others = on_page(page, stroke)
        mouse.move(*first)
        mouse.down()
        for point in others:
            mouse.move(*point, steps=4)
        mouse.up()


def said(page: Page) -> str:
    """What the page says once it has read all that was drawn."""
    page.locator("#message[aria-busy=false]").wait_for(state="attached")
    return page.get_by_role("status").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_what_is_drawn_is_read(open_page: OpenPage, address: str, width: int, scheme: str) -> None:
    page = open_page(address, width, scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]
    for digit, strokes in DRAWN.items():
        draw(page, strokes)
        assert re.fullmatch(rf"This is a {digit}, [\d.]+% sure\.", said(page))
        assert page.locator("#digit").inner_text() == str(digit)
        bars = page.get_by_role("listitem")
        shares = [float(bar.locator(".share").inner_text().rstrip("%")) for bar in bars.all()]
        assert len(shares) == 10
        # Each in one line, or its bar would stand lower than the others
        tops = bars.locator(".track").evaluate_all("all => all.map(x => x.offsetTop)")
        assert len(set(tops)) == 1
        assert shares.index(max(shares)) == digit
        assert sum(shares) == pytest.approx(100, abs=5)
        assert bars.nth(digit).inner_text().split()[-1] == str(digit)
        seen = page.get_by_alt_text("The digit in 28×28 pixels")
        assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        page.get_by_role("button", name="Clear").click()


def test_it_reads_while_the_pen_is_down(open_page: OpenPage, address: str) -> None:
    page = open_page(address, 1400)
    status = page.get_by_role("status")
    first, *others = on_page(page, DRAWN[1][0])
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=4)
    status.filter(has_text="This is a 1, ").wait_for()
    # A screen reader waits for the end of the stroke
    assert status.get_attribute("aria-busy") == "true"
    page.mouse.up()
    assert said(page).startswith("This is a 1, ")
    # Without the button, the mouse draws nothing
    page.mouse.move(*on_page(page, [(0.9, 0.9)])[0], steps=4)
    assert page.locator("#box polyline").count() == 1


def test_two_digits_are_told_in_words(open_page: OpenPage, address: str) -> None:
    page = open_page(address, 390)
    draw(page, TWO_DIGITS)
    assert re.fullmatch(r"(?!This is a).+\.", said(page))
    assert page.locator("#digit").inner_text() == ""
    assert page.locator("#seen").is_hidden()


def test_the_keyboard_clears(open_page: OpenPage, address: str) -> None:
    page = open_page(address, 1400)
    draw(page, DRAWN[7])
    assert said(page).startswith("This is a 7, ")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Clear"
    page.keyboard.press("Enter")
    assert page.locator("#box polyline").count() == 0
    assert page.get_by_role("status").inner_text() == ""
    assert page.get_by_text("Draw one digit here").is_visible()
    assert page.locator(".share").all_inner_texts() == [""] * 10


def test_a_finger_draws_and_does_not_scroll(browser: Browser, address: str) -> None:
    # Not as high as the page
    phone: Any = {"viewport": {"width": 390, "height": 500}, "is_mobile": True, "has_touch": True}
    with browser.new_context(**phone) as context:
        page = context.new_page()
        page.goto(address)
        finger = context.new_cdp_session(page)
        for number, (x, y) in enumerate(on_page(page, [(0.5, 0.85 - 0.07 * n) for n in range(11)])):
            kind = "touchMove" if number else "touchStart"
            touched = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            finger.send("Input.dispatchTouchEvent", touched)
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert said(page).startswith("This is a 1, ")
        assert page.locator("#box polyline").count() == 1
        assert page.evaluate("scrollY") == 0


def test_it_says_when_the_server_is_gone(browser: Browser, address: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        context.set_offline(True)
        draw(page, DRAWN[1])
        assert said(page) == "No answer. Is kit draw still running?"
        context.set_offline(False)
        draw(page, [[(0.5, 0.5), (0.5, 0.6)]])
        assert said(page).startswith("This is a 1, ")


def test_without_scripts_it_says_so(open_page: OpenPage, address: str) -> None:
    page = open_page(address, 390, scripts=False)
    assert page.get_by_role("status").inner_text().startswith("This page needs its script")


ATTACK = """
<iframe src="{0}/"></iframe><img src="{0}/">
<script>
  const headers = {{"Content-Type": "application/json"}}, mode = "no-cors";
  const json = {{method: "POST", body: '{{"strokes": []}}', headers}};
  for (const more of [{{mode}}, json, {{...json, mode}}])
    fetch("{0}/read", more).then(() => {{}}, () => {{}});
</script>
"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ELSEWHERE])
def test_other_pages_cannot_use_it(
    browser: Browser, address: str, answers: list[tuple[str, str, int]], host: str
) -> None:
    other = Flask("other")
    other.get("/")(lambda: ATTACK.format(address))
    answers.clear()
    # Not on the kit's own server, which would not answer under that name
    with make_server("127.0.0.1", 0, other) as server, browser.new_context() as context:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context.new_page().goto(f"http://{host}:{server.port}/", wait_until="networkidle")
        server.shutdown()
    # The browser asks whether it may send JSON, and then it does not send it
    assert sorted(answers) == [
        ("GET", "/", 403),
        ("GET", "/", 403),
        ("GET", "/read", 403),
        ("OPTIONS", "/read", 403),
        ("POST", "/read", 403),
    ]


def test_a_name_that_leads_here_is_refused(browser: Browser, address: str) -> None:
    with browser.new_context() as context:
        answer = context.new_page().goto(address.replace("127.0.0.1", ELSEWHERE))
        assert answer is not None
        assert answer.status == 403


def test_the_command(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program, opened = tmp_path / "browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = f"http://127.0.0.1:{port}"
    pages = []

    def visit_and_interrupt() -> None:
        while not opened.exists():
            time.sleep(0.05)
        pages.append(requests.get(own, timeout=10).text)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    visitor = threading.Thread(target=visit_and_interrupt)
    visitor.start()
    code = run_kit(["draw", str(trained.folder), "--port", str(port), "--open", "--json"])
    visitor.join()
    assert code == 130
    assert json.loads(capfd.readouterr().out) == {"run": trained.name, "address": own}
    assert opened.read_text() == f"{own}\n"
    assert trained.name in pages[0]
