"""One answer drawn on its picture or clip: boxes, points, masks, spans, tubes, tracks.

What is drawn of an answer depends on its problem type alone; words stand below the picture. Masks
are made by a segmenter from box and points. A clip is shown at its own speed, thinned out to
`MOST_FRAMES` frames; a picture of a clip shows some of its frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onethinker_eval.answers.values import Answer, SegmentationPrompt, Tube
from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.records import Medium
from onethinker_eval.segmentation import drawing
from onethinker_eval.segmentation.prompts import PixelPrompt, to_pixels
from onethinker_eval.segmentation.writing import write_clip, write_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.segmenter import Segmenter

__all__ = ["MOST_FRAMES", "draw_answer", "is_drawn"]

MOST_FRAMES = 240
_LONGEST = 960
_STILLS = 6
_DRAWN = (
    *("spatial grounding", "temporal grounding", "spatial-temporal grounding", "tracking"),
    "segmentation",
)
_TRACK_SHIFT = 1
"""Key 1 of a track is the first frame, which is at 0 seconds."""

INK, PAPER, SPAN, LINE = (20, 20, 20), (250, 250, 250), (225, 0, 165), (150, 150, 150)


def is_drawn(problem_type: str) -> bool:
    """Say whether an answer of this type has a place in the picture or in time."""
    return problem_type.casefold() in _DRAWN


@dataclass(frozen=True, slots=True)
class _Scene:
    """The frames of a medium, (T, H, W, 3 uint8), and when each is shown, in seconds."""

    frames: NDArray[np.uint8]
    times_s: Sequence[float]
    duration_s: float
    fps: float


def draw_answer(
    medium: Medium,
    answer: Answer,
    problem_type: str,
    target: Path,
    *,
    segmenter: Segmenter | None = None,
    text: str = "",
) -> Path:
    """Draw `answer` on `medium` and write a PNG, or of a video an MP4, by the suffix of `target`.

    `segmenter` makes the masks of a segmentation answer; without one its prompt is drawn. `text`
    stands below. Raises `UsageError` for another suffix, `DataError` for a broken medium,
    `RunError` if the file cannot be written.
    """
    suffix = target.suffix.casefold()
    if suffix not in (".png", ".mp4") or (suffix == ".mp4" and medium.kind == "image"):
        kinds = ".png" if medium.kind == "image" else ".png or .mp4"
        raise UsageError(f"{target}: a drawn {medium.kind} is a {kinds} file")
    scene = _load(medium)
    value = answer.value
    masks = _masks(scene, value, segmenter)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".mp4":
            pictures = _pictures(scene, value, problem_type, masks, text, range(len(scene.frames)))
            return write_clip(target, pictures, scene.fps)
        return write_png(target, _still(scene, value, problem_type, masks, text))
    except OSError as error:
        raise RunError(
            f"cannot write {target}: {error.strerror or error}",
            hint="choose another file with --output",
        ) from error


def _load(medium: Medium) -> _Scene:
    from onethinker_eval.media import images, video

    if medium.kind == "image":
        pixels = _sized(images.read(medium.path).pixels)
        return _Scene(pixels[None], (0.0,), 0.0, 1.0)
    about = video.probe(medium.path)
    step = max(1, -(-about.n_frames // MOST_FRAMES))
    indices = list(range(0, about.n_frames, step))
    scale = min(1.0, _LONGEST / max(about.width, about.height))
    size = round(about.height * scale), round(about.width * scale)
    frames = video.read_indices(medium.path, indices, size=size).frames
    times = [index / about.fps for index in indices]
    return _Scene(frames, times, about.duration_s, about.fps / step)


def _sized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    height, width = pixels.shape[:2]
    scale = _LONGEST / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _masks(
    scene: _Scene, value: Any, segmenter: Segmenter | None
) -> Mapping[int, NDArray[np.bool_]]:
    if segmenter is None or not isinstance(value, SegmentationPrompt):
        return {}
    session = segmenter.open(scene.frames, video=len(scene.frames) > 1)
    return dict(session.masks(_prompt(scene, value), segmenter.promptings[0]))


def _prompt(scene: _Scene, value: SegmentationPrompt) -> PixelPrompt:
    count, height, width = scene.frames.shape[:3]
    return to_pixels(value, width, height, fps=scene.fps, frames=count)


def _still(
    scene: _Scene, value: Any, kind: str, masks: Mapping[int, NDArray[np.bool_]], text: str
) -> NDArray[np.uint8]:
    last = len(scene.frames) - 1
    if not last:
        return next(_pictures(scene, value, kind, masks, text, [0]))
    span = _span(value, kind)
    marked = {_nearest(scene, sum(span) / 2)} if span is not None else set()
    if isinstance(value, SegmentationPrompt):
        marked = {_prompt(scene, value).frame}
    rest = _STILLS - len(marked)
    chosen = marked | {round(step * last / (rest - 1)) for step in range(rest)}
    return drawing.grid(list(_pictures(scene, value, kind, masks, text, sorted(chosen))))


def _nearest(scene: _Scene, time_s: float) -> int:
    return int(np.argmin(np.abs(np.asarray(scene.times_s) - time_s)))


def _pictures(
    scene: _Scene,
    value: Any,
    kind: str,
    masks: Mapping[int, NDArray[np.bool_]],
    text: str,
    indices: Sequence[int],
) -> Iterator[NDArray[np.uint8]]:
    span = _span(value, kind)
    for index in indices:
        picture = drawing.draw_frame(
            scene.frames[index],
            predicted=masks.get(index),
            prompt=_marks(scene, value, kind, index),
            legend=False,
        )
        yield _with_foot(picture, text, scene, index, span)


def _span(value: Any, kind: str) -> tuple[float, float] | None:
    if isinstance(value, Tube):
        return value.span_s
    if kind.casefold() == "temporal grounding" and value is not None:
        return float(value[0]), float(value[1])
    return None


def _marks(scene: _Scene, value: Any, kind: str, index: int) -> PixelPrompt | None:
    """Return box and points of the answer at frame `index`, in pixels."""
    if isinstance(value, SegmentationPrompt):
        prompt = _prompt(scene, value)
        return prompt if prompt.frame == index else None
    box = _box_at(value, kind.casefold(), scene.times_s[index])
    if box is None:
        return None
    height, width = scene.frames.shape[1:3]
    return to_pixels(SegmentationPrompt(box, (), (), None), width, height)


def _box_at(value: Any, kind: str, time_s: float) -> Any:
    """Return the box of an answer at a time, if it has one then."""
    if kind == "spatial grounding":
        return value
    if isinstance(value, Tube):
        start, end = value.span_s
        return _between(value.boxes, time_s) if start <= time_s <= end else None
    if kind == "tracking" and value is not None:
        return _between(value, time_s + _TRACK_SHIFT)
    return None


def _between(boxes: Mapping[int, Any], key: float) -> Any:
    """Return the box at `key`, on the straight way from one whole second to the next.

    >>> _between({1: (0, 0, 10, 10), 2: (10, 0, 20, 10)}, 1.5)
    (5.0, 0.0, 15.0, 10.0)
    """
    before, share = int(key), key - int(key)
    first, second = boxes.get(before), boxes.get(before + 1)
    if first is None or second is None:
        return boxes.get(round(key))
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def _with_foot(
    picture: NDArray[np.uint8],
    text: str,
    scene: _Scene,
    index: int,
    span: tuple[float, float] | None,
) -> NDArray[np.uint8]:
    """Return the picture with the timeline of a clip and some lines of text below it."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = picture.shape[:2]
    font = ImageFont.load_default(size=15)
    lines = _wrapped(text, width - 16, font)
    clip = scene.duration_s > 0
    foot = (34 if clip else 6) + 20 * len(lines) + 6
    canvas = Image.new("RGB", (width, height + foot + foot % 2), PAPER)
    canvas.paste(Image.fromarray(picture), (0, 0))
    draw = ImageDraw.Draw(canvas)
    top = height + 6
    if clip:
        _timeline(draw, scene, index, span, top, width, ImageFont.load_default(size=12))
        top += 28
    for line in lines:
        draw.text((8, top), line, fill=INK, font=font)
        top += 20
    return np.asarray(canvas)


