"""How fast replies are scored: a mixed batch of rewards, and a journal of stored replies.

    python tests/benchmarks/bench_scoring.py [--onethinker PATH] [--samples 100000]

The batch holds 1,024 replies of eleven problem types with 250 words of thinking each. Peers: a
plain implementation of the paper's rule (`tests/plain_rewards.py`), and, with `--onethinker`, the
reward of the authors' repository checked out at PATH (its `mathruler` and server client are
replaced by stand-ins; its print of one batch in a hundred is off). Ours, plain and upstream run in
one process, one after the other; the figure is the best of several repeats of CPU time.

The journal is of grounding replies, scored under all three protocols with everything that
rescoring does: reading, scoring, writing sorted lines, metrics. `loop` is an empty loop's time per
round on this machine at this moment, as a unit to compare machines by.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import plain_rewards

from onethinker_eval import scoring

Item = tuple[str, str, str, str]  # reply, truth, problem type, data type

WORDS = ("the", "red", "object", "near", "left", "right", "of", "a", "person", "stands", "walks")


def sentence(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(count))


def boxes(rng: random.Random, count: int) -> dict[str, list[int]]:
    return {str(k + 1): box(rng) for k in range(count)}


def box(rng: random.Random) -> list[int]:
    x, y = rng.randrange(500), rng.randrange(500)
    return [x, y, x + rng.randrange(50, 400), y + rng.randrange(50, 400)]


def pair(rng: random.Random, kind: str) -> tuple[Any, Any]:
    """Return an answer and a truth of a problem type, about half of them near each other."""
    if kind == "multiple choice":
        return rng.choice("ABCD"), rng.choice("ABCD")
    if kind in ("numerical", "regression", "math"):
        value = rng.randrange(1, 500)
        return str(value + rng.randrange(2)), str(value)
    if kind in ("ocr", "open-ended"):
        count = 200 if kind == "ocr" else 120
        text = sentence(rng, count)
        changed = [rng.choice(WORDS) if rng.random() < 0.1 else word for word in text.split()]
        return " ".join(changed), text
    if kind == "temporal grounding":
        return {"time": [3.0, 9.5]}, {"time": [2.5, 9.0]}
    if kind == "spatial grounding":
        return {"boxes": box(rng)}, {"boxes": box(rng)}
    if kind == "tracking":
        return {"boxes": boxes(rng, 32)}, {"boxes": boxes(rng, 32)}
    if kind == "spatial-temporal grounding":
        value = {"time": [1.0, 12.0], "boxes": boxes(rng, 12)}
        return value, {**value, "boxes": boxes(rng, 12)}
    points = [[rng.randrange(1000), rng.randrange(1000)] for _ in range(6)]
    value = {"boxes": box(rng), "positive_points": points[:3], "negative_points": points[3:]}
    return value, {**value, "boxes": box(rng)}


KINDS = (
    *("multiple choice", "numerical", "regression", "math", "ocr", "open-ended"),
    *("temporal grounding", "spatial grounding", "spatial-temporal grounding", "tracking"),
    "segmentation",
)


def batch(count: int, seed: int = 0) -> list[Item]:
    rng = random.Random(seed)
    items = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        answer, truth = pair(rng, kind)
        texts = [v if isinstance(v, str) else json.dumps(v) for v in (answer, truth)]
        reply = f"<think>{sentence(rng, 250)}</think>\n<answer>{texts[0]}</answer>"
        items.append((reply, f"<answer>{texts[1]}</answer>", kind, "image"))
    return items


def ours(items: list[Item]) -> list[float]:
    return [
        scoring.score(reply, truth, kind, data_type=data_type).accuracy
        for reply, truth, kind, data_type in items
    ]


def plain(items: list[Item]) -> list[float]:
    return [plain_rewards.accuracy(reply, truth, kind, data) for reply, truth, kind, data in items]


def upstream(folder: Path) -> Callable[[list[Item]], list[float]]:
    """Load the reward of the authors' repository; everything it prints or calls is held back."""
    stand_ins: dict[str, dict[str, Any]] = {
        "mathruler": {},
        "mathruler.grader": {"grade_answer": lambda a, b: a.strip() == b.strip()},
        **{name: {} for name in ("verl", "verl.workers", "verl.workers.reward")},
        "verl.workers.reward.model_reward": {"RewardModelClient": object},
    }
    for name, content in stand_ins.items():
        stand_in = types.ModuleType(name)
        stand_in.__dict__.update(content)
        sys.modules[name] = stand_in
    path = folder / "EasyR1/verl/reward_function/onethinker_reward.py"
    spec = importlib.util.spec_from_file_location("peer_reward", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import torch

    torch.set_num_threads(1)
    module.random = types.SimpleNamespace(random=lambda: 1.0)

    def run(items: list[Item]) -> list[float]:
        inputs = [
            {"response": reply, "ground_truth": truth, "data_type": data, "problem_type": kind}
            for reply, truth, kind, data in items
        ]
        return [result["accuracy"] for result in module.compute_score(inputs)]

    return run


def best(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def loop_ns() -> float:
    def rounds() -> None:
        for _ in range(1_000_000):
            pass

    return best(rounds, 5) * 1e3


def compare_batch(peers: dict[str, Callable[[list[Item]], list[float]]]) -> None:
    items = batch(1024)
    ours(items)  # starts the process for symbolic mathematics and fills the caches of imports
    groups = {"mixed batch of 1,024": items}
    groups |= {kind: [item for item in items if item[2] == kind] for kind in KINDS}
    heads = "".join(f"{name + ' µs':>14}{'ratio':>8}" for name in peers)
    print(f"{'rewards':30}{'ours µs':>10}{heads}")
    for name, group in groups.items():
        mine = best(partial(ours, group), 5) / len(group) * 1e6
        cells = f"{name:30}{mine:10.1f}"
        for label, peer in peers.items():
            known = [item for item in group if label != "plain" or item[2] != "math"]
            if not known:
                cells += f"{'-':>14}{'-':>8}"
                continue
            theirs = best(partial(peer, known), 3) / len(known) * 1e6
            cells += f"{theirs:14.1f}{theirs / mine:7.1f}x"
        print(cells)
    check(items, peers)


def check(items: list[Item], peers: dict[str, Callable[[list[Item]], list[float]]]) -> None:
    for label, peer in peers.items():
        known = [item for item in items if label != "plain" or item[2] != "math"]
        known = [item for item in known if item[2] != "regression" or label == "plain"]
        gap = max(abs(a - b) for a, b in zip(ours(known), peer(known), strict=True))
        print(f"largest difference to {label}: {gap:.2g} over {len(known)} replies")


def journal(folder: Path, count: int) -> Path:
    """Write a run folder of grounding replies; one in fifty is no answer."""
    rng = random.Random(1)
    path = folder / "replies" / "onethinker_refcoco_val.jsonl"
    path.parent.mkdir(parents=True)
    thought = sentence(rng, 60)
    with path.open("w") as stream:
        for number in range(count):
            truth, guess = box(rng), box(rng)
            reply = f'<think>{thought}</think>\n<answer>{{"boxes": {guess}}}</answer>'
            record = {
                "id": str(number),
                "problem_type": "spatial grounding",
                "data_type": "image",
                "question": "Give the box of the person on the left.",
                "media": [["image", f"/data/coco/{number // 7}.jpg"]],
                "truth": f'<answer>{{"boxes": {truth}}}</answer>',
                "options": [],
                "cluster": f"coco/{number // 7}.jpg",
                "meta": {"width": 640, "height": 480},
                "origin": f"eval_refcoco_val.json: record {number}",
            }
            line = {
                "key": "0" * 64,
                "id": str(number),
                "status": "ok",
                "reply": reply if number % 50 else "I see two people.",
                "error": None,
                "record": record,
                "seconds": 0.5,
                "tokens": {"in": 300, "out": 80},
            }
            stream.write(json.dumps(line) + "\n")
    return folder


RUN = """
import resource, sys, time
from onethinker_eval.rescoring import rescore
if __name__ == "__main__":
    start, wall = time.process_time(), time.perf_counter()
    result = rescore(sys.argv[1], processes=int(sys.argv[2]))
    spent = time.process_time() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent += children.ru_utime + children.ru_stime
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0])  # ru_maxrss would be the parent's
    print(result.tasks[0].samples, spent, time.perf_counter() - wall, peak / 1024)
"""


def compare_journals(samples: int) -> None:
    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.rescoring import Plan
    from onethinker_eval.rescoring.chunks import Job, byte_ranges, run_job

    heads = f"{'processes':>10}{'per core-s':>12}{'wall s':>9}{'peak MB':>9}"
    print(f"\n{'stored grounding replies':30}{heads}")
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "run.py"
        script.write_text(RUN)
        for count, processes in ((samples // 10, 1), (samples, 1), (samples, 2)):
            run = journal(Path(scratch) / f"{count}-{processes}", count)
            done = subprocess.run(
                [sys.executable, str(script), str(run), str(processes)],
                capture_output=True,
                text=True,
                check=True,
            )
            scored, spent, wall, peak = map(float, done.stdout.split())
            rate = scored / spent
            print(f"{count:<30,}{processes:10}{rate:12,.0f}{wall:9.1f}{peak:9.0f}")
        plan = Plan.of(resolve("refcoco_val")[0])
        path = Path(scratch) / f"{samples}-1" / "replies" / "onethinker_refcoco_val.jsonl"
        chunk = byte_ranges([path])[0]
        target = str(Path(scratch) / "lines")
        job = Job(chunk, plan, target)
        scored = run_job(job).samples
        rate = scored / best(partial(run_job, job), 15)
        print(f"scoring alone, best chunk: {rate:,.0f} a core-second; loop now {loop_ns():.1f} ns")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--onethinker", type=Path, help="a checkout of the authors' repository")
    parser.add_argument("--samples", type=int, default=100_000, help="lines of the journal")
    parser.add_argument("--only", choices=("rewards", "journal"), help="one of the two parts")
    options = parser.parse_args()
    print(f"loop: {loop_ns():.1f} ns")
    peers: dict[str, Callable[[list[Item]], list[float]]] = {"plain": plain}
    if options.onethinker:
        peers["upstream"] = upstream(options.onethinker)
    if options.only != "journal":
        compare_batch(peers)
    if options.only != "rewards":
        compare_journals(options.samples)


if __name__ == "__main__":
    main()
