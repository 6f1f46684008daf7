"""The process in which symbolic mathematics runs, so that it can be stopped.

Run as `python -m onethinker_eval.metrics.math_worker`. It imports math-verify, which takes
seconds, and then works in a forked child, so that a child that had to be killed is replaced
in milliseconds; where there is no fork it works itself. Whoever works writes one line
`{"ready": its process id}`, then answers each line `[pred, truth, rule, seconds]` with one
line `{"equal": bool}` or `{"error": "KindOfException"}`, and ends at the end of input.

Two guards stand behind the caller's own limit. A watchdog thread in C ends the working
process a little after `seconds`, even inside one long big-integer operation and even when
the caller is gone. The address space is limited where the platform can, so that a tower of
powers ends in an error and not in swapping, and no file can be written.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import re
import signal
from collections.abc import Iterable
from typing import IO, Any

__all__ = ["looks_like_formula", "main", "symbolically_equal"]

_MEMORY_BYTES = 3 << 30
_GRACE_S = 1.0
_KNOWN_WORDS = re.compile(
    r"\\[A-Za-z]+|(?<![A-Za-z])(?:sin|cos|tan|cot|sec|csc|log|ln|lg|exp|sqrt|pi|oo|inf|max|min|mod)"
    r"(?![A-Za-z])"
)
_WORD = re.compile(r"[^\W\d_]{3}")
_FORMULA_SIGN = re.compile(r"[A-Za-z\\{}()\[\],;<>=|]")
_DELIMITED = re.compile(r"\$|\\\(|\\\[|\\boxed")


def looks_like_formula(text: str) -> bool:
    r"""Tell whether `text` is one bare formula: no math delimiters and no words of prose.

    Bare numbers and fractions of numbers are none: math-verify reads those without help.

    >>> [looks_like_formula(text) for text in (r"\frac{x}{2}", "2x+1", "sin x", "5 apples", "50%")]
    [True, True, True, False, False]
    """
    if _DELIMITED.search(text) or not _FORMULA_SIGN.search(text) or "\n" in text.strip():
        return False
    return not _WORD.search(_KNOWN_WORDS.sub(" ", text))


def symbolically_equal(pred: str, truth: str, rule: str) -> bool:
    """Compare two answers with math-verify; `rule` as in `mathematics.compare`.

    math-verify's own limits use signals and work in a main thread only; they are off, and
    the process is ended from outside instead.
    """
    from math_verify import parse, verify

    if rule == "repaired":
        pred, truth = (f"${text}$" if looks_like_formula(text) else text for text in (pred, truth))
    expected = parse(truth, parsing_timeout=None)
    if not expected:
        return False
    return bool(verify(expected, parse(pred, parsing_timeout=None), timeout_seconds=None))


def _limit_resources() -> None:
    """Limit address space and file size, where the platform can; ignore Ctrl-C."""
    # Ctrl-C reaches the whole foreground group; the caller decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import resource
    except ImportError:
        return
    for kind, limit in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0)):
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (allowed, hard))


def _answer(line: str) -> dict[str, Any]:
    """Return the reply to one request line, whatever the libraries raise on it."""
    pred, truth, rule, seconds = json.loads(line)
    faulthandler.dump_traceback_later(seconds + _GRACE_S, exit=True)
    try:
        return {"equal": symbolically_equal(pred, truth, rule)}
    # The libraries raise whatever a formula makes them meet; its kind goes to the caller.
    except Exception as error:
        return {"error": type(error).__name__}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _serve(requests: Iterable[str], replies: IO[str]) -> None:
    """Answer each line of `requests` until they end or nobody reads the answers."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps({"ready": os.getpid()}), file=replies, flush=True)
        for line in requests:
            print(json.dumps(_answer(line)), file=replies, flush=True)


def _serve_in_children(requests: Iterable[str], replies: IO[str]) -> None:
    """Serve from a forked child; replace it when it was killed, end when it ended."""
    while True:
        child = os.fork()
        if child == 0:
            try:
                _serve(requests, replies)
            finally:
                # Whatever ended the loop, only a kill may lead to another child.
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return


def main() -> None:
    """Serve requests from standard input until it ends."""
    logging.disable(logging.CRITICAL)
    # Libraries may print; only this stream speaks to the caller.
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "r", encoding="ascii")
    # Once through everything, so that children inherit imports and compiled patterns.
    symbolically_equal("$x^2$", "$2x$", "paper")
    _limit_resources()
    if hasattr(os, "fork"):
        _serve_in_children(requests, replies)
    else:
        _serve(requests, replies)


if __name__ == "__main__":
    main()
