"""One stream over tasks: no pause between them, each with its journal, none lost by another."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import RunError
from onethinker_eval.harness import costs
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.in_hand import Stretch, TaskRun
from onethinker_eval.harness.progress import Progress, Ticker
from onethinker_eval.harness.replies import TaskJournal, merged_lines
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.records import Record

pytest.importorskip("lmms_eval")

TASKS = resolve("refcoco_val,charades,mmstar")
COUNT = 6
NAMES = [task.id for task in TASKS]


class World:
    """Three tasks of six records each, their journals, and what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.moments: list[Progress] = []
        self.ticker = Ticker(self.moments.append, dict.fromkeys(NAMES, COUNT))
        self.pulled: list[str] = []

    def stretches(self, stack: ExitStack, **options: Any) -> Iterator[Stretch]:
        for task in TASKS:
            self.pulled.append(task.id)
            journal = stack.enter_context(TaskJournal(self.folder, task.id))
            records = [
                Record(f"{task.name} {n}", "math", "text", "?", (), "1") for n in range(COUNT)
            ]
            keys = SampleKeys(task, "identity", {}, MediaDigests(None))
            run = TaskRun(
                records, journal, keys, self.ticker, done=lambda t=task.id: self.done.append(t),
                **options,
            )  # fmt: skip
            # The first task comes in two stretches.
            cuts = [(0, 4, False), (4, COUNT, True)] if task is TASKS[0] else [(0, COUNT, True)]
            for start, end, last in cuts:
                yield Stretch(run, [request(task.id, n) for n in range(start, end)], last)

    def statuses(self, task: str) -> dict[str, str]:
        return {line["id"]: line["status"] for line in merged_lines(self.folder, task)}


def request(task: str, number: int) -> Any:
    return SimpleNamespace(
        doc_id=number, task_name=task, metadata={}, args=("", {}, number, task, "test")
    )


def ask(world: World, model: Any, **options: Any) -> None:
    from onethinker_eval.harness.proxy import JournalledModel

    with ExitStack() as stack:
        JournalledModel(world.stretches(stack, **options), model).answer(model)


class Engine:
    """Holds four requests at a time; each goes when the next one comes."""

    wants_order = False

    def __init__(self, slots: int = 4) -> None:
        self.slots, self.alone, self.beside = slots, list[str](), list[set[str]]()
        self.fault: Callable[[str, int], bool] = lambda task, number: False

    def answers(self, requests: Iterator[Any]) -> Iterator[tuple[int, str]]:
        held: list[tuple[int, Any]] = []
        for place, one in enumerate(requests):
            if self.fault(one.task_name, one.doc_id):
                raise ValueError("the engine stumbled")
            held.append((place, one))
            self.beside.append({other.task_name for _, other in held})
            if len(held) == self.slots:
                yield held.pop(0)[0], f"reply {one.doc_id}"
        for place, _ in held:
            yield place, "reply at the end"

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.alone += [f"{one.task_name} {one.doc_id}" for one in requests]
        if any(self.fault(one.task_name, one.doc_id) for one in requests):
            raise ValueError("the engine stumbled")
        return ["reply" for _ in requests]


def test_the_next_task_begins_while_the_last_replies_are_awaited(tmp_path: Path) -> None:
    world, model = World(tmp_path), Engine()
    ask(world, model)
    assert {frozenset(NAMES[:2]), frozenset(NAMES[1:])} <= set(map(frozenset, model.beside))
    assert not model.alone
    assert world.done == NAMES
    for name in NAMES:
        assert set(world.statuses(name).values()) == {"ok"}
        assert len(world.statuses(name)) == COUNT
    last = {moment.task: moment for moment in world.moments}
    assert [last[name].task_done for name in NAMES] == [COUNT] * 3
    assert world.moments[-1].done == 3 * COUNT


def test_time_is_shared_out_among_the_tasks_without_remainder(tmp_path: Path) -> None:
    costs.meter().clear()
    ask(World(tmp_path), Engine())
    found = costs.meter().snapshot()
    assert [found[name].samples for name in NAMES] == [COUNT] * 3
    assert all(found[name].wall_s > 0 for name in NAMES)
    assert "" not in found or not found[""].wall_s


def test_a_stumble_costs_only_what_was_under_way(tmp_path: Path) -> None:
    world, model = World(tmp_path), Engine()
    stumbled = []

    def once(task: str, number: int) -> bool:
        if (task, number) == (NAMES[1], 1) and not stumbled:
            stumbled.append(number)
            return True
        return False

    model.fault = once
    ask(world, model)
    assert sorted(model.alone) == sorted(
        [*(f"{NAMES[0]} {n}" for n in (4, 5)), *(f"{NAMES[1]} {n}" for n in (0, 1))]
    ), "the others are streamed again"
    assert [set(world.statuses(name).values()) for name in NAMES] == [{"ok"}] * 3
    assert sorted(world.done) == sorted(NAMES)


