"""The callback of a sign-in over real HTTP, and pasted addresses: what counts, what is ignored, what is told."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import termios
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tl_hubspot.errors import ConfigurationError, CredentialsRefused, ExitCode, TlHubspotError
from tl_hubspot.transport.sign_in import Callback

CODE = "def50200a-very-secret-code"


class Browser:
    """Asks for pages while the test waits for the code."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self._pool = ThreadPoolExecutor()

    def url(self, **values: str) -> str:
        query = "&".join(f"{name}={quote(value)}" for name, value in values.items())
        return f"{self.callback.redirect_uri.replace('localhost', '127.0.0.1')}?{query}"

    def get(self, path: str = "", **values: str) -> requests.Response:
        url = f"http://127.0.0.1:{self.callback.port}{path}" if path else self.url(**values)
        return requests.get(url, timeout=20, allow_redirects=False)

    def later(self, **values: str) -> Future[requests.Response]:
        """The page for the redirect comes when all is done."""
        return self._pool.submit(self.get, **values)


@pytest.fixture
def told() -> list[str]:
    return []


@contextlib.contextmanager
def opened() -> Iterator[tuple[Callback, Browser]]:
    with Callback("Teamleader", 0) as callback:
        yield callback, Browser(callback)


def test_the_code_and_the_page_at_the_end(told: list[str]) -> None:
    with opened() as (callback, browser):
        page = browser.later(code=CODE, state=callback.state)
        assert callback.wait(20, tell=told.append) == CODE
        time.sleep(0.05)
        assert not page.done(), "the page has to say how it ended"
    answer = page.result()
    assert answer.status_code == 200
    assert "Connected to Teamleader" in answer.text
    assert CODE not in answer.text
    assert callback.state not in answer.text
    assert "http" not in answer.text, "the page needs a network"
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert told == []


def test_an_error_after_the_code_is_on_the_page_and_goes_on(told: list[str]) -> None:
    with pytest.raises(CredentialsRefused, match="refused"), opened() as (callback, browser):
        page = browser.later(code=CODE, state=callback.state)
        callback.wait(20, tell=told.append)
        raise CredentialsRefused("refused")
    assert "Not connected to Teamleader" in page.result().text


@pytest.mark.parametrize(
    "values",
    [
        {"code": CODE, "state": "wrong"},
        {"code": CODE, "state": "wröng✓"},
        {"code": CODE, "state": ""},
        {"code": CODE},
        {"error": "access_denied", "state": "wrong"},
        {"error": "access_denied", "code": CODE},
        {},
        {"state": "<ours>"},
        {"code": CODE, "state": "<ours>&state=<ours>"},
        {"code": f"{CODE}&code=another", "state": "<ours>"},
        {"code": CODE, "state": "<ours>" + "&x=1" * 30},
        {"code": CODE, "state": "<ours>x"},
    ],
    ids=str,
)
def test_what_is_not_ours_is_ignored_and_told(told: list[str], values: dict[str, str]) -> None:
    with opened() as (callback, browser):
        query = "&".join(f"{name}={value.replace('<ours>', callback.state)}" for name, value in values.items())
        answer = browser.get(f"/callback?{query}")
        assert answer.status_code == 400
        assert "was ignored" in answer.text
        assert CODE not in answer.text
        page = browser.later(code="right", state=callback.state)
        assert callback.wait(20, tell=told.append) == "right"
    assert page.result().status_code == 200
    assert len(told) == 1
    assert "does not belong to this sign-in" in told[0]


@pytest.mark.parametrize("with_state", [True, False])
def test_declined(told: list[str], with_state: bool) -> None:
    with pytest.raises(CredentialsRefused, match="declined in Teamleader") as raised, opened() as (callback, browser):
        page = browser.later(error="access_denied", **({"state": callback.state} if with_state else {}))
        callback.wait(20, tell=told.append)
    assert raised.value.exit_code == ExitCode.STOPPED
    assert "Not connected" in page.result().text


@pytest.mark.parametrize(
    ("error", "word"), [("invalid_scope", "invalid_scope"), ("<script>evil", "unknown error"), ("x" * 99, "unknown")]
)
def test_another_error_is_named_only_if_it_is_a_word(told: list[str], error: str, word: str) -> None:
    with pytest.raises(CredentialsRefused, match=f"did not let you sign in: {word}"), opened() as (callback, browser):
        browser.later(error=error, state=callback.state)
        callback.wait(20, tell=told.append)


