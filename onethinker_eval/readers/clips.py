"""Videos from folders of frames: data sets released as JPEG files, made into one MP4 each.

Models read video files, so the frames are encoded once, nearly without loss, into the cache. The
name of a clip is made of the frames' paths, sizes and times and the rate: a changed frame makes a
new clip.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from onethinker_eval.errors import DataError, MissingPart
from onethinker_eval.paths import cache_dir

__all__ = ["clip_of"]

_X264 = {"preset": "veryfast", "crf": "8", "g": "12"}


def clip_of(frames: Sequence[Path], fps: float) -> str:
    """Return the path of an MP4 that shows `frames` in order at `fps` frames a second.

    Odd sides lose their last row or column. Raises `DataError` naming a frame that is missing,
    broken or of another size.
    """
    digest = hashlib.sha256(repr(float(fps)).encode())
    for frame in frames:
        try:
            about = frame.stat()
        except OSError as error:
            raise DataError("the frame is missing", file=str(frame), fix="check --data") from error
        digest.update(f"{frame}|{about.st_size}|{about.st_mtime_ns}\n".encode())
    name = digest.hexdigest()
    target = cache_dir() / "clips" / name[:2] / f"{name}.mp4"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".mp4", dir=target.parent)
        os.close(handle)
        try:
            _encode(frames, fps, temporary)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return str(target)


def _encode(frames: Sequence[Path], fps: float, path: str) -> None:
    try:
        import av
    except ImportError as error:
        raise MissingPart("frames cannot be made into a clip", hint="pip install av") from error
    from onethinker_eval.media import images

    rate = Fraction(fps).limit_denominator(1001)
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264)
        stream.pix_fmt = "yuv420p"
        size: tuple[int, int] | None = None
        for index, file in enumerate(frames):
            pixels = images.read(str(file)).pixels
            if size is None:
                size = (pixels.shape[0], pixels.shape[1])
                stream.height, stream.width = size[0] // 2 * 2, size[1] // 2 * 2
            elif pixels.shape[:2] != size:
                raise DataError(
                    f"the frame is {pixels.shape[1]}x{pixels.shape[0]}, "
                    f"the first of its video {size[1]}x{size[0]}",
                    file=str(file),
                )
            even = pixels[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(even.copy(), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        if size is None:
            raise DataError("a video without frames", file=path)
        container.mux(stream.encode(None))
