"""Run folders for tests of the mask stage, made without a language model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.metrics import rle
from onethinker_eval.records import Medium, Record

__all__ = ["answer", "image_record", "scene", "task", "video_record", "write_replies"]

IMAGE_TASK, VIDEO_TASK = "onethinker_refcoco_seg", "onethinker_mevis"


def task(name: str) -> Any:
    """Return a task of the catalogue by its id."""
    return catalogue().tasks[name]


def scene(
    height: int = 60, width: int = 80, *, left: int = 20, top: int = 15, size: int = 24
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture of a red square on grey noise, and the square's mask."""
    dice = np.random.default_rng(5)
    pixels = dice.integers(90, 130, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = True
    pixels[mask] = (200, 30, 30)
    return pixels, mask


def answer(mask: NDArray[np.bool_], **more: Any) -> str:
    """Return the reply that a perfect model would give for a mask."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    box = [round(v * 1000 / n) for v, n in zip((x1, y1, x2, y2), (width, height) * 2, strict=True)]
    middle = [(box[0] + box[2]) // 2, (box[1] + box[3]) // 2]
    corners = [[2, 2], [998, 2], [2, 998]]
    value = {"boxes": box, "positive_points": [middle] * 3, "negative_points": corners, **more}
    return f"<think>There.</think><answer>{json.dumps(value)}</answer>"


def image_record(folder: Path, name: str, **scene_options: int) -> tuple[Record, str]:
    """Write a picture and return its record and the perfect reply."""
    pixels, mask = scene(**scene_options)
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    record = Record(
        id=name,
        problem_type="segmentation",
        data_type="image",
        question="Segment the square.",
        media=(Medium("image", str(path)),),
        truth=answer(mask).partition("</think>")[2],
        cluster=name,
        meta={
            "width": mask.shape[1],
            "height": mask.shape[0],
            "segmentation": {"frames": ["0"], "rle": {"0": rle.encode(mask)}},
        },
        origin=f"eval_x.json: record {name}",
    )
    return record, answer(mask)


def video_record(
    folder: Path, name: str, *, frames: int = 6, fps: float = 4.0, time_s: float = 0.5
) -> tuple[Record, str]:
    """Write a clip of a square that moves right, and return its record and the perfect reply."""
    import av

    shown = [scene(left=10 + 4 * number) for number in range(frames)]
    path = folder / f"{name}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(fps), options={"crf": "10"})
        stream.height, stream.width = shown[0][1].shape
        stream.pix_fmt = "yuv420p"
        for pixels, _ in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    names = [f"{number:05d}" for number in range(frames)]
    masks = {name: rle.encode(mask) for name, (_, mask) in zip(names, shown, strict=True)}
    reply = answer(shown[round(time_s * fps)][1], time=time_s)
    height, width = shown[0][1].shape
    record = Record(
        id=name,
        problem_type="segmentation",
        data_type="video",
        question="Segment the square that moves right.",
        media=(Medium("video", str(path)),),
        truth=reply.partition("</think>")[2],
        cluster=name,
        meta={
            "fps": fps,
            "width": width,
            "height": height,
            "segmentation": {"frames": names, "rle": masks},
        },
        origin=f"eval_y.json: record {name}",
    )
    return record, reply


def write_replies(
    run: Path, name: str, replies: Sequence[tuple[Record, str | None]], **manifest: Any
) -> Path:
    """Write the reply journal of task `name` into a run folder, and a small manifest."""
    folder = run / "replies"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [_line(record, reply) for record, reply in replies]
    (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    about: Mapping[str, Any] = {
        "schema": 1,
        "name": run.name,
        "demo": True,
        "identity": {"model": {"name": "oracle", "arguments": {}}, "seed": 0, "tasks": {name: {}}},
        "settings": {},
        "sessions": [],
        **manifest,
    }
    (run / "run.json").write_text(json.dumps(about))
    return run


def _line(record: Record, reply: str | None) -> dict[str, Any]:
    failed = reply is None
    return {
        "key": "k",
        "id": record.id,
        "status": "failed" if failed else "ok",
        "reply": reply,
        "error": {"kind": "x", "message": "y"} if failed else None,
        "record": record.to_json(),
        "seconds": 0.0,
        "tokens": {"in": None, "out": None},
    }
