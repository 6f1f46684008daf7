"""The examples in the docstrings of the geometric metrics are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "bitmaps",
    "boundaries",
    "boxes",
    "got10k",
    "kernels",
    "masks",
    "points",
    "recall",
    "rle",
    "spans",
    "tracks",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"onethinker_eval.metrics.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0 or name == "bitmaps"
