"""Making the demo suite: the same bytes each time, disjoint splits, a safe cache."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from demo_files import (
    drawn,
    released,
    rows,
)
from PIL import Image

from onethinker_eval import demo
from onethinker_eval.demo import suite as module
from onethinker_eval.demo.dice import scene_seed
from onethinker_eval.errors import UsageError

pytest.importorskip("av")
FEW = ["refcoco", "mmbench", "reasonvos"]

_CODE = (
    "import sys; from onethinker_eval import demo; "
    "demo.make(sys.argv[1], seed=3, benchmarks=sys.argv[2].split())"
)

_RACE = """
import os, sys, time
from pathlib import Path
from onethinker_eval.demo import suite
real = suite.make
def few(out_dir, **options):
    root = real(out_dir, benchmarks=["refcoco"])
    time.sleep(float(sys.argv[1]))
    return root
suite.make = few
root = suite.ensure()
assert suite.verified(root)
print(root)
"""


@pytest.fixture(scope="module")
def suite() -> Path:
    """Return the suite in the cache: its folder is named by a hash of the generator's source."""
    return demo.ensure()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: Path) -> Path:
    """Point the cache to a fresh folder and make suites by linking the one already made."""

    def quick(out_dir: Path, **_: Any) -> Path:
        shutil.copytree(suite, out_dir, copy_function=os.link)
        return out_dir

    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "make", quick)
    return tmp_path / "cache" / "demo"


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(tmp_path: Path) -> None:
    prints = []
    for hash_seed in ("1", "77"):
        folder = tmp_path / hash_seed
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", _CODE, str(folder), " ".join(FEW)]
        subprocess.run(command, check=True, env=environment, timeout=120)
        prints.append(
            {
                path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
        )
    assert prints[0] == prints[1]
    assert len(prints[0]) > 40
    assert any(name.endswith(".mp4") for name in prints[0])


@pytest.mark.slow
def test_the_whole_suite_is_the_same_twice(suite: Path, tmp_path: Path) -> None:
    again = demo.make(tmp_path / "again")
    one, other = (json.loads((root / "manifest.json").read_text()) for root in (suite, again))
    assert one == other


def test_seeds_and_splits_give_other_scenes(tmp_path: Path) -> None:
    texts = set()
    for seed, split in ((0, "eval"), (1, "eval"), (0, "train")):
        root = demo.make(
            tmp_path / f"{split}{seed}", seed=seed, split=split, benchmarks=["refcoco"]
        )
        texts.add((root / "eval_refcoco_val.json").read_text())
    assert len(texts) == 3


def test_train_and_eval_scenes_come_from_disjoint_seeds() -> None:
    evaluation = {scene_seed("eval", seed, "x", at) for seed in range(20) for at in range(200)}
    training = {scene_seed("train", seed, "x", at) for seed in range(20) for at in range(200)}
    assert len(evaluation) == len(training) == 4000
    assert all(number % 2 == 0 for number in evaluation)
    assert all(number % 2 == 1 for number in training)


def test_no_training_picture_is_an_evaluation_picture() -> None:
    prints = {}
    for split in ("eval", "train"):
        prints[split] = {
            hashlib.sha256(group.picture.image().tobytes()).hexdigest()
            for seed in range(4)
            for group in drawn("refcoco/val", seed, split)
        }
        assert len(prints[split]) == 48
    assert not prints["eval"] & prints["train"]


def test_ensure_makes_the_suite_once(cached: Path) -> None:
    first = demo.ensure()
    stamp = (first / "manifest.json").stat().st_ino, first.stat().st_ino
    assert first == cached / demo.version()
    assert demo.ensure() == first
    assert ((first / "manifest.json").stat().st_ino, first.stat().st_ino) == stamp
    assert [path.name for path in cached.iterdir()] == [demo.version()]


def test_ensure_replaces_a_damaged_suite_and_leaves_no_rest(cached: Path) -> None:
    root = demo.ensure()
    broken = root / "eval_charades.json"
    text = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(text[:100])
    assert not demo.verified(root)
    assert demo.ensure() == root
    assert broken.read_bytes() == text
    (root / "eval_got10k.json").unlink()
    demo.ensure()
    assert demo.verified(root)
    assert [path.name for path in cached.iterdir()] == [demo.version()]


def test_files_others_add_do_not_damage_the_suite(cached: Path) -> None:
    root = demo.ensure()
    (root / "extra.txt").write_text("x")
    demo.ensure()
    assert (root / "extra.txt").is_file()


def test_a_failing_make_leaves_nothing(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(out_dir: Path, **_: Any) -> Path:
        out_dir.mkdir()
        (out_dir / "half").write_text("x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "make", failing)
    with pytest.raises(OSError, match="No space"):
        demo.ensure()
    assert list(cached.iterdir()) == []


def test_two_processes_at_once_end_with_one_whole_suite(tmp_path: Path) -> None:
    environment = os.environ | {"ONETHINKER_CACHE": str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, wait],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for wait in ("0.6", "0.6", "0.2")
    ]
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], results
    assert {output.strip() for output, _ in results} == {str(tmp_path / "demo" / demo.version())}
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [demo.version()]


def test_the_demo_needs_no_torch(tmp_path: Path) -> None:
    code = _CODE + "; assert not {'torch', 'cv2', 'transformers', 'pandas'} & set(sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "x"), "charades mmstar"]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"benchmarks": ["refcoc"]}, "nearest: refcoco"),
        ({"split": "test"}, "eval, train"),
        ({"size": (64, 128)}, "96 or more"),
        ({"size": (161, 128)}, "even"),
    ],
)
def test_bad_arguments_are_refused_with_the_way_out(
    tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        demo.make(tmp_path / "bad", **arguments)
    assert not (tmp_path / "bad").exists()


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    demo.make(
        tmp_path / "p",
        benchmarks=["refcoco"],
        progress=lambda done, total, label: told.append((done, total, label)),
    )
    assert [step[0] for step in told] == [0, 1, 2, 3]
    assert {step[1] for step in told} == {3}
    assert told[1][2] == "refcoco/testA"


def test_one_size_for_all(tmp_path: Path) -> None:
    root = demo.make(
        tmp_path / "sized",
        size=(192, 144),
        benchmarks=["refcoco_seg", "mmstar", "reasonvos", "ai2d"],
    )
    for name in ("seg_refcoco", "seg_reasonvos"):
        for record in released(root, name):
            assert record["resolution"] == {"width": 192, "height": 144}
    for row in rows(root, "AI2D_TEST"):
        assert Image.open(io.BytesIO(base64.b64decode(row["image"]))).size == (192, 144)
