"""A signature says how a number came about, in one line that can be read back and compared.

    benchmark:refcoco|split:val|protocol:paper|metric:R@0.5|model:…|prompt:3f9c|…|version:0.1.0

Fields stand in a fixed order; empty ones are left out; `%`, `|`, `:` and blanks inside a value are
percent-encoded. Two numbers may be compared when their signatures agree in everything but the
model: `compare` lists the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, unquote

from onethinker_eval.errors import UsageError, unknown_name

__all__ = ["Signature", "compare", "parse_signature", "signatures_of_run"]

_SAFE = "@&+.,/=-_()~^*;"


@dataclass(frozen=True, slots=True)
class Signature:
    """What decides a number. Digests are shortened to 12 hexadecimal digits.

    `frames`, `fps`, `pixels` describe what a model saw of a video (pixels: per frame, and of an
    image); `data` and `weights` are fingerprints; `limit` is set on a partial run only; `judge`
    only where a judge or a reward model had a say; `masks` names the segmenter of scored masks.
    """

    benchmark: str = ""
    split: str = ""
    protocol: str = ""
    metric: str = ""
    model: str = ""
    arguments: str = ""
    weights: str = ""
    prompt: str = ""
    generation: str = ""
    frames: str = ""
    fps: str = ""
    pixels: str = ""
    decoder: str = ""
    data: str = ""
    limit: str = ""
    judge: str = ""
    masks: str = ""
    seed: str = ""
    task: str = ""
    lmms_eval: str = ""
    transformers: str = ""
    torch: str = ""
    vllm: str = ""
    version: str = ""

    def __str__(self) -> str:
        """Return the one-line form that `parse_signature` reads back.

        >>> str(Signature(benchmark="got10k", metric="AO", model="a b", version="0.1.0"))
        'benchmark:got10k|metric:AO|model:a%20b|version:0.1.0'
        """
        parts = ((item.name, getattr(self, item.name)) for item in fields(self))
        return "|".join(f"{name}:{quote(value, safe=_SAFE)}" for name, value in parts if value)


def parse_signature(text: str) -> Signature:
    """Read a signature back; raises `UsageError` for a field that does not exist or appears twice.

    >>> parse_signature("benchmark:refcoco%2B|metric:R@0.5").benchmark
    'refcoco+'
    """
    known = [item.name for item in fields(Signature)]
    values: dict[str, str] = {}
    for part in text.strip().split("|"):
        name, colon, value = part.partition(":")
        if not colon:
            raise UsageError(f"not a signature: {part!r} is not name:value")
        if name not in known:
            raise unknown_name("signature field", name, known)
        if name in values:
            raise UsageError(f"not a signature: {name} appears twice")
        values[name] = unquote(value)
    return Signature(**values)


def compare(one: Signature, other: Signature) -> dict[str, tuple[str, str]]:
    """Return the fields in which two signatures differ, with both values.

    >>> compare(Signature(fps="2"), Signature(fps="1"))
    {'fps': ('2', '1')}
    """
    pairs = {
        item.name: (getattr(one, item.name), getattr(other, item.name)) for item in fields(one)
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def signatures_of_run(
    manifest: Mapping[str, Any],
    frames: Mapping[str, Mapping[str, Any]],
    judges: Mapping[str, str] | None = None,
    segmenters: Mapping[str, str] | None = None,
) -> dict[tuple[str, str], Signature]:
    """Return the signature of each (benchmark, split) of a run, protocol and metric left open.

    `manifest` is the content of `run.json`, `frames` each task id's frame rule, `judges` who
    judged a task and `segmenters` what made its masks, by id.
    """
    identity = manifest["identity"]
    model = identity["model"]
    session = (manifest.get("sessions") or [{}])[-1]
    versions = session.get("versions") or {}
    found = {}
    for task, asked in identity["tasks"].items():
        info = asked.get("info") or {}
        rule = frames.get(task, {})
        limit = asked.get("limit", math.inf)
        key = (str(info.get("benchmark", task)), str(info.get("split", "")))
        found[key] = Signature(
            benchmark=key[0],
            split=key[1],
            model=_text(model.get("name")),
            arguments=_pairs(model.get("arguments")),
            weights=_digest(model.get("weights")),
            prompt=_digest(asked.get("prompts")),
            generation=_pairs(asked.get("generation")),
            frames=_text(rule.get("max_frames")),
            fps=_text(rule.get("fps")),
            pixels=_pixels(rule),
            decoder=_text(session.get("video_reader")),
            data=_digest(info.get("data")),
            limit=_text(limit) if limit <= info.get("records", 0) else "",
            judge=(judges or {}).get(task, ""),
            masks=(segmenters or {}).get(task, ""),
            seed=_text(identity.get("seed")),
            task=_text(info.get("version")),
            lmms_eval=_text(versions.get("lmms-eval")),
            transformers=_text(versions.get("transformers")),
            torch=_text(versions.get("torch")),
            vllm=_text(versions.get("vllm")),
            version=_text(versions.get("onethinker-eval")),
        )
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _digest(value: Any) -> str:
    return _text(value)[:12]


def _pairs(values: Any) -> str:
    items = sorted((values or {}).items())
    return ",".join(f"{key}={value}" for key, value in items)


def _pixels(rule: Mapping[str, Any]) -> str:
    sizes = (rule.get("frame_pixels"), rule.get("image_pixels"))
    return "/".join(str(size) for size in sizes if size is not None)
