"""`--model onethinker-vllm` says what is wrong before vLLM is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("models")
    for name, kind in (("llama", "llama"), ("qwen", "qwen3_vl")):
        (made / name).mkdir()
        (made / name / "config.json").write_text(json.dumps({"model_type": kind}))
    return {path.name: path for path in made.iterdir()}


@pytest.mark.parametrize(
    ("folder", "arguments", "device", "error", "text"),
    [
        ("llama", "", None, "UsageError", "is llama (--model vllm hands other models"),
        ("qwen", ",trust_remote_code=True", None, "UsageError", "trust_remote_code stays off"),
        ("qwen", "", "cuda:3", "UsageError", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_it_is_refused_by_name(
    folder: str,
    arguments: str,
    device: str | None,
    error: str,
    text: str,
    folders: dict[str, Path],
    run_server: RunServer,
    small_suite: Path,
    tmp_path: Path,
) -> None:
    outcome: dict[str, Any] = run_server.run(
        model="onethinker-vllm",
        model_args=f"pretrained={folders[folder]}{arguments}",
        device=device,
        tasks=["mmstar"],
        data=str(small_suite),
        output=str(tmp_path),
        limit=1,
    )
    assert outcome["error"] == error
    assert text in outcome["text"]
