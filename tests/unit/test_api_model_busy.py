"""A model around an engine: what is at it at once, what fails alone, what ends the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.harness import costs
from onethinker_eval.media.shown import Shown

lmms_eval = pytest.importorskip("lmms_eval.api.instance")

from onethinker_eval.harness.models.keep_busy import BusyModel, is_fatal  # noqa: E402

PICTURE = Shown((np.zeros((64, 64, 3), np.uint8),), ())


class Engine(BusyModel):
    """Answers after a moment; counts what is there at once."""

    def __init__(self, decode: Callable[[int], Any] = lambda number: PICTURE, **options: Any):
        super().__init__({}, **options)
        self.decode, self.faults = decode, dict[int, Exception]()
        self.most = self.flying = 0
        self.asked: list[int] = []
        self._lock = threading.Lock()
        self._questions = SimpleNamespace(  # type: ignore[assignment]
            wanted=lambda request: lambda: self.decode(request.args[-3])
        )

    def begin(self, request: Any, media: Shown) -> Future[Any]:
        number = request.args[-3]
        self.asked.append(number)
        future: Future[Any] = Future()
        with self._lock:
            self.flying += 1
            self.most = max(self.most, self.flying)

        def land() -> None:
            with self._lock:
                self.flying -= 1
            if number in self.faults:
                future.set_exception(self.faults[number])
            else:
                future.set_result(lmms_eval.GenerationResult(text=f"reply {number}"))

        # later questions land first
        threading.Timer(0.05 / (1 + number), land).start()
        return future


def requests(count: int) -> list[Any]:
    return [SimpleNamespace(args=("", {}, number, "task", "test")) for number in range(count)]


def texts(results: list[Any]) -> list[str]:
    return [result.text for result in results]


def test_replies_stand_in_the_place_of_their_question() -> None:
    model = Engine(num_concurrent=3)
    assert texts(model.generate_until(requests(12))) == [f"reply {n}" for n in range(12)]
    assert model.most == 3


def test_replies_come_as_they_finish() -> None:
    model = Engine(num_concurrent=8)
    places = [place for place, _ in model.answers(requests(8))]
    assert sorted(places) == list(range(8))
    assert places != sorted(places)


def test_pixels_at_the_engine_are_bounded() -> None:
    one = PICTURE.nbytes / (1 << 30)
    model = Engine(num_concurrent=8, in_flight_gib=1.5 * one)
    model.generate_until(requests(6))
    assert model.most == 2
    model = Engine(num_concurrent=8, in_flight_gib=0.1 * one)
    assert len(model.generate_until(requests(3))) == 3
    assert model.most == 1


def test_what_cannot_be_decoded_fails_alone() -> None:
    def decode(number: int) -> Shown:
        if number == 1:
            raise DataError("cut off", file="clip.mp4")
        if number == 2:
            raise ValueError("odd")
        return PICTURE

    found = texts(Engine(decode).generate_until(requests(4)))
    assert found[0] == "reply 0"
    assert found[3] == "reply 3"
    assert found[1].startswith("[LMMS_EVAL_REQUEST_FAILED")
    assert "clip.mp4" in found[1]
    assert "odd" in found[2]


def test_a_failed_question_fails_alone_and_a_dead_engine_ends_all() -> None:
    model = Engine(num_concurrent=2)
    model.faults[1] = RuntimeError("too long")
    found = texts(model.generate_until(requests(3)))
    assert "too long" in found[1]
    assert [found[0], found[2]] == ["reply 0", "reply 2"]

    class EngineDeadError(Exception):
        """Named as vLLM's."""

    for error in (EngineDeadError("gone"), UsageError("no beams")):
        model = Engine(num_concurrent=1)
        model.faults[2] = error
        seen = []
        with pytest.raises(type(error)) as caught:
            seen += [place for place, _ in model.answers(requests(9))]
        assert is_fatal(caught.value)
        assert getattr(caught.value, "fatal", False)
        assert len(model.asked) == 3


def test_the_engine_s_time_and_idleness_are_told() -> None:
    costs.meter().clear()
    slow = threading.Event()

    def decode(number: int) -> Shown:
        slow.wait(0.1)
        return PICTURE

    with costs.meter().running():
        costs.meter().attend("task")
        Engine(decode, num_concurrent=1, decode_threads=1).generate_until(requests(3))
    found = costs.meter().snapshot()["task"]
    assert found.engine_s > 0.05
    assert found.idle_s >= 0.09
    assert found.engine_s + found.idle_s <= found.wall_s + 0.01


@pytest.mark.parametrize("options", [{"num_concurrent": 0}, {"in_flight_gib": 0}])
def test_senseless_bounds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Engine(**options)


def test_what_comes_first_is_decoded_before_the_engine_takes_any() -> None:
    from onethinker_eval.harness.upcoming import coming_up

    decoded: list[int] = []
    four = threading.Event()

    def decode(number: int) -> Shown:
        decoded.append(number)
        if len(decoded) == 4:
            four.set()
        return PICTURE

    model = Engine(decode, num_concurrent=4)
    model.begin_early()
    assert not decoded, "nothing is known to come"
    first = requests(9)
    with coming_up({"task": {"test": "documents"}}, first):
        model.begin_early()
    assert model.task_dict == {"task": {"test": "documents"}}
    assert four.wait(20)
    assert not model.asked
    assert texts(model.generate_until(first)) == [f"reply {n}" for n in range(9)]
    assert sorted(decoded) == list(range(9)), "each once"


def test_two_tasks_at_the_engine_share_its_time() -> None:
    costs.meter().clear()
    both = [
        SimpleNamespace(args=("", {}, number, f"task {number % 2}", "test")) for number in range(8)
    ]
    with costs.meter().running():
        Engine(num_concurrent=8).generate_until(both)
        costs.meter().charge("task 0")
    found = costs.meter().snapshot()
    shares = [found[f"task {n}"].engine_s for n in (0, 1)]
    assert all(share > 0 for share in shares)
    whole = sum(shares) + sum(cost.idle_s for cost in found.values())
    assert whole <= found["task 0"].wall_s + 0.01
