"""Showing a report on the loopback interface: the page and its media by number, nothing else."""

from __future__ import annotations

import re
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, cast

from onethinker_eval.errors import UsageError
from onethinker_eval.reporting.html.build import Report

__all__ = ["ReportServer", "serve"]

_HOST = "127.0.0.1"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_MEDIUM = re.compile(r"/media/(\d{1,9})")
_HEAD_CHARS = 400


class ReportServer(ThreadingHTTPServer):
    """A server of one report. Addresses are numbers of a fixed table, so no path can escape."""

    daemon_threads = True

    def __init__(self, report: Report, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one. Raises `UsageError` for one in use."""
        self.report = report
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on port {port}: {error.strerror or error}",
                hint="choose another --port, or none for any free one",
            ) from error

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{_HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server_version = "onethinker-eval"
    sys_version = ""

    def do_GET(self) -> None:  # the name the base class calls
        """Answer with the page, a medium, or 404."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the user."""

    def _answer(self, *, body: bool) -> None:
        server = cast("ReportServer", self.server)
        # A foreign name resolved to 127.0.0.1 would let another page read this one.
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in (_HOST, "localhost"):
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        path = self.path.partition("?")[0]
        medium = _MEDIUM.fullmatch(path)
        if path in ("/", "/report.html"):
            self._page(server.report.path, body)
        elif medium and int(medium[1]) < len(server.report.shown):
            found = server.report.shown[int(medium[1])]
            if found is None:
                self._refuse(HTTPStatus.NOT_FOUND)
            else:
                self._medium(*found, body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _refuse(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self._headers("text/plain", 0)

    def _headers(self, kind: str, length: int, extra: str = "") -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Accept-Ranges", "bytes")
        if extra:
            self.send_header("Content-Range", extra)
        self.end_headers()

    def _page(self, path: Path, body: bool) -> None:
        # The page asks for media by number only where it knows that this server answers.
        with path.open("rb") as stream:
            head = stream.read(_HEAD_CHARS).replace(b'data-served="0"', b'data-served="1"', 1)
            self.send_response(HTTPStatus.OK)
            self._headers("text/html; charset=utf-8", path.stat().st_size)
            if body:
                self._send(head, stream)

    def _send(self, head: bytes, stream: IO[bytes]) -> None:
        try:
            self.wfile.write(head)
            shutil.copyfileobj(stream, self.wfile)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has turned to something else

    def _medium(self, path: Path, kind: str, body: bool) -> None:
        try:
            stream = path.open("rb")
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with stream:
            size = path.stat().st_size
            start, end = self._wanted(size)
            if start >= end:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self._headers(kind, 0, f"bytes */{size}")
                return
            part = end - start < size
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            extra = f"bytes {start}-{end - 1}/{size}" if part else ""
            self._headers(kind, end - start, extra)
            if body:
                stream.seek(start)
                self._copy(stream, end - start)

    def _copy(self, stream: IO[bytes], left: int) -> None:
        try:
            while left > 0:
                part = stream.read(min(left, 1 << 18))
                if not part:
                    return
                self.wfile.write(part)
                left -= len(part)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _wanted(self, size: int) -> tuple[int, int]:
        """Return the first byte asked for and the one after the last; all without a range."""
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None or match[0] == "bytes=-":
            return 0, size
        if not match[1]:
            return max(0, size - int(match[2])), size
        end = int(match[2]) + 1 if match[2] else size
        return int(match[1]), min(end, size)


def serve(report: Report, port: int = 0) -> ReportServer:
    """Return a server of `report` that listens already; call `serve_forever` on it."""
    return ReportServer(report, port)
