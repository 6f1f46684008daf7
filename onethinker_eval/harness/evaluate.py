"""One call from settings to scored results: `evaluate(settings)`.

Everything cheap that can go wrong (names, data, run folder, changed settings) is checked before
the model is loaded; a run whose samples are all finished never loads it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from onethinker_eval import readers
from onethinker_eval.benchmarks import Task, resolve
from onethinker_eval.errors import OneThinkerError
from onethinker_eval.harness import costs, environment
from onethinker_eval.harness.asking import using_profile
from onethinker_eval.harness.cost_files import saved_costs
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.model_loading import check_model_name
from onethinker_eval.harness.progress import ProgressCallback, Ticker
from onethinker_eval.harness.replies import merged_lines
from onethinker_eval.harness.results import RunResult, finish_run
from onethinker_eval.harness.run_folder import RunFolder
from onethinker_eval.harness.sample_key import SampleKeys, model_identity
from onethinker_eval.harness.scoring_beside import ScoringBeside
from onethinker_eval.harness.segmenting import ready_segmenter, segment_tasks, segmenter_for
from onethinker_eval.harness.settings import Settings
from onethinker_eval.harness.task_data import prepared, write_data_file
from onethinker_eval.harness.upcoming import coming_up
from onethinker_eval.harness.weights import weights_fingerprint
from onethinker_eval.harness.workload import NO_LIMIT, Work, identity_of_run, load_work, work_of
from onethinker_eval.paths import cache_dir
from onethinker_eval.records import Record
from onethinker_eval.segmentation.ranks import wait_for_all

__all__ = ["NO_LIMIT", "answer", "evaluate"]

_EARLY = 128
"""How many requests a model is told of before it is loaded; it prepares as many as it may hold."""


def evaluate(settings: Settings, *, progress: ProgressCallback | None = None) -> RunResult:
    """Run `settings` to its end, resuming what its folder holds, and score the replies.

    `progress` is called with a `Progress` at each change. Raises `UsageError`, `DataError`,
    `RunError` or `MissingPart`; a sample that fails does not raise, it is listed in the result.
    """
    environment.prepare(verbose=settings.verbose)
    environment.join_ranks(settings.device)
    check_model_name(settings.model)
    with using_profile(settings.prompt, settings.system_prompt):
        return _evaluate(settings, progress)


def answer(
    settings: Settings,
    records: Sequence[tuple[Task, Sequence[Record]]],
    *,
    progress: ProgressCallback | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Have `records` answered as samples of their tasks, and return their journal lines by task.

    What it cost is in `costs.meter()`. Nothing is scored and nothing stays on the disk; of
    `settings` the data, tasks, output and shard do not matter. Raises as `evaluate`.
    """
    environment.prepare(verbose=settings.verbose)
    check_model_name(settings.model)
    works = [work_of(task, given, settings) for task, given in records]
    ticker = Ticker(progress, {work.task.id: len(work.records) for work in works})
    costs.meter().clear()
    with (
        using_profile(settings.prompt, settings.system_prompt),
        tempfile.TemporaryDirectory(prefix="onethinker-") as scratch,
        RunFolder(replace(settings, output=scratch, run="answers", shard="")) as folder,
    ):
        keys = _keys(settings, works, weights_fingerprint(settings.model, settings.model_args))
        _generate(settings, folder, works, keys, ticker)
        return {work.task.id: list(merged_lines(folder.path, work.task.id)) for work in works}


