"""Requests to a server, each within one limit of time, and what it answers, bounded and checked."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any

import httpx

from edgewise.benchmarks.evaluation.secret import Secret

MAX_BYTES = 2**26  # of an answer
MAX_TOLD = 300  # characters of what a server says is wrong
MAX_RETRY_AFTER = 900.0  # seconds that a server may ask for
TRANSIENT = {408, 409, 425, 429}  # and all from 500 on


class Transient(Exception):
    """A request that failed and may be made again."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        """Store the reason, and the delay that the server asked for."""
        super().__init__(reason)
        self.retry_after = retry_after


class Refused(Transient):
    """No server takes the connection."""


@cache
def certificates() -> ssl.SSLContext:
    """Return the certificates that servers are checked by, which take longer to load than a client to start."""
    return httpx.create_ssl_context()


class Client:
    """Connections to a server; any thread may call `post` while it is entered.

    All requests are made by one thread with an event loop, so that one deadline holds for the whole
    of a request, whatever the server sends in between.
    """

    def __init__(self, url: str, key: str, timeout: float, num_connections: int) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: Where requests go.
            key: Is sent to the server, and hidden in all that it says; "" for none.
            timeout: Seconds for a whole request, from its connection to the last byte.
            num_connections: How many requests are made at once.
        """
        self.url, self.secret, self.timeout = url, Secret(key), timeout
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.limits = httpx.Limits(max_connections=num_connections)
        self.lock, self.is_open = threading.Lock(), False

    def __enter__(self) -> Client:
        """Start the thread that makes the requests."""
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.http = httpx.AsyncClient(
            headers=self.headers, timeout=None, limits=self.limits, verify=certificates()
        )
        self.is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give up what is under way, and end the thread."""
        with self.lock:
            self.is_open = False
        asyncio.run_coroutine_threadsafe(self.give_up(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def give_up(self) -> None:
        """Cancel all requests and close the connections."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.http.aclose()

    def post(self, content: Mapping[str, Any]) -> Any:
        """Parse the JSON response of the server.

        Raises:
            Transient: If it may answer another time.
            ConnectionError: If it refuses for good.
        """
        with self.lock:
            if not self.is_open:
                raise ConnectionError(f"{self.url}: stopped before it was asked")
            asked = asyncio.run_coroutine_threadsafe(self.ask(content), self.loop)
        code, wait, body = asked.result()
        if code == httpx.codes.OK:
            try:
                return json.loads(body)
            except (ValueError, RecursionError) as error:
                raise Transient("the answer is no JSON") from error
        reason = f"{code} {self.plain(body[: 2 * MAX_TOLD].decode(errors='replace'))}"
        if code in TRANSIENT or code >= 500:
            raise Transient(reason, retry_after(wait))
        raise ConnectionError(f"{self.url} refuses: {reason}")

    async def ask(self, content: Mapping[str, Any]) -> tuple[int, str | None, bytes]:
        """Return the status, the header Retry-After and the body of an answer."""
        body = bytearray()
        try:
            async with asyncio.timeout(self.timeout):
                async with self.http.stream("POST", self.url, json=content) as response:
                    async for part in response.aiter_bytes():
                        body += part
                        if len(body) > MAX_BYTES:
                            raise ConnectionError(f"{self.url} answers more than {MAX_BYTES} bytes")
        except TimeoutError as error:
            raise Transient(f"no answer within {self.timeout:g} s") from error
        except httpx.ConnectError as error:
            raise Refused(f"no connection, {self.plain(str(error))}") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Transient(f"{type(error).__name__} {self.plain(str(error))}".strip()) from error
        return response.status_code, response.headers.get("Retry-After"), bytes(body)

    def plain(self, text: str) -> str:
        """Return the beginning of what a server says, without the key."""
        return plain(self.secret.hide(text))


def plain(text: str) -> str:
    r"""Return the beginning of what a server says, in one line that a terminal may show.

    >>> plain("no\n\x1b[2J [/bold]")
    'no [2J [/bold]'
    """
    shown = "".join(sign if sign.isprintable() else " " for sign in text[:MAX_TOLD])
    return " ".join(shown.split())


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a header Retry-After, a number or a date; None if it is neither.

    >>> retry_after("2.5"), retry_after("soon"), retry_after(None)
    (2.5, None, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER) if seconds == seconds else None
