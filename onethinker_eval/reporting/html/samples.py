"""One task's samples for the page: columns for the list, rows for the pages of single samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from onethinker_eval.answers import extract, parse
from onethinker_eval.reporting.compare import asked
from onethinker_eval.reporting.html.drawing import mask_shapes, shapes_of, truth_shapes
from onethinker_eval.reporting.html.media import Media
from onethinker_eval.reporting.html.stored import StoredLines
from onethinker_eval.rescoring.journals import journal_parts
from onethinker_eval.scoring.api import PROBLEM_TYPES

__all__ = ["OUTCOMES", "READINGS", "Columns", "TaskSamples"]

OUTCOMES = ("scored", "unparsable", "failed", "absent")
READINGS = ("strict", "repaired", "failed")
PREVIEW_CHARS = 160
MAX_REPLY_CHARS = 100_000
"""Longer replies are cut in the report; the journal keeps them whole."""


class Columns:
    """What the list of samples needs of each: a few numbers and two short texts, by column."""

    def __init__(self, runs: int, protocols: Sequence[str]) -> None:
        """Start empty, for some runs and protocols."""
        self.ids: list[str] = []
        self.questions: list[str] = []
        self.answers: list[list[str]] = [[] for _ in range(runs)]
        self.repairs: list[list[int]] = [[] for _ in range(runs)]
        self.reasons: list[str] = [""]
        self.repair_sets: list[list[str]] = [[]]
        self.scores: dict[str, list[dict[str, list[Any]]]] = {
            protocol: [
                {"value": [], "outcome": [], "reading": [], "reason": []} for _ in range(runs)
            ]
            for protocol in protocols
        }
        self._reason_places = {"": 0}
        self._repair_places: dict[tuple[str, ...], int] = {(): 0}

    def add_score(self, protocol: str, run: int, score: Mapping[str, Any] | None) -> None:
        """Add a sample's score under a protocol; None for a run without the sample."""
        columns = self.scores[protocol][run]
        outcome = "absent" if score is None else str(score["outcome"])
        stored = score or {}
        scored = outcome not in ("absent", "failed")
        columns["value"].append(round(float(stored["accuracy"]), 4) if scored else None)
        columns["outcome"].append(OUTCOMES.index(outcome))
        reading = str(stored.get("reading", "failed"))
        columns["reading"].append(READINGS.index(reading) if reading in READINGS else 2)
        columns["reason"].append(self._reason(str(stored.get("reason") or "")))

    def _reason(self, reason: str) -> int:
        place = self._reason_places.setdefault(reason, len(self.reasons))
        if place == len(self.reasons):
            self.reasons.append(reason)
        return place

    def add_repairs(self, run: int, repairs: Sequence[str]) -> None:
        """Add how the reader mended a run's answer."""
        place = self._repair_places.setdefault(tuple(repairs), len(self.repair_sets))
        if place == len(self.repair_sets):
            self.repair_sets.append(list(repairs))
        self.repairs[run].append(place)

    def to_json(self) -> dict[str, Any]:
        """Return the columns as the page reads them."""
        return {
            "ids": self.ids,
            "questions": self.questions,
            "answers": self.answers,
            "repairs": self.repairs,
            "repairSets": self.repair_sets,
            "reasons": self.reasons,
            "scores": self.scores,
        }


