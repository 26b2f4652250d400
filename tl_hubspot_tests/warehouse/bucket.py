"""S3-compatible storage on loopback, as much of it as DuckDB asks for: it keeps files, may refuse, and can be lost."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tl_hubspot.warehouse.lake import Bucket

SECRET = "secret-of-the-bucket"


class Storage:
    """A context manager; `refuses`: everything is forbidden."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.refuses = refuses
        self._parts: dict[str, dict[int, bytes]] = {}
        self._port = 0

    def __enter__(self) -> Storage:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """On the same port each time, with the files of before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Nobody answers there any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def bucket(self) -> Bucket:
        """How it is reached."""
        return Bucket(f"http://127.0.0.1:{self._port}", "eu-west-1", "key", SECRET)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        storage = self

        class Handler(BaseHTTPRequestHandler):
            def do_ANY(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, content = storage._answer(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_ANY

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def _answer(
        self, method: str, address: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        parts = urlsplit(address)
        name, query = parts.path, parse_qs(parts.query, keep_blank_values=True)
        if self.refuses:
            return 403, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        if method == "POST" and "uploads" in query:
            self._parts[name] = {}
            return 200, {}, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
        if method == "POST":
            self.files[name] = b"".join(part for _, part in sorted(self._parts.pop(name).items()))
            return 200, {}, b"<CompleteMultipartUploadResult/>"
        if method == "PUT":
            if "partNumber" in query:
                self._parts[name][int(query["partNumber"][0])] = body
            else:
                self.files[name] = body
            return 200, {"ETag": '"1"'}, b""
        if method == "DELETE":
            self.files.pop(name, None)
            return 204, {}, b""
        if name not in self.files:
            return 404, {}, b""
        content = self.files[name]
        if method == "HEAD":
            return 200, {"Content-Length": str(len(content)), "Accept-Ranges": "bytes", "ETag": '"1"'}, b""
        first, _, last = headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        wanted = content[int(first) : int(last) + 1 if last else None]
        return 206, {"Content-Range": f"bytes {first}-{int(first) + len(wanted) - 1}/{len(content)}"}, wanted
