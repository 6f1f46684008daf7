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
        if fps is not None and fps > 0:
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
        if not width or not height:
            raise place.error("the video has no width and height", "width")
        found = {}
        for second in range(math.ceil(span[0]), math.floor(span[1]) + 1):
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


def _whole(value: Any, place: Place, field: str) -> int:
    found = number(value)
    if found is None:
        raise place.error(f"expected a frame number, found {value!r}", field)
    return int(found)


def _by_frame(boxes: Any, place: Place) -> dict[int, Any]:
    if not isinstance(boxes, Mapping) or not boxes:
        raise place.error("expected {frame: box}", "boxes")
    return {_whole(frame, place, "boxes"): box for frame, box in boxes.items()}


class _StAlign(_Form):
    """LLaVA-ST's `stvg.json`: tokens `<s>`, `<e>`, `<bboxes>` by frame, `split` the segment."""

    def records(self, about: Mapping[str, Any], place: Place) -> Iterator[Record]:
        meta, turns = about.get("meta"), about.get("conversations")
        if not isinstance(meta, Mapping) or not isinstance(turns, list) or not turns:
            raise place.error("expected meta and conversations")
        video = self.finder.path(about.get("video_path"), place, "video_path")
        fps = self.rate(video, meta.get("fps"), place)
        times, tokens = meta.get("time_token") or {}, meta.get("spatial_token") or {}
        start = _whole(times.get("<s>"), place, "time_token") / fps
        end = _whole(times.get("<e>"), place, "time_token") / fps
        first, last = (meta.get("split") or [0, 0])[:2]
        segment = {"segment_s": [first / fps, last / fps]} if first or last else {}
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
        moment = about.get("temporal_gt") or {}
        begin = _whole(moment.get("begin_fid"), place, "temporal_gt")
        end = _whole(moment.get("end_fid"), place, "temporal_gt")
        used = about.get("used_segment") or {}
        segment = {}
        if used:
            segment["segment_s"] = [used["begin_fid"] / fps, used["end_fid"] / fps]
        for kind in ("questions", "captions"):
            for index, query in enumerate(about.get(kind) or ()):
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
    for frame, shapes in enumerate(vidor.get("trajectories") or ()):
        if not begin <= frame < end:
            continue
        for shape in shapes:
            if shape.get("tid") == target:
                box = shape["bbox"]
                wide, tall = box["xmax"] - box["xmin"], box["ymax"] - box["ymin"]
                boxes[frame] = [box["xmin"], box["ymin"], wide, tall]
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
