"""`onethinker-vllm`, and what `--model vllm` means here: Qwen3-VL by vLLM, asked faithfully.

Prompt, frames, sizes and frame times are those of the `onethinker` model, made by the same
functions; a video is one native item with its metadata. Every reply is checked to come from the
token ids that transformers' processor would have made.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.environment import world_size
from onethinker_eval.harness.models.keep_busy import BUSY_ARGUMENTS, BusyModel
from onethinker_eval.harness.models.media_ahead import Shown, default_workers
from onethinker_eval.harness.models.questions import RULE_KEYS, cut, generation_of, key_of
from onethinker_eval.harness.models.qwen_inputs import load_processor
from onethinker_eval.harness.models.qwen_prompt import QwenPrompt
from onethinker_eval.harness.models.vllm_engine import (
    FAMILY,
    VllmEngine,
    check_platform,
    check_prompt,
    config_of,
    engine_prompt,
    gpu_share,
    model_type,
)
from onethinker_eval.harness.settings import parse_arguments

__all__ = ["OneThinkerVllm", "VllmByFamily", "sampling_of"]

_LONGEST_MODEL_LEN = 65536


class OneThinkerVllm(BusyModel):
    """A Qwen3-VL chat model by vLLM.

    Arguments (`--model_args`): `pretrained` (folder or hub id), `max_new_tokens` (a cap on the
    task's), `system_prompt`, `video_markers` and the keys of a frame rule as for `onethinker`;
    those of `BusyModel` (`num_concurrent`, `decode_workers`, …); and any engine argument of vLLM
    (`tensor_parallel_size`, `data_parallel_size`, `gpu_memory_utilization`, `max_model_len`,
    `enforce_eager`, `dtype`, …).
    """

    def __init__(
        self,
        pretrained: str = "OneThink/OneThinker-8B",
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        max_new_tokens: int | None = None,
        system_prompt: str = "",
        video_markers: str = "flat",
        num_concurrent: int = 64,
        **others: Any,
    ) -> None:
        """Start the engine; `others` are frame-rule settings and engine arguments."""
        rule = {key: others.pop(key) for key in RULE_KEYS if key in others}
        common = {key: others.pop(key) for key in BUSY_ARGUMENTS if key in others}
        options = others
        _check(pretrained, device, options)
        check_platform()
        common.setdefault("decode_workers", default_workers(gpu=torch.cuda.is_available()))
        super().__init__(
            rule, system_prompt=system_prompt, num_concurrent=int(num_concurrent), **common
        )
        self.processor = load_processor(pretrained)
        self._lock = threading.Lock()  # a fast tokenizer does not bear two threads
        self._prompt = QwenPrompt(self.processor, video_markers)
        self._cap, self._seed = max_new_tokens, int(options.get("seed", 0))
        self._penalty = _repetition_penalty(pretrained)
        _keep_to_own_gpus(options)
        if int(common["decode_workers"]):  # threads at work do not bear a fork
            self.begin_early()
        self.engine = VllmEngine({**_defaults(pretrained), **options, "model": pretrained})

    def begin(self, request: Instance, media: Shown) -> Future[GenerationResult]:
        """Hand a request to vLLM."""
        text = self._prompt.text(self._questions.messages(request))
        with self._lock:
            wanted = self._prompt.prompt_ids(text, media)
        generation = generation_of(request)
        sampling = sampling_of(generation, self._cap, self._penalty)
        if sampling["temperature"] > 0:
            sampling["seed"] = _seed(self._seed, key_of(request))
        result: Future[GenerationResult] = Future()

        def finish(done: Future[Any]) -> None:
            try:
                result.set_result(self._result(done.result(), wanted, generation))
            except Exception as error:  # handed on to whoever waits for the result
                result.set_exception(error)

        self.engine.submit(engine_prompt(text, media), sampling).add_done_callback(finish)
        return result

    def _result(
        self, output: Any, wanted: list[int], generation: Mapping[str, Any]
    ) -> GenerationResult:
        """Return the reply in vLLM's `output` if its prompt was the `wanted` token ids."""
        check_prompt(output.prompt_token_ids, wanted)
        ids = list(output.outputs[0].token_ids)
        # decoded as the transformers model's; vLLM would drop a character cut off at the end
        with self._lock:
            (text,) = self.processor.batch_decode(
                [ids], skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        counts = TokenCounts(input_tokens=len(wanted), output_tokens=len(ids))
        return GenerationResult(cut(text, generation.get("until") or []), token_counts=counts)

    def clean(self) -> None:
        """Stop the engine, so that its GPU memory is free."""
        self.engine.close()


class VllmByFamily(lmms):  # type: ignore[misc]  # lmms-eval carries no types
    """What `--model vllm` makes: `OneThinkerVllm` for Qwen3-VL, lmms-eval's wrapper else."""

    is_simple = False

    @classmethod
    def kind_of(cls, arg_string: str) -> type:
        """Return the class of what `create_from_arg_string` makes, as far as it is ours."""
        words = parse_arguments(arg_string, "--model_args")
        source = words.get("pretrained", "") or words.get("model", "")
        return OneThinkerVllm if _is_ours(source) else cls

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> Any:
        """Return the model that fits the family of `pretrained` (or `model`)."""
        words = parse_arguments(arg_string, "--model_args")
        source = words.pop("pretrained", "") or words.pop("model", "")
        if _is_ours(source):
            named = {"pretrained": source, **words} if source else words
            return OneThinkerVllm.create_from_arg_string(_joined(named), additional_config)
        check_platform()
        from lmms_eval.models.chat.vllm import VLLM

        words = {"model": source, "trust_remote_code": "False", **words}
        return VLLM.create_from_arg_string(_joined(words), additional_config)

    def generate_until(self, requests: list[Instance]) -> Any:
        """Never called: `create_from_arg_string` returns another model."""
        raise NotImplementedError

    loglikelihood = generate_until_multi_round = generate_until


def sampling_of(
    generation: Mapping[str, Any], cap: int | None = None, penalty: float = 1.0
) -> dict[str, Any]:
    """Translate lmms-eval's generation settings into the arguments of vLLM's `SamplingParams`.

    `cap` bounds the new tokens, `penalty` is the model's own repetition penalty. Raises
    `UsageError` for beam search, which the engine has not.

    >>> sampling_of({"max_new_tokens": 64, "temperature": 0, "top_p": 0.9}, cap=32)
    {'max_tokens': 32, 'temperature': 0.0, 'repetition_penalty': 1.0, 'detokenize': False}
    """
    if int(generation.get("num_beams") or 1) > 1:
        raise UsageError("vLLM has no beam search", hint="use --model onethinker for num_beams")
    wanted = int(generation.get("max_new_tokens", 8192))
    temperature = float(generation.get("temperature") or 0)
    found: dict[str, Any] = {
        "max_tokens": wanted if cap is None else min(wanted, int(cap)),
        "temperature": temperature,
        "repetition_penalty": float(generation.get("repetition_penalty") or penalty),
    }
    for name in ("top_p", "top_k"):
        if temperature > 0 and generation.get(name) is not None:
            found[name] = generation[name]
    stops = [stop for stop in generation.get("until") or [] if stop]
    if stops:
        found["stop"] = stops
    found["detokenize"] = bool(stops)  # the text is ours to make; only stops need vLLM's
    return found


def _check(source: str, device: str | None, options: Mapping[str, Any]) -> None:
    kind = model_type(source)
    if kind not in FAMILY:
        raise UsageError(
            f"onethinker-vllm answers with Qwen3-VL models, {source} is {kind or 'of no type'}",
            hint="--model vllm hands other models to lmms-eval's wrapper",
        )
    if device is not None and str(device).startswith("cuda:"):
        raise UsageError(
            f"vLLM does not take --device {device}", hint="choose GPUs with CUDA_VISIBLE_DEVICES"
        )
    if str(options.get("trust_remote_code", False)).casefold() not in {"false", "0"}:
        raise UsageError(
            "trust_remote_code stays off: Qwen3-VL needs no code from a model's folder"
        )


def _defaults(source: str) -> dict[str, Any]:
    text = config_of(source).get("text_config") or {}
    longest = int(text.get("max_position_embeddings") or _LONGEST_MODEL_LEN)
    return {"max_model_len": min(longest, _LONGEST_MODEL_LEN), "trust_remote_code": False}


def _repetition_penalty(source: str) -> float:
    """Return the penalty that transformers takes from the model's generation settings."""
    from transformers import GenerationConfig

    try:
        return float(GenerationConfig.from_pretrained(source).repetition_penalty or 1.0)
    except OSError:  # the model has no such settings
        return 1.0


def _keep_to_own_gpus(options: Mapping[str, Any]) -> None:
    """Give each process of `torchrun` GPUs of its own; the engine's processes inherit them."""
    if world_size() == 1 or "LOCAL_RANK" not in os.environ:
        return
    if torch.cuda.device_count():
        each = int(options.get("tensor_parallel_size", 1))
        each *= int(options.get("pipeline_parallel_size", 1))
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        count, rank = torch.cuda.device_count(), int(os.environ["LOCAL_RANK"])
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu_share(visible, count, rank, each)


def _seed(seed: int, key: tuple[Any, ...]) -> int:
    """Return a seed of the sample's own, so that replies do not depend on the order."""
    state = hashlib.sha256(repr((seed, key)).encode()).digest()
    return int.from_bytes(state[:4], "big")


def _is_ours(source: str) -> bool:
    """Return whether the model of a folder or hub id is one of the family; ours is the default."""
    return not source or model_type(source) in FAMILY


def _joined(arguments: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in arguments.items())
