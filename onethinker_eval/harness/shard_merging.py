"""`merge`: the parts of a sharded run put together, as if one process had made them.

Parts are trusted to be nothing but what they prove to be: shards of one cut, of the same model,
prompts, settings and data, each sample there once. Lines are copied byte by byte, in the order of
the data, which is the order of a run by one process.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from onethinker_eval.errors import DataError, RunError, UsageError
from onethinker_eval.files import FolderLock, read_journal, write_json_atomic
from onethinker_eval.harness.cost_files import cost_table, read_costs
from onethinker_eval.harness.manifest import Manifest, differences
from onethinker_eval.harness.reply_index import winning_places
from onethinker_eval.harness.run_folder import UNREADABLE
from onethinker_eval.harness.sharding import Shard, parse_shard
from onethinker_eval.rescoring.journals import journal_parts

__all__ = ["merge_shards"]

Places = dict[str, tuple[Path, int]]
"""Sample id → file and offset of its line."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One shard: its folder, which it is, and its manifest."""

    folder: Path
    shard: Shard
    manifest: Mapping[str, Any]

    @property
    def identity(self) -> Mapping[str, Any]:
        return self.manifest["identity"]  # type: ignore[no-any-return]

    def tasks(self) -> dict[str, Any]:
        """Return what was asked of each task, without what differs between shards by right."""
        return {
            name: {
                **asked,
                "data": asked["info"].get("data"),
                "records": asked["info"].get("whole"),
            }
            for name, asked in self.identity["tasks"].items()
        }


