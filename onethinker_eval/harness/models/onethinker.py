"""`onethinker`: Qwen3-VL and what was trained from it, by transformers, as the authors ask it.

No system message, images and videos at the sizes and frame rates of the task file, a video as one
native item with the time of each pair of frames, greedy unless told otherwise. Samples are made
into tensors by other processes or threads while the model works on the batches before.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.harness import costs
from onethinker_eval.harness.models.media_ahead import MediaAhead, Wanted, default_workers
from onethinker_eval.harness.models.questions import (
    RULE_KEYS,
    Questions,
    cut,
    failed,
    generation_of,
    key_of,
)
from onethinker_eval.harness.models.qwen_inputs import QwenInputs, collate, load_processor
from onethinker_eval.harness.models.qwen_prompt import QwenPrompt
from onethinker_eval.harness.models.record_model import refuse_unknown
from onethinker_eval.harness.upcoming import upcoming

__all__ = ["OneThinker", "OneThinkerTiny"]

_ARGUMENTS = (
    *("pretrained", "device", "device_map", "dtype", "attn_implementation", "max_new_tokens"),
    *("system_prompt", "video_markers"),
    *("decode_workers", "decode_threads", "decode_gib", "decode_limit_s"),
)


_PAUSE_S = 60.0
"""The engine idle for longer than this between two calls was not waiting, it was not in use."""


class OneThinker(lmms):  # type: ignore[misc]  # lmms-eval carries no types
    """A Qwen3-VL chat model.

    Arguments (`--model_args`): `pretrained` (folder or hub id), `device`, `device_map`, `dtype`,
    `attn_implementation`, `max_new_tokens` (a cap on the task's), `system_prompt`,
    the keys of a frame rule (`fps`, `max_frames`, `frame_pixels`, …), and
    `video_markers`: `flat` writes a video as transformers up to 5.0 did, under which OneThinker-8B
    was trained and measured; `nested` as transformers from 5.10 on does.

    Samples are prepared by `decode_workers` processes (default: with a GPU this process's share of
    the cores but one; without one none) or, if there are none, by `decode_threads` threads. At
    most `decode_gib` of prepared samples wait; a file that takes a process longer than
    `decode_limit_s` fails alone.
    """

    is_simple = False
    wants_order = True

    def __init__(
        self,
        pretrained: str = "OneThink/OneThinker-8B",
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        device_map: str | None = None,
        dtype: str | None = None,
        attn_implementation: str = "sdpa",
        max_new_tokens: int | None = None,
        system_prompt: str = "",
        video_markers: str = "flat",
        decode_workers: int | None = None,
        decode_threads: int = 2,
        decode_gib: float | None = None,
        decode_limit_s: float = 300.0,
        **rule: Any,
    ) -> None:
        """Load the model; `rule` are frame-rule settings that replace the task's."""
        super().__init__()
        unknown = {key: value for key, value in rule.items() if key not in RULE_KEYS}
        refuse_unknown("onethinker", unknown, [*RULE_KEYS, *_ARGUMENTS])
        self._questions = Questions(self.task_dict, rule, system_prompt)
        self._batch_size = int(batch_size)
        self.device = torch.device(device or _default_device())
        dtype = dtype or _default_dtype(self.device)
        self.processor = load_processor(pretrained)
        if decode_workers is None:
            decode_workers = default_workers(gpu=self.device.type == "cuda")
        self._media = MediaAhead(
            int(decode_threads),
            ahead=2 * self._batch_size + 2 * int(decode_workers) + 2,
            workers=int(decode_workers),
            most_bytes=None if decode_gib is None else int(float(decode_gib) * (1 << 30)),
            limit_s=float(decode_limit_s),
            craft=QwenInputs(pretrained, dtype, self.processor),
        )
        self._idle_since: float | None = None
        self._prompt = QwenPrompt(self.processor, video_markers)
        first = upcoming()
        if first is not None:  # what is asked first is decoded while the weights are read
            self.task_dict.update(first.documents)
            self.prefetch(first.requests)
        self._load(pretrained, dtype, device_map, attn_implementation)
        self._cap = max_new_tokens

    def _load(self, source: str, dtype: str, device_map: str | None, attention: str) -> None:
        from transformers import AutoModelForImageTextToText

        self.model = AutoModelForImageTextToText.from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            device_map=device_map or str(self.device),
        ).eval()
        if self.model.device.type == "cpu":
            from onethinker_eval.harness.models.cpu_attention import group_query_heads
            from onethinker_eval.harness.models.cpu_memory import keep_freed_memory

            keep_freed_memory()
            group_query_heads(self.model)

    def prefetch(self, requests: Sequence[Instance]) -> None:
        """Begin to prepare `requests`, which will be asked for next, in this order."""
        fresh = [one for one in requests if not self._media.has(key_of(one))]
        self._media.announce((key_of(one), self._wanted(one)) for one in fresh)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer the requests in batches, in order; one whose media are broken fails alone."""
        results: list[GenerationResult] = []
        now = time.monotonic()
        if self._idle_since is None or now - self._idle_since > _PAUSE_S:
            self._idle_since = now
        for generation, batch in self._batches(requests):
            following = requests[len(results) + len(batch) :][: self._batch_size]
            self.prefetch([*batch, *following])
            taken = [self._media.take(key_of(one), self._wanted(one)) for one in batch]
            good = [one for one in taken if not isinstance(one, DataError)]
            replies = iter(self._generate(good, generation) if good else [])
            results += [
                failed(one) if isinstance(one, DataError) else next(replies) for one in taken
            ]
        return results

    def _wanted(self, request: Instance) -> Wanted:
        messages = self._questions.messages(request)
        parts = [part for message in messages for part in message["content"] if "url" in part]
        prompt = self._prompt.text(messages)
        return Wanted(tuple(parts), self._questions.rule(request), prompt, request.args[-2])

    def _batches(
        self, requests: Sequence[Instance]
    ) -> Iterator[tuple[Mapping[str, Any], list[Instance]]]:
        """Yield batches of neighbours that share their generation settings."""
        for _, group in itertools.groupby(requests, key=lambda one: repr(generation_of(one))):
            alike = list(group)
            for start in range(0, len(alike), self._batch_size):
                yield generation_of(alike[0]), alike[start : start + self._batch_size]

    @torch.inference_mode()
    def _generate(
        self, samples: Sequence[dict[str, torch.Tensor]], generation: Mapping[str, Any]
    ) -> list[GenerationResult]:
        pad = self.processor.tokenizer.pad_token_id
        device = self.model.device
        # Joined where the memory is quick: on a GPU the processor's copy of it would take longer.
        placed = [{name: value.to(device) for name, value in one.items()} for one in samples]
        inputs = collate(placed, pad)
        del placed
        prompt = inputs["input_ids"].shape[1]
        began = time.monotonic()
        costs.add_idle(began - (self._idle_since or began))
        output = self.model.generate(**inputs, **self._generation_arguments(generation)).cpu()
        self._idle_since = time.monotonic()
        costs.add_engine(self._idle_since - began)
        fresh = output[:, prompt:]
        texts = self.processor.batch_decode(
            fresh, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [
            GenerationResult(
                text=cut(text, generation.get("until") or []),
                token_counts=TokenCounts(
                    input_tokens=int(mask.sum()), output_tokens=int((ids != pad).sum())
                ),
            )
            for text, mask, ids in zip(texts, inputs["attention_mask"], fresh, strict=True)
        ]

    def _generation_arguments(self, generation: Mapping[str, Any]) -> dict[str, Any]:
        """Translate lmms-eval's generation settings into transformers'."""
        wanted = int(generation.get("max_new_tokens", 8192))
        limit = wanted if self._cap is None else min(wanted, int(self._cap))
        temperature = float(generation.get("temperature") or 0)
        arguments: dict[str, Any] = {"max_new_tokens": limit, "do_sample": temperature > 0}
        for name in ("temperature", "top_p", "top_k"):
            # Left to the model's own defaults, greedy decoding would warn about each.
            arguments[name] = generation.get(name) if temperature > 0 else None
        if generation.get("num_beams"):
            arguments["num_beams"] = int(generation["num_beams"])
        if generation.get("repetition_penalty"):
            arguments["repetition_penalty"] = float(generation["repetition_penalty"])
        return arguments

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Refuse: no task of ours asks for likelihoods."""
        raise UsageError("onethinker gives replies only, no likelihoods")

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        """Refuse: no task of ours has several rounds."""
        raise UsageError("onethinker answers in one round only")


