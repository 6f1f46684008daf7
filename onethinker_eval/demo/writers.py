"""One writer per form of file: released JSON, tables, Video-Holmes, LongVideoBench, Video-MMLU."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onethinker_eval.demo.asking import Ask, Group
from onethinker_eval.demo.tables import (
    Row,
    holmes_record,
    longvideobench_record,
    mmlu_rows,
)
from onethinker_eval.demo.writing import Folder, onethinker_record

__all__ = ["Writer", "holmes", "longvideobench", "released", "table", "video_mmlu"]

Writer = Callable[[Folder, Iterable[Group]], None]


def released(file: str, folder_name: str) -> Writer:
    """Return a writer of `eval_<file>.json` with media below Evaluation/<folder_name>."""

    def write(folder: Folder, drawn: Iterable[Group]) -> None:
        records: list[Row] = []
        for at, group in enumerate(drawn):
            stem = f"Evaluation/{folder_name}/{file}_{at:03d}"
            path = folder.media(group.picture, stem)
            more = [
                folder.media(picture, f"{stem}_{number}")
                for number, picture in enumerate(group.more, start=1)
            ]
            for ask in group.asks:
                record = onethinker_record(group, ask, len(records) + 1, path, folder_name)
                if ask.pictures != (0,):
                    record |= _second(record, more[ask.pictures[1] - 1])
                records.append(record)
        folder.json(f"eval_{file}.json", records)

    return write


def _second(record: Row, path: str) -> Row:
    """Return the fields of a question on a video and a picture."""
    return {
        "data_type": "video-image",
        "additional_path": f"./{path}",
        "problem": record["problem"].replace("<video>", "<video><image>"),
    }


def table(name: str, rows_of: Callable[[int, Group, Ask], list[Row]]) -> Writer:
    """Return a writer of LMUData/<name>.tsv; `rows_of` makes the rows of one question."""

    def write(folder: Folder, drawn: Iterable[Group]) -> None:
        rows: list[Row] = []
        questions = 0
        for group in drawn:
            for ask in group.asks:
                rows += rows_of(questions, group, ask)
                questions += 1
        folder.table(f"LMUData/{name}.tsv", rows)

    return write


def holmes(folder: Folder, drawn: Iterable[Group]) -> None:
    """Write Video-Holmes/test_Video-Holmes.json and its videos."""
    records: list[Row] = []
    for at, group in enumerate(drawn):
        folder.media(group.picture, f"Video-Holmes/videos/demo_{at:03d}")
        for ask in group.asks:
            records.append(holmes_record(len(records), ask, f"demo_{at:03d}"))
    folder.json("Video-Holmes/test_Video-Holmes.json", records)


def longvideobench(folder: Folder, drawn: Iterable[Group]) -> None:
    """Write LongVideoBench/lvb_val.json and its videos."""
    records: list[Row] = []
    for at, group in enumerate(drawn):
        folder.media(group.picture, f"LongVideoBench/videos/demo_{at:03d}")
        seconds = group.picture.frame_count / group.picture.fps
        for number, ask in enumerate(group.asks):
            records.append(longvideobench_record(number, ask, f"demo_{at:03d}", seconds))
    folder.json("LongVideoBench/lvb_val.json", records)


def video_mmlu(folder: Folder, drawn: Iterable[Group]) -> None:
    """Write LMUData/Video_MMLU_CAP.tsv and the videos below LMUData/youtube_videos."""
    rows: list[Row] = []
    for at, group in enumerate(drawn):
        folder.media(group.picture, f"LMUData/youtube_videos/demo_{at:03d}")
        for ask in group.asks:
            rows.append(mmlu_rows(len(rows), ask, f"demo_{at:03d}.mp4"))
    folder.table("LMUData/Video_MMLU_CAP.tsv", rows)
