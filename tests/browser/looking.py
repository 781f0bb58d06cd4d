"""A page in the browser, with all that went wrong in it."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, Request

# A name that leads the browser to this machine, as the owner of any name can make it
ELSEWHERE = "evil.example"


class Look:
    """A page that was opened.

    Attributes:
        page: playwright's.
        faults: what the console says of errors and warnings, and exceptions of scripts.
        foreign: the addresses that it asked for elsewhere.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self._own = urlsplit(address)[:2]
        page.on("console", lambda each: self._hear(each.type, each.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._watch)
        page.goto(address)

    @property
    def overflow(self) -> int:
        """How many pixels of the page are to the right of the window."""
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(wider))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _watch(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts[:2] != self._own:
            self.foreign.append(request.url)
