"""Run settings: what is refused, how a run is named, and that secrets stay out of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.errors import UsageError
from onethinker_eval.harness import environment
from onethinker_eval.harness.settings import Settings, parse_arguments, redact, without_secrets


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": ""}, "--model"),
        ({"tasks": ()}, "--tasks"),
        ({"limit": 0}, "--limit must be at least 1"),
        ({"batch_size": 0}, "--batch_size must be at least 1"),
        ({"chunk": 0}, "--chunk must be at least 1"),
        ({"run": "../up"}, "--run must be a plain folder name"),
        ({"run": ".."}, "--run must be a plain folder name"),
        ({"model_args": "pretrained"}, "--model_args expects key=value"),
        ({"gen_kwargs": "=3"}, "--gen_kwargs expects key=value"),
    ],
)
def test_bad_settings_name_the_option(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Settings(**{"model": "oracle", "tasks": ("refcoco",), **changes})


@pytest.mark.parametrize(
    ("model", "arguments", "data", "name"),
    [
        ("oracle", "", "demo", "oracle-demo"),
        ("qwen3_vl", "pretrained=/models/A-8B/,fps=2", "hub", "qwen3_vl-A-8B-hub"),
        ("openai", "model_version=org/m:1,base_url=http://x", "/d/a set", "openai-m_1-a_set"),
        ("replay", "file=/x/y.jsonl", "demo", "replay-y.jsonl-demo"),
    ],
)
def test_the_run_name_comes_from_model_weights_and_data(
    model: str, arguments: str, data: str, name: str
) -> None:
    assert Settings(model, ("a",), arguments, data).run_name == name


def test_the_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings("oracle", ("a",), output="out", run="mine")
    assert settings.folder == tmp_path / "out" / "mine"


def test_values_may_hold_an_equals_sign() -> None:
    assert parse_arguments("a=b=c,d=", "--x") == {"a": "b=c", "d": ""}


@pytest.mark.parametrize(
    "key", ["api_key", "openai_api_key", "token", "hf_token", "my_secret", "PASSWORD"]
)
def test_secrets_are_masked_and_left_out(key: str) -> None:
    text = f"model=m,{key}=hidden"
    assert "hidden" not in redact(text)
    assert without_secrets(text) == {"model": "m"}
    settings = Settings("openai", ("a",), text)
    assert "hidden" not in str(settings.to_json())


def test_harmless_keys_are_no_secrets() -> None:
    assert without_secrets("max_new_tokens=5,tokenizer=x,keyframes=2") == {
        "max_new_tokens": "5",
        "tokenizer": "x",
        "keyframes": "2",
    }


def test_a_launcher_that_started_one_process_of_several_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WORLD_SIZE", "MASTER_PORT", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    assert environment.lone_launch() == ""
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert environment.lone_launch() == "", "a script of a cluster may set it"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert "accelerate launch --multi_gpu" in environment.lone_launch()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert environment.lone_launch() == ""
