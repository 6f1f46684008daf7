"""File helpers: atomic writes, journals that survive a kill, folder locks."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.errors import DataError, RunError
from onethinker_eval.files import (
    FolderLock,
    Journal,
    read_journal,
    write_atomic,
    write_json_atomic,
)


def read(path: Path) -> list[dict[str, object]]:
    return [value for _, value in read_journal(path)]


def test_write_atomic_replaces_whole_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "metrics.csv"
    write_atomic(target, "old")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["metrics.csv"]


def test_write_atomic_respects_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "metrics.csv"
    write_atomic(target, "old")
    with pytest.raises(RunError, match=r"cannot write .*metrics\.csv: File too large"):
        _with_file_limit(100, lambda: write_atomic(target, "x" * 1000))
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_write_into_a_file_as_if_it_were_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"--output"):
        write_atomic(tmp_path / "file" / "metrics.csv", "x")


def test_json_is_readable_and_sorted(tmp_path: Path) -> None:
    write_json_atomic(tmp_path / "run.json", {"b": 1, "a": "é"})
    assert (tmp_path / "run.json").read_text() == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_journal_reads_back_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "replies" / "refcoco.jsonl"
    with Journal(path) as journal:
        journal.append({"id": "1"}, {"id": "2", "reply": "a\nb\u2028c"})
    with Journal(path) as journal:
        journal.append({"id": "3"})
    assert [value["id"] for value in read(path)] == ["1", "2", "3"]


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == []


@given(cut=st.integers(1, 40))
def test_a_torn_last_line_is_dropped_and_the_rest_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    with Journal(path) as journal:
        journal.append({"id": "first"})
        whole = path.stat().st_size
        journal.append({"id": "second", "reply": "words and words and words"})
    size = max(whole + 1, path.stat().st_size - cut)
    os.truncate(path, size)
    with pytest.warns(UserWarning, match="line 2 was cut off"):
        assert read(path) == [{"id": "first"}]
    with pytest.warns(UserWarning, match="line 2"), Journal(path) as journal:
        journal.append({"id": "third"})
    assert read(path) == [{"id": "first"}, {"id": "third"}]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id": \n{"id": 3}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, record line 2: broken JSON"):
        read(path)


def test_lines_that_are_no_objects_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("[1]\n{}\n")
    with pytest.raises(DataError, match="expected a JSON object"):
        read(path)


def test_a_full_disk_keeps_the_finished_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    def fill() -> None:
        with Journal(path) as journal:
            for number in range(100):
                journal.append({"id": str(number), "reply": "x" * 50})

    with pytest.raises(RunError, match="cannot write"):
        _with_file_limit(500, fill)
    kept = [value["id"] for value in read(path)]
    assert kept == [str(number) for number in range(len(kept))]
    assert len(kept) >= 5


def test_appending_to_a_closed_journal_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        Journal(tmp_path / "a.jsonl").append({})


def test_the_second_holder_is_told_who_has_the_folder(tmp_path: Path) -> None:
    held = pytest.raises(RunError, match=f"in use by process {os.getpid()} on")
    with FolderLock(tmp_path), held:
        FolderLock(tmp_path).__enter__()
    with FolderLock(tmp_path):
        pass


def _hold(folder: str, ready: multiprocessing.synchronize.Event) -> None:
    with FolderLock(folder):
        ready.set()
        signal.pause()


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), ready))
    holder.start()
    assert ready.wait(20)
    with pytest.raises(RunError, match=f"process {holder.pid}"):
        FolderLock(tmp_path).__enter__()
    holder.kill()
    holder.join()
    with FolderLock(tmp_path):
        pass


def _with_file_limit(size: int, action: object) -> None:
    """Run `action` while no file may grow beyond `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        action()  # type: ignore[operator]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
