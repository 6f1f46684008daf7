"""From answers to masks: box and points become masks of the frames a benchmark scores.

- `prompts`: an answer in 0..1000 as a prompt in pixels on a frame
- `grabcut`: the embedded segmenter without weights; `sam2`: SAM2 through the `sam2` package
- `stage`: `make_masks` reads the replies of a run and writes `masks/<task>.jsonl`, resumably
- `pictures`: predicted and true masks drawn over the frames

Import from these modules; the package itself loads nothing, and torch is loaded for SAM2 alone. The
scores are made by `onethinker_eval.rescoring` from the stored masks, without a model.
"""

from __future__ import annotations

__all__: list[str] = []
