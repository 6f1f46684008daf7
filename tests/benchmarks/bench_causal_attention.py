"""Attention of a training batch of clips on one core: with a mask against without one.

    python tests/benchmarks/bench_causal_attention.py [--rows 12] [--length 1100]

Forward and backward of one layer's attention (4 heads of 64, 2 for keys and values), bfloat16, in
turns in one process; seconds, the best of all repeats. Results are compared first.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.qwen3_vl.modeling_qwen3_vl import eager_attention_forward

_HEADS, _SHARED, _WIDTH = 4, 2, 64


def main() -> None:
    """Print the seconds of each kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--length", type=int, default=1100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    module = SimpleNamespace(num_key_value_groups=_HEADS // _SHARED, training=True, is_causal=True)
    rows, length = options.rows, options.length
    torch.manual_seed(0)
    inputs = [
        torch.randn(rows, heads, length, _WIDTH, dtype=torch.bfloat16, requires_grad=True)
        for heads in (_HEADS, _SHARED, _SHARED)
    ]
    seen = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    least = torch.finfo(torch.bfloat16).min
    added = torch.zeros(1, 1, length, length, dtype=torch.bfloat16).masked_fill(~seen, least)
    scale = _WIDTH**-0.5

    def eager(*given: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = eager_attention_forward(module, *given, added, scaling=scale)[0]
        return made

    kinds: dict[str, Callable[..., torch.Tensor]] = {
        "eager": eager,
        "eager, compiled": torch.compile(eager),
        "sdpa with a mask": lambda *given: sdpa_attention_forward(
            module, *given, seen.expand(rows, 1, length, length), scaling=scale
        )[0],
        "causal": lambda *given: sdpa_attention_forward(module, *given, None, scaling=scale)[0],
    }
    expected = kinds["eager"](*inputs)
    best = dict.fromkeys(kinds, math.inf)
    for _ in range(options.repeats):
        for name, attend in kinds.items():
            start = time.perf_counter()
            made = attend(*inputs)
            made.sum().backward()
            best[name] = min(best[name], time.perf_counter() - start)
            assert torch.allclose(made, expected, atol=0.05)
    for name, seconds in best.items():
        ratio = seconds / best["causal"]
        print(f"{name}: {seconds:.2f} s, {ratio:.1f} times as long as without a mask")


if __name__ == "__main__":
    main()
