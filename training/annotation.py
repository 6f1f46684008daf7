"""Annotation: a teacher writes the thinking of training records; what passes the filters is kept.

Every reply is written to a journal beside the output when it comes, under a key of everything it
depends on; what is kept is decided from the journal alone. A run that was killed therefore goes on
where it was, and other thresholds or filters cost no new request. Failures are asked again.
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from onethinker_eval.errors import DataError
from onethinker_eval.files import Journal, read_journal, write_atomic
from onethinker_eval.judging.http import CallError
from onethinker_eval.prompts import Profile, load_profile
from onethinker_eval.training.annotation_filters import Verdict, agreeing, scorable, weigh
from onethinker_eval.training.annotation_settings import AnnotationSettings
from onethinker_eval.training.annotation_teacher import Said, Teacher, messages
from onethinker_eval.training.lessons import Lesson

__all__ = [
    "Annotator",
    "Outcome",
    "TaskCounts",
    "in_threads",
    "journal_of",
    "write_records",
    "written",
]

_BROKEN_AFTER = 16
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record: the reply that is kept or why none is, and what it took."""

    lesson: Lesson
    verdict: Verdict
    attempts: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    asked: int = 0
    """Requests of this session; the other replies were in the journal."""


@dataclass(slots=True)
class TaskCounts:
    """Sums over the records of one problem type."""

    records: int = 0
    accepted: int = 0
    attempts: int = 0
    accuracy: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, made: Outcome) -> None:
        """Count one record."""
        self.records += 1
        self.attempts += made.attempts
        self.tokens_in += made.tokens_in
        self.tokens_out += made.tokens_out
        if made.verdict.accepted:
            self.accepted += 1
            self.accuracy += made.verdict.accuracy
        else:
            self.reasons[made.verdict.reason] += 1


class Annotator:
    """Asks a teacher about records until enough replies are accepted; use from several threads."""

    def __init__(
        self, teacher: Teacher, settings: AnnotationSettings, journal: Journal, path: Path
    ) -> None:
        """Use an open `journal`, whose replies at `path` are not asked for again."""
        self.stopped = ""
        self.spent = 0.0
        self._teacher, self._settings, self._journal = teacher, settings, journal
        self._profile = load_profile(settings.prompts)
        self._lock = threading.Lock()
        self._known = _replies(path)
        self._in_row = 0

    def annotate(self, lesson: Lesson) -> Outcome:
        """Return what became of one record; failures are told in it, not raised."""
        if not scorable(lesson):
            return Outcome(lesson, Verdict("truth cannot be scored"))
        asked: list[dict[str, Any]] | None = None
        verdicts: list[Verdict] = []
        replies: list[Said] = []
        made = 0
        for attempt in range(self._settings.attempts):
            key = _key(lesson, self._teacher.model, self._profile, self._settings, attempt)
            said = self._known.get(key)
            if said is None:
                if self.stopped:
                    break
                try:
                    asked = asked or messages(lesson.record, self._profile, self._settings)
                    said = self._ask(key, lesson, asked, attempt)
                except DataError:
                    return Outcome(lesson, Verdict("medium cannot be read"))
                made += 1
            if said is not None:
                replies.append(said)
            verdicts.append(weigh(said.text, lesson, self._settings) if said else _NO_REPLY)
            if sum(verdict.accepted for verdict in verdicts) >= self._settings.agree:
                best = agreeing(verdicts, lesson, self._settings)
                if best.accepted:
                    break
        verdict = agreeing(verdicts, lesson, self._settings) if verdicts else _NO_REPLY
        return Outcome(
            lesson,
            verdict,
            len(verdicts),
            sum(said.tokens_in for said in replies),
            sum(said.tokens_out for said in replies),
            made,
        )

    def _ask(
        self, key: str, lesson: Lesson, asked: Sequence[dict[str, Any]], attempt: int
    ) -> Said | None:
        """Return the reply, which is in the journal then; None for a failure, which is too."""
        about = {"key": key, "id": lesson.record.id, "attempt": attempt}
        try:
            said = self._teacher.ask(asked, attempt)
        except CallError as error:
            self._failed(error, about)
            return None
        tokens = {"in": said.tokens_in, "out": said.tokens_out}
        with self._lock:
            self._journal.append({**about, "status": "ok", "reply": said.text, "tokens": tokens})
            self._in_row = 0
            self.spent += self._settings.cost(said.tokens_in, said.tokens_out)
            most = self._settings.most_cost
            if most and self.spent >= most and not self.stopped:
                self.stopped = f"most_cost {most:g} is spent"
        return said

    def _failed(self, error: CallError, about: Mapping[str, Any]) -> None:
        with self._lock:
            if error.kind == "stopped":
                return
            failure = {"kind": error.kind, "message": str(error)}
            self._journal.append({**about, "status": "failed", "error": failure})
            self._in_row += 1
            if not self.stopped and (error.fatal or self._in_row >= _BROKEN_AFTER):
                why = "refused" if error.fatal else f"failed {self._in_row} times in a row"
                self.stopped = f"the teacher {why} ({error.kind}: {error})"


