"""The bridge to lmms-eval: settings, run folder with journal, task functions, models.

`evaluate.evaluate(settings)` is the one way in. Nothing here imports torch or lmms_eval before a
model has to be loaded.
"""

from __future__ import annotations

__all__: list[str] = []
