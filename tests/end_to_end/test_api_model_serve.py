"""`--model openai` against `transformers serve`, an ordinary server, with the tiny model."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

pytestmark = pytest.mark.slow  # the server takes half a minute and more to start

START_S = 600


@pytest.fixture(scope="module")
def folder() -> str:
    from onethinker_eval.demo.tiny_model import tiny_folder

    return str(tiny_folder())


@pytest.fixture(scope="module")
def url(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server."""
    pytest.importorskip("fastapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", folder]
    options = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*command, *options], stdout=stream, stderr=stream, env=environment
        )
    try:
        _wait_for(port, server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise AssertionError(log.read_text()[-2000:])
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError(f"no server within {START_S} s: {log.read_text()[-2000:]}")


def lines(folder: Path, task: str) -> list[dict[str, Any]]:
    text = (folder / "replies" / f"{task}.jsonl").read_text()
    return sorted(map(json.loads, text.splitlines()), key=lambda line: str(line["id"]))


SMALL = "max_frames=16,frame_pixels=20480,image_pixels=20480,min_frame_pixels=1024"


def test_a_served_model_answers_as_the_loaded_one(
    url: str, folder: str, run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    common: dict[str, Any] = {
        "tasks": ["refcoco_val", "charades"],
        "data": str(small_suite),
        "output": str(tmp_path),
        "limit": 4,
    }
    rule = f"{SMALL},min_image_pixels=1024,max_new_tokens=16"
    arguments = f"base_url={url},model={folder},image_format=png,num_concurrent=2,{rule}"
    served = run_server.run(model="openai", model_args=arguments, run="served", **common)
    assert (served["generated"], served["failures"]) == (8, [])
    loaded = run_server.run(
        model="onethinker-tiny", model_args="max_new_tokens=16", run="loaded", **common
    )
    assert (loaded["generated"], loaded["failures"]) == (8, [])
    ours = lines(tmp_path / "loaded", "onethinker_refcoco_val")
    theirs = lines(tmp_path / "served", "onethinker_refcoco_val")
    for one, other in zip(ours, theirs, strict=True):
        # images at our size, losslessly: the same prompt, the same greedy reply
        assert one["tokens"]["in"] == other["tokens"]["in"]
        assert one["reply"] == other["reply"]
    for line in lines(tmp_path / "served", "onethinker_charades"):
        assert line["tokens"]["in"] > 16 * 10  # sixteen pictures, each of 20 tokens at most
        assert 0 < line["tokens"]["out"] <= 16