def test_a_sample_that_always_fails_is_found_and_the_tasks_after_it_are_answered(
    tmp_path: Path,
) -> None:
    world, model = World(tmp_path), Engine()
    model.fault = lambda task, number: (task, number) == (NAMES[1], 3)
    ask(world, model)
    failed = [
        name for task in NAMES for name, status in world.statuses(task).items() if status != "ok"
    ]
    assert failed == [f"{TASKS[1].name} 3"]
    assert world.done == NAMES


def test_what_came_before_a_fault_of_the_data_is_answered(tmp_path: Path) -> None:
    from onethinker_eval.harness.proxy import JournalledModel

    world, model = World(tmp_path), Engine()
    with ExitStack() as stack:

        def broken() -> Iterator[Stretch]:
            for number, stretch in enumerate(world.stretches(stack)):
                if number == 2:
                    raise RunError("the data changed")
                yield stretch

        with pytest.raises(RunError, match="the data changed"):
            JournalledModel(broken(), model).answer(model)
    assert len(world.statuses(NAMES[0])) == COUNT
    assert world.done == NAMES[:1]


def test_an_interruption_is_resumed_in_the_middle_of_a_task(tmp_path: Path) -> None:
    def stop(task: str, number: int) -> bool:
        if (task, number) == (NAMES[1], 4):
            raise KeyboardInterrupt
        return False

    first = Engine()
    first.fault = stop
    with pytest.raises(KeyboardInterrupt):
        ask(World(tmp_path), first)
    world, model = World(tmp_path), Engine()
    kept = {name for task in NAMES[:2] for name in world.statuses(task)}
    assert len(kept) == COUNT + 1
    ask(world, model)
    assert world.ticker.reused == len(kept)
    assert world.ticker.generated == 3 * COUNT - len(kept)
    assert sorted(world.done) == sorted(NAMES)


class Batches:
    """A model without a stream: notes its calls, what was announced, and a random number."""

    wants_order = False

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []
        self.drawn: list[float] = []
        self._announced: list[str] = []

    def prefetch(self, requests: list[Any]) -> None:
        self._announced = [one.task_name for one in requests]

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.calls.append(([one.task_name for one in requests], self._announced))
        self.drawn.append(random.random())
        return ["reply" for _ in requests]


def test_batches_hold_one_task_and_the_next_one_is_announced(tmp_path: Path) -> None:
    world, model = World(tmp_path), Batches()
    ask(world, model, batch_size=4, seed=7)
    assert [len(asked) for asked, _ in model.calls] == [4, 2, 4, 2, 4, 2]
    assert all(len(set(asked)) == 1 for asked, _ in model.calls)
    for asked, announced in model.calls[:-2]:
        following = NAMES[NAMES.index(asked[0]) + 1]
        assert following in announced
    assert world.done == NAMES
    assert model.drawn[0] == model.drawn[2] == model.drawn[4], "each task begins at the seed"
    assert model.drawn[0] != model.drawn[1]


def test_requests_are_built_as_they_are_needed(tmp_path: Path) -> None:
    from onethinker_eval.harness.proxy import JournalledModel

    world = World(tmp_path)
    with ExitStack() as stack:
        proxy = JournalledModel(world.stretches(stack), Engine)
        first = proxy.first(3)
        assert [one.doc_id for one in first] == [0, 1, 2]
        assert world.pulled == NAMES[:1]
        model = Engine()
        proxy.answer(model)
    assert world.done == NAMES
    assert sum(len(world.statuses(name)) for name in NAMES) == 3 * COUNT


def test_legs_are_bounded_and_the_first_is_small() -> None:
    from onethinker_eval.harness.gathering import SLICE, legs, parts_of

    parts = [part for n in range(40) for part in parts_of(f"t{n}", 3000 if n else 100_000, 4)]
    made = list(legs(parts))
    assert [part for leg in made for part in leg] == parts
    assert made[0] == [("t0", 0, SLICE, False)]
    assert all(sum(part[2] for part in leg) <= SLICE for leg in made)
    assert len(made) == 7
    assert len(list(legs(parts[4:6], 2))) == 1, "processes wait for each other once"
    assert [part[3] for part in parts[:4]] == [False, False, False, True]
    many = list(legs([(str(n), 0, 1, True) for n in range(1000)]))
    assert max(map(len, many)) == 128
