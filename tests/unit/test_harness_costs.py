"""What a benchmark costs: counting, adding up over sessions and processes, prices, plans."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import DataError, RunError, UsageError
from onethinker_eval.harness import costs, planning
from onethinker_eval.harness.cost_files import cost_table, read_costs, saved_costs
from onethinker_eval.harness.costs import Cost, Meter, parse_price
from onethinker_eval.harness.replies import Reply, TaskJournal
from onethinker_eval.harness.settings import Settings
from onethinker_eval.records import Record

RECORD = Record("1", "math", "text", "1 + 1?", (), "2")


def test_amounts_from_many_threads_add_up() -> None:
    meter = Meter()
    with meter.running():
        meter.attend("t")
        threads = [
            threading.Thread(target=lambda: [meter.add(decode_s=0.5) for _ in range(200)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert meter.costs["t"].decode_s == 400.0


def test_wall_time_counts_while_the_task_still_runs() -> None:
    meter = Meter()
    with meter.running():
        meter.attend("t")
        time.sleep(0.05)
        running = meter.snapshot()["t"].wall_s
        time.sleep(0.05)
    assert 0.05 <= running < meter.snapshot()["t"].wall_s < 5
    ended = meter.snapshot()["t"].wall_s
    time.sleep(0.02)
    assert meter.snapshot()["t"].wall_s == ended


def test_the_peak_is_the_largest_and_the_rest_are_sums() -> None:
    both = Cost(samples=1, gpu_peak_bytes=5, price=0.1) + Cost(samples=2, gpu_peak_bytes=3)
    assert (both.samples, both.gpu_peak_bytes, both.price) == (3, 5, 0.1)
    assert Cost().idle_share is None


def test_journal_lines_are_counted_with_their_tokens(tmp_path: Path) -> None:
    costs.meter().clear()
    with TaskJournal(tmp_path, "t") as journal:
        journal.append([Reply("2", tokens_in=10, tokens_out=4).line("k", RECORD)])
        journal.append([Reply("2").line("k", RECORD), Reply(None, ("X", "no")).line("k", RECORD)])
    found = costs.meter().snapshot()["t"]
    assert (found.samples, found.failed, found.counted) == (2, 1, 1)
    assert (found.tokens_in, found.tokens_out) == (10, 4)


def test_sessions_and_processes_add_up(tmp_path: Path) -> None:
    for rank, seconds in ((0, 2.0), (1, 3.0)):
        with saved_costs(tmp_path, rank):
            costs.meter().add(task="t", samples=5, wall_s=seconds, engine_s=1.0)
    assert len(list((tmp_path / "costs").iterdir())) == 2
    row = cost_table(read_costs(tmp_path))["t"]
    assert (row["samples"], row["wall_s"], row["samples_per_s"]) == (10, 5.0, 2.0)
    assert row["idle_share"] == 0.0
    assert row["tokens_in"] is None


def test_a_session_that_is_killed_keeps_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onethinker_eval.harness.cost_files.SAVE_EVERY_S", 0.01)
    with saved_costs(tmp_path):
        costs.meter().add(task="t", samples=1)
        end = time.monotonic() + 20
        while not read_costs(tmp_path) and time.monotonic() < end:
            time.sleep(0.01)
        assert read_costs(tmp_path)["t"].samples == 1


def test_a_foreign_file_among_the_costs_is_named(tmp_path: Path) -> None:
    (tmp_path / "costs").mkdir()
    (tmp_path / "costs" / "a.json").write_text("[1]")
    with pytest.raises(DataError, match=r"a\.json: not a file of costs"):
        read_costs(tmp_path)


def test_prices_of_tokens_hours_and_endpoints() -> None:
    cost = Cost(samples=1, counted=1, tokens_in=2_000_000, tokens_out=500_000, wall_s=7200.0)
    assert cost_table({"t": cost})["t"]["price"] is None
    assert cost_table({"t": cost}, "in=0.5,out=2")["t"]["price"] == 2.0
    assert cost_table({"t": cost}, "gpu_hour=3")["all"]["price"] == 6.0
    charged = cost + Cost(price=1.25)
    assert cost_table({"t": charged}, "in=0.5,out=2")["t"]["price"] == 1.25
    for wrong in ("in", "in=x", "inn=1", "out=-1", "in=nan"):
        with pytest.raises(UsageError, match="--price"):
            parse_price(wrong)


def line(seconds: float, status: str = "ok") -> dict[str, Any]:
    return {"seconds": seconds, "status": status}


def plan_with(
    monkeypatch: pytest.MonkeyPatch,
    suite: Path,
    times: dict[str, tuple[float, list[dict[str, Any]]]],
    tasks: tuple[str, ...],
    **options: Any,
) -> planning.Plan:
    """Plan as if the model had taken `times`: wall seconds and journal lines by task."""

    def answer(settings: Settings, chosen: Any, *, progress: Any = None) -> Any:
        costs.meter().clear()
        for task, (wall, _) in times.items():
            costs.meter().add(task=task, wall_s=wall)
        return {task: lines for task, (_, lines) in times.items()}

    monkeypatch.setattr("onethinker_eval.harness.evaluate.answer", answer)
    settings = Settings("onethinker", tasks, data=str(suite), **options.pop("settings", {}))
    return planning.make_plan(settings, **options)


GROUNDING, CHARADES = "onethinker_refcoco_val", "onethinker_charades"


def test_a_plan_is_expected_counts_times_measured_seconds(
    monkeypatch: pytest.MonkeyPatch, small_suite: Path
) -> None:
    times = {GROUNDING: (8.0, [line(4.0)] + [line(2.0)] * 2), CHARADES: (5.0, [line(5.0)] * 1)}
    plan = plan_with(monkeypatch, small_suite, times, ("refcoco_val", "charades"), gpus=4)
    grounding, charades = plan.rows
    expected = {task.id: task.expected for task in resolve("refcoco_val,charades")}
    assert grounding.samples == expected[GROUNDING] == 10834
    # The first sample warms up and is left out; the others take 2 s each.
    assert grounding.seconds_a_sample == pytest.approx(2.0)
    assert grounding.wall_s == pytest.approx(10834 * 2.0 / 4 + 1.0)
    assert grounding.wall_low_s == grounding.wall_high_s == grounding.wall_s
    assert grounding.gpu_hours == pytest.approx(10834 * 2.0 / 3600)
    # One time alone says nothing about the spread: from nothing to twice as much.
    assert (charades.wall_low_s, charades.wall_high_s) == pytest.approx(
        (2.5, 2 * charades.wall_s - 2.5), rel=0.01
    )
    assert plan.whole.gpu_hours == pytest.approx(grounding.gpu_hours + charades.gpu_hours)
    assert json.loads(json.dumps(plan.to_json()))["rows"][0]["benchmark"] == "refcoco"


def test_an_engine_of_several_gpus_costs_as_many(
    monkeypatch: pytest.MonkeyPatch, small_suite: Path
) -> None:
    times = {GROUNDING: (3.0, [line(1.0)] * 3)}
    options: dict[str, Any] = {"settings": {"model_args": "tensor_parallel_size=4", "limit": 100}}
    plan = plan_with(monkeypatch, small_suite, times, ("refcoco_val",), gpus=8, **options)
    [row] = plan.rows
    assert (row.samples, plan.gpus_an_engine) == (100, 4)
    assert row.wall_s == pytest.approx(100 / 2 + 0.5)
    assert row.gpu_hours == pytest.approx(100 * 4 / 3600)


def test_concurrent_samples_are_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch, small_suite: Path
) -> None:
    # Four samples at once, each 8 s in the engine, and 8 s on the clock.
    times = {GROUNDING: (8.0, [line(8.0)] * 4)}
    plan = plan_with(monkeypatch, small_suite, times, ("refcoco_val",))
    assert plan.rows[0].seconds_a_sample == pytest.approx(2.0)


def test_missing_data_and_failures_are_told(
    monkeypatch: pytest.MonkeyPatch, small_suite: Path
) -> None:
    times = {GROUNDING: (3.0, [line(1.0), line(1.0), line(1.0, "failed")])}
    plan = plan_with(monkeypatch, small_suite, times, ("refcoco_val", "refcocog_val"))
    assert len(plan.rows) == 2
    assert any("refcocog_val: no data here; estimated as its family" in n for n in plan.notes)
    assert any("1 samples failed" in note for note in plan.notes)
    nothing = {GROUNDING: (1.0, [line(1.0, "failed")])}
    with pytest.raises(RunError, match="nothing can be planned"):
        plan_with(monkeypatch, small_suite, nothing, ("refcoco_val",))
