"""Putting the file together: template, style and script, and data as compressed blocks.

The page may run one script, the one whose SHA-256 the policy in its head names; data blocks are
never run. Nothing is fetched but media beside the file, where they are not embedded.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import orjson

__all__ = ["Block", "block_of", "page"]

_ASSETS = Path(__file__).parent / "assets"
_LEVEL = 6


class Block(NamedTuple):
    """A data block of the page: its element id and base64 text."""

    name: str
    text: str


def block_of(name: str, value: Any) -> Block:
    """Return a block of JSON, compressed with gzip (the same bytes for the same value)."""
    packed = gzip.compress(orjson.dumps(value), _LEVEL, mtime=0)
    return Block(name, base64.b64encode(packed).decode("ascii"))


@lru_cache(maxsize=1)
def _script() -> str:
    """Return the page's script: its parts in the order of their names, in one scope."""
    parts = [path.read_text(encoding="utf-8") for path in sorted(_ASSETS.glob("*.js"))]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


@lru_cache(maxsize=1)
def _style() -> str:
    parts = [path.read_text(encoding="utf-8") for path in sorted(_ASSETS.glob("*.css"))]
    return "\n".join(parts)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def page(summary: Mapping[str, Any], blocks: Iterable[Block], *, title: str, linked: bool) -> str:
    """Return the whole file.

    The summary, which the first view is made of, and the script stand before the blocks, so that
    a browser shows the page while it still reads the rest. `linked` allows media beside the file.
    """
    script, style = _script(), _style()
    beside = " 'self' file:" if linked else ""
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; "
        f"style-src 'sha256-{_digest(style)}'; img-src data: blob:{beside}; "
        f"media-src data: blob:{beside}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    template = Template((_ASSETS / "page.html").read_text(encoding="utf-8"))
    stored = json.dumps(summary, separators=(",", ":"))
    head = template.substitute(
        policy=policy,
        title=_escaped(title),
        style=style,
        # Inside a script element only `<` could end it or open a comment.
        summary=stored.replace("<", "\\u003c"),
        script=script,
    )
    data = (
        f'<script type="text/plain" id="{block.name}">{block.text}</script>\n' for block in blocks
    )
    return "".join((head, *data, "</body>\n</html>\n"))


def _escaped(text: str) -> str:
    import html

    return html.escape(text)
