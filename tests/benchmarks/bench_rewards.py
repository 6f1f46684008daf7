"""How fast a batch of rollouts is rewarded, against the reward code the authors released.

    python tests/benchmarks/bench_rewards.py [--released PATH] [--workers 2] [--rollouts 1024]

The batch is that of `bench_scoring.py`: eleven problem types, 250 words of thinking each. Ours is
what training calls (`RolloutRewards`: total, parts and accuracy of each rollout, profile
`released`), without and with worker processes; with `--released`, a checkout of the authors'
repository, its `compute_score` runs in the same process on the same replies. CPU time, the best
of several repeats, each on texts that were not scored before; for worker processes the time the
training process itself spends.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import bench_scoring

from onethinker_eval.training.reward_pool import ScoringPool
from onethinker_eval.training.rollout_rewards import RolloutRewards

Item = tuple[str, str, str, str]

REPEATS = 5


def columns(items: list[Item]) -> dict[str, list[Any]]:
    return {
        "truth": [truth for _, truth, _, _ in items],
        "problem_type": [kind for _, _, kind, _ in items],
        "data_type": [data for _, _, _, data in items],
        "options": [[] for _ in items],
    }


def score(items: list[Item], pool: ScoringPool | None = None) -> list[float]:
    """Score a batch as the trainer does; a new list each time, for a batch is scored once."""
    rewards = RolloutRewards("released", pool=pool)
    made = rewards.score([reply for reply, _, _, _ in items], columns(items))
    assert not rewards.failures, rewards.failures
    return [rollout.total for rollout in made]


def best(run: Callable[[list[Item]], object], batches: list[list[Item]]) -> float:
    """Return the least CPU microseconds a rollout; every repeat has texts it has not seen."""
    times = []
    for items in batches:
        start = time.process_time()
        run(items)
        times.append((time.process_time() - start) / len(items) * 1e6)
    return min(times)


def table(count: int, released: Path | None) -> None:
    peer = bench_scoring.upstream(released) if released else None
    score(bench_scoring.batch(count, seed=99))  # starts the process for symbolic mathematics
    print(f"{'rewards, µs a rollout':32}{'ours':>9}{'released':>11}{'ratio':>8}")
    for row, name in enumerate(("all", *bench_scoring.KINDS)):
        seeds = range(1000 * (row + 1), 1000 * (row + 1) + REPEATS)
        batches = [
            [item for item in bench_scoring.batch(count, seed) if name in ("all", item[2])]
            for seed in seeds
        ]
        ours = best(score, batches)
        line = f"{name:32}{ours:9.1f}"
        if peer is not None:
            theirs = best(peer, batches[:3])
            line += f"{theirs:11.1f}{theirs / ours:7.1f}x"
        print(line)


def workers(count: int, processes: int) -> None:
    pool = ScoringPool(processes)
    try:
        items = bench_scoring.batch(count, seed=98)
        assert score(items, pool) == score(items)
        batches = [bench_scoring.batch(count, seed) for seed in range(200, 200 + REPEATS)]
        beside = best(lambda items: score(items, pool), batches) * count / 1e3
        within = best(score, [bench_scoring.batch(count, seed) for seed in range(300, 305)])
        print(
            f"\n{processes} worker processes: the training process spends {beside:.0f} ms of CPU "
            f"on {count} rollouts instead of {within * count / 1e3:.0f} ms"
        )
    finally:
        pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--released", type=Path, help="a checkout of the authors' repository")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rollouts", type=int, default=1024)
    options = parser.parse_args()
    print(f"loop: {bench_scoring.loop_ns():.1f} ns")
    table(options.rollouts, options.released)
    workers(options.rollouts, options.workers)


if __name__ == "__main__":
    main()
