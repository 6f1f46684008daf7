"""Masks from the command line: one command, alone, by two processes, with both segmenters."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from run_server import RunServer
from segmentation_runs import IMAGE_TASK, VIDEO_TASK, image_record, video_record, write_replies

from onethinker_eval.files import read_journal

TASKS = ["refcoco_seg", "mevis", "reasonvos"]


def metrics(folder: Path) -> dict[tuple[str, str, str], float]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return {
            (row["benchmark"], row["protocol"], row["metric"]): float(row["value"])
            for row in csv.DictReader(stream)
        }


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "onethinker_eval", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The segmentation twins of the demo suite."""
    from onethinker_eval import demo

    return demo.make(tmp_path_factory.mktemp("masks"), benchmarks=TASKS)


def test_one_command_answers_segments_and_scores(
    run_server: RunServer, suite: Path, tmp_path: Path
) -> None:
    settings = {"tasks": TASKS, "data": str(suite), "output": str(tmp_path), "run": "r"}
    outcome = run_server.run(model="oracle", limit=8, **settings)
    assert outcome["exit_code"] == 0, outcome
    found = metrics(tmp_path / "r")
    for protocol in ("paper", "official"):
        assert 90 < found["refcoco_seg", protocol, "cIoU"] <= 100
        assert 90 < found["refcoco_seg", protocol, "gIoU"] <= 100
        for benchmark in ("mevis", "reasonvos"):
            region, outline = (found[benchmark, protocol, name] for name in ("J", "F"))
            assert found[benchmark, protocol, "J&F"] == pytest.approx((region + outline) / 2)
            assert region > 75
    masks = tmp_path / "r" / "masks" / f"{IMAGE_TASK}.jsonl"
    before = masks.read_bytes()
    assert run_server.run(model="oracle", limit=8, **settings)["reused"] == 24
    assert masks.read_bytes() == before


def test_a_kill_during_the_masks_changes_nothing(
    run_server: RunServer, suite: Path, tmp_path: Path
) -> None:
    def settings(name: str) -> dict[str, object]:
        return {"tasks": ["mevis"], "data": str(suite), "output": str(tmp_path), "run": name}

    run_server.run(model="oracle", limit=10, **settings("whole"))
    journal = tmp_path / "killed" / "masks" / f"{VIDEO_TASK}.jsonl"

    def begun() -> bool:
        return journal.exists() and journal.read_bytes().count(b"\n") >= 2

    killed = run_server.run(model="oracle", limit=10, kill_when=begun, **settings("killed"))
    assert killed == {"killed": True}
    assert 2 <= journal.read_bytes().count(b"\n") < 10
    run_server.run(model="oracle", limit=10, **settings("killed"))
    whole, resumed = tmp_path / "whole", tmp_path / "killed"
    assert (whole / "metrics.csv").read_bytes() == (resumed / "metrics.csv").read_bytes()


