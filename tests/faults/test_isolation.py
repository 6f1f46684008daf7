"""The proxy between lmms-eval and a model: one bad sample is found, the rest are answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import RunError
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.replies import TaskJournal, merged_lines
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.records import Record

TASK = resolve("refcoco_val")[0]
COUNT = 20
RECORDS = [Record(str(i), "math", "text", f"{i}?", (), str(i), origin=f"f.json: record {i}")
           for i in range(COUNT)]  # fmt: skip
Behaviour = Callable[[list[int]], list[Any]]


@pytest.fixture
def answer(tmp_path: Path) -> Callable[..., tuple[list[str], list[list[int]]]]:
    """Put all records to a model that behaves so; return its texts and the calls it got."""
    pytest.importorskip("lmms_eval")
    from lmms_eval.api.instance import Instance
    from lmms_eval.api.model import lmms

    from onethinker_eval.harness.in_hand import Stretch, TaskRun
    from onethinker_eval.harness.proxy import JournalledModel

    class Model(lmms):  # type: ignore[misc]
        is_simple = False

        def __init__(self, behaviour: Behaviour) -> None:
            super().__init__()
            self.behaviour, self.calls = behaviour, list[list[int]]()

        def generate_until(self, requests: list[Instance]) -> list[Any]:
            self.calls.append([request.doc_id for request in requests])
            return self.behaviour(self.calls[-1])

        def loglikelihood(self, requests: Any) -> Any: ...

        def generate_until_multi_round(self, requests: Any) -> Any: ...

    def run(
        behaviour: Behaviour, batch_size: int = 1, chunk: int | None = None
    ) -> tuple[list[str], list[list[int]]]:
        model = Model(behaviour)
        keys = SampleKeys(TASK, "identity", {}, MediaDigests(None))
        requests = [
            Instance("generate_until", ("", None, {}, i, TASK.id, "test"), 0,
                     {"task": TASK.id, "doc_id": i, "repeats": 1})
            for i in range(COUNT)
        ]  # fmt: skip
        with TaskJournal(tmp_path, TASK.id) as journal:
            ticker = Ticker(None, {TASK.id: COUNT})
            task = TaskRun(RECORDS, journal, keys, ticker, batch_size, chunk)
            JournalledModel([Stretch(task, requests)], model).answer(model)
        found = {line["id"]: line["reply"] for line in merged_lines(tmp_path, TASK.id)}
        return [found[str(i)] for i in range(COUNT)], model.calls

    return run


def stored(folder: Path) -> dict[str, str]:
    return {line["id"]: line["status"] for line in merged_lines(folder, TASK.id)}


def fine(indices: list[int]) -> list[str]:
    return [f"reply {index}" for index in indices]


def fails_on(*bad: int, error: type[Exception] = ValueError) -> Behaviour:
    def behave(indices: list[int]) -> list[str]:
        if set(bad) & set(indices):
            raise error(f"cannot do\n{bad}")
        return fine(indices)

    return behave


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_the_samples_at_fault_are_set_apart(answer: Any, tmp_path: Path, batch_size: int) -> None:
    texts, calls = answer(fails_on(3, 11), batch_size)
    assert [i for i, text in enumerate(texts) if text != f"reply {i}"] == [3, 11]
    assert {name for name, status in stored(tmp_path).items() if status == "failed"} == {"3", "11"}
    lines = {line["id"]: line for line in merged_lines(tmp_path, TASK.id)}
    assert lines["3"]["error"] == {
        "kind": "ValueError",
        "message": "f.json: record 3: ValueError: cannot do (3, 11)",
    }
    assert len(calls) <= COUNT + 2 * batch_size


def test_failed_samples_are_tried_again_and_finished_ones_never(
    answer: Any, tmp_path: Path
) -> None:
    answer(fails_on(3, 11), 4)
    texts, calls = answer(fine, 4)
    assert sorted(index for call in calls for index in call) == [3, 11]
    assert texts == fine(list(range(COUNT)))
    assert set(stored(tmp_path).values()) == {"ok"}


def test_an_interruption_keeps_what_was_finished(answer: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer(fails_on(9, error=KeyboardInterrupt), chunk=4)
    assert sorted(map(int, stored(tmp_path))) == list(range(8))
    texts, calls = answer(fine, chunk=4)
    assert sorted(index for call in calls for index in call) == list(range(8, COUNT))
    assert texts == fine(list(range(COUNT)))


def test_a_dead_device_ends_the_run_and_marks_nothing_as_failed(
    answer: Any, tmp_path: Path
) -> None:
    def behave(indices: list[int]) -> list[str]:
        if 9 in indices:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return fine(indices)

    with pytest.raises(RunError, match="the model cannot go on: CUDA error"):
        answer(behave, chunk=4)
    assert set(stored(tmp_path).values()) == {"ok"}


def test_a_request_failure_in_place_of_a_reply_is_a_failure(answer: Any, tmp_path: Path) -> None:
    def behave(indices: list[int]) -> list[str | None]:
        texts: list[str | None] = [*fine(indices)]
        for place, index in enumerate(indices):
            if index == 2:
                texts[place] = "[LMMS_EVAL_REQUEST_FAILED after 3 retries: 500]"
            if index == 5:
                texts[place] = None
        return texts

    answer(behave)
    failed = {i: s for i, s in stored(tmp_path).items() if s == "failed"}
    assert set(failed) == {"2", "5"}
    kinds = {line["id"]: line["error"] for line in merged_lines(tmp_path, TASK.id)}
    assert kinds["2"]["kind"] == "request"
    assert "500" in kinds["2"]["message"]
    assert kinds["5"]["kind"] == "no_reply"


def test_too_few_replies_are_not_taken_for_others(answer: Any, tmp_path: Path) -> None:
    texts, _ = answer(lambda indices: fine(indices)[:1], 4)
    assert texts == fine(list(range(COUNT)))


def test_batches_meet_the_same_neighbours_after_a_kill(answer: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer(fails_on(13, error=KeyboardInterrupt), 4)
    _, calls = answer(fine, 4)
    assert calls == [[12, 13, 14, 15], [16, 17, 18, 19]]


def test_the_model_survives_the_clean_up_after_a_task(answer: Any) -> None:
    from onethinker_eval.harness.gathering import Gatherer

    class Inner:
        task_dict, weights = {}, "kept"

        def clean(self) -> None:
            raise AssertionError("the model would be deleted")

    gatherer = Gatherer(is_simple=False)
    gatherer.attach(Inner())
    gatherer.clean()
    assert gatherer.weights == "kept"
    with pytest.raises(AttributeError):
        _ = gatherer.nothing_of_this_name
