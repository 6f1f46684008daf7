"""The journal between lmms-eval's requests and any of its models, over all tasks of a run.

lmms-eval hands a model all requests in one call and gets all replies back in one list: an
exception or a kill loses everything. So its requests are gathered (`gathering`), and put to the
model here: those of one task after the other, without a pause between tasks. What the journal
holds is passed over; the rest goes on in small chunks, each chunk's replies are on disk before the
next begins, and a chunk that raises is halved until the sample at fault stands alone: that one is
recorded as failed, the others are answered.

A model takes part in keeping its engine busy by what it has of
- `answers(requests)`: an iterator of (place, result) in whatever order replies finish. `requests`
  is an iterator over all tasks, in the order to run them, to be read as far ahead as there is use
  for it; `place` counts it. Replies are journalled as they come;
- `prefetch(requests)`: told, before each chunk, the chunk's requests and many that follow, those
  of the next task included;
- `wants_order`: whether to put requests of a task that show the same media together, and long
  ones first.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from onethinker_eval.errors import OneThinkerError, RunError
from onethinker_eval.harness import costs
from onethinker_eval.harness.chunks import ChunkSize, batches
from onethinker_eval.harness.in_hand import Batch, Sample, Stretch, TaskRun, TaskState
from onethinker_eval.harness.journal_writer import DoneAhead, Writer
from onethinker_eval.harness.outcomes import failure_of, reply_of, stop_if_hopeless
from onethinker_eval.harness.replies import Reply
from onethinker_eval.harness.running_order import running_order

__all__ = ["JournalledModel"]

_AHEAD = 64


class JournalledModel:
    """A model of lmms-eval whose replies survive whatever ends the process."""

    def __init__(self, stretches: Iterable[Stretch], kind: Any) -> None:
        """Prepare to answer `stretches`, read one by one as the model gets to them.

        `kind` is the model or its class: what it has decides how it is fed.
        """
        self._streams = hasattr(kind, "answers")
        self._ordered = bool(getattr(kind, "wants_order", self._streams))
        self._inner: Any = None
        self._keys = DoneAhead(_make_key)
        self._states: dict[int, TaskState] = {}
        self._batches = self._cut(iter(stretches))
        self._ready: deque[Batch] = deque()
        self._ended = False
        self._broken: Exception | None = None

    def first(self, count: int) -> list[Any]:
        """Return the requests that will come first, at most `count`, without beginning."""
        while sum(len(batch.samples) for batch in self._ready) < count:
            batch = self._pull()
            if batch is None:
                break
            self._ready.append(batch)
        return [sample.request for batch in self._ready for sample in batch.samples][:count]

    def answer(self, inner: Any) -> None:
        """Have everything answered by `inner`, in the journals, before this returns.

        What the stretches raise is raised when the samples that came before are done.
        """
        self._inner = inner
        try:
            with costs.meter().running():
                if self._streams:
                    self._stream()
                else:
                    self._in_chunks(self._rest())
        finally:
            self._keys.close()
        if self._broken is not None:
            raise self._broken

    def _pull(self) -> Batch | None:
        """Return the next batch there is; keep what the stretches raise for later."""
        if not self._ended:
            try:
                batch = next(self._batches, None)
            except Exception as error:  # what is under way at the engine must not be lost by it
                self._broken, batch = error, None
            self._ended = batch is None
            return batch
        return None

    def _rest(self) -> Iterator[Batch]:
        while True:
            batch = self._ready.popleft() if self._ready else self._pull()
            if batch is None:
                return
            yield batch

    def _cut(self, stretches: Iterator[Stretch]) -> Iterator[Batch]:
        """Yield the batches that are left of each stretch, in the order to run them."""
        begun = False
        for stretch in stretches:
            run = stretch.run
            state = self._states.setdefault(id(run), TaskState(run))
            # Requests marked so fill a rank's list up to the others' length; none is read.
            samples = [
                Sample(request, run.records[request.doc_id], state)
                for request in stretch.requests
                if not request.metadata.get("__padding_only__")
            ]
            _take_finished(samples, run)
            left = sum(not sample.answered for sample in samples)
            if left and not begun:
                begun = True
                run.ticker.start(run.journal.task)
            made = self._batches_of(samples, run) if left else []
            state.add(left, last=stretch.last)
            del samples, stretch
            # Taken from the list one by one, so that what is done is let go.
            made.reverse()
            while made:
                yield Batch(state, made.pop())

    def _batches_of(self, samples: Sequence[Sample], run: TaskRun) -> list[list[Sample]]:
        total = len(samples)
        natural = list(range(total))
        order = running_order([one.record for one in samples]) if self._ordered else natural
        missing = {index for index in natural if not samples[index].answered}
        failed = {index for index in missing if samples[index].record.id in run.journal.failed}
        size = 1 if self._streams else run.batch_size
        cut = batches(missing, total, size, failed, None if order == natural else order)
        return [[samples[index] for index in batch] for batch in cut]

    def _stream(self) -> None:
        """Have the model answer as it goes, begin anew after what it raised."""
        while True:
            asked, left = self._stream_once()
            # Any of those under way may be at fault; alone it cannot take others with it.
            self._in_chunks(Batch(sample.state, [sample]) for sample in left)
            if self._ended and not self._ready:
                return
            if not asked:  # a model that takes nothing
                self._in_chunks(self._rest())
                return

    def _stream_once(self) -> tuple[int, list[Sample]]:
        """Journal what the model answers as it comes; return how many it took, and what is left."""
        count = itertools.count()
        asked: dict[int, Sample] = {}

        def requests() -> Iterator[Any]:
            for batch in self._rest():
                (sample,) = batch.samples
                asked[next(count)] = sample
                yield sample.request

        last = time.monotonic()
        with Writer(self._write) as writer:
            try:
                for place, output in self._inner.answers(requests()):
                    sample, now = asked.pop(place), time.monotonic()
                    costs.meter().charge(sample.state.run.journal.task)
                    writer.put((sample, reply_of(output, sample.record, now - last)))
                    last = now
            except Exception as error:  # any model, any library: the others are tried in chunks
                writer.check()
                stop_if_hopeless(error)
        return next(count), list(asked.values())

    def _write(self, replies: Sequence[tuple[Sample, Reply]]) -> None:
        """Journal streamed replies; their keys are made here, off the engine's way."""
        by_task: dict[TaskState, list[tuple[Sample, Reply]]] = {}
        for sample, reply in replies:
            by_task.setdefault(sample.state, []).append((sample, _make_key(sample) or reply))
        for state, outcomes in by_task.items():
            _record(state, outcomes)

    def _in_chunks(self, source: Iterator[Batch]) -> None:
        """Hand on chunks of whole batches, none across tasks: many models read a task's name once.

        The media of what follows are announced, the next task's as well.
        """
        waiting: deque[Batch] = deque()
        while True:
            wanted = _AHEAD + (waiting[0].state.size.batches if waiting else 1)
            waiting.extend(itertools.islice(source, max(0, wanted - len(waiting))))
            if not waiting:
                return
            state = waiting[0].state
            self._begin(state)
            now: list[Sample] = []
            for _ in range(state.size.batches):
                if not waiting or waiting[0].state is not state:
                    break
                now += waiting.popleft().samples
            later = [sample for batch in waiting for sample in batch.samples]
            self._announce([*now, *later[:_AHEAD]])
            began = time.monotonic()
            self._chunk(state, now)
            state.size.observe(time.monotonic() - began)

    def _begin(self, state: TaskState) -> None:
        run = state.run
        costs.meter().attend(run.journal.task)
        if state.begun:
            return
        state.begun = True
        several = int(getattr(self._inner, "num_concurrent", 1) or 1)
        state.size = ChunkSize(run.batch_size, fixed=run.chunk, concurrency=several)
        if run.seed is not None:
            _seed(run.seed)

    def _announce(self, samples: Sequence[Sample]) -> None:
        """Let a model that prepares ahead of time begin with what comes next, hash its media."""
        prefetch = getattr(self._inner, "prefetch", None)
        if prefetch is None:
            return
        prefetch([sample.request for sample in samples])
        for sample in samples:
            self._keys.begin(sample, sample)

    def _chunk(self, state: TaskState, samples: Sequence[Sample]) -> None:
        outcomes: list[tuple[Sample, Reply]] = []
        good = []
        for sample in samples:
            problem = self._keys.result(sample, sample)
            if problem is None:
                good.append(sample)
            else:
                outcomes.append((sample, problem))
        _record(state, [*outcomes, *self._generate(good)])

    def _generate(self, samples: Sequence[Sample]) -> list[tuple[Sample, Reply]]:
        """Return what the model makes of the samples, the one at fault set apart."""
        if not samples:
            return []
        requests = [sample.request for sample in samples]
        began = time.monotonic()
        try:
            outputs = self._inner.generate_until(requests)
            if len(outputs) != len(requests):
                raise RunError(f"{len(outputs)} replies came back for {len(requests)} samples")
        except Exception as error:  # any model, any library: the fault must stay with its sample
            stop_if_hopeless(error)
            if len(samples) == 1:
                return [(samples[0], failure_of(samples[0].record, error))]
            half = len(samples) // 2
            return self._generate(samples[:half]) + self._generate(samples[half:])
        seconds = (time.monotonic() - began) / len(samples)
        return [
            (sample, reply_of(output, sample.record, seconds))
            for sample, output in zip(samples, outputs, strict=True)
        ]