class TaskSamples:
    """The samples of one task in one or two runs, in the order the first run answered them."""

    def __init__(self, runs: Sequence[Path], task: str, protocols: Sequence[str]) -> None:
        """Read `task` from the run folders `runs`."""
        self.columns = Columns(len(runs), protocols)
        self._runs, self._task, self._protocols = list(runs), task, list(protocols)

    def rows(self, media: Media) -> Iterator[dict[str, Any]]:
        """Yield each sample's row, filling `columns` and the table of `media` on the way."""
        with ExitStack() as stack:
            replies, scores, masks = (
                [stack.enter_context(StoredLines(paths)) for paths in self._paths(kind)]
                for kind in ("replies", "scores", "masks")
            )
            names = dict.fromkeys(name for stored in replies for name in stored.ids)
            for name in names:
                lines = _of_one_sample([stored.get(name) for stored in replies])
                found = [
                    None if line is None else stored.get(name)
                    for line, stored in zip(lines, scores, strict=True)
                ]
                yield self._row(name, lines, found, [stored.get(name) for stored in masks], media)

    def _paths(self, kind: str) -> list[list[Path]]:
        if kind == "scores":
            files = [run / "scores" / f"{self._task}.jsonl" for run in self._runs]
            return [[file] if file.exists() else [] for file in files]
        return [journal_parts(run / kind, self._task) for run in self._runs]

    def _row(
        self,
        name: str,
        lines: Sequence[dict[str, Any] | None],
        scores: Sequence[dict[str, Any] | None],
        masks: Sequence[dict[str, Any] | None],
        media: Media,
    ) -> dict[str, Any]:
        record = next(line["record"] for line in lines if line is not None)
        kind = str(record["problem_type"]).strip().lower()
        columns = self.columns
        columns.ids.append(name)
        columns.questions.append(_short(record["question"]))
        for protocol in self._protocols:
            for run, stored in enumerate(scores):
                columns.add_score(protocol, run, (stored or {}).get(protocol))
        replies = []
        for run, line in enumerate(lines):
            reply = _reply(line, record, kind, masks[run], scores[run])
            columns.add_repairs(run, (reply or {}).get("repairs", ()))
            columns.answers[run].append(_short((reply or {}).get("answer") or ""))
            replies.append(reply)
        truth = record["truth"]
        row = {
            "question": record["question"],
            "options": record["options"],
            "media": [[what, media.add(path)] for what, path in record["media"]],
            "truth": truth if isinstance(truth, str) else _json(truth),
            "shapes": truth_shapes(record, kind) if kind in PROBLEM_TYPES else None,
            "facts": _facts(record, name),
            "replies": replies,
        }
        return {key: value for key, value in row.items() if value not in (None, [], "")}


def _of_one_sample(lines: list[dict[str, Any] | None]) -> list[dict[str, Any] | None]:
    """Return the lines without those that an id alone joins: the data changed between the runs."""
    first = next(line for line in lines if line is not None)
    question = asked(first["record"])
    return [line if line is None or asked(line["record"]) == question else None for line in lines]


def _reply(
    line: Mapping[str, Any] | None,
    record: Mapping[str, Any],
    kind: str,
    masks: Mapping[str, Any] | None,
    scores: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Return what the page shows of one run's reply to a sample; None if it has none."""
    if line is None:
        return None
    seconds, tokens = line.get("seconds"), line.get("tokens") or {}
    row: dict[str, Any] = {"seconds": seconds, "tokens": [tokens.get("in"), tokens.get("out")]}
    row["parts"] = {
        protocol: score["components"]
        for protocol, score in (scores or {}).items()
        if isinstance(score, Mapping) and score.get("components")
    }
    if line["status"] != "ok":
        error = line.get("error") or {}
        row["error"] = f"{error.get('kind', 'unknown')}: {error.get('message', '')}"
        return row
    text = line["reply"] or ""
    taken = extract(text)
    row.update(text=text[:MAX_REPLY_CHARS], thinking=taken.thinking, answer=taken.answer or "")
    if len(text) > MAX_REPLY_CHARS:
        row["cut"] = len(text)
    if kind in PROBLEM_TYPES:
        row.update(_reading(text, record, kind, masks))
    return row


def _reading(
    text: str, record: Mapping[str, Any], kind: str, masks: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the answer as the most patient reader takes it: its repairs, failure and shapes."""
    answer = parse(
        text, kind, data_type=record["data_type"], options=record["options"], rule="repaired"
    )
    shapes = shapes_of(answer.value, kind)
    drawn = mask_shapes(masks, record) if masks is not None else {}
    if drawn:
        shapes = {**(shapes or {}), **drawn}
    row: dict[str, Any] = {"repairs": list(answer.repairs)}
    if drawn and masks is not None and masks.get("label"):
        row["segmenter"] = str(masks["label"])
    if answer.failure:
        row["failure"] = answer.failure
    if shapes:
        row["shapes"] = shapes
    return row


def _facts(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what else is worth telling: where the record is from, its plain `meta` values."""
    meta = record["meta"] or {}
    plain = {
        str(key): value
        for key, value in meta.items()
        if isinstance(value, (str, int, float, bool)) and len(str(value)) <= 200
    }
    known = {"origin": record["origin"], "cluster": record["cluster"], **plain}
    kind = f"{record['problem_type']} ({record['data_type']})"
    return {"id": name, "problem type": kind, **{k: v for k, v in known.items() if v != ""}}


def _short(text: str) -> str:
    line = " ".join(text[: 4 * PREVIEW_CHARS].split())
    return line if len(line) <= PREVIEW_CHARS else line[: PREVIEW_CHARS - 1] + "…"


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
