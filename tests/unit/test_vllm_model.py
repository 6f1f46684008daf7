"""The model around vLLM's engine, with an engine that only says what it was given."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("lmms_eval.api.instance")

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.models import vllm_model
from onethinker_eval.harness.models.vllm_model import OneThinkerVllm, VllmByFamily
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.shown import Wanted

GREEDY = {"max_new_tokens": 64, "temperature": 0, "until": []}


class Engine:
    """Answers each prompt with its own last tokens, or with a prompt that was read otherwise."""

    changed = False

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.given = options, list[tuple[Any, Any]]()
        self.prompt_ids: Any = None

    def submit(self, prompt: dict[str, Any], sampling: dict[str, Any]) -> Future[Any]:
        self.given.append((prompt, sampling))
        ids = self.prompt_ids(prompt)
        future: Future[Any] = Future()
        read = ids[:-1] if self.changed else ids
        completion = SimpleNamespace(token_ids=ids[-12:], text="not ours to use")
        future.set_result(SimpleNamespace(prompt_token_ids=read, outputs=[completion]))
        return future


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OneThinkerVllm:
    """The model on the tiny folder, asked about one picture."""
    from onethinker_eval.demo.tiny_model import tiny_folder

    monkeypatch.setattr(vllm_model, "VllmEngine", Engine)
    monkeypatch.setattr(vllm_model, "check_platform", lambda: None)
    arguments = f"model={tiny_folder()},tensor_parallel_size=2,max_new_tokens=32,seed=3,fps=1"
    made = VllmByFamily.create_from_arg_string(arguments, {"batch_size": 1})
    assert isinstance(made, OneThinkerVllm)
    picture = str(tmp_path / "a.png")
    Image.new("RGB", (64, 64), (200, 10, 10)).save(picture)
    parts = [{"type": "image", "url": picture}, {"type": "text", "text": "What colour is it?"}]
    made._questions = SimpleNamespace(  # type: ignore[assignment]
        messages=lambda request: [{"role": "user", "content": parts}],
        wanted=lambda request: Wanted((parts[0],), FrameRule()),
    )

    def expanded(prompt: dict[str, Any]) -> list[int]:
        from onethinker_eval.media.shown import Shown

        media = Shown(tuple(prompt["multi_modal_data"]["image"]), ())
        return made._prompt.prompt_ids(prompt["prompt"], media)

    made.engine.prompt_ids = expanded  # type: ignore[attr-defined]
    return made


def asked(count: int, **changes: Any) -> list[Any]:
    return [
        SimpleNamespace(args=("", None, {**GREEDY, **changes}, n, "task", "test"))
        for n in range(count)
    ]


def test_the_engine_gets_its_options_and_our_prompt(model: OneThinkerVllm) -> None:
    options = model.engine.options  # type: ignore[attr-defined]
    assert options["tensor_parallel_size"] == 2
    assert options["trust_remote_code"] is False
    assert options["max_model_len"] == 8192  # the model's own: less than our bound
    assert "fps" not in options
    (result,) = model.generate_until(asked(1))
    ((prompt, sampling),) = model.engine.given  # type: ignore[attr-defined]
    assert prompt["prompt"].count("<|image_pad|>") == 1
    assert prompt["mm_processor_kwargs"] == {"do_resize": False, "do_sample_frames": False}
    assert (sampling["max_tokens"], sampling["temperature"]) == (32, 0.0)
    assert "seed" not in sampling
    assert result.text.endswith("assistant\n")  # the end of the prompt, decoded by our tokenizer
    assert "<|im_start|>" not in result.text
    assert result.token_counts.output_tokens == 12
    read = model.engine.prompt_ids(prompt)  # type: ignore[attr-defined]
    assert result.token_counts.input_tokens == len(read)
    assert read.count(max(read, key=read.count)) == 4  # the picture's places


def test_another_prompt_than_ours_fails_its_sample(model: OneThinkerVllm) -> None:
    model.engine.changed = True  # type: ignore[attr-defined]
    (result,) = model.generate_until(asked(1))
    assert result.text.startswith("[LMMS_EVAL_REQUEST_FAILED")
    assert "they differ from token" in result.text


def test_sampling_has_a_seed_of_each_sample_s_own(model: OneThinkerVllm) -> None:
    for order in (asked(3, temperature=0.7), asked(3, temperature=0.7)[::-1]):
        model.generate_until(order)
    seeds = [sampling["seed"] for _, sampling in model.engine.given]  # type: ignore[attr-defined]
    assert len(set(seeds)) == 3
    assert seeds[3:] == seeds[2::-1]


def test_stops_cut_and_beams_are_refused(model: OneThinkerVllm) -> None:
    (result,) = model.generate_until(asked(1, until=["assist"]))
    assert "assist" not in result.text
    assert model.engine.given[0][1]["stop"] == ["assist"]  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="no beam search"):
        model.generate_until(asked(1, num_beams=4))
