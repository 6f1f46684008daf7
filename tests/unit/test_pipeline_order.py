"""The order samples are run in, the batches cut from it, and what works beside the engine."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.harness.chunks import batches
from onethinker_eval.harness.journal_writer import DoneAhead, Writer
from onethinker_eval.harness.running_order import prompt_length, running_order
from onethinker_eval.media.ahead import Ahead, Job
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.shown import Wanted
from onethinker_eval.records import Medium, Record


def record(name: str, media: Sequence[str] = (), length: int = 1, **meta: object) -> Record:
    shown = tuple(Medium("video" if path.endswith("mp4") else "image", path) for path in media)
    return Record(name, "math", "video", "q" * length, shown, "1", meta=meta)


@given(st.lists(st.tuples(st.sampled_from(["", "a.mp4", "b.mp4", "c.png"]), st.integers(1, 400))))
def test_the_order_keeps_shared_media_together_and_puts_the_long_first(
    seen: list[tuple[str, int]],
) -> None:
    records = [record(str(n), [path] if path else [], size) for n, (path, size) in enumerate(seen)]
    order = running_order(records)
    assert sorted(order) == list(range(len(records)))
    assert order == running_order(records)
    paths = [seen[index][0] for index in order]
    groups = [path for path, _ in itertools.groupby(paths) if path]
    assert len(groups) == len(set(groups)), "every file stands in one place"
    lengths = [prompt_length(records[index], FrameRule()) for index in order]
    for path in {*paths} - {""}:
        own = [length for length, other in zip(lengths, paths, strict=True) if other == path]
        assert own == sorted(own, reverse=True)
    leaders = [
        length
        for place, length in enumerate(lengths)
        if place == 0 or not paths[place] or paths[place - 1] != paths[place]
    ]
    assert leaders == sorted(leaders, reverse=True)


def test_lengths_follow_what_is_known_of_a_video() -> None:
    rule = FrameRule()
    short = prompt_length(record("a", ["a.mp4"], duration_s=10.0), rule)
    unknown = prompt_length(record("b", ["b.mp4"]), rule)
    assert short == 20 * 256 // 2
    assert unknown == 128 * 256 // 2
    small = prompt_length(record("c", ["c.png"], width=64, height=64), rule)
    assert small == 4


@given(st.data(), st.integers(1, 30), st.integers(1, 7))
def test_batches_in_an_order_keep_their_members_after_a_kill(
    data: st.DataObject, total: int, size: int
) -> None:
    order = data.draw(st.permutations(range(total)))
    whole = list(batches(set(range(total)), total, size, set(), order))
    assert [index for batch in whole for index in batch] == list(order)
    done = data.draw(st.integers(0, total))
    missing = set(range(total)) - set(order[:done])
    after = list(batches(missing, total, size, set(), order))
    assert after == (whole[done // size :] if missing else [])


def test_other_records_than_last_time_are_not_generated_twice() -> None:
    finished = {1, 3, 5, 7}
    made = list(batches(set(range(8)) - finished, 8, 2, set(), list(range(8))))
    assert made == [[0, 2], [4, 6]]


def test_the_writer_writes_everything_in_order_and_together() -> None:
    seen: list[list[int]] = []
    name: ContextVar[str] = ContextVar("name", default="")
    name.set("mine")
    names = []

    def write(items: Sequence[int]) -> None:
        names.append(name.get())
        time.sleep(0.01)
        seen.append(list(items))

    with Writer(write) as writer:
        for number in range(200):
            writer.put(number)
    assert [number for items in seen for number in items] == list(range(200))
    assert len(seen) < 200
    assert set(names) == {"mine"}


def test_what_the_writer_could_not_write_is_raised() -> None:
    def write(items: Sequence[int]) -> None:
        raise OSError("disk full")

    def put(count: int) -> None:
        with Writer(write) as writer:
            for number in range(count):
                writer.put(number)
                time.sleep(0.05)

    for count in (1, 5):
        with pytest.raises(OSError, match="disk full"):
            put(count)


def test_work_done_ahead_is_done_once() -> None:
    seen: list[int] = []
    ahead = DoneAhead(lambda item: seen.append(item) or item * 2)
    ahead.begin("a", 1)
    ahead.begin("a", 1)
    assert ahead.result("a", 1) == 2
    assert ahead.result("b", 5) == 10
    assert seen == [1, 5]
    ahead.close()


def lanes(count: int) -> list[object]:
    def lane(work: object) -> tuple[object, float]:
        return work() if callable(work) else work, 0.5  # type: ignore[return-value]

    return [lane] * count


def test_jobs_of_one_file_wait_for_the_lane_that_decodes_it() -> None:
    running: list[str] = []
    most: dict[str, int] = {}
    lock = threading.Lock()

    def work(name: str) -> str:
        with lock:
            running.append(name)
            most[name] = max(most.get(name, 0), running.count(name))
        time.sleep(0.01)
        with lock:
            running.remove(name)
        return name

    ahead = Ahead(lanes(3), most=10, most_bytes=1 << 30)
    jobs = [Job(n, lambda n=n: work("ab"[n % 2]), media="ab"[n % 2]) for n in range(8)]
    ahead.announce(jobs)
    time.sleep(0.3)
    assert [job.result for job in ahead.finished(5)] == ["a", "b"] * 4
    assert most == {"a": 1, "b": 1}
    ahead.close()


def test_what_is_waited_for_comes_first_whatever_the_budget() -> None:
    started: list[int] = []
    ahead = Ahead(lanes(1), most=3, most_bytes=10, weigh=lambda _: 10)
    jobs = [Job(n, lambda n=n: started.append(n) or n, most_bytes=10) for n in range(5)]
    ahead.announce(jobs)
    time.sleep(0.1)
    assert started == [0], "the budget holds one result"
    assert ahead.take(jobs[3]) == 3
    assert started[1] == 3
    assert [ahead.take(jobs[n]) for n in (0, 1, 2, 4)] == [0, 1, 2, 4]
    ahead.close()
    with pytest.raises(RuntimeError, match="no longer"):
        ahead.take(Job(9, lambda: 9))


def test_finished_jobs_come_in_whatever_order_they_finish() -> None:
    ahead = Ahead(lanes(2), most=9, most_bytes=1 << 30)
    slow = threading.Event()
    ahead.announce([Job("slow", slow.wait), Job("quick", lambda: 1), Job("bad", lambda: 1 / 0)])
    found = {job.key: job for job in ahead.finished(5)}
    while len(found) < 2:
        found |= {job.key: job for job in ahead.finished(5)}
    assert set(found) == {"quick", "bad"}
    assert isinstance(found["bad"].error, ZeroDivisionError)
    assert ahead.finished() == []
    slow.set()
    assert [job.key for job in ahead.finished(5)] == ["slow"]
    assert ahead.finished(5) == [], "nothing is announced, so there is nothing to wait for"
    ahead.close()


def test_a_wanted_travels_unchanged() -> None:
    wanted = Wanted(({"type": "video", "url": "a.mp4"},), FrameRule(max_frames=8), "prompt", "t")
    assert Wanted.from_json(wanted.to_json()) == wanted
    assert wanted.pixels == 8 * FrameRule().frame_pixels
