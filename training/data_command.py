"""What `onethinker-train data` does: check, tables, comparison with benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.records import Medium, Record
from onethinker_eval.training.contamination import KINDS, SERIOUS, Contamination, Item, compare
from onethinker_eval.training.data_check import DataReport, FileReport, SourceReport, check_data
from onethinker_eval.training.lengths import LengthLimit, length_limit, token_counter
from onethinker_eval.training.look_alike import grid
from onethinker_eval.training.media_facts import MediumFacts, grids, inspect, looks
from onethinker_eval.training.recipe import DataSettings, Recipe, SourceSettings, load

__all__ = ["Settings", "aligned", "recipe_of", "run_data", "tables"]

_MOST_SHOWN = 12
_NO_LIMIT = 1 << 62
_ENOUGH_FRAMES = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the command; see its help."""

    workers: int = 2
    count_tokens: bool = False
    against: str | None = None
    strict: bool = False
    output: Path | None = None
    scenes: int = 50


def recipe_of(
    names: Sequence[str], changes: Mapping[str, str], *, root: str | None, stage: str
) -> Recipe:
    """Return the recipe that is named, or one made of JSON files (shares by size)."""
    files = [name for name in names if name.endswith((".json", ".jsonl"))]
    if not files:
        if len(names) != 1:
            raise UsageError("expected one recipe, or JSON files", hint="onethinker-train recipes")
        return load(names[0], {**changes, **({"data.root": root} if root else {})})
    if len(files) != len(names):
        raise UsageError("expected one recipe, or JSON files, not both")
    if changes:
        raise UsageError("changes are for a recipe; files have none")
    if stage not in ("sft", "grpo"):
        raise UsageError(f"--stage must be sft or grpo, got {stage!r}")
    sources = tuple(SourceSettings(kind="json", path=name) for name in files)
    data = DataSettings(sources=sources, root=root or ".", video_share=None)
    return Recipe(stage, data=data)  # type: ignore[arg-type]  # checked above


def run_data(recipe: Recipe, settings: Settings) -> int:
    """Print the tables and write the JSON; return the exit code."""
    limit = _limit(recipe, settings.count_tokens)
    report = check_data(recipe, limit, workers=settings.workers, progress=_progress("media"))
    print(tables(report, limit))
    if not report.sources:
        raise DataError("no record can be trained on", fix="check the files and --root")
    result: dict[str, Any] = report.to_json()
    code = 0
    if settings.against:
        found = _compare(recipe, report, settings)
        print(_contamination_table(found, settings.against))
        result["contamination"] = found.to_json()
        if settings.strict and found.serious:
            print(f"error: {found.serious} training records are in a benchmark", file=sys.stderr)
            code = 1
    if settings.strict and report.left_out:
        print(f"error: {report.left_out} records cannot be trained on", file=sys.stderr)
        code = 1
    if settings.output is not None:
        write_json_atomic(settings.output, result)
        print(f"written: {settings.output}")
    return code


def _limit(recipe: Recipe, wanted: bool) -> LengthLimit | None:
    limit = length_limit(recipe)
    if limit is None and wanted:
        from onethinker_eval.prompts import load_profile

        room = recipe.rollouts.max_tokens if recipe.stage == "grpo" else None
        profile = load_profile(recipe.data.prompts)
        return LengthLimit(token_counter(recipe), profile, _NO_LIMIT, room)
    return limit


def _progress(what: str) -> Any:
    """Return a callback that keeps one line of standard error up to date, on a terminal."""

    def show(done: int, todo: int) -> None:
        if sys.stderr.isatty() and (done % 20 == 0 or done == todo):
            end = "\n" if done == todo else ""
            print(f"\r{what}: {done} of {todo}", end=end, file=sys.stderr, flush=True)

    return show


def tables(report: DataReport, limit: LengthLimit | None = None) -> str:
    """Return the check as text: files with what is left out, then sources with what is cut."""
    parts = []
    if report.files:
        rows = [["file", "records", "usable", "left out"], *map(_file_row, report.files)]
        parts += [aligned(rows), *_reasons(report.files)]
    heads = ["source", "records", "media", "share", "passes"]
    heads += ["smaller images", "smaller frames", "fewer frames"]
    if limit is not None:
        heads += ["tokens min/median/max", "too long"]
    rows = [heads, *(_source_row(made, limit) for made in report.sources)]
    if not report.sources:
        return "\n".join(parts)
    parts += ["", aligned(rows)]
    videos = sum(made.share for made in report.sources if made.modality == "video")
    parts.append(f"videos are {videos:.1%} of the samples drawn")
    return "\n".join(parts)


def _file_row(made: FileReport) -> list[str]:
    return [made.path, str(made.records), str(made.kept), str(made.left_out.total())]


