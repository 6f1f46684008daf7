"""Pictures and clips of segmented samples of a run: `render`, `worst`.

A PNG for every sample (for a video the key frame, first, and five frames spread over it), and an
MP4 (H.264) of all frames for a video. Masks come from the mask journal, frames from the medium,
box and points from the reply under the protocol asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onethinker_eval.answers import parse
from onethinker_eval.errors import RunError, unknown_name
from onethinker_eval.harness.replies import merged_lines
from onethinker_eval.metrics import masks as mask_metrics
from onethinker_eval.metrics import rle
from onethinker_eval.rescoring.chunks import mask_line
from onethinker_eval.rescoring.journals import journal_parts, read_scores
from onethinker_eval.segmentation import drawing
from onethinker_eval.segmentation import frames as frame_store
from onethinker_eval.segmentation.journal import masks_for
from onethinker_eval.segmentation.prompts import PixelPrompt, to_pixels
from onethinker_eval.segmentation.writing import write_clip, write_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.frames import Place

__all__ = ["render", "worst"]

_SPREAD = 5


@dataclass(frozen=True, slots=True)
class _Shown:
    """Everything about one sample that is drawn."""

    sample: str
    place: Place
    frames: NDArray[np.uint8]
    predicted: Mapping[str, Any]
    true: Mapping[str, Any]
    prompt: PixelPrompt | None
    label: str

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index` with its masks, and its prompt if it is the key frame."""
        name = self.place.names[index]
        predicted, true = (_mask(each.get(name)) for each in (self.predicted, self.true))
        prompt = self.prompt if self.prompt is not None and self.prompt.frame == index else None
        return drawing.draw_frame(
            self.frames[index],
            predicted=predicted,
            truth=true,
            prompt=prompt,
            text=self._text(index, predicted, true),
        )

    def _text(self, index: int, predicted: Any, true: Any) -> str:
        words = [self.sample[:24]]
        if self.place.video:
            words.append(f"{index / self.place.fps:.2f} s ({index + 1}/{len(self.frames)})")
            words += ["key frame"] if self.prompt is not None and index == self.prompt.frame else []
        if predicted is None:
            words.append("no mask")
        elif true is None:
            words.append("no truth")
        elif predicted.shape == true.shape:
            found = mask_metrics.davis_jf(predicted, true)
            words.append(f"J {found.j:.3f} F {found.f:.3f}")
        return "  ".join([*words, self.label])


def _mask(value: Any) -> NDArray[np.bool_] | None:
    return None if value is None else rle.decode(value)


def render(
    folder: Path | str, task: str, sample: str, target: Path | str, *, protocol: str = "paper"
) -> list[Path]:
    """Write the pictures of a sample into the folder `target` and return their paths.

    `task` is a task id. Raises `UsageError` with the nearest ids for a sample that the run does
    not hold, `RunError` if it has no reply or no masks yet, `DataError` for a broken medium.

    The J and F written on a frame are DAVIS's, whatever the protocol.
    """
    shown = _shown(Path(folder), task, sample, protocol)
    out = Path(target)
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = [write_png(out / f"{_file_name(task, sample)}.png", _still(shown))]
        if shown.place.video:
            moving = map(shown.picture, range(len(shown.frames)))
            clip = out / f"{_file_name(task, sample)}.mp4"
            written.append(write_clip(clip, moving, shown.place.fps))
    except OSError as error:
        raise RunError(
            f"cannot write into {out}: {error.strerror or error}",
            hint="choose another folder with --to",
        ) from error
    return written


def worst(folder: Path | str, task: str, count: int, protocol: str = "paper") -> list[str]:
    """Return the ids of the `count` scored samples of a task with the lowest score, lowest first.

    Unparsable ones, which have no picture, are passed over; ties stand in order of ids.
    """
    path = Path(folder) / "scores" / f"{task}.jsonl"
    found = [
        (score.accuracy, sample)
        for sample, _, score in read_scores(path, protocol)
        if score.outcome == "scored"
    ]
    return [sample for _, sample in sorted(found)[:count]]


def _shown(run: Path, task: str, sample: str, protocol: str) -> _Shown:
    known: list[str] = []
    for line in merged_lines(run, task):
        known.append(str(line["id"]))
        if known[-1] == sample:
            break
    else:
        raise unknown_name(f"sample of {task}", sample, known)
    paths = tuple(map(str, journal_parts(run / "masks", task)))
    stored = mask_line(sample, paths)
    if line["status"] != "ok" or stored is None or stored.get("status") != "ok":
        what = "no reply" if line["status"] != "ok" else "no masks"
        raise RunError(f"{task} {sample} has {what}", hint=f"onethinker-eval segment {run}")
    record = line["record"]
    place = frame_store.place_of(record)
    frames = frame_store.load(place)
    answer = parse(
        line["reply"] or "",
        "segmentation",
        data_type=record["data_type"],
        rule=protocol,  # type: ignore[arg-type]
    )
    prompt = None
    if answer.value is not None:
        count, height, width = frames.shape[:3]
        prompt = to_pixels(answer.value, width, height, fps=place.fps, frames=count)
    predicted = masks_for(stored, protocol)
    if not place.video:
        predicted = {} if predicted is None else {place.names[0]: predicted}
    true = (record["meta"].get("segmentation") or {}).get("rle") or {}
    if isinstance(true, Mapping) and "size" in true:
        true = {place.names[0]: true}
    label = str(stored.get("label", ""))
    return _Shown(sample, place, frames, predicted or {}, true, prompt, label)


def _still(shown: _Shown) -> NDArray[np.uint8]:
    last = len(shown.frames) - 1
    if not shown.place.video or not last:
        return shown.picture(0)
    key = 0 if shown.prompt is None else shown.prompt.frame
    spread = [round(step * last / (_SPREAD - 1)) for step in range(_SPREAD)]
    chosen = list(dict.fromkeys([key, *spread]))
    return drawing.grid([shown.picture(index) for index in chosen])


def _file_name(task: str, sample: str) -> str:
    """Return a safe file name; ids that had to be changed stay apart by a digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", sample)[:80]
    if plain != sample:
        plain += "-" + hashlib.sha256(sample.encode()).hexdigest()[:8]
    return f"{task.removeprefix('onethinker_')}-{plain}"
