"""Images and videos as parts of a chat request, in the forms that servers take.

- `frames`: any server. Images, and of a video every frame with its time as text before it;
- `vllm`: `vllm serve`. A video as one native item made of our frames, with their times;
- `file_url`: paths as `file://` addresses, for a server that sees the same disk;
- `base64`: whole files inside the request.

In the first two the task's frame rule holds; in the last two the server samples and resizes.
"""

from __future__ import annotations

import base64
import io
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onethinker_eval.errors import DataError
from onethinker_eval.media.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from onethinker_eval.media.video import VideoFrames

__all__ = ["FORMATS", "MAX_FILE_BYTES", "MODES", "PIXEL_MODES", "request_media"]

MODES = ("frames", "vllm", "file_url", "base64")
PIXEL_MODES = ("frames", "vllm")
FORMATS = ("jpeg", "png")

MAX_FILE_BYTES = 256 << 20
"""A larger file is not put into a request."""

_QUALITY = 95
_UNTOUCHED = {"do_resize": False, "do_sample_frames": False}

Part = dict[str, Any]


def request_media(
    messages: Sequence[Mapping[str, Any]], media: Shown, mode: str, image_format: str
) -> tuple[list[Part], dict[str, Any]]:
    """Return the `messages` with their media as `mode` has them, and fields to add to the body.

    `media` are the decoded pixels for the modes that need them. Raises `DataError` naming a file
    that cannot be sent.
    """
    images, clips = iter(media.images), iter(media.videos)
    extra: dict[str, Any] = {}
    if mode == "vllm" and (media.images or media.videos):
        extra["mm_processor_kwargs"] = dict(_UNTOUCHED)
    if mode == "vllm" and media.videos:
        extra["media_io_kwargs"] = {"video": _times(media.videos)}

    def parts(part: Mapping[str, Any]) -> Iterator[Part]:
        if part["type"] == "text":
            yield {"type": "text", "text": part["text"]}
        elif mode == "file_url":
            yield _link(part["type"], _existing(part["url"]).as_uri())
        elif mode == "base64":
            yield _link(part["type"], _whole_file(part["url"]))
        elif part["type"] == "image":
            yield _link("image", _picture(next(images), image_format))
        elif mode == "vllm":
            yield _link("video", _sequence(next(clips), image_format))
        else:
            clip = next(clips)
            for time_s, frame in zip(clip.times_s, clip.frames, strict=True):
                yield {"type": "text", "text": f"<{time_s:.1f} seconds>"}
                yield _link("image", _picture(frame, image_format))

    found = []
    for message in messages:
        content = [made for part in message["content"] for made in parts(part)]
        if message["role"] == "system":
            # many servers take a system message as plain text only
            content = "\n".join(part["text"] for part in content)  # type: ignore[assignment]
        found.append({"role": message["role"], "content": content})
    return found, extra


def _link(kind: str, url: str) -> Part:
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


def _picture(pixels: NDArray[np.uint8], image_format: str) -> str:
    return f"data:image/{image_format};base64,{_encoded(pixels, image_format)}"


def _sequence(clip: VideoFrames, image_format: str) -> str:
    """Return a clip as vLLM reads it: the frames' files, whatever their format, as one list."""
    frames = ",".join(_encoded(frame, image_format) for frame in clip.frames)
    return f"data:video/jpeg;base64,{frames}"


def _encoded(pixels: NDArray[np.uint8], image_format: str) -> str:
    from PIL import Image

    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    if image_format == "png":
        picture.save(stream, "PNG", compress_level=1)
    else:
        picture.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _times(clips: Sequence[VideoFrames]) -> dict[str, Any]:
    """Return what vLLM must know of the frames; it takes this once for all videos of a request."""
    if len(clips) > 1:
        raise DataError(
            f"media=vllm sends one video a question, this one has {len(clips)}",
            fix="use media=frames for this task",
        )
    clip = clips[0]
    return {
        "num_frames": -1,
        "fps": clip.fps,
        "frames_indices": list(clip.indices),
        "total_num_frames": clip.n_frames,
        "duration": clip.duration_s,
        "do_sample_frames": False,
    }


def _existing(path: str) -> Path:
    file = Path(path).resolve()
    if not file.is_file():
        raise DataError("the file is missing", file=path, fix="check --data")
    return file


def _whole_file(path: str) -> str:
    file = _existing(path)
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(
            f"{size} bytes are too many for one request",
            file=path,
            fix="use media=frames or media=file_url",
        )
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
