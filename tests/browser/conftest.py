"""A real browser: Debian's chromium, driven by playwright.

Where there is no chromium, the tests are skipped; with KIT_NEED_BROWSER=1 they fail.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update"]  # fmt: skip
# What a page of the kit may ask for
HERE = re.compile(r"(file|data|blob|about):|http://(127\.0\.0\.1|localhost)[:/]")
# url, width, colour scheme, and whether scripts run
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("KIT_NEED_BROWSER") == "1":
            pytest.fail("There is no chromium here, and KIT_NEED_BROWSER=1 wants one.")
        pytest.skip("There is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page; at the end of the test, it has logged no error and asked no other machine."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def on_console(line: ConsoleMessage) -> None:
        if line.type == "error":
            faults.append(line.text)

    def on_request(asked: Request) -> None:
        if not HERE.match(asked.url):
            faults.append(asked.url)

    def open_one(url: str, width: int, scheme: Any = "light", *, scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", on_console)
        page.on("request", on_request)
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []
