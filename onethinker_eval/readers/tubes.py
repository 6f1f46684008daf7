"""Sentences in space and time: ST-Align, VidSTG on VidOR, HC-STVG.

All three give boxes by frame; a record has one box for each whole second inside the span, taken
at the frame nearest to it, in 0..1000. Times are seconds from the start of the whole video, which
is what the model is shown, also where a data set cuts a segment out of it (`meta["segment_s"]`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.readers.fields import Place, Unique, number, read_json, strip_tags
from onethinker_eval.readers.videos import VideoFinder, folders_of
from onethinker_eval.records import Medium, Record

__all__ = ["read"]

_ASK = 'When and where in the video is this: "{sentence}"'
_HCSTVG_SECONDS = 20.0
_LONGEST_S = 86400.0
_FASTEST = 1000.0
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read(
    path: Path, root: Path, options: Mapping[str, Any], *, allow_absolute: bool = False
) -> Iterator[Record | DataError]:
    """Yield the records of `path`; `options["form"]` is st_align, vidstg or hcstvg.

    VidSTG needs VidOR's annotations too: `vidor` names their folders.
    """
    builder = _FORMS[str(options["form"])](path, root, options, allow_absolute)
    for record, about in builder.items(read_json(path)):
        place = Place(str(path), record, root, allow_absolute)
        try:
            if not isinstance(about, Mapping):
                raise place.error("expected an object")
            yield from builder.records(about, place)
        except DataError as error:
            yield error


class _Form:
    """What the three forms share."""

    def __init__(
        self, path: Path, root: Path, options: Mapping[str, Any], allow_absolute: bool
    ) -> None:
        self.path, self.root, self.options = path, root, options
        self.finder = VideoFinder(root, folders_of(options.get("videos", "videos")))
        self.unique = Unique()
        self._rates: dict[str, float] = {}

    def items(self, content: Any) -> Iterator[tuple[str | int, Any]]:
        if isinstance(content, list):
            most = self.options.get("first")
            yield from enumerate(content[:most], start=1)
        elif isinstance(content, Mapping):
            yield from content.items()
        else:
            raise DataError("expected a list or an object of annotations", file=str(self.path))

    def records(self, about: Mapping[str, Any], place: Place) -> Iterator[Record]:
        raise NotImplementedError

    def rate(self, video: str, given: Any, place: Place) -> float:
        """Return frames a second: as annotated, else of the file."""
        fps = number(given)
        if fps is not None and 0 < fps <= _FASTEST:
            return fps
        if video not in self._rates:
            from onethinker_eval.media.video import probe

            try:
                self._rates[video] = probe(video).fps
            except DataError as error:
                raise place.error(f"the frame rate is not annotated, and {error}", "fps") from error
        return self._rates[video]

    def record(
        self,
        name: str,
        video: str,
        sentence: str,
        span: tuple[float, float],
        boxes: Mapping[int, Any],
        fps: float,
        size: tuple[Any, Any],
        place: Place,
        meta: Mapping[str, Any],
    ) -> Record:
        """Build a record from boxes (left, top, width, height in pixels) by frame number."""
        width, height = number(size[0]), number(size[1])
        if not width or not height or min(width, height) < 1:
            raise place.error("the video has no width and height", "width")
        if not 0 <= span[0] <= span[1] <= _LONGEST_S:
            raise place.error(f"the span {span[0]:g} to {span[1]:g} s is not possible", "time")
        if not 0 < fps <= _FASTEST:
            raise place.error(f"{fps:g} frames a second are not possible", "fps")
        found = {}
        first, last = min(boxes) / fps - 1, max(boxes) / fps + 1
        for second in range(math.ceil(max(span[0], first)), math.floor(min(span[1], last)) + 1):
            box = _nearest(boxes, second * fps, fps)
            if box is not None:
                found[str(second)] = place.box_1000(box, width, height)
        if not found:
            raise place.error(f"no box at a whole second between {span[0]:g} and {span[1]:g} s")
        ask = str(self.options.get("question", _ASK))
        return Record(
            id=self.unique(name),
            problem_type="spatial-temporal grounding",
            data_type="video",
            question=ask.replace("{sentence}", sentence.strip()),
            media=(Medium("video", video),),
            truth={"time": [round(span[0], 3), round(span[1], 3)], "boxes": found},
            cluster=self.finder.cluster(video),
            meta={"fps": fps, "width": int(width), "height": int(height), **meta},
            origin=place.origin,
        )


def _nearest(boxes: Mapping[int, Any], frame: float, fps: float) -> Any:
    """Return the box of the annotated frame nearest to `frame`, within half a second."""
    middle = round(frame)
    for step in range(math.ceil(fps / 2) + 1):
        for candidate in (middle - step, middle + step):
            if candidate in boxes:
                return boxes[candidate]
    return None


def _object(value: Any, place: Place, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise place.error(f"expected an object, found {type(value).__name__}", field)
    return value


def _objects(value: Any, place: Place, field: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; nothing at all is an empty one."""
    if not isinstance(value or [], list):
        raise place.error(f"expected a list, found {type(value).__name__}", field)
    return [_object(item, place, field) for item in value or []]


def _whole(value: Any, place: Place, field: str) -> int:
    found = number(value)
    if found is None:
        raise place.error(f"expected a frame number, found {value!r}", field)
    return int(found)


def _segment(ends: Any, fps: float, place: Place, field: str) -> dict[str, Any]:
    """Return the segment of the video a data set uses, in seconds; nothing if it names none."""
    if not ends:
        return {}
    if not isinstance(ends, list) or len(ends) < 2:
        raise place.error(f"expected two frame numbers, found {ends!r}", field)
    return {"segment_s": [_whole(end, place, field) / fps for end in ends[:2]]}


def _by_frame(boxes: Any, place: Place) -> dict[int, Any]:
    if not isinstance(boxes, Mapping) or not boxes:
        raise place.error("expected {frame: box}", "boxes")
    return {_whole(frame, place, "boxes"): box for frame, box in boxes.items()}


class _StAlign(_Form):
    """LLaVA-ST's `stvg.json`: tokens `<s>`, `<e>`, `<bboxes>` by frame, `split` the segment."""

    def records(self, about: Mapping[str, Any], place: Place) -> Iterator[Record]:
        meta = _object(about.get("meta"), place, "meta")
        turns = _objects(about.get("conversations"), place, "conversations")
        if not turns:
            raise place.error("missing or empty", "conversations")
        video = self.finder.path(about.get("video_path"), place, "video_path")
        fps = self.rate(video, meta.get("fps"), place)
        times = _object(meta.get("time_token"), place, "time_token")
        tokens = _object(meta.get("spatial_token"), place, "spatial_token")
        start = _whole(times.get("<s>"), place, "time_token") / fps
        end = _whole(times.get("<e>"), place, "time_token") / fps
        segment = _segment(meta.get("split"), fps, place, "split")
        sentence = strip_tags(str(turns[0].get("value", "")))
        name = place.text(about, "id", str(place.record))
        yield self.record(
            name, video, sentence, (start, end), _by_frame(tokens.get("<bboxes>"), place), fps,
            (meta.get("width"), meta.get("height")), place, segment,
        )  # fmt: skip


class _VidStg(_Form):
    """VidSTG's `*_annotations.json`, with the boxes of VidOR's annotation of the same video."""

    def __init__(
        self, path: Path, root: Path, options: Mapping[str, Any], allow_absolute: bool
    ) -> None:
        super().__init__(path, root, options, allow_absolute)
        self._vidor: tuple[str, Mapping[str, Any]] = ("", {})

    def records(self, about: Mapping[str, Any], place: Place) -> Iterator[Record]:
        vid = place.text(about, "vid")
        vidor = self._annotation(vid, place)
        video = self.finder.path(str(vidor.get("video_path", vid)), place, "vid")
        fps = self.rate(video, about.get("fps"), place)
        moment = _object(about.get("temporal_gt"), place, "temporal_gt")
        begin = _whole(moment.get("begin_fid"), place, "temporal_gt")
        end = _whole(moment.get("end_fid"), place, "temporal_gt")
        used = _object(about.get("used_segment") or {}, place, "used_segment")
        ends = [used.get("begin_fid"), used.get("end_fid")] if used else None
        segment = _segment(ends, fps, place, "used_segment")
        for kind in ("questions", "captions"):
            for index, query in enumerate(_objects(about.get(kind), place, kind)):
                boxes = _vidor_boxes(vidor, query.get("target_id"), begin, end, place)
                yield self.record(
                    f"{vid}-{kind}-{index}", video, place.text(query, "description"),
                    (begin / fps, end / fps), boxes, fps,
                    (about.get("width"), about.get("height")), place,
                    {"category": kind, **segment},
                )  # fmt: skip

    def _annotation(self, vid: str, place: Place) -> Mapping[str, Any]:
        if self._vidor[0] == vid:
            return self._vidor[1]
        place.media(vid, "vid")
        for folder in folders_of(self.options.get("vidor", "vidor/annotation")):
            for parent in ("validation", "training", ""):
                for file in sorted((self.root / folder / parent).glob(f"*/{vid}.json")):
                    content = read_json(file)
                    if isinstance(content, Mapping):
                        self._vidor = (vid, content)
                        return content
        raise place.error(f"VidOR's annotation {vid}.json is missing", "vid", "fetch VidOR's too")


def _vidor_boxes(
    vidor: Mapping[str, Any], target: Any, begin: int, end: int, place: Place
) -> dict[int, Any]:
    boxes: dict[int, Any] = {}
    frames = vidor.get("trajectories") or ()
    if not isinstance(frames, list):
        raise place.error("VidOR: expected a list", "trajectories")
    for frame in range(max(0, begin), min(end, len(frames))):
        for shape in _objects(frames[frame], place, "trajectories"):
            if shape.get("tid") == target:
                box = _object(shape.get("bbox"), place, "bbox")
                left, top, right, bottom = (number(box.get(side)) for side in _SIDES)
                if left is None or top is None or right is None or bottom is None:
                    raise place.error(f"VidOR: expected {', '.join(_SIDES)}", "bbox")
                boxes[frame] = [left, top, right - left, bottom - top]
    if not boxes:
        raise place.error(f"VidOR has no box of object {target}", "target_id")
    return boxes


class _HcStvg(_Form):
    """HC-STVG 1 and 2: {video: {bbox, st_time, ed_time, img_num, st_frame, caption, …}}.

    All clips last 20 seconds; `st_frame` counts from 1.
    """

    def records(self, about: Mapping[str, Any], place: Place) -> Iterator[Record]:
        name = str(place.record)
        video = self.finder.path(name, place)
        count = number(about.get("img_num"))
        if not count:
            raise place.error("expected the number of frames", "img_num")
        fps = count / _HCSTVG_SECONDS
        size = about.get("img_size") or [about.get("height"), about.get("width")]
        first = _whole(about.get("st_frame"), place, "st_frame") - 1
        shapes = about.get("bbox")
        if not isinstance(shapes, list) or not shapes:
            raise place.error("expected a list of boxes", "bbox")
        start, end = number(about.get("st_time")), number(about.get("ed_time"))
        if start is None or end is None:
            raise place.error("expected start and end in seconds", "st_time")
        sentence = place.text(about, "English", place.text(about, "caption", " "))
        boxes = {first + offset: box for offset, box in enumerate(shapes)}
        yield self.record(
            name, video, sentence, (start, end), boxes, fps, (size[1], size[0]), place,
            {"duration_s": _HCSTVG_SECONDS},
        )  # fmt: skip


_FORMS: dict[str, type[_Form]] = {"st_align": _StAlign, "vidstg": _VidStg, "hcstvg": _HcStvg}
