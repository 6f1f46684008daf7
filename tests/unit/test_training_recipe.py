"""Recipes: all shipped ones load, every key is documented, mistakes are named."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

import pytest

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.paths import training_dir
from onethinker_eval.training import recipe
from onethinker_eval.training.ema import AdvantageRule
from onethinker_eval.training.recipe import Recipe, find, load, shipped

SECTIONS = [
    getattr(recipe, name)
    for name in recipe.__all__
    if dataclasses.is_dataclass(getattr(recipe, name))
]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_recipes_load_and_survive_their_resolved_copy(name: str, tmp_path: Path) -> None:
    made = load(name)
    copy = tmp_path / "recipe.yaml"
    copy.write_text(made.to_yaml(), encoding="utf-8")
    assert load(str(copy)) == made


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_key_is_documented(kind: type) -> None:
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    keys, documented = [], []
    for before, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            keys.append(before.target.id)
            if (
                isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and len(str(after.value.value)) > 10
            ):
                documented.append(before.target.id)
    assert keys == [made.name for made in dataclasses.fields(kind)]
    assert documented == keys


def test_the_advantage_keys_are_documented() -> None:
    text = inspect.getdoc(AdvantageRule) or ""
    for made in dataclasses.fields(AdvantageRule):
        assert f"`{made.name}`" in text


def test_the_recipes_say_what_they_are_for_and_how_to_start_them() -> None:
    for path in shipped().values():
        head = path.read_text(encoding="utf-8").splitlines()[:4]
        assert head[0].startswith("# "), path
        assert any(
            "onethinker-train" in line or "onethinker_eval.training" in line for line in head
        ), path


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage: sft\nrun: {stepz: 3}", r"unknown key 'run\.stepz'.*run\.steps"),
        ("stage: sft\nrun: {steps: many}", r"run\.steps must be int"),
        ("stage: sft\nrun: {steps: true}", r"run\.steps must be int"),
        ("stage: stf", r"unknown stage 'stf'.*sft"),
        ("stage: sft\nrun: 3", r"must be a section"),
        ("stage: grpo\nadvantage: {scale: emma}", r"unknown advantage\.scale 'emma'.*ema"),
        ("stage: grpo\nadvantage: {clip: -1}", r"clip must be above 0"),
        ("run: {steps: 3}", r"stage"),
        ("stage: sft\nrun: {trackers: wandb}", r"run\.trackers must be a list"),
    ],
)
def test_mistakes_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load(write(tmp_path, text))


def test_text_that_is_no_recipe_is_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.yaml"):
        load(write(tmp_path, "- a\n- b\n"))
    with pytest.raises(DataError, match=r"mine\.yaml"):
        load(write(tmp_path, "{"))


def test_overrides_and_numbers_written_as_yaml_does_not_read_them(tmp_path: Path) -> None:
    path = write(tmp_path, "stage: sft\noptimiser: {lr: 1e-5}")
    made = load(path, {"run.steps": "7", "optimiser.lr": "2e-3", "data.video_share": "null"})
    assert (made.run.steps, made.optimiser.lr, made.data.video_share) == (7, 2e-3, None)
    with pytest.raises(UsageError, match=r"run\.stepz"):
        load(path, {"run.stepz": "7"})
    with pytest.raises(UsageError, match="stage is not a section"):
        load(path, {"stage.name": "7"})


def test_names_are_found_or_the_nearest_is_shown() -> None:
    assert find("tiny-sft").is_relative_to(training_dir())
    with pytest.raises(UsageError, match="did you mean tiny-sft"):
        find("tiny-stf")
    with pytest.raises(UsageError, match="no recipe file"):
        find("missing.yaml")


def test_the_defaults_are_the_papers() -> None:
    made = Recipe("grpo")
    assert (made.rollouts.group_size, made.rollouts.kl, made.rollouts.max_tokens) == (8, 0.01, 4096)
    assert (made.ema_decay, made.advantage.clip, made.advantage.scale) == (0.99, 5.0, "ema")
    assert (made.rollouts.filter_low, made.rollouts.filter_high) == (0.01, 0.99)
