"""Time of reading videos, against qwen_vl_utils in the same process.

Run `python tests/benchmarks/bench_media.py`. Prints the ratio of the reference's time to ours
(above 1: ours is faster), and how much reading ahead hides of the decoding behind a model's work.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("FORCE_QWENVL_VIDEO_READER", "decord")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from clips import write_clip

from onethinker_eval.media import frames, video
from onethinker_eval.media.prefetch import read_ahead

REPEATS = 3


def best(work: Callable[[], object]) -> float:
    """Return the least seconds of several runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    from qwen_vl_utils import vision_process as reference

    rule = frames.FrameRule()
    print(f"{'clip':>22} {'reference s':>12} {'ours s':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for size, count in (((128, 160), 96), ((720, 1280), 150), ((360, 640), 300)):
            path = str(write_clip(Path(folder) / f"{size[0]}.mp4", count, size=size, fps=10))
            wanted = {"video": path, "fps": 2.0, "max_frames": 128, "max_pixels": 262144}

            def theirs(wanted: dict[str, object] = wanted) -> object:
                return reference.fetch_video(dict(wanted), image_patch_size=16)

            def ours(path: str = path) -> object:
                return video.read(path, rule)

            slow, fast = best(theirs), best(ours)
            name = f"{size[1]}x{size[0]}, {count} frames"
            print(f"{name:>22} {slow:12.3f} {fast:8.3f} {slow / fast:6.2f}")
        read = best(lambda: video.read(path, rule))

        def one_by_one() -> None:
            for _ in range(4):
                video.read(path, rule)
                time.sleep(read)

        def ahead() -> None:
            for _ in read_ahead([path] * 4, lambda item: video.read(item, rule), workers=2):
                time.sleep(read)

        plain, hidden = best(one_by_one), best(ahead)
        print(
            f"reading ahead: {plain:.2f} s one by one, {hidden:.2f} s ahead ({plain / hidden:.2f}x)"
        )


if __name__ == "__main__":
    main()
