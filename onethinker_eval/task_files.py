"""Reading one task file: YAML without running anything, and the checks on its metadata.

`!function a.b.c` is kept as the text `a.b.c`; `include:` is resolved as lmms-eval does.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from onethinker_eval.errors import DataError, unknown_name

__all__ = ["FunctionName", "load_yaml", "task_values"]


class FunctionName(str):
    """The dotted name behind a `!function` tag, kept as text and never imported here."""

    __slots__ = ()


_REQUIRED = ("benchmark", "split", "family", "title", "problem_type", "data_type")
_LISTS = ("sources", "protocols", "caveats")
_MAPPINGS = ("headline", "frames", "published", "where")


def task_values(
    content: Mapping[str, Any], path: Path, *, known: Collection[str], strict: bool
) -> dict[str, Any]:
    """Return the checked fields of a `Task` from a task file's content.

    `known` are the metadata keys there are. A file that is not `strict` (the user's own) may lack
    metadata and carry other keys. Raises `DataError` naming file and key.
    """
    raw = content.get("metadata") or {}
    if not isinstance(raw, Mapping):
        raise DataError("expected a mapping", file=str(path), field="metadata")
    task_id = content["task"]
    values = dict(raw)
    # lmms-eval copies metadata over a request's own fields, `split` among them: hence `subset`.
    if strict and "split" in values:
        raise DataError("is called `subset` here", file=str(path), field="metadata.split")
    values["split"] = values.pop("subset", None)
    if not strict:
        defaults = {"benchmark": task_id, "family": "other", "title": task_id}
        values = {**defaults, "problem_type": "", "data_type": "", **values}
        values["split"] = values["split"] or ""
    for key in values:
        if key not in known and strict:
            hint = str(unknown_name("key", key, sorted(known)))
            raise DataError(hint, file=str(path), field=f"metadata.{key}")
    for key in _REQUIRED:
        if not isinstance(values.get(key), str):
            name = "subset" if key == "split" else key
            raise DataError(
                "expected a text", file=str(path), field=f"metadata.{name}", fix="add it"
            )
    kept = {key: _shape(values[key], key, path) for key in values if key in known}
    kept["generation"] = MappingProxyType(dict(content.get("generation_kwargs") or {}))
    return kept


def _shape(value: Any, key: str, path: Path) -> Any:
    """Check the shape of one metadata value; lists become tuples, mappings read-only."""
    if key in _LISTS:
        if not isinstance(value, list):
            raise DataError("expected a list", file=str(path), field=f"metadata.{key}")
        if key == "sources":
            return tuple(_source(item, path) for item in value)
        return tuple(str(item) for item in value)
    if key in _MAPPINGS:
        if not isinstance(value, Mapping):
            raise DataError("expected a mapping", file=str(path), field=f"metadata.{key}")
        return MappingProxyType(dict(value))
    if key == "expected" and not (value is None or isinstance(value, int)):
        raise DataError("expected a number or null", file=str(path), field="metadata.expected")
    return value


def _source(value: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not isinstance(value.get("reader"), str):
        raise DataError(
            f"expected a mapping with `reader:`, found {value!r}",
            file=str(path),
            field="metadata.sources",
        )
    return MappingProxyType(dict(value))


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read a task file without running anything: `!function` kept as text, `include:` resolved.

    An included file is looked for beside the including one; the including file's keys win (plain
    update, as in lmms-eval). Raises `DataError` naming the file for broken YAML or a bad include.
    """
    return _with_includes(Path(path), ())


def _with_includes(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise DataError("the file includes itself", file=str(path), field="include")
    content = dict(_parse(path, path.stat().st_mtime_ns if path.exists() else 0))
    include = content.pop("include", [])
    merged: dict[str, Any] = {}
    for item in [include] if isinstance(include, str) else include:
        base = (path.parent / str(item)).resolve()
        if not base.is_file():
            raise DataError(f"the included file {base} does not exist", file=str(path))
        merged.update(_with_includes(base, (*seen, path)))
    merged.update(content)
    return merged


@functools.lru_cache(maxsize=512)
def _parse(path: Path, _changed: int) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.load(path.read_bytes(), Loader=_loader())  # noqa: S506  # a safe loader
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as YAML: {error}", file=str(path)) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise DataError("expected a mapping", file=str(path))
    return content


@functools.lru_cache(maxsize=1)
def _loader() -> Any:
    """Return a safe YAML loader class (the C one where built) that keeps `!function` as text."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc,valid-type]
        pass

    def keep(loader: Any, node: Any) -> FunctionName:
        return FunctionName(loader.construct_scalar(node))

    Loader.add_constructor("!function", keep)
    return Loader
