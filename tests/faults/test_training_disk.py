"""A full disk stops training with one line, keeps the last good checkpoint, and is gone on from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_training import micro_folder

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from onethinker_eval.errors import RunError  # noqa: E402
from onethinker_eval.training import recipe, sft  # noqa: E402
from onethinker_eval.training.launch import last_checkpoint  # noqa: E402

STEPS = 3


def made(output: Path, **changes: str) -> recipe.Recipe:
    values = {
        "model.path": str(micro_folder()),
        "model.scratch": "null",
        "data.sources": "[{kind: demo, families: [spatial_grounding], size: 4}]",
        "optimiser.name": "adamw",
        "optimiser.lr": "1e-3",
        "run.output": str(output),
        "run.steps": str(STEPS),
        "run.batch": "2",
        "run.micro_batch": "2",
        "run.precision": "fp32",
        "run.number_smoothing": "0",
        "run.save_every": "1",
        "run.keep": "1",
        "run.log_every": "1",
    }
    return recipe.load("demo-sft", values | changes)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a checkpoint and a half."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs Linux and root")
    sft.train(made(tmp_path / "measured", **{"run.steps": "1"}))
    size = sum(p.stat().st_size for p in (tmp_path / "measured/checkpoint-1").rglob("*"))
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={int(1.6 * size)}", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    # Lazily: a data loader's worker may still have its folder there.
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_keeps_the_last_good_checkpoint(small_disk: Path, tmp_path: Path) -> None:
    run = small_disk / "run"
    with pytest.raises(RunError, match=r"checkpoint of step 2 cannot be written") as caught:
        sft.train(made(run))
    assert "checkpoint-1 is whole" in str(caught.value)
    good = last_checkpoint(run)
    assert good == run / "checkpoint-1"
    assert not (run / "checkpoint-2").exists()
    # With room again, the same run goes on from there.
    shutil.copytree(run, tmp_path / "run")
    sft.train(made(tmp_path / "run"))
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / f"checkpoint-{STEPS}"


def test_a_write_that_fails_names_the_step(tmp_path: Path, monkeypatch: Any) -> None:
    from transformers import Trainer

    original = Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if self.state.global_step == 2:
            raise OSError(28, "No space left on device")
        original(self, folder)

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(RunError, match=r"step 2 cannot be written: .*No space left"):
        sft.train(made(tmp_path))
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-1"
    assert not (tmp_path / "checkpoint-2").exists()
