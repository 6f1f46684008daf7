"""Greedy decoding of onethinker-tiny on one core: stock attention against grouped query heads.

    python tests/benchmarks/bench_cpu_decoding.py [--rows 64] [--prompt 300] [--tokens 64]

Left-padded rows, as evaluation and rollouts make them. Both decode the same prompts in one
process, in turns; CPU time, the best of all repeats. Tokens are checked for equality first.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from onethinker_eval.demo.tiny_model import tiny_folder
from onethinker_eval.harness.models.cpu_attention import group_query_heads
from onethinker_eval.harness.models.cpu_memory import keep_freed_memory


def main() -> None:
    """Print one line for each stock attention."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep freed memory, for both")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.keep:
        keep_freed_memory()
    ids = torch.randint(300, 3000, (options.rows, options.prompt), generator=torch.manual_seed(0))
    seen = torch.ones_like(ids)
    seen[: options.rows // 2, : options.prompt // 3] = 0

    def decode(model: Any) -> torch.Tensor:
        made: torch.Tensor = model.generate(
            input_ids=ids,
            attention_mask=seen,
            max_new_tokens=options.tokens,
            min_new_tokens=options.tokens,
            do_sample=False,
        )
        return made

    for attention in ("eager", "sdpa"):
        models = [
            AutoModelForImageTextToText.from_pretrained(
                tiny_folder(), dtype=torch.float32, attn_implementation=attention
            ).eval()
            for _ in range(2)
        ]
        group_query_heads(models[1])
        assert torch.equal(decode(models[0]), decode(models[1]))
        best = [math.inf, math.inf]
        for _ in range(options.repeats):
            for at, model in enumerate(models):
                start = time.process_time()
                decode(model)
                best[at] = min(best[at], time.process_time() - start)
        ratio = best[0] / best[1]
        print(f"{attention}: stock {best[0]:.2f} s, grouped {best[1]:.2f} s: {ratio:.1f} times")


if __name__ == "__main__":
    main()
