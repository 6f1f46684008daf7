"""Putting groups on disk: released JSON records, VLMEvalKit tables, media files.

Media paths in records are relative to the root. Everything written is listed, so that the
manifest can vouch for it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onethinker_eval.demo.asking import Ask, Drawable, Group
from onethinker_eval.demo.media import png_bytes, write_mp4

__all__ = ["Folder", "onethinker_record"]


class Folder:
    """The root being written: remembers each file and the number of records in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records: dict[str, int] = {}

    def save(self, path: str, content: bytes) -> None:
        """Write a file below the root."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def media(self, picture: Drawable, stem: str) -> str:
        """Write a picture as `stem`.png or a clip as `stem`.mp4; return the path from the root."""
        if not picture.fps:
            self.save(f"{stem}.png", png_bytes(picture.image()))
            return f"{stem}.png"
        target = self.root / f"{stem}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_mp4(target, picture.frames(), picture.fps)
        return f"{stem}.mp4"

    def json(self, path: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Write a list of records as JSON."""
        text = json.dumps(list(records), ensure_ascii=False, indent=1)
        self.save(path, (text + "\n").encode())
        self.records[path] = len(records)

    def table(self, path: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows as a tab separated table; missing and None cells stay empty."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.save(path, stream.getvalue().encode())
        self.records[path] = len(rows)


def onethinker_record(
    group: Group, ask: Ask, problem_id: int, path: str, source: str
) -> dict[str, Any]:
    """Return one record in the released schema; segmentation facts are copied into it."""
    picture = group.picture
    kind = "video" if picture.fps else "image"
    record: dict[str, Any] = {
        "problem_id": problem_id,
        "problem": f"<{kind}>{ask.question}",
        "data_type": kind,
        "problem_type": ask.problem_type,
        "options": list(ask.options) or None,
        "process": "",
        "solution": f"<answer>{ask.answer}</answer>",
        "path": f"./{path}",
        "data_source": source,
        "resolution": {"width": picture.width, "height": picture.height},
        "original_question_type": ask.category,
    }
    if picture.fps:
        record["fps"] = picture.fps
        record["duration"] = picture.frame_count / picture.fps
    for name in ("segmentation_output", "track", "category"):
        if name in ask.facts:
            record[name] = ask.facts[name]
    return record
