"""Journals left by several processes, taken up by another number of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

from onethinker_eval.harness.replies import Reply, TaskJournal, merged_lines
from onethinker_eval.harness.reply_index import ReplyIndex
from onethinker_eval.records import Record
from onethinker_eval.rescoring import rescore

TASKS = ["refcoco_val", "charades"]
RUN = {"model": "baseline", "tasks": TASKS, "run": "r", "report": False}


@pytest.fixture(scope="module")
def whole(
    run_server: RunServer, small_suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("whole")
    run_server.run(**RUN, data=str(small_suite), output=str(output))
    return output / "r"


def derived(run: Path) -> dict[str, bytes]:
    names = ["metrics.csv", *(f"scores/{path.name}" for path in run.glob("scores/*.jsonl"))]
    return {name: (run / name).read_bytes() for name in names}


def left_by_ranks(whole: Path, target: Path, world: int, *, without: int) -> Path:
    """Make the folder that `world` processes leave when killed: each lacks `without` samples."""
    (target / "replies").mkdir(parents=True)
    (target / "run.json").write_bytes((whole / "run.json").read_bytes())
    for path in (whole / "replies").iterdir():
        lines = path.read_bytes().splitlines(keepends=True)
        for rank in range(world):
            kept = lines[rank::world][: -without or None]
            torn = lines[rank::world][-without][:40] if without else b""
            (target / "replies" / f"{path.stem}.rank{rank}.jsonl").write_bytes(
                b"".join(kept) + torn
            )
    return target


@pytest.mark.parametrize("world", [2, 3])
def test_one_process_goes_on_where_several_stopped(
    whole: Path, run_server: RunServer, small_suite: Path, tmp_path: Path, world: int
) -> None:
    left_by_ranks(whole, tmp_path / "r", world, without=3)
    again = run_server.run(**RUN, data=str(small_suite), output=str(tmp_path))
    lost = 3 * world * len(TASKS)
    assert (again["generated"], again["reused"]) == (lost, 48 - lost)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rescore(tmp_path / "r")
    assert derived(tmp_path / "r") == derived(whole)


def test_three_processes_know_what_two_finished(whole: Path, tmp_path: Path) -> None:
    run = left_by_ranks(whole, tmp_path / "r", 2, without=3)
    [task] = [path.stem for path in (whole / "replies").glob("*charades.jsonl")]
    lines = {line["id"]: line for line in merged_lines(whole, task)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rank in range(3):
            with TaskJournal(run, task, rank=rank, world=3) as journal:
                missing = [name for name in lines if name not in journal.finished]
                journal.append([lines[name] for name in missing[: 2 if rank < 2 else None]])
        assert {line["id"]: line for line in merged_lines(run, task)} == lines
        rescore(run)
    name = f"scores/{task}.jsonl"
    assert (run / name).read_bytes() == (whole / name).read_bytes()


def line(name: str, reply: Reply | None = None) -> dict[str, Any]:
    return (reply or Reply("x")).line(f"key of {name}", Record(name, "math", "text", "?", (), "1"))


def test_an_index_reads_on_from_where_it_ended(tmp_path: Path) -> None:
    index = ReplyIndex(tmp_path, "t")
    seen: list[str] = []
    for names in (["a", "b"], ["c"], []):
        with TaskJournal(tmp_path, "t", rank=1, world=2) as other:
            other.append([line(name) for name in names])
        index.refresh(lambda one: seen.append(one["id"]))
    assert seen == ["a", "b", "c"]
    assert index.finished == 3
    assert index.same_key("b", "key of b")
    assert not index.same_key("b", "key of a")


def test_an_index_waits_for_the_rest_of_a_line(tmp_path: Path) -> None:
    with TaskJournal(tmp_path, "t", rank=1, world=2) as other:
        other.append([line("a")])
    path = tmp_path / "replies" / "t.rank1.jsonl"
    whole = json.dumps(line("b")).encode() + b"\n"
    path.write_bytes(path.read_bytes() + whole[:30])
    index = ReplyIndex(tmp_path, "t")
    with pytest.warns(UserWarning, match="cut off"):
        index.refresh()
    assert ("a" in index, "b" in index) == (True, False)
    path.write_bytes(path.read_bytes() + whole[30:])
    index.refresh()
    assert "b" in index


def test_failures_are_told_until_they_are_answered(tmp_path: Path) -> None:
    failed = Reply(None, ("DataError", "gone"))
    with TaskJournal(tmp_path, "t") as journal:
        journal.append([line("a", failed), line("b")])
        assert "a" in journal.failed
        assert "a" not in journal.finished
        journal.append([line("a")])
        assert "a" not in journal.failed
        journal.append([line("a", failed)])
        assert "a" in journal.finished
        assert "a" not in journal.failed
