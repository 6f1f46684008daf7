"""Journals of replies, chunks of work, progress, and the files handed to lmms-eval."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import DataError, RunError
from onethinker_eval.harness.chunks import ChunkSize, batches
from onethinker_eval.harness.progress import Progress, Ticker
from onethinker_eval.harness.replies import Reply, TaskJournal, drop_lines, merged_lines
from onethinker_eval.harness.task_data import data_file, prepared, record_of, write_data_file
from onethinker_eval.records import Record


def record(name: str = "1") -> Record:
    return Record(name, "math", "text", "1 + 1?", (), {"mixed": [1, "2"]}, meta={"fps": 2.0})


OK = Reply("two", seconds=0.5, tokens_in=3, tokens_out=1)
FAILED = Reply(None, ("DataError", "clip.mp4: cut off"))


def append(folder: Path, *lines: dict[str, object], rank: int = 0, world: int = 1) -> None:
    with TaskJournal(folder, "t", rank=rank, world=world) as journal:
        journal.append(list(lines))


def test_a_line_holds_what_rescoring_needs(tmp_path: Path) -> None:
    append(tmp_path, OK.line("k", record()))
    [line] = merged_lines(tmp_path, "t")
    assert line == {
        "key": "k",
        "id": "1",
        "status": "ok",
        "reply": "two",
        "error": None,
        "record": record().to_json(),
        "seconds": 0.5,
        "tokens": {"in": 3, "out": 1},
    }
    assert Record.from_json(line["record"]) == record()


def test_a_reply_wins_over_a_failure_and_the_later_over_the_earlier(tmp_path: Path) -> None:
    append(tmp_path, FAILED.line("k", record()), OK.line("k", record()), FAILED.line("k", record()))
    append(tmp_path, FAILED.line("k", record("2")))
    append(tmp_path, Reply(None, ("X", "later")).line("k", record("2")))
    first, second = merged_lines(tmp_path, "t")
    assert first["reply"] == "two"
    assert second["error"] == {"kind": "X", "message": "later"}
    with TaskJournal(tmp_path, "t") as journal:
        assert [name in journal.finished for name in "123"] == [True, False, False]
        assert [name in journal.failed for name in "123"] == [False, True, False]


def test_parts_of_several_ranks_are_merged(tmp_path: Path) -> None:
    append(tmp_path, OK.line("k", record("1")), rank=0, world=2)
    append(tmp_path, OK.line("k", record("2")), rank=1, world=2)
    append(tmp_path, OK.line("k", record("3")))
    assert sorted(line["id"] for line in merged_lines(tmp_path, "t")) == ["1", "2", "3"]


def test_another_key_is_refused_and_a_lost_medium_is_not(tmp_path: Path) -> None:
    append(tmp_path, OK.line("k", record()))
    with TaskJournal(tmp_path, "t") as journal:
        journal.verify(record(), "k")
        journal.verify(record(), None)
        with pytest.raises(RunError, match="another question, medium or generation setting"):
            journal.verify(record(), "other")


def test_a_line_without_a_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "t.jsonl").write_text(json.dumps({"id": "7", "key": "k"}) + "\n")
    with pytest.raises(DataError, match=r"t\.jsonl, record 7, field 'status': the field is miss"):
        list(merged_lines(tmp_path, "t"))


def test_lines_can_be_taken_out(tmp_path: Path) -> None:
    append(tmp_path, OK.line("k", record("1")), OK.line("k", record("2")))
    drop_lines(tmp_path, "t", {"1"})
    assert [line["id"] for line in merged_lines(tmp_path, "t")] == ["2"]


@given(st.data(), st.integers(1, 40), st.integers(1, 9))
def test_batches_cover_what_is_missing_once_and_keep_their_places(
    data: st.DataObject, total: int, size: int
) -> None:
    indices = st.sets(st.integers(0, total - 1))
    missing = data.draw(indices)
    failed = data.draw(indices) & missing
    made = list(batches(missing, total, size, failed))
    flat = [index for batch in made for index in batch]
    assert len(flat) == len(set(flat))
    assert missing <= set(flat)
    for batch in made:
        assert len({index // size for index in batch}) == 1, "neighbours by position"
        lacking = missing & set(batch)
        whole = min(size, total - batch[0] // size * size)
        assert lacking
        assert len(batch) == whole or set(batch) == lacking <= failed


def test_with_batch_size_one_only_what_is_missing_is_done() -> None:
    assert list(batches({1, 4}, 6, 1, set())) == [[1], [4]]


def test_chunks_grow_while_they_are_quick_and_only_for_batch_size_one() -> None:
    size = ChunkSize(1)
    seen = []
    for _ in range(12):
        seen.append(size.batches)
        size.observe(0.01)
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512]
    size.observe(0.5)
    assert size.batches == 512
    size.observe(3.0)
    assert size.batches == 256
    fixed = ChunkSize(8)
    fixed.observe(0.01)
    assert fixed.batches == 1
    assert ChunkSize(4, fixed=12).batches == 3
    assert ChunkSize(1, concurrency=16).batches == 128


def test_progress_counts_rate_and_time_left() -> None:
    seen: list[Progress] = []
    ticker = Ticker(seen.append, {"a": 4, "b": 6})
    ticker.start("a")
    ticker.add(reused=3)
    assert (seen[-1].done, seen[-1].total, seen[-1].task_done, seen[-1].rate) == (3, 10, 3, 0.0)
    assert seen[-1].seconds_left is None
    ticker.add(generated=1)
    ticker.start("b")
    ticker.add(generated=1, failed=2)
    last = seen[-1]
    assert (last.done, last.task, last.task_done, last.task_total) == (7, "b", 3, 6)
    assert (last.reused, last.failed) == (3, 2)
    assert last.rate > 0
    assert last.seconds_left == pytest.approx(3 / last.rate)


def test_records_reach_lmms_eval_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path))
    task = resolve("refcoco_val")[0]
    records = [record(str(number)) for number in range(3)]
    path = write_data_file(task, records)
    docs = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record_of(doc) for doc in docs] == records
    assert {type(value) for doc in docs for value in doc.values()} == {str}
    assert write_data_file(task, records) == path
    path.write_text("")
    assert write_data_file(task, records).read_text().count("\n") == 3
    with prepared({task.id: tmp_path / "given"}):
        assert data_file(task.id) == tmp_path / "given"


def test_a_journal_may_be_made_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "replies" / "t.jsonl"
    with TaskJournal(tmp_path, "t", later=True) as journal:
        assert "1" not in journal.finished
        journal.append([])
        assert not path.exists()
        journal.append([OK.line("k", record("1"))])
        assert "1" in journal.finished
    path.write_bytes(path.read_bytes() + b'{"torn')
    with (
        pytest.warns(UserWarning, match="cut off"),
        TaskJournal(tmp_path, "t", later=True) as journal,
    ):
        journal.append([OK.line("k", record("2"))])
    assert [line["id"] for line in merged_lines(tmp_path, "t")] == ["1", "2"]