def test_segment_alone_scores_and_names_the_segmenter(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    done = command("segment", str(run))
    assert done.returncode == 0, done.stderr
    assert "refcoco_seg" in done.stdout
    assert "cIoU" in done.stdout
    assert "1 samples segmented, 0 kept, 0 failed" in done.stderr
    assert "masks by grabcut" in done.stderr
    again = command("segment", str(run))
    assert "0 samples segmented, 1 kept" in again.stderr
    (tmp_path / "a.png").unlink()
    anew = command("segment", str(run), "--replace")
    assert anew.returncode == 1
    assert "a.png" in anew.stderr
    assert "Traceback" not in anew.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--segmenter", "sam9"), "unknown segmenter 'sam9'"),
        (("--tasks", "refcoco"), "holds no replies of a task that is scored on masks"),
        (("--protocol", "papers"), "unknown protocol"),
        (("--segmenter", "none"), "makes no masks"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    done = command("segment", str(run), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_other_data_name_their_segmenter(tmp_path: Path) -> None:
    sample = image_record(tmp_path, "a")
    run = write_replies(tmp_path / "r", IMAGE_TASK, [sample], demo=False)
    done = command("segment", str(run))
    assert done.returncode == 2
    assert "names no segmenter" in done.stderr


def torchrun(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"),
            *(f"--master-port={port}", "-m", "onethinker_eval", *words),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def masks_of(run: Path) -> dict[tuple[str, str], object]:
    return {
        (path.name.split(".")[0], line["id"]): (line["masks"], line["by_protocol"])
        for path in (run / "masks").glob("*.jsonl")
        for _, line in read_journal(path)
    }


def make_run(folder: Path, name: str) -> Path:
    images = [image_record(folder, f"i{n}", left=10 + 6 * n) for n in range(4)]
    run = write_replies(folder / name, IMAGE_TASK, images)
    clips = [video_record(folder, f"v{n}", frames=3 + n) for n in range(3)]
    return write_replies(run, VIDEO_TASK, clips)


def test_what_masks_lack_is_said_before_the_model_is_loaded(
    run_server: RunServer, suite: Path, tmp_path: Path
) -> None:
    settings = {"tasks": ["refcoco_seg"], "data": str(suite), "output": str(tmp_path), "run": "r"}
    pytest.importorskip("sam2")
    outcome = run_server.run(model="oracle", segmenter="sam2:gone.pt", **settings)
    assert outcome["error"] == "MissingPart"
    assert not (tmp_path / "r" / "run.json").exists()
    assert run_server.run(model="oracle", limit=2, **settings)["exit_code"] == 0
    masks = tmp_path / "r" / "masks" / f"{IMAGE_TASK}.jsonl"
    masks.write_text(masks.read_text().replace("grabcut", "sam2"))
    outcome = run_server.run(model="oracle", limit=3, **settings)
    assert outcome["error"] == "RunError"
    assert "were made by sam2, not grabcut" in outcome["text"]
    replies = (tmp_path / "r" / "replies" / f"{IMAGE_TASK}.jsonl").read_bytes()
    assert replies.count(b"\n") == 2


_FREED = """
import gc, sys
from onethinker_eval.harness import evaluate, segmenting
from onethinker_eval.harness.settings import Settings
free = segmenting.free_memory
def look():
    free()
    from transformers import PreTrainedModel
    alive = [type(each).__name__ for each in gc.get_objects() if isinstance(each, PreTrainedModel)]
    print("alive:", alive, flush=True)
segmenting.free_memory = look
result = evaluate.evaluate(Settings("onethinker-tiny", ("onethinker_refcoco_seg",), data="demo",
    model_args="max_new_tokens=4", limit=1, output=sys.argv[1], run="r"))
print("answered:", result.generated)
"""


@pytest.mark.slow
def test_the_language_model_is_gone_before_masks_are_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FREED, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "alive: []" in done.stdout, done.stdout + done.stderr
    assert "answered: 1" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("segmenter", ["grabcut", "sam2"])
def test_two_processes_make_the_masks_of_one(tmp_path: Path, segmenter: str) -> None:
    words = ["--segmenter", segmenter, "--device", "cpu"]
    if segmenter == "sam2":
        pytest.importorskip("sam2")
        import torch
        from sam2.build_sam import build_sam2

        torch.manual_seed(0)
        model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", None, device="cpu")
        file = tmp_path / "sam2.1_hiera_tiny.pt"
        torch.save({"model": model.state_dict()}, file)
        words[1] = f"sam2:{file},image_size=128"
    alone, shared = make_run(tmp_path, "alone"), make_run(tmp_path, "shared")
    one = command("segment", str(alone), *words)
    assert one.returncode == 0, one.stderr
    two = torchrun("segment", str(shared), *words)
    assert two.returncode == 0, two.stderr
    assert masks_of(alone) == masks_of(shared)
    assert len(masks_of(alone)) == 7
    assert len(list((shared / "masks").glob("*.rank1.jsonl"))) == 2
    assert (alone / "metrics.csv").read_bytes() == (shared / "metrics.csv").read_bytes()
    again = command("segment", str(shared), *words)
    assert "0 samples segmented, 7 kept" in again.stderr


@pytest.mark.slow
def test_one_command_shared_by_two_processes(suite: Path, tmp_path: Path) -> None:
    words = ["--model", "oracle", "--tasks", "refcoco_seg,mevis", "--data", str(suite)]
    words += ["--limit", "5", "--quiet", "--output"]
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    one = command(*words, str(alone), HF_HUB_OFFLINE="1")
    assert one.returncode == 0, one.stderr
    two = torchrun(*words, str(shared), ACCELERATE_USE_CPU="true", HF_HUB_OFFLINE="1")
    assert two.returncode == 0, two.stderr
    [first], [second] = (list(folder.glob("*/metrics.csv")) for folder in (alone, shared))
    assert first.read_bytes() == second.read_bytes()
    assert len(list((second.parent / "masks").glob("*.rank*.jsonl"))) == 4
