"""The names `--model` accepts: ours, added to lmms-eval by entry point, and lmms-eval's own."""

from __future__ import annotations

import importlib.util

from onethinker_eval.errors import MissingPart, unknown_name

__all__ = ["OWN_MODELS", "check_model", "known_models"]

OWN_MODELS = {
    "onethinker": "Qwen3-VL weights by transformers (OneThinker-8B), frames as the task states",
    "onethinker-tiny": "a 1.4 M parameter Qwen3-VL that runs on any CPU; needs no download",
    "oracle": "answers from the truth: every benchmark must reach its maximum",
    "baseline": "centre box, whole span, first option …: the floor a model must beat",
    "vllm": "Qwen3-VL weights by vLLM, asked as `onethinker` asks; else lmms-eval's vllm wrapper",
    "openai": "any OpenAI-compatible server (--model_args base_url=…,model=…)",
    "onethinker-vllm": "vllm for Qwen3-VL alone; the name it has in lmms-eval itself",
    "onethinker-api": "openai; the name it has in lmms-eval itself",
    "replay": "scores a file of replies (--model_args path=FILE)",
}

_COMMON = {
    "qwen3_vl": "Qwen3-VL and models trained from it, by transformers, lmms-eval's own frames",
    "vllm_generate": "any model vLLM serves, in this process; lmms-eval's own frames",
    "async_openai": "an OpenAI-compatible server, lmms-eval's own frames, as images",
}


def known_models() -> list[dict[str, str]]:
    """Return name, source and description of each model, ours first, the usual ones next.

    Raises `MissingPart` if lmms-eval is not installed.
    """
    if importlib.util.find_spec("lmms_eval") is None:
        raise MissingPart("lmms-eval is not installed", hint="pip install 'lmms-eval>=0.7.3'")
    from lmms_eval.models import AVAILABLE_CHAT_TEMPLATE_MODELS, AVAILABLE_SIMPLE_MODELS

    theirs = set(AVAILABLE_CHAT_TEMPLATE_MODELS) | set(AVAILABLE_SIMPLE_MODELS)
    ordered = [name for name in _COMMON if name in theirs]
    ordered += sorted(theirs - set(ordered) - set(OWN_MODELS))
    rows = [
        {"name": name, "source": "onethinker-eval", "about": about}
        for name, about in OWN_MODELS.items()
    ]
    for name in ordered:
        forms = [
            form
            for form, names in (
                ("chat", AVAILABLE_CHAT_TEMPLATE_MODELS),
                ("simple", AVAILABLE_SIMPLE_MODELS),
            )
            if name in names
        ]
        about = _COMMON.get(name, f"{' and '.join(forms)} model")
        rows.append({"name": name, "source": "lmms-eval", "about": about})
    return rows


def check_model(name: str) -> None:
    """Raise `UsageError` with the nearest names if `--model name` is not known."""
    if name in OWN_MODELS:
        return
    from lmms_eval.models import MODEL_ALIASES

    names = [row["name"] for row in known_models()]
    aliases = [alias for group in MODEL_ALIASES.values() for alias in group]
    if name not in names and name not in aliases:
        raise unknown_name("model", name, [*names, *aliases])
