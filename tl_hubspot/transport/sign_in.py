"""Waiting for a person who signs in with a browser: the local callback of OAuth2, and the pasted redirect address.

Knows no system: it hands out `redirect_uri` and `state` and gives back the code of the answer that carries this state.
Exchanging the code for tokens lives in `tokens`; which browser is opened and what is said, in `commands.auth`.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
import select
import socket
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tl_hubspot.errors import ConfigurationError, CredentialsRefused, TlHubspotError

DEFAULT_PORT = 8765
"""Fixed, because the redirect address has to be registered beforehand."""
_PATH = "/callback"
_LONGEST_LINE = 65536
_IGNORED = "Ignored an answer in the browser that does not belong to this sign-in (an older tab?)."
_NOT_THIS = "That is no address that this sign-in leads to. Copy the whole address, from http to its end, and paste it."


class Callback:
    """Listens on 127.0.0.1 while it is open (`with`); `wait` gives the code.

    The browser that brought the code gets its page when the `with` ends: connected, or, when it ends with an error,
    that the terminal says why. ConfigurationError when the port cannot be had. `system` is the name that people read.
    """

    def __init__(self, system: str, port: int = DEFAULT_PORT) -> None:
        self.system = system
        self.state = secrets.token_urlsafe(32)
        self._nonce = secrets.token_urlsafe(16)
        self._authorize_url: str | None = None
        self._answers: SimpleQueue[str | CredentialsRefused | None] = SimpleQueue()
        self._ended = threading.Event()
        self._connected = False
        self._server = _Server(port, self.page)
        self._awake, self._wake = socket.socketpair()

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._server.server_address[1])

    @property
    def redirect_uri(self) -> str:
        """Where the system has to send the browser."""
        return f"http://localhost:{self.port}{_PATH}"

    def start_link(self, authorize_url: str) -> str:
        """A local address that leads to `authorize_url`, once.

        For starting a browser: everybody on the machine can read a program's arguments, and the address has our state.
        """
        self._authorize_url = authorize_url
        return f"http://127.0.0.1:{self.port}/start/{self._nonce}"

    def __enter__(self) -> Callback:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="sign-in").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connected = kind is None
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._awake.close()
        self._wake.close()

    def wait(self, seconds: float, *, pasted: int | None = None, tell: Callable[[str], None]) -> str:
        """The code, from the browser or from an address in a line of the file descriptor `pasted`.

        What does not carry our state is ignored, and told. Raises CredentialsRefused when the person or the system
        declined, TlHubspotError when nobody came within `seconds`.
        """
        deadline = time.monotonic() + seconds
        with _Paste(pasted) as paste:
            while (left := deadline - time.monotonic()) > 0:
                ready, _, _ = select.select([self._awake.fileno(), *paste.sources], [], [], left)
                if self._awake.fileno() in ready:
                    self._awake.recv(1)
                    answers, complaint = [self._answers.get()], _IGNORED
                else:
                    answers = [self._answer(_query(line)) for line in (paste.lines() if ready else [])]
                    complaint = _NOT_THIS
                for answer in answers:
                    if isinstance(answer, CredentialsRefused):
                        raise answer
                    if answer is not None:
                        return answer
                    tell(complaint)
        raise TlHubspotError(
            f"Nobody signed in to {self.system} within {_duration(seconds)}",
            mend="Run the command again when you are ready",
        )

    def page(self, target: str) -> tuple[int, str, str | None]:
        """`(status, HTML, redirect)` for a GET of this path and query; called in threads of the server."""
        path, query = urlsplit(target).path, urlsplit(target).query
        if path == f"/start/{self._nonce}":
            url, self._authorize_url = self._authorize_url, None
            if url:
                return 302, "", url
            return 410, _html("This link has been used", "Go on in the first tab, or start again."), None
        if path != _PATH:
            return 404, _html("Nothing here", "The sign-in comes back to another address."), None
        answer = self._answer(query)
        with contextlib.suppress(OSError):
            self._answers.put(answer)
            self._wake.send(b".")
        if answer is None:
            text = "It belongs to another sign-in, perhaps in an older tab. Go on in the newest one, or start again."
            return 400, _html("This answer was ignored", text), None
        self._ended.wait()
        if self._connected:
            return (
                200,
                _html(f"Connected to {self.system}", "You can close this tab and go back to the terminal."),
                None,
            )
        return 200, _html(f"Not connected to {self.system}", "The terminal says why. You can close this tab."), None

    def _answer(self, query: str) -> str | CredentialsRefused | None:
        """The code in a redirect's query, or the refusal; None when it does not belong to this sign-in.

        A refusal may come without a state (so it is documented), but not with a wrong one.
        """
        values = _values(query)
        code, error, state = (values.get(name, "") for name in ("code", "error", "state"))
        ours = hmac.compare_digest(state.encode(), self.state.encode())
        if code and ours:
            return code
        if not error or code or not (ours or "state" not in values):
            return None
        if error == "access_denied":
            return CredentialsRefused(f"The permission was declined in {self.system}", mend="Run it again, and approve")
        word = error if error.isascii() and error.replace("_", "").isalpha() and len(error) < 50 else "unknown error"
        return CredentialsRefused(
            f"{self.system} did not let you sign in: {word}",
            mend="Check the client id, and that the redirect address is registered exactly as printed",
        )


class _Server(ThreadingHTTPServer):
    """Answers GET with the pages of a Callback; says nothing on the terminal, as a path may hold a code."""

    daemon_threads = False  # so that closing waits for the last page to leave

    def __init__(self, port: int, page: Callable[[str], tuple[int, str, str | None]]) -> None:
        self.page = page
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise ConfigurationError(
                f"Port {port} of this machine {'is in use' if taken else f'cannot be used: {error.strerror}'}",
                mend="Stop the program that uses it, or choose another with --port and register its redirect address",
            ) from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 2
    """Browsers open connections ahead that they never use; closing must not wait for those."""

    def do_GET(self) -> None:
        status, html, redirect = self.server.page(self.path)
        body = html.encode()
        self.send_response(status)
        if redirect:
            self.send_header("Location", redirect)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Paste:
    """Lines from a file descriptor. In a terminal they are not shown, and may be longer than terminals mostly allow."""

    def __init__(self, descriptor: int | None) -> None:
        self.sources = [] if descriptor is None else [descriptor]
        self._rest = b""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Paste:
        for descriptor in self.sources:
            if os.isatty(descriptor):
                self._stack.enter_context(_unseen(descriptor))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lines(self) -> list[str]:
        """The lines that have come; at the end of the input also a last one without a line break."""
        chunk = os.read(self.sources[0], 4096)
        if not chunk:
            self.sources = []
        *lines, self._rest = (self._rest + (chunk or b"\n")).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        return [text for line in lines if (text := line.decode("utf-8", "replace").strip())]


@contextlib.contextmanager
def _unseen(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)  # what was pasted already counts
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _query(text: str) -> str:
    """The query of an address as people paste it: in quotes, or without what stands before the `?`."""
    return text.strip("<>\"'` ").rpartition("?")[2].partition("#")[0]


def _values(query: str) -> dict[str, str]:
    """Names with their one value; {} when a name comes twice or the text is no query."""
    try:
        values = parse_qs(query, max_num_fields=20)
    except ValueError:
        return {}
    return {name: found[0] for name, found in values.items()} if all(len(v) == 1 for v in values.values()) else {}


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _html(title: str, text: str) -> str:
    """A page that needs no network; it takes the code out of the address bar and the history."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>body{{font:18px/1.5 system-ui,sans-serif;max-width:32em;"
        "margin:20vh auto;padding:0 1em;color:#222;background:#fff}h1{font-size:1.4em}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(text)}</p>"
        '<script>history.replaceState(null,"","/")</script></html>'
    )
