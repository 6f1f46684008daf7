"""Evaluate and train multimodal reasoning models on ten families of visual tasks.

>>> import onethinker_eval
>>> onethinker_eval.score("<answer>B</answer>", "B", "multiple choice").accuracy
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onethinker_eval.scoring import Score, score

__all__ = ["Score", "__version__", "score"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded on first use so that the command line answers at once.
    if name in ("Score", "score"):
        from onethinker_eval import scoring

        return getattr(scoring, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
