"""A real Chromium, one for all tests of a module, and a page in it that notices errors and requests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tl_hubspot_tests.e2e.conftest import make  # noqa: F401

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PHONE = 375


@dataclass
class Opened:
    """A page as Chromium shows it, what its console said, and the requests that left."""

    page: Page
    said: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        """What axe-core finds wrong, with the element."""
        found = Axe().run(self.page)["violations"]
        return [f"{v['id']}: {node['html'][:120]} {node['failureSummary']}" for v in found for node in v["nodes"]]

    def hrefs(self) -> list[str]:
        """Targets of all links, as written."""
        links: list[str] = self.page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
        return links


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of this machine. Gone at the end of a module: while it is there, no other event loop can run."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser on this machine ({', '.join(_NAMES)}); `apt-get install chromium` brings one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


Open = Callable[..., Opened]


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Open]:
    """Opens a file: `opened(path, scheme="dark", width=PHONE)`."""
    contexts: list[Any] = []

    def open_page(path: Path, *, scheme: str = "light", width: int = 1100) -> Opened:
        size: Any = {"width": width, "height": 900}
        context = chromium.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
        contexts.append(context)
        result = Opened(context.new_page())
        result.page.on("console", lambda message: result.said.append(message.text))
        result.page.on("pageerror", lambda error: result.said.append(str(error)))
        result.page.on("request", lambda request: result.requested.append(request.url))
        result.page.goto(path.as_uri())
        # everything that can be unfolded is looked at too
        result.page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
        return result

    yield open_page
    for context in contexts:
        context.close()
