"""A real browser: Debian's chromium, driven by playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from looking import ELSEWHERE, Look
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; without one, tests that need it are skipped, or fail if KIT_NEED_BROWSER=1."""
    program = shutil.which("chromium")
    if program is None:
        reason = "no chromium here (apt-get install chromium)"
        (pytest.fail if os.environ.get("KIT_NEED_BROWSER") == "1" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Look]]:
    """Open an address as `look(address, width, scheme)` does; at the end all is closed again."""
    contexts = []

    def open_page(address: str, width: int = 1_400, scheme: str = "light", **more: Any) -> Look:
        height = 844 if width < 800 else 900
        viewport: Any = {"width": width, "height": height}
        given: Any = {"viewport": viewport, "color_scheme": scheme, **more}
        contexts.append(chromium.new_context(**given))
        return Look(contexts[-1].new_page(), address)

    yield open_page
    for context in contexts:
        context.close()
