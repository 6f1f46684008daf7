"""`onethinker-train data`: what is counted, what is cut, what ends with which code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onethinker_eval import demo
from onethinker_eval.demo.media import write_mp4
from onethinker_eval.prompts import load_profile
from onethinker_eval.training import media_facts
from onethinker_eval.training.cli import main
from onethinker_eval.training.data_check import check_data
from onethinker_eval.training.data_command import recipe_of, tables
from onethinker_eval.training.lengths import LengthLimit, TokenCounter
from onethinker_eval.training.recipe import DataSettings, Recipe, SourceSettings


def record(number: int, path: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": number,
        "problem": f"What colour is thing {number}?",
        "problem_type": "open-ended",
        "data_type": "image",
        "process": "<think>It looks red.</think>",
        "solution": "<answer>red</answer>",
        "path": path,
    } | changes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name, shape in (("small", (64, 96)), ("large", (1100, 900)), ("thin", (4, 900))):
        pixels = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "large.png").read_bytes()[:5000])
    frames = [rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(40)]
    write_mp4(tmp_path / "clip.mp4", frames, 4.0)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "clip.mp4").read_bytes()[:3000])
    records = [
        record(1, "small.png"),
        record(2, "large.png", problem_type="math"),
        record(3, "thin.png"),
        record(4, "broken.png"),
        record(5, "missing.png"),
        record(6, "clip.mp4", data_type="video"),
        record(7, "cut.mp4", data_type="video"),
        record(8, None, data_type="text"),
        record(9, "small.png", process=""),
        record(10, "../outside.png"),
    ]
    (tmp_path / "train.json").write_text(json.dumps(records))
    return tmp_path


def recipe(folder: Path, **changes: Any) -> Recipe:
    source = SourceSettings(
        kind="json", path=str(folder / "train.json"), weights={"math": 3.0}, weight=2.0
    )
    values = {"video_share": 0.25, "max_frames": 16, **changes}
    return Recipe("sft", data=DataSettings(sources=(source,), root=str(folder), **values))


def test_records_are_counted_left_out_and_cut(folder: Path) -> None:
    report = check_data(recipe(folder))
    (file,) = report.files
    assert (file.records, file.kept, report.left_out) == (10, 3, 7)
    assert file.left_out == {
        "too narrow": 1,
        "the image cannot be decoded": 1,
        "the image is missing": 1,
        "the video cannot be decoded": 1,
        "no image or video": 1,
        "no thinking (process)": 1,
        "the path … leaves the data root": 1,
    }
    made = {source.name: source for source in report.sources}
    assert set(made) == {
        "train:open-ended:image",
        "train:math:image",
        "train:open-ended:video",
    }
    assert made["train:math:image"].smaller_images == 1
    assert made["train:open-ended:image"].smaller_images == 0
    assert made["train:open-ended:video"].fewer_frames == 1  # 20 at two a second, 16 at most
    assert made["train:open-ended:video"].share == pytest.approx(0.25)
    ratio = made["train:math:image"].share / made["train:open-ended:image"].share
    assert ratio == pytest.approx(3.0, rel=0.1)
    assert sum(source.share for source in report.sources) == pytest.approx(1.0)
    assert [item.record.id for item in report.items] == ["2", "1", "6"]


def test_lengths_need_sizes_not_pixels(folder: Path) -> None:
    counter = TokenCounter(lambda messages, opened: 10, lambda h, w: h * w // 1024, lambda h, w: 4)
    limit = LengthLimit(counter, load_profile("plain"), 100)
    report = check_data(recipe(folder), limit)
    made = {source.name: source for source in report.sources}
    # 64×96 are 6 tokens in place of one marker; the large one is shown at 960×800
    assert made["train:open-ended:image"].tokens == (15, 15, 15)
    assert made["train:math:image"].tokens == (10 + 30 * 25 - 1,) * 3
    assert made["train:math:image"].too_long == 1
    assert made["train:open-ended:video"].tokens == (10 + 8 * 3,) * 3
    shown = tables(report, limit)
    assert re.search(r"train:math:image +1 +1 +5\d\.\d% .* 1$", shown, re.MULTILINE)
    assert "left out 1: too narrow" in shown


def test_the_command_writes_everything_and_reads_media_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["data", str(folder / "train.json"), "--root", str(folder)]
    output = folder / "out.json"
    assert main([*command, "--json", str(output)]) == 0
    first = capsys.readouterr().out
    assert "train:open-ended:video" in first
    assert json.loads(output.read_text())["files"][0]["left_out"]["too narrow"] == 1

    def never(medium: object) -> None:
        raise AssertionError(f"read again: {medium}")

    monkeypatch.setattr(media_facts, "facts_of", never)
    assert main([*command, "--strict"]) == 1
    captured = capsys.readouterr()
    assert captured.out in first
    assert "6 records cannot be trained on" in captured.err  # thinking is not asked for


def test_a_benchmark_in_the_training_data_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = demo.make(folder / "suite", benchmarks=["refcoco", "charades"])
    stolen = json.loads((suite / "eval_refcoco_val.json").read_text())[0]
    Image.open(suite / stolen["path"]).convert("RGB").save(folder / "stolen.jpg", quality=80)
    (folder / "theft.json").write_text(
        json.dumps([record(1, "small.png"), {**stolen, "path": "stolen.jpg"}])
    )
    command = ["data", str(folder / "theft.json"), "--root", str(folder), "--against", str(suite)]
    output = folder / "out.json"
    assert main([*command, "--json", str(output)]) == 0
    assert "sample: theft:spatial grounding:image" in capsys.readouterr().out
    (match,) = json.loads(output.read_text())["contamination"]["matches"]
    assert (match["kind"], match["benchmark"]) == ("sample", "refcoco_val")
    assert main([*command, "--strict"]) == 1
    assert "1 training records are in a benchmark" in capsys.readouterr().err
    empty = folder / "empty"
    empty.mkdir()
    assert main([*command[:-1], str(empty)]) == 1
    assert "no benchmark is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo-sft", "train.json"], "not both"),
        (["train.json", "run.steps=3"], "files have none"),
        (["demo-stf"], "did you mean demo-sft"),
        (["train.json", "--stage", "rl"], "--stage must be sft or grpo"),
        (["demo-sft", "demo-grpo"], "expected one recipe"),
    ],
)
def test_mistakes_end_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_demo_sources_are_looked_at_too(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    suite = demo.make(folder / "suite", benchmarks=["refcoco"])
    made = recipe_of(["demo-sft"], {}, root=None, stage="sft")
    assert made.data.sources[0].kind == "demo"
    changes = ["data.sources=[{families: [spatial_grounding]}]", "--scenes", "2"]
    assert main(["data", "demo-sft", *changes, "--against", str(suite)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"demo:refcoco/val +2000000 +generated", shown)
    assert re.search(r"sample +0", shown)
    assert re.search(r"look-alike +0", shown)
