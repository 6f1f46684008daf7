"""What two manifests state differently: a difference between runs need not be one of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["manifest_differences"]


def manifest_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return a line for each thing two manifests state differently; tasks that agree are merged.

    >>> one = {"identity": {"model": {"name": "a"}, "seed": 0, "tasks": {}}}
    >>> two = {"identity": {"model": {"name": "b"}, "seed": 0, "tasks": {}}}
    >>> manifest_differences(one, two)
    ['model.name: a / b']
    """
    plain = [_flat(_without_tasks(manifest)) for manifest in (first, second)]
    lines = list(_lines(plain[0], plain[1]))
    tasks = [manifest["identity"].get("tasks") or {} for manifest in (first, second)]
    found: dict[str, list[str]] = {}
    shared = [name for name in tasks[0] if name in tasks[1]]
    for name in shared:
        for line in _lines(_flat(tasks[0][name]), _flat(tasks[1][name])):
            found.setdefault(line, []).append(name)
    for line, names in found.items():
        where = "all tasks" if len(names) == len(shared) > 1 else ", ".join(names)
        lines.append(f"{line} ({where})")
    return lines


def _without_tasks(manifest: Mapping[str, Any]) -> dict[str, Any]:
    identity = {key: value for key, value in manifest["identity"].items() if key != "tasks"}
    sessions = manifest.get("sessions") or [{}]
    kept = ("batch_size", "device", "prompt", "video_reader", "versions", "git", "python")
    last = {key: sessions[-1].get(key) for key in kept}
    return {**identity, "session": last}


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        flat: dict[str, str] = {}
        for key, item in value.items():
            flat |= _flat(item, f"{name}.{key}" if name else str(key))
        return flat
    return {name: "not set" if value in (None, "") else str(value)}


def _lines(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[str]:
    for key in dict.fromkeys((*first, *second)):
        one, other = first.get(key, "not set"), second.get(key, "not set")
        if one != other:
            yield f"{key}: {_short(one)} / {_short(other)}"


def _short(text: str) -> str:
    hexadecimal = len(text) >= 40 and all(char in "0123456789abcdef" for char in text)
    return text[:12] if hexadecimal else text[:120]
