"""Rollouts of clips by onethinker-tiny on one core: transformers' `generate` against `sampling`.

    python tests/benchmarks/bench_rollout_sampling.py [--prompts 4] [--each 8] [--update]

Both sample the same prompts in one process, in turns; CPU time, the best of all repeats. With
`--update` also forward and backward over the rollouts, each read whole against prompts read once.
That the tokens are `generate`'s and the gradients the same is tested in
`tests/unit/test_training_sampling.py`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from onethinker_eval.demo.steps import FRAMES
from onethinker_eval.demo.tiny_model import tiny_folder
from onethinker_eval.harness.models.cpu_attention import group_query_heads
from onethinker_eval.harness.models.cpu_memory import keep_freed_memory
from onethinker_eval.prompts import load_profile
from onethinker_eval.training.logprobs import reply_logprobs
from onethinker_eval.training.repeats import encode_once, rollout_processor
from onethinker_eval.training.samples import demo_scenes, row
from onethinker_eval.training.sampling import sample
from onethinker_eval.training.shared_prompts import read_replies

_LONGEST = 768


def _timed(calls: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    best = [math.inf] * len(calls)
    for _ in range(repeats):
        for at, call in enumerate(calls):
            torch.manual_seed(0)
            start = time.process_time()
            call()
            best[at] = min(best[at], time.process_time() - start)
    return best


def main() -> None:
    """Print the seconds of both, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--update", action="store_true", help="time the update as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    each = options.each
    model = AutoModelForImageTextToText.from_pretrained(
        tiny_folder(), dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    encode_once(model)
    group_query_heads(model)
    processor = AutoProcessor.from_pretrained(tiny_folder())
    processor.tokenizer.padding_side = "left"
    processor = rollout_processor(processor)
    scenes = demo_scenes(["temporal_grounding"], FRAMES, size=options.prompts, asks=1)[0]
    rows = [row(scenes.samples(item)[0], load_profile()) for item in range(options.prompts)]

    def inputs(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        texts = [
            processor.apply_chat_template(one["prompt"], tokenize=False, add_generation_prompt=True)
            for one in rows
        ]
        pictures = [one["images"] for one in rows]
        return dict(processor(text=texts, images=pictures, return_tensors="pt", padding=True))

    prompts, copies = inputs(rows), inputs([one for one in rows for _ in range(each)])
    stop = {processor.tokenizer.eos_token_id}

    def stock() -> torch.Tensor:
        with torch.no_grad():
            made: torch.Tensor = model.generate(
                **copies,
                max_new_tokens=_LONGEST,
                do_sample=True,
                temperature=0.6,
                top_k=0,
                cache_implementation="static",
            )
        return made

    def ours() -> list[list[int]]:
        return sample(model, prompts, each=each, temperature=0.6, most=_LONGEST, stop=stop)

    replies = ours()
    mean = sum(map(len, replies)) / len(replies)
    print(f"{len(replies)} rollouts of {mean:.0f} tokens on average, {max(map(len, replies))} most")
    one, other = _timed((stock, ours), options.repeats)
    print(f"sampling: generate {one:.2f} s, ours {other:.2f} s: {one / other:.1f} times")
    if not options.update:
        return
    read_replies(model)
    told = torch.nn.utils.rnn.pad_sequence([torch.tensor(one) for one in replies], True, -1)
    tokens = torch.cat([copies["input_ids"], told.clamp(min=0)], dim=1)
    mask = torch.cat([copies["attention_mask"], (told >= 0).long()], dim=1)
    kinds = torch.cat([copies["mm_token_type_ids"], torch.zeros_like(told)], dim=1)
    media = {
        **{name: copies[name] for name in ("pixel_values", "image_grid_thw")},
        "num_images": [len(one["images"]) for one in rows for _ in range(each)],
        "mm_token_type_ids": kinds,
    }

    def update(shared: int) -> None:
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found, _ = reply_logprobs(
                model, tokens, mask, told.shape[1], temperature=0.6, media=media, each=shared
            )
        found.sum().backward()

    one, other = _timed((lambda: update(1), lambda: update(each)), options.repeats)
    print(f"update: each whole {one:.2f} s, prompts once {other:.2f} s: {one / other:.1f} times")


if __name__ == "__main__":
    main()
