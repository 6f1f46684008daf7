"""Time text scores against their references, in one process and on one core.

    python tests/benchmarks/bench_text.py [--onethinker PATH]

Prints a table of ratios (reference time / our time, the best of several repeats each) and
checks that both give the same numbers. The peer of the OCR score is the plain dynamic
programme OneThinker uses, written again here; with `--onethinker`, a checkout of the
authors' repository, it is their own `wer` and `compute_rouge_score`.
"""

from __future__ import annotations

import argparse
import ast
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jiwer
from rouge_score import rouge_scorer

from onethinker_eval.metrics import mathematics, text

SYLLABLES = ["ta", "re", "mi", "lo", "sun", "ing", "ed", "er", "st", "al", "ment", "ous", "a"]


def plain_wer(reference: str, hypothesis: str) -> float:
    """Return the word error rate by the full table in plain Python."""
    expected, got = reference.split(), hypothesis.split()
    row = list(range(len(got) + 1))
    for i, word in enumerate(expected, 1):
        above, row = row, [i]
        for j, other in enumerate(got, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other)))
    return row[-1] / max(1, len(expected))


def plain_rouge(reference: str, hypothesis: str) -> float:
    """Return the mean F of three ROUGE scores, as rouge-score computes them."""
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scores = scorer.score(reference, hypothesis)
    return sum(score.fmeasure for score in scores.values()) / 3


def functions_of(checkout: Path) -> dict[str, Any]:
    """Return `wer` and `compute_rouge_score` of a checkout, without its heavy imports."""
    path = checkout / "Evaluation" / "Eval" / "eval_bench.py"
    wanted = {"wer", "compute_rouge_score"}
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in wanted]
    found: dict[str, Any] = {"rouge_scorer": rouge_scorer}
    exec(compile(tree, str(path), "exec"), found)
    return found


def sentences(count: int, words: int, seed: int) -> list[tuple[str, str]]:
    """Return pairs of texts that share about four words in five."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(3_000)]
    pairs = []
    for _ in range(count):
        reference = rng.choices(vocabulary, k=words)
        hypothesis = [rng.choice(vocabulary) if rng.random() < 0.2 else w for w in reference]
        pairs.append((" ".join(reference), " ".join(hypothesis)))
    return pairs


def best(function: Callable[..., Any], pairs: Sequence[tuple[str, str]], repeats: int) -> float:
    """Return the least CPU time per pair, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for pair in pairs:
            function(*pair)
        times.append((time.process_time() - start) / len(pairs))
    return min(times)


def compare(
    name: str,
    ours: Callable[..., float],
    theirs: Callable[..., float],
    pairs: Sequence[tuple[str, str]],
    few: int,
) -> None:
    """Print one row: both times, the ratio, the largest difference of values."""
    difference = max(abs(ours(*pair) - theirs(*pair)) for pair in pairs[:few])
    fast, slow = best(ours, pairs, 7), best(theirs, pairs[:few], 3)
    print(f"{name:44} {fast * 1e6:10.1f} {slow * 1e6:12.1f} {slow / fast:9.1f}x {difference:9.1e}")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onethinker", type=Path, help="checkout of the authors' repository")
    checkout = parser.parse_args().onethinker
    peer = functions_of(checkout) if checkout else {}
    table, rouge = peer.get("wer", plain_wer), peer.get("compute_rouge_score", plain_rouge)
    label = "OneThinker" if checkout else "plain table"
    print(f"{'score':44} {'ours µs':>10} {'reference µs':>12} {'ratio':>10} {'max diff':>9}")
    for words, count, few in ((12, 400, 60), (50, 200, 10), (200, 100, 4), (1_000, 20, 1)):
        pairs = sentences(count, words, seed=words)
        compare(f"OCR, {words} words, {label}", text.wer, table, pairs, few)
        compare(f"OCR, {words} words, jiwer", text.wer, jiwer.wer, pairs, few)
    for words, count, few in ((8, 400, 60), (20, 300, 40), (120, 100, 8), (300, 40, 3)):
        pairs = sentences(count, words, seed=words)
        compare(f"open-ended, {words} words, {label}", text.open_ended, rouge, pairs, few)
    mathematics_row()


def mathematics_row() -> None:
    """Print the row for plain numbers, which math-verify parses and we do not."""
    from math_verify import parse, verify

    def theirs(pred: str, truth: str) -> float:
        expected = parse(truth, parsing_timeout=None)
        return float(verify(expected, parse(pred, parsing_timeout=None), timeout_seconds=None))

    pairs = [(f"{i / 8}", f"{i / 8 + (i % 3) / 8:.4f}") for i in range(300)]
    compare("math, plain numbers, math-verify", mathematics.equivalent, theirs, pairs, 60)


if __name__ == "__main__":
    main()
