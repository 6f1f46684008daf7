"""LoRA adapters put into the weights they belong to, for engines that take whole models only."""

from __future__ import annotations

import json
from pathlib import Path

from onethinker_eval.errors import MissingPart, UsageError

__all__ = ["merge"]


def merge(adapter: Path, output: Path) -> Path:
    """Write the model of `adapter` (a folder of a LoRA run) with its adapters merged to `output`.

    Raises `UsageError` where there is no adapter, `MissingPart` without peft.
    """
    settings = adapter / "adapter_config.json"
    if not settings.is_file():
        raise UsageError(
            f"{adapter} holds no adapter", hint="give the model/ or checkpoint of a LoRA run"
        )
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingPart(
            "merging needs the package peft", hint="pip install 'onethinker-eval[train]'"
        ) from error
    from transformers import AutoModelForImageTextToText, AutoProcessor

    base = json.loads(settings.read_text(encoding="utf-8"))["base_model_name_or_path"]
    model = AutoModelForImageTextToText.from_pretrained(base, dtype="auto")
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    merged.save_pretrained(output)
    AutoProcessor.from_pretrained(adapter).save_pretrained(output)
    return output
