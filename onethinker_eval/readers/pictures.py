"""Images that come inside a table, put into files named by their content.

A picture of the same bytes is stored once, under `cache_dir()/media`; what is there already is not
written again, so that a table is unpacked once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from pathlib import Path

from onethinker_eval.paths import cache_dir

__all__ = ["base64_pictures", "is_reference", "store"]

_MAX_BYTES = 1 << 28
_REFERENCE_LENGTH = 64
_ITEM = re.compile(r"""(['"])([A-Za-z0-9+/=\s]+)\1""")
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
)


def is_reference(cell: str) -> bool:
    """Tell whether an image cell names another row instead of holding a picture (VLMEvalKit)."""
    return len(cell) <= _REFERENCE_LENGTH


def base64_pictures(cell: str) -> list[bytes]:
    """Return the pictures of a cell: one base64 text, or a list of them as Python writes it.

    Raises `ValueError` for anything else.
    """
    texts = [cell]
    if cell.lstrip().startswith("["):
        texts = [match[2] for match in _ITEM.finditer(cell)]
    if not texts:
        raise ValueError("an empty list of images")
    pictures = []
    for text in texts:
        head, comma, body = text.partition(",")
        encoded = body if comma and head.startswith("data:") else text
        if len(encoded) > _MAX_BYTES:
            raise ValueError(f"an image of {len(encoded)} characters is too large")
        try:
            pictures.append(base64.b64decode("".join(encoded.split()), validate=True))
        except binascii.Error as error:
            raise ValueError(f"broken base64: {error}") from error
    return pictures


def store(content: bytes) -> str:
    """Store a picture and return the path of its file; `ValueError` if it is no known image."""
    kind = _kind(content)
    name = hashlib.sha256(content).hexdigest()
    target = cache_dir() / "media" / name[:2] / f"{name}.{kind}"
    if target.is_file() and target.stat().st_size == len(content):
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(target)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return str(target)


def _kind(content: bytes) -> str:
    for head, kind in _KINDS:
        if content.startswith(head):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    raise ValueError("the image is in no known format")
