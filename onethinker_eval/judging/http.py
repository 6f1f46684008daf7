"""Requests to a judge's server that always end: time and size limits, few and growing pauses.

A request is tried again after what may pass (no connection, a time limit, 408, 409, 425, 429, 5xx,
a reply that is no JSON), with doubled pauses and jitter, or the pause the server asks for in
`Retry-After`, which then holds for all threads. What cannot pass ends at once. A refusal that
would meet every request (a wrong key, address or model) is marked `fatal`.
"""

from __future__ import annotations

import email.utils
import math
import random
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onethinker_eval.judging.settings import is_local

if TYPE_CHECKING:
    import httpx

__all__ = ["LONGEST_PAUSE_S", "MAX_REPLY_BYTES", "CallError", "Endpoint"]

MAX_REPLY_BYTES = 4 << 20
"""A larger reply is cut off and refused."""
LONGEST_PAUSE_S = 120.0
"""A server that asks for a longer pause is not waited for."""

_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.5, 30.0
_CONNECT_S = 10.0
_AGAIN = frozenset({408, 409, 425, 429})
_FATAL = frozenset({401, 403, 404, 405})
_SHOWN = 200


class CallError(Exception):
    """A request that failed for good: its `kind`, a one-line message, and whether all would.

    Kinds: `connection`, `timeout`, `rate_limit`, `server`, `refused`, `rejected`, `rubbish`,
    `too_large`, `stopped`.
    """

    def __init__(
        self, kind: str, message: str, *, fatal: bool = False, pause_s: float | None = None
    ) -> None:
        """Keep what happened; `pause_s` is the pause the server asked for."""
        super().__init__(" ".join(message.split()))
        self.kind, self.fatal, self.pause_s = kind, fatal, pause_s

    @property
    def passing(self) -> bool:
        """Whether another try may help."""
        return self.kind in {"connection", "timeout", "rate_limit", "server", "rubbish"}


class Endpoint:
    """One server; safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 5,
        concurrency: int = 8,
        requests_per_minute: float = 0.0,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        """Prepare requests to `base_url`; nothing is sent yet. `timeout_s` bounds each try.

        Tries, first and further ones alike, begin evenly spread, at most `requests_per_minute`
        (0: no limit).
        """
        import httpx

        self._url, self._key = base_url.rstrip("/"), api_key
        self._timeout_s, self._retries, self._first = timeout_s, retries, first_pause_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._step = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._turn = 0.0
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # A proxy of the environment serves other machines; this one is spoken to directly.
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            limits=httpx.Limits(max_connections=concurrency),
            follow_redirects=False,
            trust_env=not is_local(base_url),
        )

    def close(self) -> None:
        """Let waiting requests end now, and close the connections."""
        self._stop.set()
        self._client.close()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send `body` as JSON and return the JSON value of the reply; raises `CallError`."""
        for attempt in range(self._retries + 1):
            self._wait_until_allowed()
            try:
                return self._once(f"{self._url}/{path.lstrip('/')}", body)
            except CallError as error:
                if not error.passing or attempt == self._retries:
                    raise
                self._pause(attempt, error)
        raise AssertionError("the last try returns or raises")

    def _pause(self, attempt: int, error: CallError) -> None:
        if error.pause_s is not None:
            if error.pause_s > LONGEST_PAUSE_S:
                raise error
            with self._lock:
                due = time.monotonic() + error.pause_s
                self._not_before = max(self._not_before, due)
            return
        longest = min(_MOST_PAUSE_S, self._first * 2**attempt)
        self._sleep(longest * random.uniform(0.5, 1.0))

    def _wait_until_allowed(self) -> None:
        with self._lock:
            left = self._not_before - time.monotonic()
        if left > 0:
            # A little more for each thread, so that they do not all come back at once.
            left += random.uniform(0.0, min(1.0, 0.1 * left))
        self._sleep(left)
        if self._step:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._turn)
                self._turn = turn + self._step
            self._sleep(turn - now)
            with self._lock:
                forbidden = self._not_before > time.monotonic()
            if forbidden:  # the server asked for a pause meanwhile
                self._wait_until_allowed()

    def _sleep(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._stop.wait(seconds)):
            raise CallError("stopped", "stopped before a reply came")

    def _once(self, url: str, body: Mapping[str, Any]) -> Any:
        import httpx

        deadline = time.monotonic() + self._timeout_s
        try:
            with self._client.stream("POST", url, json=dict(body)) as response:
                content = self._read(response, deadline)
                status, headers = response.status_code, response.headers
        except httpx.TimeoutException as error:
            raise CallError("timeout", f"no reply within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise self._connection(error) from error
        except RuntimeError as error:
            # httpx's answer to a client that another thread closed meanwhile
            if self._stop.is_set():
                raise CallError("stopped", "stopped before a reply came") from error
            raise
        if status != 200:
            raise self._refusal(status, headers.get("retry-after"), content)
        return _json(content)

    def _connection(self, error: Exception) -> CallError:
        if self._stop.is_set():
            return CallError("stopped", "stopped before a reply came")
        return CallError("connection", self._shown(f"{type(error).__name__}: {error}"))

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        """Return the body, within the limits: a server may drip bytes for ever."""
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > MAX_REPLY_BYTES:
                raise CallError("too_large", f"a reply of more than {MAX_REPLY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise CallError("timeout", f"no whole reply within {self._timeout_s:g} s")
            parts.append(part)
        return b"".join(parts)

    def _refusal(self, status: int, after: str | None, content: bytes) -> CallError:
        text = self._shown(content[:2000].decode("utf-8", "replace"))
        message = f"HTTP {status}: {text}" if text else f"HTTP {status}"
        if status in _FATAL:
            return CallError("refused", message, fatal=True)
        if status in _AGAIN or status >= 500:
            kind = "rate_limit" if status == 429 else "server"
            return CallError(kind, message, pause_s=_seconds(after))
        return CallError("rejected", message)

    def _shown(self, text: str) -> str:
        """Shorten a server's words for a message, and keep the key out of it."""
        plain = " ".join(text.split())
        if self._key:
            plain = plain.replace(self._key, "***")
        return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"


def _seconds(after: str | None) -> float | None:
    """Read `Retry-After`: seconds or a date; None if it is neither."""
    if not after:
        return None
    try:
        seconds = float(after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(after).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _json(content: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise CallError("rubbish", "the reply is no JSON") from error
