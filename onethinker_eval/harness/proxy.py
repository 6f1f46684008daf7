"""The journal between lmms-eval and any of its models.

lmms-eval hands a model all requests of a task in one call and gets all replies back in one list:
an exception or a kill loses everything. `JournalledModel` stands in for the model. It answers from
the journal what is finished, hands the rest on in small chunks, writes each chunk's replies to
disk before the next begins, and when a chunk raises, halves it until the sample at fault stands
alone: that one is recorded as failed, the others are answered.

A model takes part in keeping its engine busy by what it has of
- `answers(requests)`: an iterator of (place, result) in whatever order replies finish. It is given
  all requests at once, in the order to run them, and its replies are journalled as they come;
- `prefetch(requests)`: told, before each chunk, the chunk's requests and many that follow;
- `wants_order`: whether to put requests that show the same media together, and long ones first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, unwrap_generation_output
from lmms_eval.api.model import lmms

from onethinker_eval.errors import OneThinkerError, RunError
from onethinker_eval.harness.chunks import ChunkSize, batches
from onethinker_eval.harness.headline import FAILED_REPLY
from onethinker_eval.harness.journal_writer import DoneAhead, Writer
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.replies import Reply, TaskJournal
from onethinker_eval.harness.running_order import running_order
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.records import Record

__all__ = ["JournalledModel", "TaskRun"]

_LONGEST_MESSAGE = 500
_AHEAD = 64
_HOPELESS = {"EngineDeadError", "CannotStart"}


@dataclass(frozen=True, slots=True)
class TaskRun:
    """What the proxy needs to know of the task at hand.

    `records` stand in the order of lmms-eval's documents.
    """

    records: Sequence[Record]
    journal: TaskJournal
    keys: SampleKeys
    ticker: Ticker
    batch_size: int = 1
    chunk: int | None = None


class JournalledModel(lmms):
    """A model of lmms-eval whose replies survive whatever ends the process."""

    def __init__(self, inner: Any) -> None:
        """Stand in for `inner`; give it a task with `attend` before each evaluation."""
        super().__init__()
        self._inner = inner
        self.is_simple = inner.is_simple
        self.task_dict = inner.task_dict
        self._task: TaskRun | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def attend(self, task: TaskRun) -> None:
        """Use the journal, records and keys of `task` from now on."""
        self._task = task

    def clean(self) -> None:
        """Keep the model: lmms-eval deletes it after every task, and the next one needs it."""

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Hand on unchanged; no task of ours asks for likelihoods."""
        return self._inner.loglikelihood(requests)

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        """Hand on unchanged; no task of ours has several rounds."""
        return self._inner.generate_until_multi_round(requests)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Have all `requests` answered in the journal, by the model where it lacks a reply.

        What is returned has no text: scores are made from the journal, and a large task's replies
        are more than memory should hold.
        """
        task = self._task
        if task is None:
            raise RuntimeError("attend() was not called")
        self._inner.cache_hook = self.cache_hook
        if self._world_size > 1:
            self._inner._rank, self._inner._world_size = self._rank, self._world_size
        return _Answering(self._inner, task, requests).run()


@dataclass(slots=True)
class _Sample:
    """One request: its record, and its key once the media have been read."""

    request: Instance
    record: Record
    key: str = ""


class _Answering:
    """One pass over the requests of a task."""

    def __init__(self, inner: Any, task: TaskRun, requests: Sequence[Instance]) -> None:
        # Requests marked so fill a rank's list up to the others' length; nobody reads the replies.
        self._total = len(requests)
        requests = [one for one in requests if not one.metadata.get("__padding_only__")]
        self._inner, self._task = inner, task
        self._samples = [_Sample(one, task.records[one.doc_id]) for one in requests]
        self._answered: set[int] = set()
        self._given_up: set[int] = set()
        self._keys = DoneAhead(self._make_key)

    def run(self) -> list[GenerationResult]:
        task = self._task
        self._take_finished()
        order = self._order()
        if hasattr(self._inner, "answers"):
            self._stream([index for index in order if index not in self._answered])
        missing = set(range(len(self._samples))) - self._answered - self._given_up
        failed = {i for i in missing if self._samples[i].record.id in task.journal.failed}
        size = ChunkSize(
            task.batch_size,
            fixed=task.chunk,
            concurrency=int(getattr(self._inner, "num_concurrent", 1) or 1),
        )
        total = len(self._samples)
        natural = order == list(range(total))
        queue = list(batches(missing, total, task.batch_size, failed, None if natural else order))
        start = 0
        try:
            while start < len(queue):
                end = start + size.batches
                now = [index for batch in queue[start:end] for index in batch]
                later = [index for batch in queue[end : end + _AHEAD] for index in batch]
                self._announce([*now, *later[:_AHEAD]])
                began = time.monotonic()
                self._chunk(now)
                size.observe(time.monotonic() - began)
                start = end
        finally:
            self._keys.close()
        return [GenerationResult(text="") for _ in range(self._total)]

    def _order(self) -> list[int]:
        """Return all indices in the order to run them."""
        if getattr(self._inner, "wants_order", hasattr(self._inner, "answers")):
            return running_order([sample.record for sample in self._samples])
        return list(range(len(self._samples)))

    def _stream(self, indices: list[int]) -> None:
        """Journal what the model answers as it comes; what is left of it is for the chunks."""
        if not indices:
            return
        last = time.monotonic()
        with Writer(self._write) as writer:
            try:
                for place, output in self._inner.answers(
                    [self._samples[index].request for index in indices]
                ):
                    sample, now = self._samples[indices[place]], time.monotonic()
                    writer.put((indices[place], _reply(output, sample.record, now - last)))
                    last = now
            except Exception as error:  # any model, any library: the others are tried in chunks
                writer.check()
                _stop_if_hopeless(error)

    def _write(self, replies: Sequence[tuple[int, Reply]]) -> None:
        """Journal streamed replies; their keys are made here, off the engine's way."""
        outcomes: dict[int, Reply] = {}
        for index, reply in replies:
            outcomes[index] = self._make_key(self._samples[index]) or reply
        self._given_up |= {index for index, reply in outcomes.items() if not reply.ok}
        self._record(outcomes)

    def _take_finished(self) -> None:
        """Pass over what the journal holds a reply to, after a check that it belongs here."""
        for index, sample in enumerate(self._samples):
            if sample.record.id in self._task.journal.finished:
                self._make_key(sample)
                self._task.journal.verify(sample.record, sample.key or None)
                self._answered.add(index)
        self._task.ticker.add(reused=len(self._answered))

    def _make_key(self, sample: _Sample) -> Reply | None:
        """Set the key of `sample`; return the failure if one of its media cannot be read."""
        try:
            sample.key = self._task.keys(sample.record)
        except OneThinkerError as error:
            return _failure(sample.record, error)
        return None

    def _announce(self, indices: Sequence[int]) -> None:
        """Let a model that prepares ahead of time begin with what comes next, hash its media."""
        prefetch = getattr(self._inner, "prefetch", None)
        if prefetch is None:
            return
        prefetch([self._samples[index].request for index in indices])
        for index in indices:
            self._keys.begin(index, self._samples[index])

    def _chunk(self, indices: list[int]) -> None:
        outcomes: dict[int, Reply] = {}
        for index in indices:
            problem = self._keys.result(index, self._samples[index])
            if problem is not None:
                outcomes[index] = problem
        outcomes |= self._generate([index for index in indices if index not in outcomes])
        self._record(outcomes)

    def _record(self, outcomes: Mapping[int, Reply]) -> None:
        """Force to disk what the journal does not hold yet, and count it."""
        fresh = {i: reply for i, reply in outcomes.items() if i not in self._answered}
        self._task.journal.append(
            [
                reply.line(self._samples[index].key, self._samples[index].record)
                for index, reply in fresh.items()
            ]
        )
        self._answered |= {i for i, reply in fresh.items() if reply.ok}
        good = sum(reply.ok for reply in fresh.values())
        self._task.ticker.add(generated=good, failed=len(fresh) - good)

    def _generate(self, indices: list[int]) -> dict[int, Reply]:
        """Return what the model makes of the samples, the one at fault set apart."""
        if not indices:
            return {}
        requests = [self._samples[index].request for index in indices]
        began = time.monotonic()
        try:
            outputs = self._inner.generate_until(requests)
            if len(outputs) != len(requests):
                raise RunError(f"{len(outputs)} replies came back for {len(requests)} samples")
        except Exception as error:  # any model, any library: the fault must stay with its sample
            _stop_if_hopeless(error)
            if len(indices) == 1:
                return {indices[0]: _failure(self._samples[indices[0]].record, error)}
            half = len(indices) // 2
            return self._generate(indices[:half]) | self._generate(indices[half:])
        seconds = (time.monotonic() - began) / len(indices)
        return {
            index: _reply(output, self._samples[index].record, seconds)
            for index, output in zip(indices, outputs, strict=True)
        }


