"""The mask stage as part of a run: which segmenter, the language model gone, progress shown."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker_eval.demo import is_demo
from onethinker_eval.harness import environment
from onethinker_eval.harness.progress import ProgressCallback, Ticker
from onethinker_eval.harness.replies import merged_lines
from onethinker_eval.segmentation.choice import DEMO_SEGMENTER, NONE, make_segmenter
from onethinker_eval.segmentation.journal import check_segmenter_of, stored_lines
from onethinker_eval.segmentation.ranks import wait_for_all
from onethinker_eval.segmentation.stage import Outcome, is_segmentation, make_masks

if TYPE_CHECKING:
    from onethinker_eval.benchmarks import Task
    from onethinker_eval.segmentation.segmenter import Segmenter

__all__ = ["ready_segmenter", "segment_tasks", "segmenter_for"]


def segmenter_for(given: str, data: str) -> str:
    """Return the segmenter of a run: as given, else GrabCut for the demo suite, else none.

    >>> segmenter_for("", "demo"), segmenter_for("", "/data"), segmenter_for("sam2", "demo")
    ('grabcut', 'none', 'sam2')
    """
    return given or (DEMO_SEGMENTER if is_demo(data) else NONE)


def ready_segmenter(
    folder: Path,
    tasks: Sequence[Task],
    text: str,
    *,
    device: str | None = None,
    replace: bool = False,
) -> Segmenter | None:
    """Return the segmenter of `text` for the tasks that need one; None if none does.

    Its weights are found but not loaded, so this goes before a language model is: raises
    `MissingPart` and `UsageError` as `make_segmenter`, and `RunError` if another segmenter made
    the masks that the run folder holds (unless they are to be replaced).
    """
    wanted = [task for task in tasks if is_segmentation(task)]
    if text == NONE or not wanted:
        return None
    segmenter = make_segmenter(text, device=device)
    for task in wanted if not replace else ():
        lines = stored_lines(folder, task.id)
        check_segmenter_of(folder, task.id, lines, segmenter.identity, segmenter.label)
    return segmenter


def segment_tasks(
    folder: Path,
    tasks: Sequence[Task],
    segmenter: Segmenter | None,
    *,
    protocols: Sequence[str] = (),
    replace: bool = False,
    progress: ProgressCallback | None = None,
) -> Outcome:
    """Make the masks that the replies of `tasks` lack, and wait until all processes have.

    Whatever the language model left on the GPU is freed first. Raises as `make_masks`.
    """
    wanted = [task for task in tasks if is_segmentation(task)]
    if segmenter is None or not wanted:
        return Outcome()
    free_memory()
    rank, world = environment.distributed_rank(), environment.world_size()
    wait_for_all(world)  # the replies of the others are on disk by then
    totals = {
        task.id: sum(line["status"] == "ok" for line in merged_lines(folder, task.id))
        for task in wanted
    }
    ticker = Ticker(progress, totals, stage="segment")
    ticker.say("segment", f"making masks with {segmenter.label}")
    current = ""

    def report(task: str, total: int, done: int, kept: int, failed: int) -> None:
        nonlocal current
        if task != current:
            current = task
            ticker.start(task)
        ticker.add(generated=done, reused=kept, failed=failed)

    return make_masks(
        folder,
        wanted,
        segmenter,
        protocols=protocols,
        replace=replace,
        rank=rank,
        world=world,
        report=report,
    )


def free_memory() -> None:
    """Collect what is no longer used, and give the GPU's share of it back."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