def merge_shards(folders: Sequence[Path], target: Path) -> Path:
    """Make the run folder `target` out of all shards of one run; scores are made separately.

    Raises `UsageError` for folders that are no shards, `RunError` for missing, repeated, foreign,
    running or unfinished ones, and when `target` exists. Nothing is left behind then.
    """
    target = target.expanduser().resolve()
    if target.exists():
        raise RunError(f"{target} exists", hint="give another --output, or remove it")
    parts = sorted((_part(folder) for folder in folders), key=lambda part: part.shard.number)
    _check_same_run(parts)
    _check_complete(parts)
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.enter_context(FolderLock(part.folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        try:
            _fill(scratch, parts, target.name)
            scratch.chmod(0o755)
            scratch.replace(target)
        except OSError as error:
            raise RunError(
                f"cannot write {target}: {error.strerror or error}",
                hint="free some space or choose another --output",
            ) from error
    return target


def _part(folder: Path) -> _Part:
    manifest = Manifest(folder).content
    if not manifest:
        raise UsageError(f"{folder} is not a run folder", hint="a run folder holds a run.json")
    shard = manifest["identity"].get("shard")
    if not isinstance(shard, str):
        raise UsageError(
            f"{folder} is a whole run, no shard of one", hint="shards are made with --shard i/n"
        )
    return _Part(folder, parse_shard(shard), manifest)


def _check_same_run(parts: Sequence[_Part]) -> None:
    """Raise `RunError` unless model, prompts, settings and data of all parts are the same."""
    first = parts[0]
    for part in parts[1:]:
        found = []
        if part.shard.count != first.shard.count:
            found = [f"it is {part.shard}, the other {first.shard}"]
        mine, theirs = first.tasks(), part.tasks()
        found += [f"it has no {name}" for name in mine if name not in theirs]
        found += [f"only it has {name}" for name in theirs if name not in mine]
        kept = {key: first.identity[key] for key in ("model", "seed")}
        now = {key: part.identity[key] for key in ("model", "seed")}
        found += differences({**kept, "tasks": mine}, {**now, "tasks": theirs})
        found += [
            f"limit of {name}: {mine[name]['limit']} there, {theirs[name]['limit']} here"
            for name in mine
            if name in theirs and theirs[name]["limit"] > mine[name]["limit"]
        ]
        if found:
            shown = "; ".join(found[:8]).replace(" then, ", " there, ").replace(" now", " here")
            raise RunError(
                f"{part.folder} is no shard of the run that {first.folder} is of: {shown}",
                hint="merge the shards of one command, given with --shard 1/n to n/n",
            )


def _check_complete(parts: Sequence[_Part]) -> None:
    """Raise `RunError` unless each number from 1 to n is there once."""
    count = parts[0].shard.count
    seen: dict[int, Path] = {}
    for part in parts:
        if part.shard.number in seen:
            raise RunError(
                f"{part.folder} and {seen[part.shard.number]} are both shard {part.shard}",
                hint="leave one of them out",
            )
        seen[part.shard.number] = part.folder
    missing = [str(Shard(number, count)) for number in range(1, count + 1) if number not in seen]
    if missing:
        shown = ", ".join(missing[:8]) + (", …" if len(missing) > 8 else "")
        raise RunError(
            f"{len(missing)} of {count} shards missing: {shown}",
            hint="run the command with these --shard values, then merge again",
        )


def _fill(scratch: Path, parts: Sequence[_Part], name: str) -> None:
    tasks = {}
    for task, asked in parts[0].identity["tasks"].items():
        order = _order(parts, task)
        _copy_replies(scratch, parts, task, order)
        _copy_masks(scratch, parts, task, order)
        unreadable = sum(part.identity["tasks"][task]["info"]["unreadable"] for part in parts)
        info = {key: value for key, value in asked["info"].items() if key != "whole"}
        info |= {"records": len(order), "unreadable": unreadable}
        tasks[task] = {**asked, "info": info}
    _copy_judgements(scratch, parts)
    for part in parts:
        for path in sorted((part.folder / "costs").glob("*.json")):
            (scratch / "costs").mkdir(exist_ok=True)
            shutil.copyfile(path, scratch / "costs" / f"shard-{part.shard.number}-{path.name}")
    _write_manifest(scratch, parts, name, tasks)


def _order(parts: Sequence[_Part], task: str) -> list[str]:
    """Return all samples of `task` in the order of the data; raises `RunError` if any is amiss."""
    whole = parts[0].identity["tasks"][task]["info"]["whole"]
    order: list[str | None] = [None] * whole
    for part in parts:
        path = part.folder / "shard" / f"{task}.json"
        try:
            content = orjson.loads(path.read_bytes())
            pairs = list(zip(content["places"], content["ids"], strict=True))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"cannot be read: {error}", file=str(path), fix="give the shard's command again"
            ) from error
        for place, sample in pairs:
            if not 0 <= place < whole or order[place] is not None:
                raise RunError(
                    f"{part.folder}: sample {sample} of {task} belongs to another shard",
                    hint="the shard was cut another way; run it again in a new folder",
                )
            order[place] = sample
    found = [sample for sample in order if sample is not None]
    if len(found) < whole:
        raise RunError(
            f"{whole - len(found)} of {whole} samples of {task} belong to no shard",
            hint="the shards were cut in different ways; run them again",
        )
    return found


def _copy_replies(scratch: Path, parts: Sequence[_Part], task: str, order: list[str]) -> None:
    """Write the lines of `task` in `order`, those that never became a record behind them."""
    places: Places = {}
    unreadable: list[str] = []
    for part in parts:
        names = {name: (path, at) for name, path, at in winning_places(part.folder, task)}
        own = orjson.loads((part.folder / "shard" / f"{task}.json").read_bytes())["ids"]
        lacking = [sample for sample in own if sample not in names]
        if lacking:
            raise RunError(
                f"{part.folder} is not finished: {len(lacking)} of {len(own)} samples of {task} "
                "were never asked",
                hint=f"give its command (--shard {part.shard}) again, then merge",
            )
        for sample in set(names) - set(own):
            if not sample.startswith(UNREADABLE):
                raise RunError(f"{part.folder}: sample {sample} of {task} is not of this shard")
        unreadable += [sample for sample in names if sample.startswith(UNREADABLE)]
        places |= names
    _write_lines(scratch / "replies" / f"{task}.jsonl", [*order, *unreadable], places)


def _copy_masks(scratch: Path, parts: Sequence[_Part], task: str, order: list[str]) -> None:
    places: Places = {}
    makers: dict[str, Path] = {}
    for part in parts:
        answered: set[str] = set()
        for path in journal_parts(part.folder / "masks", task):
            for offset, line in read_journal(path):
                sample, ok = str(line.get("id")), line.get("status") == "ok"
                if ok or sample not in answered:
                    places[sample] = (path, offset)
                if ok:
                    answered.add(sample)
                makers.setdefault(str(line.get("segmenter")), part.folder)
    if len(makers) > 1:
        raise RunError(
            f"the masks of {task} were made by different segmenters: "
            + ", ".join(f"{maker} in {folder}" for maker, folder in makers.items()),
            hint="make them alike with `onethinker-eval segment SHARD --segmenter … --replace`",
        )
    if places:
        _write_lines(scratch / "masks" / f"{task}.jsonl", order, places)


def _write_lines(target: Path, order: Iterable[str], places: Places) -> None:
    lines = [places[sample] for sample in order if sample in places]
    if not lines:
        return
    target.parent.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack, target.open("wb") as out:
        streams: dict[Path, IO[bytes]] = {}
        for path, offset in lines:
            if path not in streams:
                streams[path] = stack.enter_context(path.open("rb"))
            streams[path].seek(offset)
            out.write(streams[path].readline())


def _copy_judgements(scratch: Path, parts: Sequence[_Part]) -> None:
    """Join what judges said; raises `RunError` if a task was judged in different ways."""
    from onethinker_eval.judging.journal import Judge, read_judges, write_judges

    judges: dict[str, Judge] = {}
    for part in parts:
        for task, judge in read_judges(part.folder).items():
            if judges.setdefault(task, judge) != judge:
                raise RunError(
                    f"{part.folder}: {task} was judged in another way than in the other shards",
                    hint="ask the judge once, after merging: `onethinker-eval score RUN --judge …`",
                )
    for path, task in _judge_journals(parts):
        target = scratch / "judge" / f"{task}.jsonl"
        target.parent.mkdir(exist_ok=True)
        with target.open("ab") as out:
            for _, line in read_journal(path):
                out.write(orjson.dumps(line) + b"\n")
    if judges:
        write_judges(scratch, judges)


def _judge_journals(parts: Sequence[_Part]) -> Iterator[tuple[Path, str]]:
    for part in parts:
        for path in sorted((part.folder / "judge").glob("*.jsonl")):
            yield path, path.stem


def _write_manifest(
    scratch: Path, parts: Sequence[_Part], name: str, tasks: Mapping[str, Any]
) -> None:
    first = parts[0].manifest
    identity = {**first["identity"], "tasks": tasks}
    del identity["shard"]
    settings = {**first["settings"], "shard": "", "run": name}
    sessions = [
        {**session, "shard": str(part.shard)}
        for part in parts
        for session in part.manifest["sessions"]
    ]
    content = {
        **first,
        "name": name,
        "created": min(part.manifest["created"] for part in parts),
        "identity": identity,
        "settings": settings,
        "sessions": sessions,
        "merged": [str(part.folder) for part in parts],
        "costs": cost_table(read_costs(scratch), settings.get("price", "")),
    }
    write_json_atomic(scratch / "run.json", content)
