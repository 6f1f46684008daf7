"""The functions that the task files name, called by lmms-eval with and without our command line.

`data__<task id>` is a path: an attribute made when asked for, so that a task file can say where
its data are and the data root can still be chosen at run time (`ONETHINKER_DATA`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onethinker_eval.harness.asking import messages_of, text_of
from onethinker_eval.harness.task_data import data_file, record_of, task_of

__all__ = [
    "aggregate",
    "doc_to_messages",
    "doc_to_target",
    "doc_to_text",
    "doc_to_visual",
    "process_results",
]

_DATA = "data__"

Doc = Mapping[str, Any]


def __getattr__(name: str) -> str:
    if name.startswith(_DATA):
        return str(data_file(name.removeprefix(_DATA)))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def doc_to_text(doc: Doc) -> str:
    """Return the question as the model reads it, media apart."""
    return text_of(task_of(doc["task"]), record_of(doc))


def doc_to_visual(doc: Doc) -> list[Any]:
    """Return the media for models without a chat form: images opened, videos as paths."""
    record = record_of(doc)
    return [
        _image(medium.path) if medium.kind == "image" else medium.path for medium in record.media
    ]


def doc_to_messages(doc: Doc) -> list[dict[str, Any]]:
    """Return the chat messages: one of the user, media and question as the profile has them.

    There is a system message only if the profile has one; the default, like the authors'
    evaluation, has none. (Some of lmms-eval's models add one unless their arguments say not to.)
    """
    messages = messages_of(task_of(doc["task"]), record_of(doc))
    for message in messages:
        for part in message["content"]:
            if part["type"] == "image":
                part["url"] = _image(part["url"])
    return messages


def doc_to_target(doc: Doc) -> str:
    """Return the truth as text, for lmms-eval's logs."""
    import orjson

    truth = record_of(doc).truth
    return truth if isinstance(truth, str) else orjson.dumps(truth).decode()


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, Any]:
    """Score one reply by the task's headline: `{"score": {...}}` for `aggregate` to sum up."""
    from onethinker_eval.harness.headline import score_for_sum

    return {"score": score_for_sum(task_of(doc["task"]), record_of(doc), results[0])}


def aggregate(scores: Sequence[Mapping[str, Any]]) -> float:
    """Return the headline metric of all scored samples, in percent; NaN if there are none."""
    from onethinker_eval.harness.headline import headline_value

    return headline_value(scores)


def _image(path: str) -> Any:
    from PIL import Image

    from onethinker_eval.media import images

    return Image.fromarray(images.read(path).pixels)
