"""What a question shows, decoded and sized by the task's frame rule, ahead of its turn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.media import images, video
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.video import VideoFrames

__all__ = ["MediaAhead", "Shown", "rule_with", "shown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """The pixels of one question: images (H, W, 3 uint8) and videos, each in order."""

    images: tuple[Any, ...]
    videos: tuple[VideoFrames, ...]


def rule_with(frames: Mapping[str, Any], changes: Mapping[str, Any]) -> FrameRule:
    """Return the frame rule of a task with the settings that the user gave instead."""
    given = {key: value for key, value in changes.items() if value is not None}
    return FrameRule.of({**frames, **given})


def shown(parts: Sequence[Mapping[str, Any]], rule: FrameRule) -> Shown:
    """Decode the media of message `parts`, in their order; raises `DataError` naming the file."""
    pictures, clips = [], []
    for part in parts:
        if part["type"] == "image":
            pictures.append(images.read(part["url"], rule).pixels)
        elif part["type"] == "video":
            clips.append(video.read(part["url"], rule))
    return Shown(tuple(pictures), tuple(clips))


class MediaAhead:
    """Decodes in threads what will be asked for soon; at most `ahead` results wait."""

    def __init__(self, threads: int, ahead: int) -> None:
        """Use `threads` decoding threads."""
        self._pool = ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="media")
        self._ahead = ahead
        self._waiting: dict[Hashable, Future[Shown]] = {}

    def announce(self, jobs: Iterable[tuple[Hashable, Callable[[], Shown]]]) -> None:
        """Begin with `jobs`, (key, work) pairs, as far as there is room."""
        for key, work in jobs:
            if len(self._waiting) >= self._ahead:
                return
            if key not in self._waiting:
                self._waiting[key] = self._pool.submit(work)

    def take(self, key: Hashable, work: Callable[[], Shown]) -> Shown | DataError:
        """Return the result of `work`, done ahead or now, or the error of its file."""
        future = self._waiting.pop(key, None)
        try:
            return future.result() if future is not None else work()
        except DataError as error:
            return error