class OneThinkerTiny(OneThinker):
    """The embedded model of 2.4 million parameters; see `onethinker_eval.demo.tiny_model`.

    Pictures are shown at 160 × 128 pixels or the like and videos as such frames, two a second and
    at most 64, whatever the task's own rule: it has seen no others.
    """

    def __init__(self, pretrained: str = "", **arguments: Any) -> None:
        """Load the embedded model (or another small one from `pretrained`)."""
        from onethinker_eval.demo.steps import FRAMES
        from onethinker_eval.demo.tiny_model import tiny_folder

        small = 160 * 128
        defaults = {
            "video_markers": "nested",
            "rule": FRAMES.rule,
            "fps": FRAMES.fps,
            "max_frames": FRAMES.max_frames,
            "frame_pixels": small,
            "image_pixels": small,
            "min_frame_pixels": 32 * 32,
            "min_image_pixels": 32 * 32,
        }
        if "OMP_NUM_THREADS" not in os.environ:
            # Its matrices are so small that threads wait for each other: two take five times
            # as long as one.
            torch.set_num_threads(1)
        super().__init__(pretrained or str(tiny_folder()), **{**defaults, **arguments})
        if self._cap is None:
            self._cap = self.model.generation_config.max_new_tokens


def _default_device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def _default_dtype(device: torch.device) -> str:
    return "bfloat16" if device.type == "cuda" else "float32"
