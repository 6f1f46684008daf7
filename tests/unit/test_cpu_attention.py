from __future__ import annotations

import copy

import pytest
import torch
from tiny_training import tiny_parts

from onethinker_eval.harness.models.cpu_attention import group_query_heads

PAD = 60


def generated(model: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Greedy tokens and their logits for two prompts, one of them padded on the left."""
    ids = torch.randint(300, 1000, (2, 90), generator=torch.manual_seed(0))
    seen = torch.ones_like(ids)
    seen[0, :PAD] = 0
    made = model.generate(  # type: ignore[operator]
        input_ids=ids,
        attention_mask=seen,
        max_new_tokens=12,
        min_new_tokens=12,
        do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return made.sequences, torch.stack(made.logits)


@pytest.mark.parametrize("stock", ["eager", "sdpa"])
def test_grouped_heads_say_what_the_stock_attention_says(stock: str) -> None:
    model = copy.deepcopy(tiny_parts()[0])  # others share it and its configuration
    model.set_attn_implementation(stock)
    model.eval()
    tokens, logits = generated(model)
    group_query_heads(model)
    assert model.config._attn_implementation == f"grouped_{stock}"
    grouped_tokens, grouped_logits = generated(model)
    assert torch.equal(tokens, grouped_tokens)
    torch.testing.assert_close(logits, grouped_logits, atol=1e-4, rtol=1e-4)


def test_an_attention_of_another_kind_is_left_alone() -> None:
    model = copy.deepcopy(tiny_parts()[0])
    model.config._attn_implementation = "flex_attention"
    group_query_heads(model)
    assert model.config._attn_implementation == "flex_attention"
