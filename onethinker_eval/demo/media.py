"""Writing the pictures and clips: PNG through zlib, H.264 MP4 through PyAV.

Both are reproducible: no time stamps, one thread, fixed settings.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from onethinker_eval.demo.shapes import Rgb

__all__ = ["png_base64", "png_bytes", "write_mp4"]

_X264 = {
    "preset": "veryfast",
    "crf": "20",
    "threads": "1",
    "bf": "0",
    "g": "32",
    "x264-params": "scenecut=0:rc-lookahead=8:sync-lookahead=0:aq-mode=0",
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(pixels: Rgb) -> bytes:
    r"""Return H×W×3 uint8 pixels as a PNG file, with a palette when 256 colours are enough.

    >>> png_bytes(np.zeros((2, 3, 3), dtype=np.uint8))[:4]
    b'\x89PNG'
    """
    height, width, _ = pixels.shape
    flat = pixels.astype(np.uint32)
    codes = (flat[:, :, 0] << 16) | (flat[:, :, 1] << 8) | flat[:, :, 2]
    colours, inverse = np.unique(codes, return_inverse=True)
    if len(colours) <= 256:
        rows = inverse.reshape(height, width).astype(np.uint8)
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
        kind, extra = 3, _chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    else:
        rows, kind, extra = pixels.reshape(height, width * 3), 2, b""
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            extra,
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def png_base64(pixels: Rgb) -> str:
    """Return H×W×3 uint8 pixels as a base64 PNG, as the TSV benchmarks carry them."""
    return base64.b64encode(png_bytes(pixels)).decode("ascii")


def write_mp4(path: Path, frames: Iterable[Rgb], fps: float) -> None:
    """Encode frames (each H×W×3 uint8, even sides) as an H.264 MP4 at `fps` (frames a second).

    Raises ValueError when there is no frame; errors of the encoder pass through.
    """
    import av

    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = None
        for count, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=_X264)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = count
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError(f"{path}: no frames to encode")
        container.mux(stream.encode(None))
