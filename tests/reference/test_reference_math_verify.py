"""Symbolic equality against math-verify itself, called in this process."""

from __future__ import annotations

import logging
import random
from itertools import product

import pytest
from math_verify import parse, verify

from onethinker_eval.metrics import mathematics

logging.getLogger("math_verify").setLevel(logging.CRITICAL)

ANSWERS = [
    "1/2", r"\frac{1}{2}", r"$\frac{1}{2}$", "0.5", ".5", "50%", "50", "5 cm", "x=3", "3", "$x=3$",
    "$x+1$", "$1+x$", "x+1", "1+x", "$(x+1)^2$", "$x^2+2x+1$", "1,000", "1000", "1e3", "+3", "3.",
    "007", "7", "-7", r"$\sqrt{8}$", r"$2\sqrt{2}$", "2.828427", r"$\pi$", "3.141593", "$(1,2)$",
    "(1, 2)", r"$\{1,2\}$", r"$\{2,1\}$", "$[0,1)$", "$x>2$", "$2<x$", "red", r"$\text{red}$",
    "The answer is 12", r"\boxed{12}", "12", "12.0", "$12$ apples", "0.333333", "1/3", "0.3333333",
    r"$\begin{pmatrix}1\\2\end{pmatrix}$", r"$90^\circ$", "90", r"$\infty$", "$a=b$", "$3\\%$", "",
]  # fmt: skip


def math_verify(pred, truth):
    expected = parse(truth, parsing_timeout=None)
    return verify(expected, parse(pred, parsing_timeout=None), timeout_seconds=None)


def check(pairs):
    equal = 0
    for pred, truth in pairs:
        got = mathematics.compare(pred, truth, time_limit_s=60)
        if got.how in ("identical", "empty"):
            continue
        assert got.how in ("number", "symbolic")
        assert got.equal == math_verify(pred, truth), (pred, truth)
        equal += got.equal
    return equal


def test_pairs_of_answers_equal_math_verify():
    pairs = list(product(ANSWERS, ANSWERS))
    assert check(random.Random(8).sample(pairs, 400)) > 10


@pytest.mark.slow
def test_every_pair_of_answers_equals_math_verify():
    assert check(product(ANSWERS, ANSWERS)) > 60


def number(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return str(rng.randint(-30, 30))
    if kind == 1:
        return f"{rng.randint(1, 99_999_999):,}"
    if kind == 2:
        return f"{rng.uniform(-3, 3):.{rng.randint(1, 6)}f}"
    if kind == 3:
        return f"{rng.randint(-9, 9)}.{'0' * rng.randint(1, 6)}"
    if kind == 4:
        return f"{rng.randint(0, 5):0{rng.randint(1, 5)}d}"
    return f"{rng.randint(100_000_000, 999_999_999)}.{rng.randint(0, 999_999):06d}"


def neighbour(rng, text):
    """Write the same number another way, or one close to it."""
    value = float(text.replace(",", ""))
    return rng.choice(
        [
            f"{value:.{rng.randint(1, 6)}f}",
            f"{value + rng.choice([0, 1e-6, -1e-6, 1e-5]):.6f}",
            text.replace(",", ""),
            str(int(value)),
            f"{int(value):,}",
        ]
    )


def test_plain_numbers_are_decided_as_math_verify_does():
    rng = random.Random(11)
    decided = {True: 0, False: 0}
    for _ in range(1_500):
        truth = number(rng)
        pred = neighbour(rng, truth) if rng.random() < 0.7 else number(rng)
        if pred == truth or not (
            mathematics._PLAIN.fullmatch(pred) and mathematics._PLAIN.fullmatch(truth)
        ):
            continue
        got = mathematics.compare(pred, truth)
        assert got.how == "number"
        assert got.equal == math_verify(pred, truth), (pred, truth)
        decided[got.equal] += 1
    assert min(decided.values()) > 200


@pytest.mark.parametrize(
    ("pred", "truth"),
    [("x+1", "1+x"), (r"\sqrt{8}", r"2\sqrt2"), ("(x+1)^2", "x^2+2x+1"), ("(0, 1]", r"\left(0,1]")],
)
def test_repaired_reads_bare_formulas_as_math_verify_reads_delimited_ones(pred, truth):
    assert math_verify(f"${pred}$", f"${truth}$")
    assert mathematics.equivalent(pred, truth, rule="repaired")
    assert not mathematics.equivalent(pred, truth, rule="paper")
