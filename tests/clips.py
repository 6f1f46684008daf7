"""Small video files for tests; frame i shows the number i as bars, so that it can be read back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["number_of", "picture", "rotate", "write_clip"]

_BITS = 10


def picture(number: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return a (height, width, 3) picture of `number` < 1024: ten bars, dark is 0, light is 1."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    for bit in range(_BITS):
        if number >> bit & 1:
            pixels[:, bit * width // _BITS : (bit + 1) * width // _BITS] = 220
    pixels[: height // 4, :, 0] = 128
    return pixels


def number_of(pixels: NDArray[np.uint8]) -> int:
    """Return the number that a decoded picture shows."""
    height, width = pixels.shape[:2]
    row = pixels[height // 2 :].astype(int).mean(axis=(0, 2))
    return sum(1 << bit for bit in range(_BITS) if row[bit * width // _BITS + width // 20] > 130)


def write_clip(
    path: Path,
    frames: int,
    *,
    size: tuple[int, int] = (64, 96),
    fps: int = 10,
    codec: str = "libx264",
    times_ms: Sequence[int] | None = None,
    faststart: bool = False,
    key_every: int = 12,
) -> Path:
    """Write a clip of `size` (height, width), with B frames, at `fps` or at given times."""
    options = {"bf": "2", "g": str(key_every), "crf": "18"} if codec == "libx264" else {}
    container_options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = size
        odd = size[0] % 2 or size[1] % 2
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        stream.codec_context.thread_count = 1
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts = number if times_ms is None else times_ms[number]
            if times_ms is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def rotate(path: Path, out: Path, degrees: int) -> Path:
    """Copy an MP4 with its rotation flag set, as a telephone held upright does."""
    one = 1 << 16
    rows = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}
    a, b, c, d = rows[degrees]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out.write_bytes(bytes(content))
    return out
