"""Time per frame outside the network: from a segmenter's mask to J and F, and frames to tensors.

    python tests/benchmarks/bench_segmentation.py [--frames 24] [--repeats 5]

The other side is the authors' way, derived again in plain NumPy: decode the true run lengths, J by
logical and and or, F with boundaries from neighbour sums and dilation by one shifted copy for each
offset of the square; frames through a folder of JPEG files. Ours includes what a resumable stage
costs: run lengths, the journal line forced to disk, and reading it back to score it. Times are CPU
milliseconds a frame (480×854) in one process on one core, the best of all repeats. J and F of both
sides are checked for equality first.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bench_masks
import cv2
import numpy as np
import orjson
from pycocotools import mask as coco

from onethinker_eval.metrics import rle
from onethinker_eval.scoring.masks import score_masks
from onethinker_eval.segmentation.journal import MaskJournal

SIZE = (480, 854)


def plain_boundary(mask: np.ndarray) -> np.ndarray:
    """Foreground pixels with fewer than eight foreground neighbours."""
    height, width = mask.shape
    plane = mask.astype(np.uint8)
    around = np.zeros(mask.shape, dtype=np.uint16)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                to = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
                frm = (
                    slice(max(0, -dy), height + min(0, -dy)),
                    slice(max(0, -dx), width + min(0, -dx)),
                )
                around[to] += plane[frm]
    return mask & (around < 8)


def plain_dilate(plane: np.ndarray, radius: int) -> np.ndarray:
    """Grow by a square, one shifted copy for each offset."""
    height, width = plane.shape
    grown = np.zeros_like(plane)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            to = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
            frm = slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx))
            grown[to] |= plane[frm]
    return grown


def plain_jf(pred: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """J and F of the authors' post-processing, for masks that are not empty."""
    region = np.logical_and(pred, truth).sum() / np.logical_or(pred, truth).sum()
    radius = max(1, round(0.0075 * math.hypot(*pred.shape)))
    ours, theirs = plain_boundary(pred), plain_boundary(truth)
    precision = (ours & plain_dilate(theirs, radius)).sum() / ours.sum()
    recall = (theirs & plain_dilate(ours, radius)).sum() / theirs.sum()
    total = precision + recall
    return float(region), float(2 * precision * recall / total) if total else 0.0


def theirs(pairs: list[Any], true: dict[str, Any]) -> tuple[float, float]:
    """The authors' loop over frames that have a true mask."""
    found = [
        plain_jf(pred, coco.decode({"size": mask["size"], "counts": mask["counts"].encode()}) > 0)
        for (pred, _), mask in zip(pairs, true.values(), strict=True)
    ]
    return float(np.mean([j for j, _ in found])), float(np.mean([f for _, f in found]))


def ours(pairs: list[Any], true: dict[str, Any], folder: Path) -> tuple[float, float]:
    """Run lengths, a journal line on disk, the line read back and scored."""
    masks = {name: rle.encode(pred) for name, (pred, _) in zip(true, pairs, strict=True)}
    with MaskJournal(folder, "t", "bench", "bench") as journal:
        journal.append({"id": "s", "status": "ok", "masks": masks, "key": "k"})
    line = orjson.loads((folder / "masks" / "t.jsonl").read_bytes().splitlines()[-1])
    truth = {"frames": list(true), "rle": true}
    score = score_masks(line["masks"], truth, "video", "paper")
    (folder / "masks" / "t.jsonl").unlink()
    return score.components["J"], score.components["F"]


def best(work: Callable[[], Any], repeats: int, frames: int) -> float:
    """CPU milliseconds a frame."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) / frames * 1e3


def by_jpeg(frames: np.ndarray) -> int:
    """Frames through a folder of JPEG files, as the authors feed SAM2."""
    import torch
    from PIL import Image
    from sam2.utils.misc import load_video_frames

    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(f"{folder}/{number:06d}.jpg", quality=95)
        images, _, _ = load_video_frames(folder, 1024, True, compute_device=torch.device("cpu"))
        return len(images)


def from_memory(frames: np.ndarray) -> int:
    """Frames as the predictor here takes them."""
    from onethinker_eval.segmentation.sam2_predictor import ArrayFrames

    source = ArrayFrames(frames, 1024)
    return sum(len(source[number]) == 3 for number in range(len(frames)))


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=24)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    dice = random.Random(0)
    pairs = [bench_masks.outline(dice, *SIZE, 0.06) for _ in range(given.frames)]
    pairs = [(pred, truth) for truth, pred in pairs]
    true = {f"{number:05d}": rle.encode(truth) for number, (_, truth) in enumerate(pairs)}
    with tempfile.TemporaryDirectory() as folder:
        expected, found = theirs(pairs, true), ours(pairs, true, Path(folder))
        if not np.allclose(expected, found, rtol=0, atol=1e-12):
            sys.exit(f"J and F differ: {expected} and {found}")
        plain = best(lambda: theirs(pairs, true), given.repeats, given.frames)
        quick = best(lambda: ours(pairs, true, Path(folder)), given.repeats, given.frames)
    print(f"{'ms a frame':<34}{'plain':>9}{'ours':>9}{'ratio':>8}")
    print(f"{'mask to J and F (paper)':<34}{plain:9.2f}{quick:9.2f}{plain / quick:8.1f}")
    try:
        import sam2  # noqa: F401
    except ImportError:
        print("frames to tensors: needs the sam2 package")
        return
    noise = np.random.default_rng(0).integers(0, 255, (8, 30, 54, 3)).astype(np.uint8)
    noise = np.stack(
        [cv2.resize(each, SIZE[::-1], interpolation=cv2.INTER_CUBIC) for each in noise]
    )
    folder_ms = best(lambda: by_jpeg(noise), given.repeats, len(noise))
    memory_ms = best(lambda: from_memory(noise), given.repeats, len(noise))
    print(
        f"{'frames to tensors (1024 px)':<34}{folder_ms:9.2f}{memory_ms:9.2f}"
        f"{folder_ms / memory_ms:8.1f}"
    )


if __name__ == "__main__":
    main()
