"""One call from settings to scored results: `evaluate(settings)`.

Everything cheap that can go wrong (names, data, run folder, changed settings) is checked before
the model is loaded; a run whose samples are all finished never loads it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
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
from onethinker_eval.harness.segmenting import ready_segmenter, segment_tasks, segmenter_for
from onethinker_eval.harness.settings import Settings
from onethinker_eval.harness.task_data import prepared, write_data_file
from onethinker_eval.harness.weights import weights_fingerprint
from onethinker_eval.harness.workload import NO_LIMIT, Work, identity_of_run, load_work, work_of
from onethinker_eval.paths import cache_dir
from onethinker_eval.records import Record

__all__ = ["NO_LIMIT", "SLICE", "answer", "evaluate"]

SLICE = 32_768
"""How many samples of a task lmms-eval is given at once: it holds some 4 KB for each till the
end, and a shorter stretch would let an engine run empty more often."""


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
        with saved_costs(folder.path, rank):
            pending = works if world > 1 else _pending(folder, works, keys, ticker)
            if any(work.records for work in pending):
                _generate(settings, folder, pending, keys, ticker)
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
        return finish_run(folder, settings, [work.task for work in works], ticker)


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
) -> None:
    """Load the model and let lmms-eval run the tasks, one a call, through the journal."""
    ticker.say("model", f"loading {settings.model}")
    from onethinker_eval.harness.model_loading import load_model
    from onethinker_eval.harness.proxy import JournalledModel, TaskRun
    from onethinker_eval.harness.task_manager import RunTaskManager

    model = JournalledModel(load_model(settings))
    import lmms_eval.evaluator  # noqa: F401  # it installs a log handler

    if not settings.verbose:
        environment.silence_lmms_eval()
    world = environment.world_size()
    files = {work.task.id: write_data_file(work.task, work.records) for work in works}
    with prepared(files, settings.include_path):
        manager = RunTaskManager([work.task for work in works], files)
        for work in filter(lambda work: work.records, works):
            ticker.start(work.task.id)
            with folder.journal(work.task.id) as journal, costs.meter().task(work.task.id):
                model.attend(
                    TaskRun(
                        records=work.records,
                        journal=journal,
                        keys=keys[work.task.id],
                        ticker=ticker,
                        batch_size=settings.batch_size,
                        chunk=settings.chunk,
                    )
                )
                for start, count in _slices(len(work.records), settings.batch_size * world):
                    _run_slice(settings, model, work.task, manager, start, count)


def _slices(total: int, batch: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of the stretches that a task is cut into, of whole batches."""
    step = max(1, SLICE // batch) * batch
    for start in range(0, total, step):
        yield start, min(step, total - start)


def _run_slice(
    settings: Settings, model: Any, task: Task, manager: Any, start: int, count: int
) -> None:
    from argparse import Namespace

    from lmms_eval.evaluator import simple_evaluate

    # A namespace is given because without one lmms-eval reads every document, media and all, a
    # second time; `reasoning_tags=None` leaves the thinking in the replies.
    simple_evaluate(
        model=model,
        model_args="",
        tasks=[task.id],
        task_manager=manager,
        offset=start,
        limit=count,
        batch_size=settings.batch_size,
        gen_kwargs=settings.gen_kwargs or None,
        log_samples=False,
        bootstrap_iters=0,
        process_docs_parallel=1,
        random_seed=settings.seed,
        numpy_random_seed=settings.seed,
        torch_random_seed=settings.seed,
        verbosity="DEBUG" if settings.verbose else "ERROR",
        cli_args=Namespace(
            process_with_media=False, reasoning_tags=None, agentic_trace_mode="basic"
        ),
    )
