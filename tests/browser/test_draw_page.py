"""kit draw: the page in a real browser, where a network reads what the mouse draws."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask
from looking import ELSEWHERE, Look
from werkzeug.serving import make_server

from kit.cli.main import run as run_kit
from kit.config import make_config
from kit.drawing import make_app
from kit.loopback import LoopbackServer
from kit.runs import Run
from kit.training.backend import load_backend

WIDTHS = (390, 1_400)
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

Opened = Callable[..., Look]


@pytest.fixture(scope="module")
def trained(small_kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learned from 1,500 digits."""
    load_backend()
    from kit.training.train import train

    given = {"source": "kaggle", "data": small_kaggle, "preset": "quick", "epochs": 20}
    return train(make_config(given), submissions=tmp_path_factory.mktemp("runs") / "submissions")


@pytest.fixture(scope="module")
def address(trained: Run) -> Iterator[str]:
    from kit.training.predictor import Predictor

    app = make_app(trained.name, Predictor.load(trained).predict)
    with LoopbackServer(app) as server:
        yield server.address


def on_page(look: Look, points: Stroke) -> list[tuple[float, float]]:
    box = look.page.locator("#box").bounding_box()
    assert box is not None
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(look: Look, strokes: list[Stroke]) -> None:
    mouse = look.page.mouse
    for stroke in strokes:
        first, *others = on_page(look, stroke)
        mouse.move(*first)
        mouse.down()
        for point in others:
            mouse.move(*point, steps=4)
        mouse.up()


def wait_for(look: Look, text: str) -> None:
    look.page.get_by_role("status").filter(has_text=text).wait_for(timeout=10_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_drawn_is_read(look: Opened, address: str, width: int, scheme: str) -> None:
    opened = look(address, width, scheme)
    page = opened.page
    for digit, strokes in DRAWN.items():
        draw(opened, strokes)
        wait_for(opened, f"This is a {digit}, ")
        assert page.locator("#digit").inner_text() == str(digit)
        bars = page.get_by_role("listitem")
        shares = [float(bar.locator(".share").inner_text().rstrip("%")) for bar in bars.all()]
        assert len(shares) == 10
        assert shares.index(max(shares)) == digit
        assert sum(shares) == pytest.approx(100, abs=5)
        assert bars.nth(digit).inner_text().split()[-1] == str(digit)
        seen = page.get_by_alt_text("The digit in 28×28 pixels")
        assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
        assert opened.overflow == 0
        page.get_by_role("button", name="Clear").click()
    assert opened.faults == []
    assert opened.foreign == []


def test_it_reads_while_the_pen_is_down(look: Opened, address: str) -> None:
    opened = look(address)
    status = opened.page.get_by_role("status")
    first, *others = on_page(opened, DRAWN[1][0])
    opened.page.mouse.move(*first)
    opened.page.mouse.down()
    for point in others:
        opened.page.mouse.move(*point, steps=4)
    wait_for(opened, "This is a 1, ")
    # A screen reader waits for the end of the stroke
    assert status.get_attribute("aria-busy") == "true"
    opened.page.mouse.up()
    assert status.get_attribute("aria-busy") == "false"
    # Without the button, the mouse draws nothing
    opened.page.mouse.move(*on_page(opened, [(0.9, 0.9)])[0], steps=4)
    assert opened.page.locator("#box polyline").count() == 1


def test_two_digits_are_told_in_words(look: Opened, address: str) -> None:
    opened = look(address, 390)
    draw(opened, TWO_DIGITS)
    opened.page.wait_for_function("document.getElementById('digit').textContent === ''")
    assert opened.page.get_by_role("status").inner_text().endswith(".")
    assert opened.page.locator("#seen").is_hidden()
    assert opened.faults == []


def test_the_keyboard_clears(look: Opened, address: str) -> None:
    opened = look(address)
    draw(opened, DRAWN[7])
    wait_for(opened, "This is a 7, ")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.textContent") == "Clear"
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#box polyline").count() == 0
    assert opened.page.get_by_role("status").inner_text() == ""
    assert opened.page.get_by_text("Draw one digit here").is_visible()
    assert opened.page.locator(".share").all_inner_texts() == ["0%"] * 10


def test_a_finger_draws_and_does_not_scroll(look: Opened, address: str) -> None:
    opened = look(address, 390, has_touch=True, is_mobile=True)
    # Lower than the page is high
    opened.page.set_viewport_size({"width": 390, "height": 500})
    assert (
        opened.page.locator("#box").evaluate("box => getComputedStyle(box).touchAction") == "none"
    )
    finger = opened.page.context.new_cdp_session(opened.page)
    points = [(0.5, 0.15 + 0.07 * step) for step in range(11)]
    for number, (x, y) in enumerate(on_page(opened, points)):
        kind = "touchMove" if number else "touchStart"
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_for(opened, "This is a 1, ")
    assert opened.page.evaluate("scrollY") == 0


def test_it_says_when_the_server_is_gone(look: Opened, address: str) -> None:
    opened = look(address)
    opened.page.context.set_offline(True)
    draw(opened, DRAWN[1])
    wait_for(opened, "No answer. Is kit draw still running?")
    opened.page.context.set_offline(False)
    draw(opened, [[(0.5, 0.5), (0.5, 0.6)]])
    wait_for(opened, "This is a 1, ")


def test_without_scripts_it_says_so(look: Opened, address: str) -> None:
    opened = look(address, 390, java_script_enabled=False)
    assert "needs its script" in opened.page.locator("noscript").inner_text()


ATTACK = """
<iframe src="{0}/"></iframe><img src="{0}/">
<script>
  const body = '{{"strokes": []}}', method = "POST", headers = {{"Content-Type": "application/json"}};
  for (const more of [{{mode: "no-cors"}}, {{headers}}, {{mode: "no-cors", method, body}}])
    fetch("{0}/read", more).then(() => {{}}, () => {{}});
</script>
"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ELSEWHERE])
def test_other_pages_cannot_use_it(look: Opened, address: str, host: str) -> None:
    app = Flask("other")
    app.get("/")(lambda: ATTACK.format(address))
    statuses = []
    # Not by the kit's own server, which would not answer under that name
    with make_server("127.0.0.1", 0, app) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        opened = look("about:blank")
        opened.page.on(
            "response",
            lambda answer: (
                statuses.append(answer.status) if answer.url.startswith(address) else None
            ),
        )
        opened.page.goto(f"http://{host}:{other.port}/", wait_until="networkidle")
        other.shutdown()
    assert len(statuses) >= 4
    assert set(statuses) == {403}


def test_a_name_that_leads_here_is_refused(look: Opened, address: str) -> None:
    opened = look("about:blank")
    answer = opened.page.goto(address.replace("127.0.0.1", ELSEWHERE))
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
