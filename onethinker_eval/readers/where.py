"""Where to get each benchmark, where to put it, and under what licence. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from onethinker_eval.benchmarks import Task

__all__ = ["Origin", "Place", "where"]

_RELEASED = "https://huggingface.co/datasets/OneThink/OneThinker-eval"
_HUB = "https://huggingface.co/datasets/"
_ACCOUNTS = {
    "onethinker_json": "the authors' released file",
    "vlmeval_tsv": "VLMEvalKit's table",
    "hub": "the hub",
    "charades_sta": "the official annotations",
    "activitynet_captions": "the official annotations",
    "anet_rtl": "the official annotations",
    "refer": "the official annotations",
    "got10k": "the official folders",
    "tubes": "the official annotations",
    "mevis": "the official folders",
    "reasonvos": "the official folders",
    "video_holmes": "the official file",
    "longvideobench": "the official file",
    "longvideo_reason": "the official file",
    "videommlu": "the official file",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One way to have a benchmark's data: what it is, its address, and where it goes.

    `put` are paths under the data root, the first that exists is read; empty for the hub, which
    `--data hub` reads by itself. `media` are the folders videos or images are looked for in.
    """

    what: str
    address: str
    put: tuple[str, ...] = ()
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a task's data come from, in the order in which they are looked for."""

    task: str
    title: str
    expected: int | None
    licence: str
    homepage: str
    places: tuple[Place, ...]
    caveats: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the origin as JSON values."""
        return asdict(self)


def where(tasks: Sequence[Task]) -> list[Origin]:
    """Return where to get the data of each task.

    >>> from onethinker_eval.benchmarks import resolve
    >>> where(resolve("charades"))[0].places[0].put
    ('eval_charades.json',)
    """
    return [
        Origin(
            task=task.name,
            title=task.title,
            expected=task.expected,
            licence=task.licence,
            homepage=task.homepage,
            places=tuple(_place(source, task) for source in task.sources),
            caveats=task.caveats,
        )
        for task in tasks
    ]


def _place(source: Any, task: Task) -> Place:
    reader = str(source["reader"])
    what = _ACCOUNTS.get(reader, reader)
    if reader == "hub":
        name = str(source["id"])
        if source.get("config"):
            what = f"{what}, configuration {source['config']}, split {source['split']}"
        media = (f"$HF_HOME/{source['media_root']}",) if source.get("media_root") else ()
        return Place(what, _HUB + name, (), media)
    given = source["path"]
    put = tuple(given) if isinstance(given, list) else (str(given),)
    address = str(source.get("from") or (_RELEASED if reader == "onethinker_json" else ""))
    folders = [
        folder
        for key in ("videos", "images", "vidor")
        for folder in ([source[key]] if isinstance(source.get(key), str) else source.get(key, ()))
    ]
    if reader == "onethinker_json":
        folders = ["Evaluation"]
    return Place(what, address or task.homepage, put, tuple(folders))
