"""Worker processes that die, hang, cannot start or lose their parent; budgets with large clips."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import number_of, write_clip
from pipeline_crafts import SIZE, Broken, Told, told

from onethinker_eval.errors import DataError
from onethinker_eval.harness.models.media_ahead import CannotStart, MediaAhead, Wanted, shown
from onethinker_eval.media.frames import FrameRule

TESTS = Path(__file__).resolve().parents[1]
SMALL = FrameRule(min_frame_pixels=1024, frame_pixels=64 * 96)
Maker = Callable[..., MediaAhead]


@pytest.fixture
def make() -> Iterator[Maker]:
    """Return a maker of `MediaAhead` with workers, all closed at the end."""
    made: list[MediaAhead] = []

    def build(workers: int = 1, craft: Any = None, **options: Any) -> MediaAhead:
        made.append(MediaAhead(workers=workers, craft=craft or Told(), **options))
        return made[-1]

    yield build
    pids = [pid for one in made for pid in one.pids]
    for one in made:
        one.close()
    assert gone(pids)


def gone(pids: list[int], within_s: float = 20.0) -> bool:
    """Tell whether these processes end within so many seconds."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not any(running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_makes_the_same_pixels(make: Maker, tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "a.mp4", 40))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(Path(clip).read_bytes()[: Path(clip).stat().st_size // 2])
    works = [Wanted(({"type": "video", "url": path},), SMALL) for path in (clip, str(cut))]
    from onethinker_eval.media.shown import ShowMedia

    ahead = make(craft=ShowMedia())
    found = dict(ahead.prepared(enumerate(works)))
    here = shown(works[0].parts, SMALL)
    assert np.array_equal(found[0].videos[0].frames, here.videos[0].frames)
    assert found[0].videos[0].indices == here.videos[0].indices
    assert found[0].videos[0].times_s == here.videos[0].times_s
    assert [number_of(one) for one in found[0].videos[0].frames] == list(here.videos[0].indices)
    with pytest.raises(DataError) as here_too:
        works[1]()
    assert isinstance(found[1], DataError)
    assert str(found[1]) == str(here_too.value)
    assert str(cut) in str(found[1])


def test_errors_come_back_as_what_they_are(make: Maker) -> None:
    ahead = make()
    broken = ahead.take(1, told("broken x.mp4"))
    assert isinstance(broken, DataError)
    assert (broken.file, broken.problem, broken.fix) == ("x.mp4", "it is broken", "mend it")
    with pytest.raises(RuntimeError, match="KeyError: 'unforeseen'"):
        ahead.take(2, told("raise"))
    assert ahead.take(3, told("5")).tolist() == [7] * 5


def test_a_worker_killed_in_the_middle_costs_nothing(make: Maker, tmp_path: Path) -> None:
    ahead = make(workers=2)
    jobs = [(0, told("sleep 0.1")), (1, told(f"kill-once {tmp_path / 'mark'}"))]
    jobs += [(n, told(str(n))) for n in range(2, 6)]
    found = list(ahead.prepared(jobs))
    assert [key for key, _ in found] == list(range(6))
    assert not any(isinstance(result, DataError) for _, result in found)
    assert (tmp_path / "mark").exists()


def test_a_file_that_kills_every_worker_fails_alone(make: Maker) -> None:
    ahead = make()
    found = dict(ahead.prepared([(0, told("8")), (1, told("kill")), (2, told("9"))]))
    assert isinstance(found[1], DataError)
    assert "died 2 times (signal SIGKILL)" in found[1].problem
    assert (len(found[0]), len(found[2])) == (8, 9)


def test_a_worker_killed_from_outside_is_replaced(make: Maker) -> None:
    ahead = make()
    ahead.take(0, told("1"))
    (first,) = ahead.pids
    ahead.submit(1, told("sleep 0.5"))
    time.sleep(0.1)
    os.kill(first, signal.SIGKILL)
    assert len(ahead.take(1, told("sleep 0.5"))) == 8
    assert ahead.pids != [first]


def test_a_hung_decoder_hits_the_time_limit(make: Maker) -> None:
    ahead = make(limit_s=3.0)
    began = time.monotonic()
    found = dict(ahead.prepared([(0, told("1")), (1, told("sleep 600")), (2, told("2"))]))
    assert time.monotonic() - began < 60
    assert isinstance(found[1], DataError)
    assert "took more than 3 s" in found[1].problem
    assert "decode_limit_s" in found[1].fix
    assert (len(found[0]), len(found[2])) == (1, 2)


def test_workers_that_cannot_start_end_the_run_with_the_reason(make: Maker) -> None:
    ahead = make(craft=Broken())
    with pytest.raises(CannotStart, match="no such decoder") as error:
        ahead.take(0, told("1"))
    assert "decode_workers=0" in error.value.hint


def mapped_bytes() -> int:
    """Return the bytes of workers' results that this process has mapped."""
    spans = [
        line.split()[0].split("-")
        for line in Path("/proc/self/maps").read_text().splitlines()
        if "memfd:onethinker" in line
    ]
    return sum(int(end, 16) - int(start, 16) for start, end in spans)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_results_stay_within_their_bytes_and_are_freed(make: Maker) -> None:
    budget, before = 5 * SIZE, mapped_bytes()
    ahead = make(workers=2, ahead=100, most_bytes=budget)
    most = 0
    jobs = [(n, told(str(SIZE - n))) for n in range(30)]
    until = time.monotonic() + 60
    for key, result in ahead.prepared(jobs):
        while key == 0 and mapped_bytes() - before < 4 * SIZE and time.monotonic() < until:
            time.sleep(0.01)
        most = max(most, mapped_bytes() - before - SIZE)
        del result
    assert 2 * SIZE < most <= budget
    assert ahead.peak_bytes <= budget
    assert mapped_bytes() == before


def test_large_clips_stay_within_the_budget(make: Maker, tmp_path: Path) -> None:
    from onethinker_eval.media.shown import ShowMedia

    rule = FrameRule(max_frames=16, frame_pixels=640 * 384)
    path = str(write_clip(tmp_path / "large.mp4", 100, size=(384, 640), fps=10))
    one = 16 * 640 * 384 * 3
    ahead = make(craft=ShowMedia(), ahead=50, most_bytes=2 * one)
    parts = ({"type": "video", "url": path},)
    jobs = [(n, Wanted(parts, rule)) for n in range(6)]
    for _, result in ahead.prepared(jobs):
        time.sleep(0.05)
        assert result.nbytes == one
    assert one < ahead.peak_bytes <= 2 * one


PARENT = """
import sys, time
from pipeline_crafts import Told, told
from onethinker_eval.harness.models.media_ahead import MediaAhead
ahead = MediaAhead(workers=2, craft=Told())
ahead.announce([(n, told(f"sleep 60{n}")) for n in range(4)])
while len(ahead.pids) < 2:
    time.sleep(0.05)
time.sleep(float(sys.argv[1]))
print(*ahead.pids, flush=True)
ahead.take(0, told("sleep 600"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "pause"), [(signal.SIGKILL, 0.0), (signal.SIGKILL, 3.0), (signal.SIGINT, 3.0)]
)
def test_no_worker_outlives_its_parent(number: int, pause: float) -> None:
    """Killed while workers start, killed while they work, and interrupted."""
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(pause)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(running(pid) for pid in pids)
    os.killpg(parent.pid, number)
    parent.communicate(timeout=60)
    assert parent.returncode != 0
    assert gone(pids)
