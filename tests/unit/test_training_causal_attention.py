"""Attention without a mask: the stock one's numbers where rows are padded on the right."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from tiny_training import tiny_folder, tiny_parts  # noqa: E402

from onethinker_eval.errors import UsageError  # noqa: E402
from onethinker_eval.training import grpo  # noqa: E402
from onethinker_eval.training.causal_attention import attend_causally  # noqa: E402
from onethinker_eval.training.recipe import load  # noqa: E402


def test_tokens_see_what_they_see_with_a_mask() -> None:
    model, _ = tiny_parts()
    ids = torch.randint(20, 300, (3, 24), generator=torch.manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 15:] = mask[2, 6:] = 0
    found = []
    for causal in (False, True):
        own = copy.deepcopy(model)
        if causal:
            attend_causally(own)
        logits = own(input_ids=ids, attention_mask=mask).logits[mask.bool()]
        logits.square().sum().backward()
        found.append(
            [logits.detach(), *(one.grad for one in own.model.language_model.parameters())]
        )
    for stock, mine in zip(*found, strict=True):
        assert torch.allclose(stock, mine, rtol=1e-3, atol=1e-4 * float(stock.abs().max()))


def test_rollouts_are_padded_on_the_left_and_need_a_mask() -> None:
    recipe = load("demo-grpo", {"model.attention": "causal", "model.path": str(tiny_folder())})
    with pytest.raises(UsageError, match="padded on the left"):
        grpo.build(recipe)
