"""Start-up of the command line against a bare interpreter and lmms-eval's command line.

    python tests/benchmarks/bench_startup.py [--repeats 5] [--skip-slow]

CPU seconds (user + system) of a child process, least of the repeats, and as multiples of
`python -c pass`. lmms-eval's task list is run once: it takes half a minute.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

OURS = {
    "onethinker-eval --help": ["-m", "onethinker_eval", "--help"],
    "onethinker-eval tasks": ["-m", "onethinker_eval", "tasks"],
    "onethinker-eval tasks --json": ["-m", "onethinker_eval", "tasks", "--json"],
    "onethinker-eval models": ["-m", "onethinker_eval", "models"],
}
THEIRS = {"lmms_eval --help": ["-m", "lmms_eval", "--help"]}
SLOW = {
    "lmms_eval eval --help": ["-m", "lmms_eval", "eval", "--help"],
    "lmms_eval tasks": ["-m", "lmms_eval", "tasks"],
}


def measure(words: list[str], repeats: int) -> tuple[float, float]:
    """Return the least CPU and the least wall seconds of running python with `words`."""
    cpu, wall = [], []
    for _ in range(repeats):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wall.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(cpu), min(wall)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--skip-slow", action="store_true")
    options = parser.parse_args()
    base, base_wall = measure(["-c", "pass"], options.repeats)
    print(f"{'command':<32}{'CPU s':>8}{'wall s':>8}{'× python -c pass':>18}")
    print(f"{'python -c pass':<32}{base:>8.3f}{base_wall:>8.3f}{1:>18.1f}")
    rows = [(name, words, options.repeats) for name, words in (OURS | THEIRS).items()]
    if not options.skip_slow:
        rows += [(name, words, 1) for name, words in SLOW.items()]
    for name, words, repeats in rows:
        cpu, wall = measure(words, repeats)
        print(f"{name:<32}{cpu:>8.3f}{wall:>8.3f}{cpu / base:>18.1f}", flush=True)


if __name__ == "__main__":
    main()
