"""Whatever a judge's server says, the outcome is a value or a named failure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import answered, record

from onethinker_eval.benchmarks import resolve
from onethinker_eval.judging.apply import sample_of
from onethinker_eval.judging.cases import Unreadable, plain_reply, shortened
from onethinker_eval.judging.clients import MAX_TEXT_CHARS, ChatClient, RewardClient, reward_text
from onethinker_eval.judging.http import CallError
from onethinker_eval.judging.journal import call_key
from onethinker_eval.judging.prompts import judge_prompt, prompt_names
from onethinker_eval.judging.roles import ROLES
from onethinker_eval.rescoring import Plan, score_line

Value = TypeVar("Value")

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(["choices", "message", "content", "data", "embedding", "usage", "x"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
TEXTS = st.text(max_size=200) | st.sampled_from(
    ["A", "Z", "1", '{"right": "yes", "points": 5}', "<think>", "</think>B", "NONE", "5</answer>"]
)


class Says:
    """An endpoint that always replies the same."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.value


@given(JSON)
def test_any_json_is_a_completion_or_rubbish(value: Any) -> None:
    client = ChatClient(Says(value), "m")  # type: ignore[arg-type]
    prompt = judge_prompt("same_answer")
    try:
        found = client.complete(prompt, {"question": "q", "truth": "t", "answer": "a"})
    except CallError as error:
        assert error.kind == "rubbish"  # noqa: PT017 - either end is right
    else:
        assert 0 < len(found.text) <= MAX_TEXT_CHARS


@pytest.mark.parametrize("server", ["sglang", "vllm", "lmdeploy"])
@given(value=JSON, count=st.integers(1, 3))
def test_any_json_is_rewards_or_rubbish(server: str, value: Any, count: int) -> None:
    client = RewardClient(Says(value), server)  # type: ignore[arg-type]
    try:
        found = client.scores(["text"] * count)
    except CallError as error:
        assert error.kind == "rubbish"  # noqa: PT017 - either end is right
    else:
        assert len(found) == count
        assert all(math.isfinite(number) for number in found)


class Replies:
    """Answers every question with the next of some texts."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def text(self, prompt: str, inputs: Mapping[str, str], read: Callable[[str], Value]) -> Value:
        judge_prompt(prompt).messages(inputs)  # every input the prompt names is given
        return read(self.texts.pop(0) if self.texts else "")

    def reward(self, prompt: str, reference: str, candidate: str) -> float:
        return 0.0


SAMPLES = {
    "option_match": ("mmstar", "multiple choice", "B"),
    "mathvista": ("mathvista", "numerical", "12"),
    "mathverse": ("mathverse", "math", "x^2"),
    "videommlu": ("videommlu_caption", "caption", "red"),
    "g_eval": ("mmsci_caption", "caption", "A chart."),
}


@pytest.mark.parametrize("role", sorted(SAMPLES))
@settings(max_examples=60)
@given(reply=TEXTS, said=st.lists(TEXTS, min_size=1, max_size=4))
def test_any_words_of_a_judge_are_a_verdict_or_unreadable(
    role: str, reply: str, said: list[str]
) -> None:
    name, kind, truth = SAMPLES[role]
    plan = Plan.of(resolve(name)[0], ["paper"])
    questions = [{"question": "Which colour?", "answer": "red"}]
    options = ["A. red", "B. blue"] if kind == "multiple choice" else []
    item = record("s", kind, truth, options=options, meta={"questions": questions})
    line = {"id": "s", "status": "ok", "reply": answered(reply), "record": item}
    sample = sample_of(line, score_line(line, plan)["paper"], "paper", plan.choice_rule)
    try:
        verdict = ROLES[role](sample, Replies(list(said)))
    except Unreadable:
        return
    numbers = verdict.statistics.values()
    assert all(math.isfinite(number) and number >= 0 for number in numbers)
    if "judged" in verdict.statistics:
        assert verdict.statistics["judged accuracy"] in (0, 1)


@given(st.text(max_size=300))
def test_a_plain_reply_has_no_thinking(text: str) -> None:
    plain = plain_reply(f"<think>{text}</think>B")
    assert plain == "B"


@given(st.text(max_size=100), st.integers(1, 50))
def test_shortened_keeps_the_end(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most + 1
    assert text.endswith(short.removeprefix("…")) or short == text


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_rewarded_text_has_one_end(prompt: str, reference: str, candidate: str) -> None:
    marks = "<|reward|>[UNUSED_TOKEN_130]"
    text = reward_text(prompt + marks, marks + reference, candidate + marks + candidate)
    assert text.count("<|reward|>") == text.count("[UNUSED_TOKEN_130]") == 1


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), st.text(max_size=9))
def test_keys_depend_on_everything_and_on_no_order(inputs: dict[str, str], more: str) -> None:
    key = call_key("p", "d", "m", inputs)
    assert key == call_key("p", "d", "m", dict(reversed(inputs.items())))
    assert key != call_key("p", "d", f"m{more}x", inputs)
    assert key != call_key("p", "e", "m", inputs)
    assert key != call_key("p", "d", "m", {**inputs, "new name": more})


def test_all_prompts_are_used() -> None:
    from pathlib import Path

    from onethinker_eval import judging

    folder = Path(judging.__file__).parent / "roles"
    code = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert all(f'"{name}"' in code for name in prompt_names())
