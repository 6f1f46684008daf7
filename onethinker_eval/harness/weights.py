"""The fingerprint of what a model knows, before it is loaded where that is possible."""

from __future__ import annotations

from pathlib import Path

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.fingerprints import MediaDigests, folder_fingerprint
from onethinker_eval.harness.settings import parse_arguments

__all__ = ["weights_fingerprint"]

_REMOTE = {"model_version", "base_url", "azure_endpoint"}
_SERVED = {"openai", "onethinker-api"}
_TRUTHLESS = {"oracle", "baseline", "dummy"}


def weights_fingerprint(model: str, arguments: str) -> str:
    """Return what distinguishes the weights behind `model` and its `arguments`.

    A folder gives a hash of its files, a reply file the hash of its bytes, a model of the hub the
    commit in the local cache (or its name, before the first download), a server nothing: what
    runs there cannot be known, and the string says so. Raises `UsageError` for a path that looks
    local and does not exist.
    """
    if model in _TRUTHLESS:
        return "none"
    if model in _SERVED:
        return "remote"
    values = parse_arguments(arguments, "--model_args")
    if model == "onethinker-tiny" and "pretrained" not in values:
        from onethinker_eval.demo.tiny_model import tiny_folder

        return folder_fingerprint(tiny_folder())
    for key in ("file", "path"):
        if key in values and Path(values[key]).is_file():
            return MediaDigests(None)(values[key])
    source = values.get("pretrained") or values.get("model")
    if source is None:
        return "remote" if _REMOTE & set(values) else "unknown"
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder_fingerprint(folder)
    if source.startswith((".", "/", "~")):
        raise UsageError(
            f"the model folder {source} does not exist", hint="check pretrained= in --model_args"
        )
    return _hub_commit(source, values.get("revision", "main"))


def _hub_commit(name: str, revision: str) -> str:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=revision)
    return f"hub:{name}@{Path(found).parent.name}" if isinstance(found, str) else ""
