"""The stage between replies and scores: `make_masks(run, tasks, segmenter)`.

Samples are taken image by image and video by video, so that a medium is read and encoded once for
all its expressions. Each sample's masks are on disk before the next is begun; what a stored line
holds is not made again. Processes that share a run (`RANK`, `WORLD_SIZE`) take every n-th medium,
and all return when the last is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onethinker_eval.errors import DataError, OneThinkerError, RunError, described, one_line
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.replies import merged_lines
from onethinker_eval.metrics.rle import encode
from onethinker_eval.paths import cache_dir
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.segmentation import frames as frame_store
from onethinker_eval.segmentation.journal import MaskJournal, drop_lines, stored_lines
from onethinker_eval.segmentation.prompts import to_pixels
from onethinker_eval.segmentation.ranks import wait_for_all
from onethinker_eval.segmentation.work import Request, Sample, sample_of

if TYPE_CHECKING:
    from onethinker_eval.benchmarks import Task
    from onethinker_eval.segmentation.frames import Place
    from onethinker_eval.segmentation.segmenter import Segmenter, Session

__all__ = ["Counts", "Outcome", "is_segmentation", "make_masks"]


@dataclass(slots=True)
class Counts:
    """Samples of one task: masks made now, kept from before, failed."""

    made: int = 0
    kept: int = 0
    failed: int = 0


@dataclass(slots=True)
class Outcome:
    """What a stage did, by task id, and the messages of samples that failed."""

    counts: dict[str, Counts] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def made(self) -> int:
        """Samples whose masks were made in this session."""
        return sum(count.made for count in self.counts.values())

    @property
    def kept(self) -> int:
        """Samples whose masks were there."""
        return sum(count.kept for count in self.counts.values())

    @property
    def failed(self) -> int:
        """Samples without masks."""
        return sum(count.failed for count in self.counts.values())


Report = Callable[[str, int, int, int, int], None]
"""Called with the task id, its number of samples, and those made, kept and failed since last."""


def is_segmentation(task: Task) -> bool:
    """Tell whether a task is scored on masks."""
    return task.problem_type.strip().lower() == "segmentation"


def make_masks(
    folder: Path | str,
    tasks: Sequence[Task],
    segmenter: Segmenter,
    *,
    protocols: Sequence[str] = (),
    replace: bool = False,
    rank: int = 0,
    world: int = 1,
    report: Report | None = None,
) -> Outcome:
    """Make the masks that are missing for the replies of a run.

    Args:
        folder: the run folder; the caller holds its lock.
        tasks: those to do; tasks that are not scored on masks are passed over.
        segmenter: what makes the masks.
        protocols: only for these; by default for all that a task has.
        replace: forget stored masks first, whoever made them.
        rank: which of the processes that share the run this is.
        world: how many share it.
        report: told about progress.

    Raises:
        RunError: another segmenter made the stored masks, the disk is full, or the GPU is lost.
        DataError: a journal is damaged.
    """
    run = Path(folder)
    media = MediaDigests(cache_dir() / "media_digests.jsonl")
    outcome = Outcome()
    for task in tasks:
        if not is_segmentation(task):
            continue
        if replace:
            if rank == 0:
                drop_lines(run, task.id, set(stored_lines(run, task.id)))
            wait_for_all(world)
        wanted = Plan.of(task, protocols).protocols
        journal = MaskJournal(
            run, task.id, segmenter.identity, segmenter.label, rank=rank, world=world
        )
        with journal:
            stage = _Stage(
                task.id, segmenter, wanted, task.protocols, journal, media, outcome, report
            )
            stage.run(run, rank, world)
        media.save()
    wait_for_all(world)
    return outcome


class _Stage:
    """One task."""

    def __init__(
        self,
        task: str,
        segmenter: Segmenter,
        protocols: Sequence[str],
        readable: Sequence[str],
        journal: MaskJournal,
        media: MediaDigests,
        outcome: Outcome,
        report: Report | None,
    ) -> None:
        self._task, self._segmenter = task, segmenter
        self._protocols, self._readable = tuple(protocols), tuple(readable)
        self._journal, self._media, self._outcome = journal, media, outcome
        self._report = report
        self._counts = outcome.counts.setdefault(task, Counts())
        self._total = 0

    def run(self, folder: Path, rank: int, world: int) -> None:
        scenes = self._scenes(folder)
        mine = scenes[rank::world]
        self._total = sum(len(samples) for samples in mine)
        self._journal.drop(self._stale(scenes))
        for samples in mine:
            missing = [sample for sample in samples if not self._finished(sample)]
            self._count(kept=len(samples) - len(missing))
            if missing:
                self._scene(missing)

    def _scenes(self, folder: Path) -> list[list[Sample]]:
        """Return the samples with a reply, grouped by what they are asked about."""
        groups: dict[Any, list[Sample]] = {}
        for line in merged_lines(folder, self._task):
            if line["status"] != "ok":
                continue
            sample = sample_of(line, self._readable, self._segmenter.promptings)
            # A sample without any prompt needs no frames; it must not wait for those of others.
            asks = sample.place is not None and sample.distinct(self._protocols)
            scene = sample.place.scene if asks and sample.place else ("", sample.id)
            groups.setdefault(scene, []).append(sample)
        return list(groups.values())

    def _stale(self, scenes: Iterable[Sequence[Sample]]) -> set[str]:
        """Return the samples whose stored masks are of another reply, prompt or medium."""
        return {
            sample.id
            for samples in scenes
            for sample in samples
            if self._journal.lines.get(sample.id, {}).get("status") == "ok"
            and not self._finished(sample)
        }

    def _finished(self, sample: Sample) -> bool:
        line = self._journal.lines.get(sample.id)
        if line is None or line["status"] != "ok":
            return False
        stored = line.get("protocols") or ()
        if not set(self._protocols) <= set(stored):
            return False
        try:
            return bool(line["key"] == self._key(sample, stored))
        except DataError:
            return True  # the medium has gone since: what was made from it stands

    def _key(self, sample: Sample, protocols: Sequence[str]) -> str:
        return sample.key(protocols, self._segmenter.identity, self._media)

    def _scene(self, samples: Sequence[Sample]) -> None:
        """Make the masks of samples that share their frames."""
        opened = _Opened(self._segmenter)
        for sample in samples:
            began = time.monotonic()
            try:
                line = self._line(sample, opened)
            except Exception as error:  # any library: the fault must stay with its sample
                _stop_if_hopeless(error)
                line = _failure(sample, error)
                self._outcome.failures.append(
                    f"{self._task} {sample.id}: {one_line(described(error))}"
                )
            line["seconds"] = round(time.monotonic() - began, 4)
            self._journal.append(line)
            good = line["status"] == "ok"
            self._count(made=int(good), failed=int(not good))

    def _line(self, sample: Sample, opened: _Opened) -> dict[str, Any]:
        masks: dict[Request, Any] = {}
        for request in sample.distinct(self._protocols):
            if sample.place is None:
                raise sample.problem or DataError("the record cannot be segmented")
            masks[request] = opened.masks(sample.place, request)
        by_protocol = {
            name: None if request is None else masks[request]
            for name, request in sample.requests.items()
            if name in self._protocols
        }
        first = by_protocol[self._protocols[0]]
        return {
            "key": self._key(sample, self._protocols),
            "id": sample.id,
            "status": "ok",
            "masks": first,
            "by_protocol": {
                name: value for name, value in by_protocol.items() if value is not first
            },
            "protocols": list(self._protocols),
            "error": None,
        }

    def _count(self, *, made: int = 0, kept: int = 0, failed: int = 0) -> None:
        self._counts.made += made
        self._counts.kept += kept
        self._counts.failed += failed
        if self._report is not None:
            self._report(self._task, self._total, made, kept, failed)


class _Opened:
    """The frames of one scene, read and encoded when first needed, once for all its samples."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._session: Session | None = None
        self._shape = (0, 0, 0)
        self._error: Exception | None = None

    def masks(self, place: Place, request: Request) -> Any:
        """Return the run lengths of the masks: one for an image, by frame name for a video."""
        session = self._open(place)
        prompt, prompting = request
        count, height, width = self._shape
        pixels = to_pixels(prompt, width, height, fps=place.fps, frames=count)
        found = {
            place.names[index]: encode(frame_store.resized_mask(mask, place.mask_size))
            for index, mask in _checked(session.masks(pixels, prompting), self._shape)
        }
        if place.video:
            return {name: found[name] for name in place.names if name in found}
        return found[place.names[0]]

    def _open(self, place: Place) -> Session:
        if self._error is not None:
            raise self._error  # broken for one sample of the scene, broken for all
        if self._session is None:
            try:
                frames = frame_store.load(place)
                self._shape = frames.shape[0], frames.shape[1], frames.shape[2]
                self._session = self._segmenter.open(frames, video=place.video)
            except DataError as error:
                self._error = error
                raise
        return self._session


def _checked(
    masks: Iterable[tuple[int, Any]], shape: tuple[int, int, int]
) -> Iterator[tuple[int, Any]]:
    for index, mask in masks:
        if mask.shape != shape[1:] or not 0 <= index < shape[0]:
            raise RunError(f"a mask of {mask.shape} on frame {index} came back for {shape}")
        yield index, mask


def _failure(sample: Sample, error: Exception) -> dict[str, Any]:
    kind = type(error).__name__
    return {
        "key": "",
        "id": sample.id,
        "status": "failed",
        "masks": None,
        "protocols": [],
        "error": {"kind": f"masks: {kind}", "message": one_line(described(error))},
    }


def _stop_if_hopeless(error: Exception) -> None:
    """End the stage where no further sample can succeed."""
    if isinstance(error, OneThinkerError) and not isinstance(error, DataError):
        raise error
    if "CUDA error" in str(error):
        raise RunError(
            f"the segmenter cannot go on: {one_line(described(error))}",
            hint="finished masks are kept; run the same command again",
        ) from error