def _evaluate(settings: Settings, progress: ProgressCallback | None) -> RunResult:
    rank, world = environment.distributed_rank(), environment.world_size()
    tasks = resolve(settings.tasks, settings.include_path)
    # Resolved once: for the demo suite this checks every file of it.
    data = "hub" if settings.data == "hub" else readers.data_root(settings.data)
    works = [load_work(task, settings, data) for task in tasks]
    ticker = Ticker(progress, {w.task.id: len(w.records) + len(w.unreadable) for w in works})
    with RunFolder(settings, rank=rank, world=world) as folder:
        ticker.say("data", environment.lone_launch())
        ticker.say("model", "reading the weights")
        weights = weights_fingerprint(settings.model, settings.model_args)
        decisive = identity_of_run(settings, works, weights)
        folder.compare(decisive)
        for work in works:
            folder.check(work.task.id, work.records)
        segmenter = ready_segmenter(
            folder.path,
            tasks,
            segmenter_for(settings.segmenter, settings.data),
            device=settings.device,
        )
        folder.begin(decisive)
        if settings.shard:
            for work in works:
                folder.write_places(work.task.id, work.places, work.records)
        keys = _keys(settings, works, weights)
        by_task = {} if world > 1 else {work.task.id: work.task for work in works}
        scoring = ScoringBeside(
            folder.path, settings, by_task, lambda message: ticker.say("generate", message)
        )
        with saved_costs(folder.path, rank), scoring:
            pending = works if world > 1 else _pending(folder, works, keys, ticker)
            if any(work.records for work in pending):
                for task in by_task.keys() - {work.task.id for work in pending}:
                    scoring.submit(task)
                _generate(settings, folder, pending, keys, ticker, scoring.submit)
        for made in keys.values():
            made.save()
        segment_tasks(
            folder.path,
            tasks,
            segmenter,
            protocols=settings.protocols,
            progress=progress,
        )
        if rank != 0:
            return RunResult(folder.path, ticker.generated, ticker.reused)
        for work in works:
            folder.record_unreadable(work.task, work.unreadable)
        ticker.say("score", "")
        ready = scoring.ready()
        return finish_run(folder, settings, [work.task for work in works], ticker, ready)


def _keys(settings: Settings, works: Sequence[Work], weights: str) -> dict[str, SampleKeys]:
    media = MediaDigests(cache_dir() / "media_digests.jsonl")
    identity = model_identity(settings.model, settings.model_args, weights)
    return {w.task.id: SampleKeys(w.task, identity, w.generation, media) for w in works}


def _pending(
    folder: RunFolder, works: Sequence[Work], keys: dict[str, SampleKeys], ticker: Ticker
) -> list[Work]:
    """Return the tasks with samples to do; what the others hold counts as reused."""
    left = []
    for work in works:
        journal = folder.journal(work.task.id)
        if all(record.id in journal.finished for record in work.records):
            ticker.start(work.task.id)
            for record in work.records:
                journal.verify(record, _key(keys[work.task.id], record))
            ticker.add(reused=len(work.records))
        else:
            left.append(work)
    return left


def _key(keys: SampleKeys, record: Record) -> str | None:
    """Return the key, or None if a medium cannot be read (any more)."""
    try:
        return keys(record)
    except OneThinkerError:
        return None


def _generate(
    settings: Settings,
    folder: RunFolder,
    works: Sequence[Work],
    keys: dict[str, SampleKeys],
    ticker: Ticker,
    done: Callable[[str], None] | None = None,
) -> None:
    """Load the model and have all tasks answered in one stream, through their journals."""
    ticker.say("model", f"loading {settings.model}")
    import lmms_eval.evaluator  # noqa: F401  # it installs a log handler

    from onethinker_eval.harness.gathering import Gatherer
    from onethinker_eval.harness.model_loading import load_model, model_class
    from onethinker_eval.harness.proxy import JournalledModel
    from onethinker_eval.harness.task_stream import TaskStream

    if not settings.verbose:
        environment.silence_lmms_eval()
    world = environment.world_size()
    works = [work for work in works if work.records]
    files = {work.task.id: write_data_file(work.task, work.records) for work in works}
    kind = model_class(settings)
    with prepared(files, settings.include_path):
        # What a model of ours needs is known from its class; it may then begin before it is there.
        model = load_model(settings) if kind is None or world > 1 else None
        gatherer = Gatherer(is_simple=(kind if model is None else model).is_simple)
        if model is not None:
            gatherer.attach(model)
        with TaskStream(settings, folder, works, keys, ticker, gatherer, files, done) as stream:
            proxy = JournalledModel(stream, kind if model is None else model)
            if model is None:
                early = proxy.first(_EARLY) if hasattr(kind, "prefetch") else []
                with coming_up(gatherer.task_dict, early):
                    model = load_model(settings)
                gatherer.attach(model)
            proxy.answer(model)
            stream.check()
    wait_for_all(world)
