"""Small scored run folders with media, for tests of reports and comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.demo.media import png_bytes, write_mp4
from onethinker_eval.reporting import write_leaderboards
from onethinker_eval.rescoring import rescore

__all__ = ["SCRIPT", "make_media", "make_run", "records", "right", "wrong"]

SCRIPT = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 1"> <b>no idea</b>'
NO_LIMIT = 1 << 53
Reply = Callable[[str, int, Mapping[str, Any]], str | None]

_TRUTHS: dict[str, tuple[str, str, Any]] = {
    "onethinker_mmstar": ("multiple choice", "image", "B"),
    "onethinker_refcoco_val": ("spatial grounding", "image", {"boxes": [100, 200, 500, 700]}),
    "onethinker_charades": ("temporal grounding", "video", {"time": [1.0, 3.0]}),
    "onethinker_got10k": (
        "tracking",
        "video",
        {"boxes": {str(k): [100 * k, 100, 100 * k + 300, 500] for k in range(1, 5)}},
    ),
    "onethinker_refcoco_seg": (
        "segmentation",
        "image",
        {
            "boxes": [0, 0, 500, 500],
            "positive_points": [[100, 100], [200, 200], [300, 300]],
            "negative_points": [[900, 900], [800, 900], [900, 800]],
        },
    ),
}


def make_media(folder: Path) -> Path:
    """Make a picture `p.png` (64×48, a box in it) and a clip `v.mp4` (4 s at 4 fps)."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 64, 3), 90, np.uint8)
    pixels[10:34, 6:32] = (220, 120, 30)
    (folder / "p.png").write_bytes(png_bytes(pixels))
    frames = [np.full((48, 64, 3), 40 + 10 * number, np.uint8) for number in range(16)]
    write_mp4(folder / "v.mp4", frames, 4.0)
    return folder


def records(task: str, media: Path, count: int) -> list[dict[str, Any]]:
    """Return `count` records of `task`, each with a cluster of its own."""
    kind, data_type, truth = _TRUTHS[task]
    file = "p.png" if data_type == "image" else "v.mp4"
    meta: dict[str, Any] = {"fps": 4.0, "duration_s": 4.0} if data_type == "video" else {}
    if kind == "segmentation":
        meta["segmentation"] = {
            "frames": ["0"],
            "rle": {"0": {"size": [4, 4], "counts": [5, 6, 5]}},
        }
    text = truth if isinstance(truth, str) else f"<answer>{json.dumps(truth)}</answer>"
    return [
        {
            "id": str(number),
            "problem_type": kind,
            "data_type": data_type,
            "question": f"Question {number} of {kind}?",
            "media": [[data_type, str(media / file)]],
            "truth": text,
            "options": ["A. red", "B. blue"] if kind == "multiple choice" else [],
            "cluster": f"c{number}",
            "meta": meta,
            "origin": f"{task}.json: record {number}",
        }
        for number in range(count)
    ]


def right(task: str, number: int, record: Mapping[str, Any]) -> str:
    """Return the true answer, with some thinking."""
    truth = record["truth"].removeprefix("<answer>").removesuffix("</answer>")
    return f"<think>I looked at {number}.</think><answer>{truth}</answer>"


def wrong(task: str, number: int, record: Mapping[str, Any]) -> str:
    """Return a readable answer that scores 0."""
    answers = {
        "multiple choice": "A",
        "spatial grounding": '{"boxes": [900, 900, 950, 950]}',
        "temporal grounding": '{"time": [3.5, 4.0]}',
        "tracking": json.dumps({"boxes": {str(k): [900, 900, 950, 950] for k in range(1, 5)}}),
        "segmentation": json.dumps(
            {
                "boxes": [900, 900, 950, 950],
                "positive_points": [[950, 950]] * 3,
                "negative_points": [[10, 10]] * 3,
            }
        ),
    }
    return f"<think>Hm.</think><answer>{answers[record['problem_type']]}</answer>"


def make_run(
    folder: Path,
    media: Path,
    reply: Reply,
    *,
    count: int = 12,
    tasks: Mapping[str, int] | None = None,
    demo: bool = False,
    model: str = "org/some-model",
    prompts: str = "p" * 12,
) -> Path:
    """Write a run folder whose replies are `reply(task, number, record)` (None: failed), scored."""
    sizes = tasks or dict.fromkeys(_TRUTHS, count)
    (folder / "replies").mkdir(parents=True)
    asked = {}
    for task, size in sizes.items():
        lines = []
        for number, record in enumerate(records(task, media, size)):
            text = reply(task, number, record)
            error = None if text is not None else {"kind": "timeout", "message": "no reply"}
            lines.append(
                {
                    "key": "k",
                    "id": record["id"],
                    "status": "failed" if text is None else "ok",
                    "reply": text,
                    "error": error,
                    "record": record,
                    "seconds": 0.5,
                    "tokens": {"in": 10, "out": 5},
                }
            )
        text_lines = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "replies" / f"{task}.jsonl").write_text(text_lines)
        known = catalogue().tasks[task]
        place = {"benchmark": known.benchmark, "split": known.split}
        info = {**place, "records": size, "data": "d" * 64}
        asked[task] = {"prompts": prompts, "generation": {}, "limit": NO_LIMIT, "info": info}
    manifest = {
        "schema": 1,
        "name": folder.name,
        "demo": demo,
        "created": "2026-01-02T03:04:05+00:00",
        "identity": {
            "model": {"name": "onethinker", "arguments": {"pretrained": model}, "weights": "w"},
            "seed": 0,
            "tasks": asked,
        },
        "settings": {},
        "sessions": [{"command": "onethinker-eval …", "versions": {"onethinker-eval": "0.1.0"}}],
    }
    (folder / "run.json").write_text(json.dumps(manifest))
    write_leaderboards(folder, rescore(folder, processes=1).rows)
    return folder