def _timeline(
    draw: Any,
    scene: _Scene,
    index: int,
    span: tuple[float, float] | None,
    top: int,
    width: int,
    font: Any,
) -> None:
    left, right, middle = 8, width - 8, top + 6
    whole = max(scene.duration_s, 1e-6)

    def at(time_s: float) -> float:
        return left + (right - left) * min(max(time_s / whole, 0.0), 1.0)

    draw.line((left, middle, right, middle), fill=LINE, width=2)
    if span is not None:
        draw.rectangle((at(span[0]), middle - 4, max(at(span[1]), at(span[0]) + 2), middle + 4),
                       fill=SPAN)  # fmt: skip
    now = scene.times_s[index]
    draw.line((at(now), middle - 7, at(now), middle + 7), fill=INK, width=3)
    words = f"{now:.1f} of {whole:.1f} s"
    if span is not None:
        words += f"   answer {span[0]:.1f} to {span[1]:.1f} s"
    draw.text((left, middle + 8), words, fill=INK, font=font)


def _wrapped(text: str, width: int, font: Any, most: int = 4) -> list[str]:
    """Break `text` into lines of `width` pixels; the last ends in … if there is more."""
    lines: list[str] = []
    held = ""
    for word in text.split():
        longer = f"{held} {word}".strip()
        if held and font.getlength(longer) > width:
            lines.append(held)
            held = word
        else:
            held = longer
    lines += [held] if held else []
    cut = [line if font.getlength(line) <= width else line[: width // 9] + "…" for line in lines]
    return cut if len(cut) <= most else [*cut[: most - 1], cut[most - 1] + " …"]
