"""Serve a page to this computer alone, made anew whenever it is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edgewise.errors import UsageError
from edgewise.files import said

LOOPBACK = "127.0.0.1"
NAMES = (
    LOOPBACK,
    "localhost",
)  # by which a browser may ask; another one is a site that points here
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer(ThreadingHTTPServer):
    """Answers GET of / with what `make` returns, and nothing else."""

    daemon_threads = True

    def __init__(self, make: Callable[[], str], port: int) -> None:
        """Listen on a port of the loopback address; 0 for any that is free.

        Raises:
            OSError: If it is taken.
        """
        self.make = make
        super().__init__((LOOPBACK, port), Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of a client that goes away or says nothing; of anything else what socketserver does."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def is_own(self, host: str | None) -> bool:
        """Return whether a Host header names this server, and no site that only points to it."""
        return host in {f"{name}:{self.server_port}" for name in NAMES} or (
            self.server_port == 80 and host in NAMES
        )


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    server_version, sys_version = "edgewise", ""
    timeout = 30  # seconds that a client may take to ask

    def do_GET(self) -> None:
        """Answer with the page, or with one line that says why not."""
        if not self.server.is_own(self.headers.get("Host")):
            self.answer(HTTPStatus.FORBIDDEN, "only this computer may ask, by its own name\n")
        elif self.path != "/":
            self.answer(HTTPStatus.NOT_FOUND, "there is only /\n")
        else:
            self.answer(*made(self.server.make))

    def answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        """Send a text."""
        content = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing: the terminal has the address alone."""


def made(make: Callable[[], str]) -> tuple[HTTPStatus, str, str]:
    """Return the page, or what is wrong with the folder, which may be mended meanwhile."""
    try:
        return HTTPStatus.OK, make(), "text/html"
    except OSError as error:
        return HTTPStatus.INTERNAL_SERVER_ERROR, f"{said(error)}\n", "text/plain"
    except (UsageError, ValueError) as error:
        return HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}\n", "text/plain"
