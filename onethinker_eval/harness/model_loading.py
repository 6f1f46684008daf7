"""From `--model` and `--model_args` to a loaded model of lmms-eval, or a one-line error."""

from __future__ import annotations

import inspect
from typing import Any

from onethinker_eval.errors import (
    MissingPart,
    OneThinkerError,
    RunError,
    UsageError,
    described,
    one_line,
    unknown_name,
)
from onethinker_eval.harness.settings import Settings, parse_arguments

__all__ = ["check_model_name", "load_model", "model_class"]


def check_model_name(name: str) -> None:
    """Raise `UsageError` with the nearest names if lmms-eval knows no model `name`."""
    from lmms_eval.models import MODEL_REGISTRY_V2, list_available_models

    from onethinker_eval.harness.models import manifests

    for manifest in manifests(here=True):
        # The entry point adds ours where the package is installed; a bare checkout has none.
        MODEL_REGISTRY_V2.register_manifest(manifest, overwrite=True)
    if name not in list_available_models(include_aliases=True):
        raise unknown_name("model", name, list_available_models(include_aliases=True))


def model_class(settings: Settings) -> Any:
    """Return the class of the model of `settings`, nothing loaded; None if that shows later.

    Only what our own models' classes say is known to hold for what they make.
    """
    from lmms_eval.models import get_model

    from onethinker_eval.harness.models import CLASSES, HERE

    if settings.model not in {**CLASSES, **HERE}:
        return None
    try:
        kind = get_model(settings.model)
        return kind.kind_of(settings.model_args) if hasattr(kind, "kind_of") else kind
    except (ImportError, OneThinkerError):
        return None  # `load_model` says what is the matter


def load_model(settings: Settings) -> Any:
    """Return the model instance of `settings`.

    Raises `UsageError` for arguments it does not take, `MissingPart` for a package or files that
    are not there, `RunError` for any other reason that it cannot be loaded.
    """
    from lmms_eval.models import get_model

    check_model_name(settings.model)
    try:
        kind = get_model(settings.model)
        text = ",".join([settings.model_args, *_placement(kind, settings)]).strip(",")
        extra = {"batch_size": settings.batch_size, "device": _device(settings, kind)}
        return kind.create_from_arg_string(text, extra)
    except OneThinkerError:
        raise
    except ImportError as error:
        raise MissingPart(
            f"{settings.model} needs a package that is not installed: {one_line(str(error), 300)}",
            hint="see `onethinker-eval doctor`",
        ) from error
    except OSError as error:
        raise MissingPart(
            f"{settings.model} could not find its files: {one_line(str(error), 300)}",
            hint="check pretrained= in --model_args",
        ) from error
    except (TypeError, AssertionError) as error:
        raise UsageError(
            f"{settings.model} does not accept these arguments: {one_line(str(error), 300)}",
            hint="see --model_args and lmms-eval's documentation of the model",
        ) from error
    except Exception as error:  # whatever a model's libraries raise while loading
        raise RunError(
            f"{settings.model} could not be loaded: {one_line(described(error), 300)}"
        ) from error


def _device(settings: Settings, kind: type) -> str | None:
    if settings.device is not None:
        return settings.device
    if "device" not in inspect.signature(kind).parameters:
        return None
    given = parse_arguments(settings.model_args, "--model_args")
    return None if "device" in given or _has_gpu() else "cpu"


def _placement(kind: type, settings: Settings) -> list[str]:
    """Keep models on the CPU where there is no GPU: with `device_map=auto` many then fail."""
    given = parse_arguments(settings.model_args, "--model_args")
    takes = "device_map" in inspect.signature(kind).parameters
    if not takes or "device_map" in given or _has_gpu():
        return []
    return ["device_map=cpu"]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
