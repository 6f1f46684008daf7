"""Models this project adds to lmms-eval, by its entry point `lmms_eval.models`."""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSES", "manifests"]

CLASSES = {
    "oracle": "onethinker_eval.harness.models.oracle.Oracle",
    "baseline": "onethinker_eval.harness.models.baseline.Baseline",
    "replay": "onethinker_eval.harness.models.replay.Replay",
    "onethinker": "onethinker_eval.harness.models.onethinker.OneThinker",
    "onethinker-tiny": "onethinker_eval.harness.models.onethinker.OneThinkerTiny",
}
"""Model name → the class that lmms-eval imports when the model is asked for."""


def manifests() -> list[Any]:
    """Return lmms-eval's manifests of our models; called by lmms-eval when it starts."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return [ModelManifest(model_id=name, chat_class_path=path) for name, path in CLASSES.items()]
