"""Shards of a run, merged: bit-identical to one process, and refused if anything is amiss."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.harness.shard_merging import merge_shards
from onethinker_eval.reporting import write_leaderboards
from onethinker_eval.rescoring import rescore

TASKS = ["refcoco_val", "charades"]
RUN = {"model": "baseline", "tasks": TASKS, "run": "r", "report": False}
SHARDS = 3


@pytest.fixture(scope="module")
def made(
    run_server: RunServer, small_suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the run `r`, made by one process, and its three shards."""
    output = tmp_path_factory.mktemp("shards")
    for number in range(SHARDS + 1):
        shard = f"{number}/{SHARDS}" if number else ""
        outcome = run_server.run(**RUN, data=str(small_suite), output=str(output), shard=shard)
        assert outcome["exit_code"] == 0, outcome
    return output


def shards(folder: Path) -> list[Path]:
    return [folder / f"r.shard-{number}-of-{SHARDS}" for number in range(1, SHARDS + 1)]


def merged(folders: list[Path], target: Path) -> Path:
    merge_shards(folders, target)
    write_leaderboards(target, rescore(target).rows)
    return target


def replies(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the journals without the time each reply took."""
    found = {}
    for path in sorted((run / "replies").iterdir()):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.name] = [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
    return found


def test_merged_shards_are_the_run_of_one_process(made: Path, tmp_path: Path) -> None:
    whole, parts = made / "r", merged(shards(made)[::-1], tmp_path / "r")
    for name in ("metrics.csv", "leaderboard.csv", "leaderboard.md"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    for path in (whole / "scores").iterdir():
        assert (parts / "scores" / path.name).read_bytes() == path.read_bytes()
    assert replies(parts) == replies(whole)
    one, many = (json.loads((run / "run.json").read_bytes()) for run in (whole, parts))
    assert many["identity"] == one["identity"]
    assert [session["shard"] for session in many["sessions"]] == ["1/3", "2/3", "3/3"]
    assert many["costs"]["all"]["samples"] == one["costs"]["all"]["samples"] == 48


def test_a_merged_run_goes_on_like_any_other(
    made: Path, run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    merged(shards(made), tmp_path / "r")
    again = run_server.run(**RUN, data=str(small_suite), output=str(tmp_path))
    assert (again["generated"], again["reused"]) == (0, 48)


def test_shards_keep_media_together_and_share_no_sample(made: Path) -> None:
    seen: dict[str, set[str]] = {}
    names: list[tuple[str, str]] = []
    for folder in shards(made):
        for name, lines in replies(folder).items():
            names += [(name, line["id"]) for line in lines]
            for line in lines:
                seen.setdefault(line["record"]["media"][0][1], set()).add(folder.name)
    assert len(names) == len(set(names)) == 48
    assert all(len(folders) == 1 for folders in seen.values())


def refused(folders: list[Path], target: Path, problem: str) -> None:
    with pytest.raises((RunError, UsageError), match=problem):
        merge_shards(folders, target)
    assert not target.exists()
    assert not list(target.parent.glob(f".{target.name}.*"))


def test_missing_repeated_and_whole_runs_are_refused(made: Path, tmp_path: Path) -> None:
    first, second, third = shards(made)
    refused([first, third], tmp_path / "x", r"1 of 3 shards missing: 2/3")
    refused([first, second, second, third], tmp_path / "x", "are both shard 2/3")
    refused([made / "r", first], tmp_path / "x", "is a whole run, no shard")
    refused([tmp_path, first], tmp_path / "x", "is not a run folder")
    (tmp_path / "there").mkdir()
    with pytest.raises(RunError, match="exists"):
        merge_shards(shards(made), tmp_path / "there")


TASK = "onethinker_refcoco_val"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda i: i["model"].update(name="oracle"), "name of model: baseline there, oracle here"),
        (lambda i: i["model"].update(weights="f" * 64), "weights of model"),
        (lambda i: i.update(seed=5), "seed: 0 there, 5 here"),
        (lambda i: i["tasks"][TASK].update(prompts="other"), f"prompts of {TASK}"),
        (lambda i: i["tasks"][TASK]["info"].update(data="e" * 64), f"data of {TASK}"),
        (lambda i: i["tasks"][TASK].update(limit=7), f"limit of {TASK}"),
        (lambda i: i["tasks"].pop(TASK), f"it has no {TASK}"),
        (lambda i: i.update(shard="2/4"), "it is 2/4, the other 1/3"),
    ],
)
def test_a_shard_of_another_run_is_refused(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    first, second, third = shards(made)
    foreign = shutil.copytree(second, tmp_path / "foreign")
    manifest = json.loads((foreign / "run.json").read_bytes())
    change(manifest["identity"])
    (foreign / "run.json").write_text(json.dumps(manifest))
    refused([first, foreign, third], tmp_path / "x", problem)


def test_changed_truths_make_another_run(
    made: Path, run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(small_suite, tmp_path / "data")
    source = data / "eval_refcoco_val.json"
    records = json.loads(source.read_text())
    records[0]["solution"] = '<answer>{"boxes": [1, 2, 3, 4]}</answer>'
    source.write_text(json.dumps(records))
    outcome = run_server.run(**RUN, data=str(data), output=str(tmp_path), shard="2/3")
    assert outcome["exit_code"] == 0
    first, _, third = shards(made)
    refused([first, shards(tmp_path)[1], third], tmp_path / "x", f"data of {TASK}")


def test_an_unfinished_shard_is_named_with_the_command_that_ends_it(
    made: Path, tmp_path: Path
) -> None:
    first, second, third = shards(made)
    torn = shutil.copytree(second, tmp_path / "torn")
    journal = torn / "replies" / f"{TASK}.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]))
    refused([first, torn, third], tmp_path / "x", "2 of 8 samples of .* were never asked")
    foreign = json.loads(lines[0]) | {"id": "of another shard"}
    journal.write_bytes(b"".join([*lines, json.dumps(foreign).encode(), b"\n"]))
    refused([first, torn, third], tmp_path / "x", "is not of this shard")
    places = torn / "shard" / f"{TASK}.json"
    content = json.loads(places.read_text())
    content["places"][0] = json.loads((first / "shard" / places.name).read_text())["places"][0]
    places.write_text(json.dumps(content))
    refused([first, torn, third], tmp_path / "x", "belongs to another shard")