def _reply(output: Any, record: Record, seconds: float) -> Reply:
    text, tokens = unwrap_generation_output(output)
    if not isinstance(text, str) or output is None:
        return Reply(None, ("no_reply", f"{_origin(record)}: the model gave no text"), seconds)
    if text.startswith(FAILED_REPLY):
        reason = text.removeprefix(FAILED_REPLY).strip(" :]") or "the request failed"
        return Reply(None, ("request", _one_line(f"{_origin(record)}: {reason}")), seconds)
    return Reply(
        text,
        seconds=seconds,
        tokens_in=None if tokens is None else tokens.input_tokens,
        tokens_out=None if tokens is None else tokens.output_tokens,
    )


def _failure(record: Record, error: Exception) -> Reply:
    message = str(error) or type(error).__name__
    if not isinstance(error, OneThinkerError):
        message = f"{type(error).__name__}: {message}"
    files = [medium.path for medium in record.media if medium.path not in message]
    where = ", ".join([_origin(record), *files])
    return Reply(None, (type(error).__name__, _one_line(f"{where}: {message}")))


def _origin(record: Record) -> str:
    return record.origin or f"sample {record.id}"


def _one_line(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _stop_if_hopeless(error: Exception) -> None:
    """End the run where no further sample can succeed; free memory where one may."""
    name, message = type(error).__name__, str(error)
    if "CUDA error" in message or name in _HOPELESS or getattr(error, "fatal", False):
        raise RunError(
            f"the model cannot go on: {_one_line(message)}",
            hint="finished samples are kept; run the same command again",
        ) from error
    if name == "OutOfMemoryError":
        import torch

        torch.cuda.empty_cache()
