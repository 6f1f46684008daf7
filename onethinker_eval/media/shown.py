"""What a question shows: the pixels of its images and videos under a frame rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onethinker_eval.media.frames import FrameRule

if TYPE_CHECKING:
    from onethinker_eval.media.video import VideoFrames

__all__ = ["LastShown", "ShowMedia", "Shown", "Wanted", "shown"]

_CHANNELS = 3
_UNKNOWN_SLACK = 1.1  # an enlarged frame may exceed the least size by a row of patches


@dataclass(frozen=True, slots=True)
class Shown:
    """The pixels of one question: images (H, W, 3 uint8) and videos, each in order."""

    images: tuple[Any, ...]
    videos: tuple[VideoFrames, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        arrays = [*self.images, *(clip.frames for clip in self.videos)]
        return sum(int(array.nbytes) for array in arrays)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The media of one question to decode: message `parts` and the frame `rule`.

    `prompt` is the rendered chat text where the craft makes a model's input tensors; `task` names
    who pays for the time. Called, it decodes here and now and returns `Shown`.
    """

    parts: tuple[Mapping[str, Any], ...]
    rule: FrameRule
    prompt: str = ""
    task: str = field(default="", compare=False)

    def __call__(self) -> Shown:
        """Decode; raises `DataError` naming the file."""
        return shown(self.parts, self.rule)

    @property
    def media(self) -> tuple[Any, ...]:
        """What is decoded: equal for questions that show the same files alike."""
        files = [(part["type"], part["url"]) for part in self.parts if "url" in part]
        return (*files, self.rule) if files else ()

    @property
    def pixels(self) -> int:
        """The most pixels that may be shown, by the rule alone: no file is opened for it.

        >>> Wanted(({"type": "image", "url": "a.png"},), FrameRule()).pixels
        1048576
        """
        rule = self.rule
        image = max(rule.image_pixels, int(rule.min_image_pixels * _UNKNOWN_SLACK))
        frame = max(rule.frame_pixels, int(rule.min_frame_pixels * _UNKNOWN_SLACK))
        sizes = {"image": image, "video": frame * rule.max_frames}
        return sum(sizes.get(part["type"], 0) for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        parts = [{"type": one["type"], "url": one["url"]} for one in self.parts if "url" in one]
        return {"parts": parts, "rule": self.rule.to_json(), "prompt": self.prompt}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Wanted:
        """Read `to_json` back."""
        return Wanted(tuple(value["parts"]), FrameRule(**value["rule"]), value["prompt"])


def shown(parts: Sequence[Mapping[str, Any]], rule: FrameRule) -> Shown:
    """Decode the media of message `parts`, in their order; raises `DataError` naming the file."""
    from onethinker_eval.media import images, video

    pictures, clips = [], []
    for part in parts:
        if part["type"] == "image":
            pictures.append(images.read(part["url"], rule).pixels)
        elif part["type"] == "video":
            clips.append(video.read(part["url"], rule))
    return Shown(tuple(pictures), tuple(clips))


class LastShown:
    """Decodes, and keeps the last result for the next question about the same media."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._last: tuple[tuple[Any, ...], Shown] | None = None

    def __call__(self, wanted: Wanted) -> Shown:
        """Return the pixels of `wanted`; safe in threads."""
        last = self._last
        if last is not None and wanted.media and last[0] == wanted.media:
            return last[1]
        found = wanted()
        self._last = (wanted.media, found)
        return found


class ShowMedia:
    """The craft of decoding alone: `Wanted` → `Shown`.

    A craft is how a job is done here (`do`), what of it is told to a worker (`order`, `wanted`),
    how its result travels (`pack`, `unpack`), what it weighs (`weigh`) and may weigh (`bound`).
    """

    name = "onethinker_eval.media.shown:ShowMedia"

    def __init__(self) -> None:
        """Take no settings."""
        self.settings: dict[str, Any] = {}
        self._decode = LastShown()

    def wanted(self, request: Mapping[str, Any]) -> Wanted:
        """Read a request in the worker."""
        return Wanted.from_json(request)

    def do(self, wanted: Wanted) -> Shown:
        """Decode; raises `DataError` naming the file."""
        return self._decode(wanted)

    def pack(self, result: Shown) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON values and the arrays of a result."""
        arrays = {f"image{n}": one for n, one in enumerate(result.images)}
        arrays |= {f"video{n}": one.frames for n, one in enumerate(result.videos)}
        clips = [
            {
                "indices": list(one.indices),
                "fps": one.fps,
                "n_frames": one.n_frames,
                "width": one.width,
                "height": one.height,
                "decoder": one.decoder,
            }
            for one in result.videos
        ]
        return {"images": len(result.images), "videos": clips}, arrays

    def unpack(self, info: Mapping[str, Any], arrays: Mapping[str, Any]) -> Shown:
        """Rebuild a result from what `pack` gave."""
        from onethinker_eval.media.video import VideoFrames

        videos = tuple(
            VideoFrames(arrays[f"video{n}"], **{**clip, "indices": tuple(clip["indices"])})
            for n, clip in enumerate(info["videos"])
        )
        return Shown(tuple(arrays[f"image{n}"] for n in range(info["images"])), videos)

    def weigh(self, result: Shown) -> int:
        """Return the bytes of a result."""
        return result.nbytes

    def bound(self, wanted: Wanted) -> int:
        """Return the most bytes that the result of `wanted` may have."""
        return wanted.pixels * _CHANNELS
