"""Opens pages in Debian's Chromium for tests, and holds it against them what they say or ask."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

HEIGHT = 800


@contextmanager
def browsing(chromium: str, *, own: Sequence[str]) -> Iterator[Callable[..., Page]]:
    """Give a function that opens an address, at a width in pixels; 1280 if none is given.

    Args:
        chromium: Path of the browser.
        own: How the addresses begin that the pages may ask for, and what they may say.

    Raises:
        AssertionError: When the block ends, if a page wrote to the console, failed in its
            script, or asked for anything else.
    """
    heard: list[str] = []
    allowed = ("data:", "blob:", *own)

    def hear(said: str) -> None:
        if not said.startswith(allowed):
            heard.append(said)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def open_page(address: str, width: int = 1280) -> Page:
            page = browser.new_page(viewport={"width": width, "height": HEIGHT})
            page.on("request", lambda request: hear(request.url))
            page.on("console", lambda message: hear(message.text))
            page.on("pageerror", lambda error: hear(str(error)))
            page.goto(address)
            return page

        yield open_page
        browser.close()
    assert heard == []
