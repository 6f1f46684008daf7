"""The embedded demo suite: small made-up twins of the 31 benchmarks, with exact truth.

Scenes of coloured shapes are drawn from a seed and written in the very schemas of the real
benchmarks. Nothing here imports torch; PyAV is loaded when a clip is encoded.

>>> from onethinker_eval import demo
>>> "refcoco" in demo.benchmarks()
True
"""

from __future__ import annotations

from onethinker_eval.demo.asking import FAMILIES
from onethinker_eval.demo.suite import benchmarks, ensure, is_demo, make, verified, version
from onethinker_eval.demo.training import training_records

__all__ = [
    "FAMILIES",
    "benchmarks",
    "ensure",
    "is_demo",
    "make",
    "training_records",
    "verified",
    "version",
]