def test_second_request_favicon_and_others_do_no_harm(told: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with opened() as (callback, browser):
        assert browser.get("/favicon.ico").status_code == 404
        assert browser.get("/").status_code == 404
        assert requests.head(browser.url(code=CODE, state=callback.state), timeout=20).status_code == 501
        assert requests.post(browser.url(code=CODE, state=callback.state), timeout=20).status_code == 501
        # A connection opened ahead, and one that breaks off in the middle of its request.
        idle = socket.create_connection(("127.0.0.1", callback.port))
        with socket.create_connection(("127.0.0.1", callback.port)) as rude:
            rude.sendall(b"GET /call")
        pages = [browser.later(code=CODE, state=callback.state) for _ in range(3)]
        assert callback.wait(20, tell=told.append) == CODE
        time.sleep(0.2)  # for all three to be on their way
    assert [page.result().status_code for page in pages] == [200, 200, 200]
    assert told == []
    idle.close()
    assert capfd.readouterr() == ("", ""), "a request line holds the code"


def test_the_link_for_the_browser_works_once_and_holds_no_state() -> None:
    with opened() as (callback, browser):
        url = f"https://focus.teamleader.example/oauth2/authorize?state={callback.state}"
        link = callback.start_link(url)
        assert callback.state not in link
        path = link.partition(str(callback.port))[2]
        first, second = browser.get(path), browser.get(path)
        assert (first.status_code, first.headers["Location"]) == (302, url)
        assert second.status_code == 410
        assert callback.state not in second.text


def test_nobody_comes(told: list[str]) -> None:
    error = "Nobody signed in to Teamleader within 0.1 seconds"
    with pytest.raises(TlHubspotError, match=error) as raised, opened() as (callback, _):
        callback.wait(0.1, tell=told.append)
    assert raised.value.exit_code == ExitCode.STOPPED


def test_port_in_use() -> None:
    with opened() as (callback, _), pytest.raises(ConfigurationError, match=rf"Port {callback.port} .*in use.*--port"):
        Callback("Teamleader", callback.port)


def test_only_this_machine_is_listened_to() -> None:
    with opened() as (callback, _):
        assert callback._server.server_address[0] == "127.0.0.1"


PASTES: list[Callable[[Browser, str], str]] = [
    lambda browser, state: f"{browser.url(code=CODE, state=state)}\n",
    lambda browser, state: f"  '{browser.url(code=CODE, state=state)}' \r",
    lambda browser, state: f"<{browser.url(state=state, code=CODE)}>\r\n",
    lambda browser, state: f"?code={CODE}&state={state}#fragment\n",
    lambda browser, state: f"code={CODE}&state={state}\n",
]


@pytest.mark.parametrize("paste", PASTES)
def test_an_address_pasted_from_a_pipe(told: list[str], paste: Callable[[Browser, str], str]) -> None:
    source, sink = os.pipe()
    with opened() as (callback, browser):
        os.write(sink, b"\nhello?code=x\n" + paste(browser, callback.state).encode())
        assert callback.wait(20, pasted=source, tell=told.append) == CODE
    assert len(told) == 1
    assert told[0].startswith("That is no address that this sign-in leads to.")
    os.close(source)
    os.close(sink)


def test_the_end_of_the_input_is_not_the_end_of_waiting(told: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as empty, opened() as (callback, browser):
        page = browser.later(code=CODE, state=callback.state)
        assert callback.wait(20, pasted=empty.fileno(), tell=told.append) == CODE
    assert page.result().status_code == 200
    source, sink = os.pipe()
    with opened() as (callback, browser):
        os.write(sink, browser.url(code=CODE, state=callback.state).encode())
        os.close(sink)
        # Without a line break behind it.
        assert callback.wait(20, pasted=source, tell=told.append) == CODE
    os.close(source)
    assert told == []


def test_pasting_into_a_terminal_shows_nothing_and_may_be_long(told: list[str]) -> None:
    master, slave = pty.openpty()
    code = "def50200" + "a" * 6000
    before = termios.tcgetattr(slave)

    def paste(url: str) -> None:
        while termios.tcgetattr(slave)[3] & termios.ECHO:
            time.sleep(0.005)
        for start in range(0, len(url), 500):
            os.write(master, url[start : start + 500].encode())

    with opened() as (callback, browser):
        thread = threading.Thread(target=paste, args=(browser.url(code=code, state=callback.state) + "\r",))
        thread.start()
        assert callback.wait(20, pasted=slave, tell=told.append) == code
        thread.join()
    assert termios.tcgetattr(slave) == before
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 1)
    os.close(master)
    os.close(slave)
    assert told == []
