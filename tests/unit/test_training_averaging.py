"""The mean of models: each weight by its share, and what has no mean."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tiny_training import tiny_folder, tiny_parts  # noqa: E402

from onethinker_eval.errors import UsageError  # noqa: E402
from onethinker_eval.training.averaging import average  # noqa: E402
from onethinker_eval.training.cli import main  # noqa: E402
from onethinker_eval.training.deepening import deepen  # noqa: E402


def _other(folder: Path, layers: int = 3) -> Path:
    """Write a model that went on from the tiny one: all weights are one more."""
    model, processor = tiny_parts()
    model = copy.deepcopy(model)
    deepen(model, layers)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_the_mean_has_of_each_weight_its_share(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    other, made = _other(tmp_path / "other"), tmp_path / "made"
    assert main(["mean", f"{tiny_folder()}=0.75", f"{other}=0.25", "-o", str(made)]) == 0
    mean = AutoModelForImageTextToText.from_pretrained(made).state_dict()
    weights = tiny_parts()[0].state_dict()
    assert mean.keys() == weights.keys()
    assert all(torch.allclose(mean[name], weights[name] + 0.25, atol=1e-5) for name in weights)
    assert AutoProcessor.from_pretrained(made).tokenizer.eos_token


def test_models_of_another_shape_have_no_mean(tmp_path: Path) -> None:
    other = _other(tmp_path / "other", layers=4)
    with pytest.raises(UsageError, match="other names or shapes"):
        average({tiny_folder(): 0.5, other: 0.5}, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("models", "message"),
    [(["a=0.5", "b=0.4"], "add up to 0.9"), (["a=half"], "is not a model and its share")],
)
def test_shares_must_be_numbers_that_add_up_to_one(
    models: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mean", *models, "-o", str(tmp_path / "made")]) == 2
    assert message in capsys.readouterr().err
