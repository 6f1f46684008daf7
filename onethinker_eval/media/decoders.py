"""The two video decoders behind one small interface: a count, a rate, a size, frames by index.

Frames come as uint8 (H, W, 3), RGB, upright. Both count frames by the packets of the file, so an
index means the same frame to both.
"""

from __future__ import annotations

import bisect
import functools
import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from onethinker_eval.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NAMES", "Source", "Work", "available", "open_video"]

NAMES = ("decord", "pyav")
_MODULES = {"decord": "decord", "pyav": "av"}
_PORTION = 16
_Result = TypeVar("_Result")


@functools.lru_cache(maxsize=1)
def available() -> tuple[str, ...]:
    """Return the installed decoders; `ONETHINKER_VIDEO_DECODER` names the one to use alone."""
    only = os.environ.get("ONETHINKER_VIDEO_DECODER")
    names = [name for name in NAMES if only in (None, "", name)]
    return tuple(name for name in names if importlib.util.find_spec(_MODULES[name]))


class Source:
    """An open video: `n_frames`, `fps` (mean), `size` (height, width, upright), `frames`."""

    name = ""

    def __init__(self, path: str) -> None:
        """Remember the path; subclasses fill in the rest."""
        self.path = path
        self.n_frames = 0
        self.fps = 0.0
        self.size = (0, 0)

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Yield the frame at each of `indices`, in their order."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _broken(self, error: Exception) -> DataError:
        return DataError(f"the video cannot be decoded: {_first_line(error)}", file=self.path)


Work = Callable[[Source], _Result]


def open_video(path: str, name: str) -> Source:
    """Open `path` with the decoder `name`; `DataError` if it is missing, no video or cut off."""
    file = Path(path)
    if not file.is_file():
        raise DataError("the video is missing", file=path, fix="check --data")
    if file.stat().st_size == 0:
        raise DataError("the video file is empty", file=path)
    source: Source = _Decord(path) if name == "decord" else _PyAv(path)
    if source.n_frames < 1 or not source.fps > 0 or min(source.size) < 1:
        source.close()
        raise DataError("the file holds no video frames", file=path)
    return source


class _Decord(Source):
    name = "decord"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        # decord retries this often at a damaged end before it gives up; its default takes minutes
        os.environ.setdefault("DECORD_EOF_RETRY_MAX", "2048")
        import decord

        try:
            threads = int(os.environ.get("ONETHINKER_DECODER_THREADS") or 0)
            self._reader: Any = decord.VideoReader(path, ctx=decord.cpu(0), num_threads=threads)
            self.n_frames = len(self._reader)
            self.fps = float(self._reader.get_avg_fps())
            # only a decoded frame tells the upright size; it is kept, for it is nearly always asked
            self._first = self._reader[0].asnumpy() if self.n_frames else None
            height, width = self._first.shape[:2] if self._first is not None else (0, 0)
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            raise self._broken(error) from error
        self.size = (int(height), int(width))

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        import decord

        if indices and indices[0] == 0 and self._first is not None:
            yield self._first
            indices = indices[1:]
        for start in range(0, len(indices), _PORTION):
            try:
                batch = self._reader.get_batch(list(indices[start : start + _PORTION])).asnumpy()
            except (decord.DECORDError, RuntimeError, IndexError) as error:
                raise self._broken(error) from error
            yield from batch

    def close(self) -> None:
        self._reader = None


class _PyAv(Source):
    name = "pyav"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        import av

        try:
            self._container: Any = av.open(path)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._broken(error) from error
        try:
            self._stream = self._container.streams.video[0]
            self._index()
            self.fps = float(self._stream.average_rate or 0)
            first = next(iter(self._container.decode(self._stream)))
            self._turn = int(getattr(first, "rotation", 0)) % 360
            upright = self._turn % 180 == 0
            self.size = (first.height, first.width) if upright else (first.width, first.height)
        except (av.FFmpegError, OSError, IndexError, StopIteration, ValueError) as error:
            self.close()
            raise self._broken(error) from error

    def _index(self) -> None:
        """Note the time stamp of every frame and key frame from the packets alone."""
        times: list[int] = []
        keys: list[int] = []
        untimed = 0
        for packet in self._container.demux(self._stream):
            if not packet.size:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.pts is None:
                untimed += 1
            times.append(stamp if stamp is not None else len(times))
            if packet.is_keyframe:
                keys.append(times[-1])
        promised = self._stream.frames
        if promised and len(times) < promised:
            raise ValueError(f"the file ends after {len(times)} of {promised} frames")
        self._timed = not untimed and len(set(times)) == len(times)
        self._times, self._keys = sorted(times), sorted(keys)
        self.n_frames = len(times)
        self._container.seek(0, backward=True, any_frame=False)

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        import av

        order = sorted(set(indices))
        try:
            walk = self._by_time(order) if self._timed else self._by_count(order)
            if list(indices) == order:
                for _, frame in walk:
                    yield frame
                return
            kept = dict(walk)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._broken(error) from error
        for index in indices:
            yield kept[index]

    def _by_time(self, order: list[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode the frames at ascending `order`, jumping to a key frame where that saves work."""
        waiting = iter(order)
        index = next(waiting)
        position: int | None = None
        tried: int | None = None
        while index != tried:  # a second jump for the same frame would end where the first did
            target, tried = self._times[index], index
            self._seek(self._key_before(target))
            for frame in self._container.decode(self._stream):
                position = frame.pts
                if position is None or position < target:
                    continue  # a jump may land on an earlier key frame than asked for
                if position > target:
                    break
                yield index, self._pixels(frame)
                index = next(waiting, -1)
                if index < 0:
                    return
                target = self._times[index]
                if self._worth_a_jump(target, position):
                    break
            if position is not None and position > target:
                break
        raise ValueError(f"frame {index} does not decode")

    def _worth_a_jump(self, target: int, position: int) -> bool:
        key = self._key_before(target)
        return key is not None and key > position

    def _key_before(self, target: int) -> int | None:
        place = bisect.bisect_right(self._keys, target)
        return self._keys[place - 1] if place else None

    def _seek(self, key: int | None) -> None:
        start = key if key is not None else self._times[0]
        self._container.seek(start, stream=self._stream, backward=True, any_frame=False)

    def _by_count(self, order: list[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode from the start and count: for files whose packets carry no usable times."""
        self._container.seek(0, backward=True, any_frame=False)
        wanted = set(order)
        for index, frame in enumerate(self._container.decode(self._stream)):
            if index in wanted:
                yield index, self._pixels(frame)
                wanted.discard(index)
            if not wanted:
                return
        raise ValueError(f"frame {min(wanted)} does not decode")

    def _pixels(self, frame: Any) -> NDArray[np.uint8]:
        import numpy as np

        pixels = frame.to_ndarray(format="rgb24")
        if self._turn:
            pixels = np.ascontiguousarray(np.rot90(pixels, k=self._turn // 90))
        found: NDArray[np.uint8] = pixels
        return found

    def close(self) -> None:
        self._container.close()


def _first_line(error: Exception) -> str:
    """Return the telling part of a decoder's message, without its time stamps and C++ paths."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    text = re.sub(r"\[\d\d:\d\d:\d\d\] /\S+?:\d+: ?", "", text)
    return text[:200] or type(error).__name__