def _reasons(files: Sequence[FileReport]) -> Iterator[str]:
    for made in files:
        for reason, count in made.left_out.most_common():
            yield f"  {Path(made.path).name}: left out {count}: {reason}"


def _source_row(made: SourceReport, limit: LengthLimit | None) -> list[str]:
    row = [made.name, str(made.records), str(made.media) if made.media else "generated"]
    row += [f"{made.share:.1%}", f"{made.passes:.2f}"]
    row += [str(made.smaller_images), str(made.smaller_frames), str(made.fewer_frames)]
    if limit is not None:
        row += ["/".join(map(str, made.tokens)) if made.tokens else "-", str(made.too_long)]
    return row


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns: words to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    words = [any(row[at][:1].isalpha() for row in rows[1:]) for at in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, [True, *words[1:]], strict=True)
        ).rstrip()
        for row in rows
    )


def _compare(recipe: Recipe, report: DataReport, settings: Settings) -> Contamination:
    """Compare the recipe's records, and scenes of its demo sources, with benchmarks."""
    tested = list(_benchmark_items(str(settings.against)))
    if not tested:
        raise DataError("no benchmark is there", file=str(settings.against), fix="check --against")
    media = (medium for item in tested for medium in item.record.media)
    facts = {**report.facts, **inspect(media, workers=settings.workers, progress=_progress("test"))}
    drawn, made = _scenes(recipe, settings.scenes)
    for medium, cells in made.items():
        pictures = looks(cells)
        facts[medium] = MediumFacts(looks=pictures)

    def cells_of(medium: Medium) -> Sequence[NDArray[np.uint8]]:
        return [grid(pixels) for pixels in made[medium]] if medium in made else grids(medium)

    return compare([*report.items, *drawn], tested, facts, grids_of=cells_of)


def _benchmark_items(data: str) -> Iterator[Item]:
    """Yield the records of all benchmarks that are under `data`."""
    from onethinker_eval.benchmarks import catalogue
    from onethinker_eval.readers import data_root, find, iterate

    root = data_root(data)
    for task in catalogue().tasks.values():
        if task.part_of:
            continue
        try:
            find(task, root)
        except DataError:
            continue  # not among the benchmarks that are here
        for record in iterate(task, root):
            if isinstance(record, Record):
                yield Item(task.name, record)


def _scenes(recipe: Recipe, count: int) -> tuple[list[Item], dict[Medium, list[NDArray[np.uint8]]]]:
    """Return the first `count` scenes of each demo source, and the pictures of their media."""
    import dataclasses

    from onethinker_eval.media.frames import FrameRule
    from onethinker_eval.training.samples import source_scenes

    items: list[Item] = []
    pixels: dict[Medium, list[NDArray[np.uint8]]] = {}
    everything = FrameRule(fps=1000.0, max_frames=_ENOUGH_FRAMES)
    for settings in recipe.data.sources:
        if settings.kind != "demo":
            continue
        for source in source_scenes(settings, everything, seed=recipe.data.seed, size=count):
            for number in range(source.source.size):
                for sample in source.samples(number):
                    media = []
                    if sample.clip is not None:
                        frames = sample.clip.frames
                        media.append(Medium("video", f"{sample.record.cluster}:clip"))
                        pixels[media[-1]] = [frames[0], frames[len(frames) // 2], frames[-1]]
                    for at, picture in enumerate(sample.images):
                        media.append(Medium("image", f"{sample.record.cluster}:{at}"))
                        pixels[media[-1]] = [picture]
                    record = dataclasses.replace(sample.record, media=tuple(media))
                    items.append(Item(f"demo:{source.source.name}", record))
    return items, pixels


def _contamination_table(found: Contamination, against: str) -> str:
    lines = [
        f"\n{found.trained} training records with {found.media[0]} media against {found.tested} "
        f"benchmark records with {found.media[1]} media of {against}"
    ]
    rows = [["kind", "records", "most in"]]
    for kind in KINDS:
        counts = found.counts.get(kind)
        total = counts.total() if counts else 0
        top = "; ".join(f"{name} {n}" for name, n in counts.most_common(3)) if counts else ""
        rows.append([kind + ("" if kind in SERIOUS else " (words alone)"), str(total), top])
    lines.append(aligned(rows))
    serious = [match for match in found.matches if match.kind in SERIOUS]
    lines += [
        f"  {match.kind}: {match.source} {match.record} = {match.benchmark} {match.matched}"
        for match in serious[:_MOST_SHOWN]
    ]
    if len(serious) > _MOST_SHOWN:
        lines.append(f"  … {len(serious) - _MOST_SHOWN} more; --json FILE holds all")
    return "\n".join(lines)
