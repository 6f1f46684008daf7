"""A question as the input tensors of Qwen3-VL, made one sample at a time, ahead of its batch.

Decoding is half the work: scaling and cutting a video into patches moves four times its bytes.
Both are done by whoever prepares ahead; putting samples together to a padded batch is what is
left for the model. The tensors are the ones the processor makes of the whole batch.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from onethinker_eval.harness.models.qwen_prompt import processed
from onethinker_eval.media.shown import LastShown, Wanted

__all__ = ["QwenInputs", "collate", "load_processor"]

Tensors = dict[str, torch.Tensor]

_CHANNELS = 3
_TEXT_BYTES = 8 << 20
_PADDED_WITH_ZEROS = ("attention_mask", "mm_token_type_ids")


def load_processor(source: str) -> Any:
    """Return the processor of the model `source`, padding on the left as generation needs."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(source)
    processor.tokenizer.padding_side = "left"
    return processor


class QwenInputs:
    """The craft of preparing a sample: `Wanted` with a prompt → tensors by name, batch size 1.

    Pixel values come in the model's `dtype`, to which the model would round them first of all.
    """

    name = "onethinker_eval.harness.models.qwen_inputs:QwenInputs"

    def __init__(self, source: str, dtype: str, processor: Any = None) -> None:
        """Use `processor`, or load that of `source` when first needed."""
        self.settings = {"source": source, "dtype": dtype}
        self._dtype: torch.dtype = getattr(torch, dtype)
        self._processor = processor
        self._decode = LastShown()
        self._lock = threading.Lock()

    def wanted(self, request: Mapping[str, Any]) -> Wanted:
        """Read a request in the worker."""
        return Wanted.from_json(request)

    def do(self, wanted: Wanted) -> Tensors:
        """Decode and process; raises `DataError` naming the file."""
        media = self._decode(wanted)
        with self._lock:  # a fast tokenizer does not bear two threads
            if self._processor is None:
                self._processor = load_processor(self.settings["source"])
            made = processed(self._processor, [wanted.prompt], [media])
        return {
            name: value.to(self._dtype) if value.is_floating_point() else value
            for name, value in made.items()
        }

    def pack(self, result: Tensors) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON values and the arrays of a result; NumPy has no bfloat16."""
        halves = [name for name, value in result.items() if value.dtype == torch.bfloat16]
        arrays = {
            name: (value.view(torch.int16) if name in halves else value).numpy()
            for name, value in result.items()
        }
        return {"bfloat16": halves}, arrays

    def unpack(self, info: Mapping[str, Any], arrays: Mapping[str, Any]) -> Tensors:
        """Rebuild a result from what `pack` gave."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return tensors | {name: tensors[name].view(torch.bfloat16) for name in info["bfloat16"]}

    def weigh(self, result: Tensors) -> int:
        """Return the bytes of a result."""
        return sum(value.nbytes for value in result.values())

    def bound(self, wanted: Wanted) -> int:
        """Return the most bytes that the result of `wanted` may have."""
        return wanted.pixels * _CHANNELS * self._dtype.itemsize + _TEXT_BYTES


def collate(samples: Sequence[Tensors], pad: int) -> Tensors:
    """Put samples together to one batch, padded on the left with token id `pad`.

    Rows of `input_ids` (1, n) become (batch, longest n); pixel values and grids are joined in the
    order of the samples.

    >>> one, two = ({"input_ids": torch.tensor([row])} for row in ([5], [6, 7]))
    >>> collate([one, two], pad=0)["input_ids"].tolist()
    [[0, 5], [6, 7]]
    """
    longest = max(sample["input_ids"].shape[1] for sample in samples)
    batch: Tensors = {}
    for name in dict.fromkeys(name for sample in samples for name in sample):
        values = [sample[name] for sample in samples if name in sample]
        if name == "input_ids" or name in _PADDED_WITH_ZEROS:
            fill = pad if name == "input_ids" else 0
            values = [
                torch.nn.functional.pad(value, (longest - value.shape[1], 0), value=fill)
                for value in values
            ]
        batch[name] = values[0] if len(values) == 1 else torch.cat(values)
    return batch