def _make_key(sample: Sample) -> Reply | None:
    """Set the key of `sample`; return the failure if one of its media cannot be read."""
    try:
        sample.key = sample.state.run.keys(sample.record)
    except OneThinkerError as error:
        return failure_of(sample.record, error)
    return None


def _take_finished(samples: Sequence[Sample], run: TaskRun) -> None:
    """Pass over what the journal holds a reply to, after a check that it belongs here."""
    reused = 0
    for sample in samples:
        if sample.record.id in run.journal.finished:
            _make_key(sample)
            run.journal.verify(sample.record, sample.key or None)
            sample.answered = sample.settled = True
            reused += 1
    if reused:
        run.ticker.add(task=run.journal.task, reused=reused)


def _record(state: TaskState, outcomes: Sequence[tuple[Sample, Reply]]) -> None:
    """Force to disk what the journal does not hold yet, and count it."""
    fresh = [(sample, reply) for sample, reply in outcomes if not sample.settled]
    run = state.run
    run.journal.append([reply.line(sample.key, sample.record) for sample, reply in fresh])
    good = 0
    for sample, reply in fresh:
        sample.settled, sample.answered = True, reply.ok
        good += reply.ok
    run.ticker.add(task=run.journal.task, generated=good, failed=len(fresh) - good)
    state.settle(len(fresh))


def _seed(seed: int) -> None:
    """Set what models may draw from, so that a task's replies do not depend on those before."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # the one that other libraries draw from
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
