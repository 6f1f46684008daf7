"""Reading the frames of a video as the model sees them.

Frames are uint8 (T, H, W, 3), RGB, upright: a rotation flag is applied. Indices are 0-based in
order of presentation; index i is taken to stand at i / fps seconds with the file's mean frame
rate, as the reference does, also where the rate varies. decord reads first, PyAV where decord is
not installed or fails on a file; `VideoFrames.decoder` says which. Frames are decoded and resized
in small portions, so memory is bounded by what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onethinker_eval.errors import DataError, MissingPart, UsageError
from onethinker_eval.media import decoders
from onethinker_eval.media.frames import FrameRule, sample_indices, video_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["VideoFrames", "VideoInfo", "available", "probe", "read", "read_indices"]

_PORTION = 16


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video file holds: frames, mean frame rate, upright size in pixels, decoder."""

    n_frames: int
    fps: float
    width: int
    height: int
    decoder: str

    @property
    def duration_s(self) -> float:
        """Length in seconds: frames over the mean frame rate."""
        return self.n_frames / self.fps


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """Frames shown to a model.

    `frames` (T, H, W, 3 uint8), `indices` their places among the video's `n_frames`, `fps` the
    video's own rate, `width` and `height` of the file, `decoder` that read them.
    """

    frames: NDArray[np.uint8]
    indices: tuple[int, ...]
    fps: float
    n_frames: int
    width: int
    height: int
    decoder: str

    @property
    def duration_s(self) -> float:
        """Length of the whole video in seconds."""
        return self.n_frames / self.fps

    @property
    def sample_fps(self) -> float:
        """Frames shown per second of video, as qwen_vl_utils hands it to the processor."""
        return len(self.indices) / self.n_frames * self.fps

    @property
    def times_s(self) -> tuple[float, ...]:
        """The second each frame stands at."""
        return tuple(index / self.fps for index in self.indices)


def available() -> tuple[str, ...]:
    """Return the decoders installed here, in the order they are tried."""
    return decoders.available()


def probe(path: str, decoder: str | None = None) -> VideoInfo:
    """Return what the file holds, without decoding; `DataError` if it cannot be opened."""
    with _opened(path, decoder) as source:
        return _info(source)


def read(
    path: str, rule: FrameRule, decoder: str | None = None, *, resize: bool = True
) -> VideoFrames:
    """Decode the frames that `rule` chooses, at the rule's size (`resize=False`: the file's).

    `decoder` ("decord", "pyav") is used alone if given. Raises `DataError` naming the file if it
    is missing, broken, cut off or too short, `MissingPart` without any decoder.
    """
    return _with_fallback(path, decoder, lambda source: _read(source, rule, resize))


def read_indices(
    path: str,
    indices: Sequence[int],
    decoder: str | None = None,
    *,
    size: tuple[int, int] | None = None,
) -> VideoFrames:
    """Decode the frames at `indices` (0-based), resized to `size` (height, width) if given.

    Raises `DataError` for an index outside the video, else as `read`.
    """
    return _with_fallback(path, decoder, lambda source: _collect(source, list(indices), size))


def _read(source: decoders.Source, rule: FrameRule, resize: bool) -> VideoFrames:
    info = _info(source)
    try:
        indices = sample_indices(info.n_frames, info.fps, rule)
        size = video_size(info.height, info.width, len(indices), rule) if resize else None
    except DataError as error:
        raise DataError(error.problem, file=source.path, fix="replace the video") from error
    return _collect(source, indices, size)


def _collect(
    source: decoders.Source, indices: list[int], size: tuple[int, int] | None
) -> VideoFrames:
    import numpy as np

    info = _info(source)
    outside = [index for index in indices if not 0 <= index < info.n_frames]
    if outside or not indices:
        raise DataError(
            f"frame {outside[0] if outside else '(none)'} is not among the {info.n_frames} frames",
            file=source.path,
        )
    tall, wide = size or (info.height, info.width)
    frames = np.empty((len(indices), tall, wide, 3), dtype=np.uint8)
    filled = 0
    for portion in _portions(source.frames(indices)):
        stack = np.stack(portion)
        if stack.shape[1:3] != (tall, wide):
            stack = _resize(stack, (tall, wide))
        frames[filled : filled + len(stack)] = stack
        filled += len(stack)
    if filled != len(indices):
        raise DataError(f"only {filled} of {len(indices)} frames decoded", file=source.path)
    return VideoFrames(
        frames, tuple(indices), info.fps, info.n_frames, info.width, info.height, info.decoder
    )


def _portions(frames: Iterable[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    portion: list[NDArray[np.uint8]] = []
    for frame in frames:
        if portion and frame.shape != portion[0].shape:
            yield portion
            portion = []
        portion.append(frame)
        if len(portion) == _PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _resize(stack: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (T, H, W, 3) to `size` bit for bit as qwen_vl_utils does: bicubic with antialias."""
    import torch
    from torchvision.transforms import InterpolationMode, functional

    planes = torch.from_numpy(stack).permute(0, 3, 1, 2)
    small = functional.resize(
        planes, list(size), interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    pixels: NDArray[np.uint8] = small.permute(0, 2, 3, 1).contiguous().numpy()
    return pixels


def _info(source: decoders.Source) -> VideoInfo:
    height, width = source.size
    return VideoInfo(source.n_frames, source.fps, width, height, source.name)


def _opened(path: str, decoder: str | None) -> decoders.Source:
    """Open `path` with the first decoder that can."""
    problems: list[str] = []
    for name in _wanted(decoder):
        try:
            return decoders.open_video(path, name)
        except DataError as error:
            problems.append(f"{name}: {error.problem}")
    raise _unreadable(path, problems)


def _with_fallback(path: str, decoder: str | None, work: decoders.Work[VideoFrames]) -> VideoFrames:
    problems: list[str] = []
    for name in _wanted(decoder):
        try:
            with decoders.open_video(path, name) as source:
                return work(source)
        except DataError as error:
            problems.append(f"{name}: {error.problem}")
    raise _unreadable(path, problems)


def _wanted(decoder: str | None) -> tuple[str, ...]:
    installed = available()
    if decoder is not None:
        if decoder not in decoders.NAMES:
            raise UsageError(f"unknown decoder {decoder!r}", hint="use decord or pyav")
        if decoder not in installed:
            raise MissingPart(f"{decoder} is not installed", hint="pip install decord av")
        return (decoder,)
    if not installed:
        raise MissingPart("no video decoder is installed", hint="pip install decord av")
    return installed


def _unreadable(path: str, problems: list[str]) -> DataError:
    texts = [problem.partition(": ")[2] for problem in problems]
    same = len(set(texts)) == 1
    problem = texts[0] if same else "; ".join(problems)
    return DataError(problem, file=path, fix="fetch the video again")
