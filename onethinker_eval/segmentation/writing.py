"""Arrays to files: a PNG, an MP4 (H.264). A file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onethinker_eval.errors import MissingPart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["write_clip", "write_png"]


def write_png(path: Path, picture: NDArray[np.uint8]) -> Path:
    """Write `picture` (H, W, 3 RGB) and return `path`; raises `OSError`."""
    from PIL import Image

    temporary = path.with_suffix(".part.png")
    Image.fromarray(picture).save(temporary, optimize=True)
    temporary.replace(path)
    return path


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write `pictures` of one size, sides even, at `fps` a second, and return `path`.

    Raises `OSError`, and `MissingPart` without PyAV.
    """
    try:
        import av
    except ImportError as error:
        raise MissingPart("clips are written by PyAV", hint="pip install av") from error
    temporary = path.with_suffix(".part.mp4")
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))
    temporary.replace(path)
    return path