_NO_REPLY = Verdict("no reply")


def journal_of(output: Path) -> Path:
    """Return the journal of the replies that `output` is made from."""
    return output.with_name(f"{output.stem}.replies.jsonl")


def written(outcome: Outcome, teacher: str, settings: AnnotationSettings) -> dict[str, Any]:
    """Return the SFT record of an accepted outcome: the record with `process`, its thinking.

    `solution` stays the record's own, or is the teacher's answer with `learn: teacher`;
    `annotation` says who wrote it and how right it was.
    """
    made = outcome.verdict
    record = {
        **outcome.lesson.raw,
        "process": f"<think>{made.thinking}</think>",
        "annotation": {
            "teacher": teacher,
            "accuracy": made.accuracy,
            "answer": made.answer,
            "attempts": outcome.attempts,
        },
    }
    if settings.learn == "teacher":
        record["solution"] = f"<answer>{made.answer}</answer>"
    return record


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write SFT records as a JSON list, a record a line, whole or not at all."""
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    write_atomic(path, f"[\n{lines}\n]\n")


def in_threads(jobs: Iterable[Callable[[], _Result]], workers: int) -> Iterator[_Result]:
    """Yield the results of `jobs` as they end; at most `workers` jobs are taken at a time.

    The threads are daemons: an interruption does not wait for a server's replies. An exception of
    a job is raised here.
    """
    source = iter(jobs)
    todo: queue.SimpleQueue[Callable[[], _Result] | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[_Result | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while (job := todo.get()) is not None:
            try:
                done.put((job(), None))
            except BaseException as error:  # handed to the caller's thread, which raises it
                done.put((None, error))

    running = 0
    for number in range(workers):
        job = next(source, None)
        if job is None:
            break
        threading.Thread(target=work, name=f"annotate-{number}", daemon=True).start()
        todo.put(job)
        running += 1
    started = running
    try:
        while running:
            result, error = done.get()
            if error is not None:
                raise error
            job = next(source, None)
            if job is None:
                running -= 1
            else:
                todo.put(job)
            yield result  # type: ignore[misc]  # None only beside an error, or as a job's result
    finally:
        for _ in range(started):
            todo.put(None)


def _key(
    lesson: Lesson, model: str, profile: Profile, settings: AnnotationSettings, attempt: int
) -> str:
    record = lesson.record.to_json()
    for name in ("origin", "truth", "meta", "id"):
        record.pop(name)
    sampling = [settings.temperature, settings.max_tokens, settings.seed + attempt]
    value = [model, profile.digest, sampling, settings.rule.to_json(), record]
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _replies(path: Path) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for _, line in read_journal(path):
        if line.get("status") != "ok":
            continue
        try:
            tokens = line["tokens"]
            found[str(line["key"])] = Said(
                str(line["reply"]), int(tokens["in"]), int(tokens["out"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "not a line of a journal of replies", file=str(path), fix="remove the line"
            ) from error
    return found
