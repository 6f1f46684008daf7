"""Masks as compressed COCO run lengths, the form the released segmentation files use.

Runs go down the columns and start with the background; the text is the one pycocotools writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onethinker_eval.demo.shapes import Mask

__all__ = ["encode"]


def encode(mask: Mask) -> dict[str, Any]:
    """Return `{"size": [height, width], "counts": text}` of an H×W bool mask.

    >>> encode(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': '13'}
    """
    height, width = mask.shape
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs = np.diff(edges).tolist()
    if flat[0]:
        runs.insert(0, 0)
    return {"size": [height, width], "counts": _text(runs)}


def _text(runs: list[int]) -> str:
    """Write runs as differences to the run before the last, five bits a character."""
    result = []
    for at, run in enumerate(runs):
        value = run - runs[at - 2] if at > 2 else run
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            result.append(chr(bits + (32 if more else 0) + 48))
    return "".join(result)
