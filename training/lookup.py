"""A lookup taught: one head of a small model learns to find the option that says what it looks for.

To name the letter of an option, a model must attend from a text to the same text in the list and
bring back the letter before it. Large models have learnt that from text; one of three layers from
scratch had not after 25,000 questions, since nothing rewards the first half without the second.
Here each half is taught by itself, in minutes: the queries and keys of one head by where they
should attend, then its values and what follows by the letter alone. Training that goes on keeps
what is of use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

import torch
from torch.nn import functional
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

from onethinker_eval.errors import UsageError
from onethinker_eval.training.tiny_tokenizer import option_marks

__all__ = ["lookups", "teach_lookup"]

BATCH = 32
LOOKS = 16
"""Times the head sees each question while it learns where to attend."""
ANSWERS = 5
"""Times the rest sees each question while it learns to say the letter."""
HELD_OUT = 0.05
"""Share of the questions that is not learnt from."""

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Model inputs with labels, the lookups in them, and what the layer that learns is given."""

    inputs: Inputs
    places: torch.Tensor
    hidden: torch.Tensor
    turns: tuple[torch.Tensor, torch.Tensor]


def lookups(ids: torch.Tensor, marks: Mapping[int, str]) -> torch.Tensor:
    """Return (row, asked, found) for each row of `ids` (rows, length) that looks an option up.

    `asked` is the token before the row's last option letter, `found` the last one of the same text
    in the list of options. `marks` are the letters by token; rows without options have no entry.
    """
    made = []
    for row, tokens in enumerate(ids.tolist()):
        *listed, said = [at for at, token in enumerate(tokens) if token in marks] or [0]
        for at in listed:
            if marks[tokens[at]] == marks[tokens[said]]:
                pairs = zip(tokens[at + 1 : said], tokens[said + 1 :], strict=False)
                same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
                if same and tokens[at + same] == tokens[said - 1]:
                    made.append((row, said - 1, at + same))
                break
    return torch.tensor(made, dtype=torch.long).reshape(-1, 3)


def teach_lookup(
    model: Any,
    tokenizer: Any,
    samples: Iterable[Any],
    collate: Callable[[Sequence[Any]], Inputs],
    *,
    count: int,
    seed: int = 0,
) -> tuple[float, float]:
    """Teach a Qwen3-VL to look options up, from the first `count` of `samples` that do.

    The second of its layers learns with the first head of its last group. Returns, on questions
    held out, the share of attention on the right option and of right letters. Raises `UsageError`
    for a tokenizer whose option letters are no tokens, and for samples without lookups. `collate`
    is given copies of samples, since TRL's changes what it is given.
    """
    marks = option_marks(tokenizer)
    if not marks:
        raise UsageError(
            "run.lookup is for the tiny tokenizer, in which the letter of an option is one token"
        )
    layers = model.model.language_model.layers
    attention = layers[len(layers) // 2].self_attn
    frozen = {name: weight.requires_grad for name, weight in model.named_parameters()}
    model.requires_grad_(False)
    try:
        asking = (one for one in samples if len(lookups(collate([dict(one)])["input_ids"], marks)))
        batches = _batches(model, attention, list(islice(asking, count)), collate, marks)
        held = max(1, round(HELD_OUT * len(batches)))
        if len(batches) <= held:
            raise UsageError(
                f"run.lookup found {len(batches)} batches of questions with options, needs two",
                hint="choose sources with image_qa or video_qa",
            )
        shown = batches[held:]
        attended = _teach_place(attention, shown, batches[:held], seed)
        after = [layer.mlp for layer in layers[len(layers) // 2 :]]
        right = _teach_letter(model, attention, after, shown, batches[:held])
    finally:
        for name, weight in model.named_parameters():
            weight.requires_grad_(frozen[name])
    return attended, right


def _batches(
    model: Any,
    attention: Any,
    samples: Sequence[Any],
    collate: Callable[[Sequence[Any]], Inputs],
    marks: Mapping[int, str],
) -> list[_Batch]:
    """Return the samples in batches, with the inputs of `attention`, which stay as they are."""
    made = []
    given: dict[str, Any] = {}
    hook = attention.register_forward_pre_hook(
        lambda _, __, named: given.update(named), with_kwargs=True
    )
    try:
        for start in range(0, len(samples), BATCH):
            inputs = collate([dict(one) for one in samples[start : start + BATCH]])
            with torch.no_grad():
                model(**{key: value for key, value in inputs.items() if key != "labels"})
            places = lookups(inputs["input_ids"], marks)
            made.append(
                _Batch(inputs, places, given["hidden_states"], given["position_embeddings"])
            )
    finally:
        hook.remove()
    return made


def _teach_place(
    attention: Any, shown: Sequence[_Batch], held: Sequence[_Batch], seed: int
) -> float:
    """Fit queries and keys of one head; return its attention on the right places of `held`."""
    width = attention.head_dim
    groups = attention.k_proj.out_features // width
    heads = attention.q_proj.out_features // width
    first = (groups - 1) * (heads // groups)  # of the heads that share the last group's keys
    asks, keys = (slice(at * width, (at + 1) * width) for at in (first, groups - 1))
    start = torch.randn(
        width, attention.q_proj.in_features, generator=torch.Generator().manual_seed(seed)
    )
    query = torch.nn.Parameter(0.05 * start)  # the same as the key: equal tokens attract at once
    key = torch.nn.Parameter(0.05 * start)
    optimiser = torch.optim.Adam([query, key], lr=3e-3)

    def scores(batch: _Batch) -> torch.Tensor:
        q = attention.q_norm((batch.hidden @ query.T)[:, None])
        k = attention.k_norm((batch.hidden @ key.T)[:, None])
        q, k = apply_rotary_pos_emb(q, k, *batch.turns)
        row, asked, _ = batch.places.T
        made = torch.einsum("nd,ntd->nt", q[row, 0, asked], k[row, 0]) * attention.scaling
        later = torch.arange(made.shape[1])[None] > asked[:, None]
        return made.masked_fill(later | ~batch.inputs["attention_mask"][row].bool(), -torch.inf)

    for _ in range(LOOKS):
        for batch in shown:
            loss = functional.cross_entropy(scores(batch), batch.places[:, 2])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        attention.q_proj.weight[asks] = query
        attention.k_proj.weight[keys] = key
        found = [scores(one).softmax(-1).gather(1, one.places[:, 2:]) for one in held]
    return torch.cat(found).mean().item()


def _teach_letter(
    model: Any,
    attention: Any,
    after: Sequence[Any],
    shown: Sequence[_Batch],
    held: Sequence[_Batch],
) -> float:
    """Fit values and what follows to say the letter; return how often `held` has it right."""
    learning = [attention.v_proj.weight, attention.o_proj.weight]
    learning += [weight for mlp in after for weight in mlp.parameters()]
    for weight in learning:
        weight.requires_grad_(True)
    optimiser = torch.optim.Adam(learning, lr=1e-3)

    def said(batch: _Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the loss of the replies, logits at the letters, and the letters."""
        made = model(**batch.inputs)
        row, asked, _ = batch.places.T
        return made.loss, made.logits[row, asked], batch.inputs["input_ids"][row, asked + 1]

    for _ in range(ANSWERS):
        for batch in shown:
            loss, logits, letters = said(batch)
            optimiser.zero_grad()
            (loss + 2 * functional.cross_entropy(logits, letters)).backward()
            optimiser.step()
    with torch.no_grad():
        right = [(logits.argmax(-1) == letters).float() for _, logits, letters in map(said, held)]
    return torch.cat(right).mean().item()
