"""What judges said, kept in the run folder: `judge/<task>.jsonl` and `judge/judge.json`.

A line of the journal: `{"key", "prompt", "status": "ok"|"failed", "reply", "error", "model",
"tokens"}`, written when the reply is there and never changed; a torn last line is dropped. `key`
is the SHA-256 of the prompt's name and digest, the judge's model and the inputs, so a reply is
used again for the very same question alone, whatever the order and however often a session is
killed. Of several lines with one key a reply wins over a failure, then the later one.

`judge.json` says for each task which judge its numbers come from: without it nothing is judged.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from onethinker_eval.errors import DataError
from onethinker_eval.files import read_journal, write_json_atomic

__all__ = [
    "REWARD",
    "Judge",
    "Stored",
    "call_key",
    "journal_path",
    "read_judges",
    "reward_key",
    "stored_replies",
    "write_judges",
]

REWARD = "reward"
"""The journal's name for what is asked of a reward model."""

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judged a task: the chat model and its prompts' digests, the reward model, or both."""

    model: str = ""
    prompts: tuple[tuple[str, str], ...] = ()
    reward_model: str = ""

    @property
    def signature(self) -> str:
        """Return one word that tells judges apart: the model and a digest of all prompts.

        >>> Judge(reward_model="POLAR-7B").signature
        'reward=POLAR-7B'
        """
        words = []
        if self.model:
            text = json.dumps(self.prompts).encode()
            words.append(f"{self.model}@{hashlib.sha256(text).hexdigest()[:12]}")
        if self.reward_model:
            words.append(f"{REWARD}={self.reward_model}")
        return ",".join(words)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that `from_json` reads back."""
        return {
            "model": self.model,
            "prompts": dict(self.prompts),
            "reward_model": self.reward_model,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Judge:
        """Rebuild a judge; raises `KeyError`, `TypeError` or `AttributeError` on anything else."""
        prompts = tuple(sorted((str(key), str(text)) for key, text in value["prompts"].items()))
        return cls(str(value["model"]), prompts, str(value["reward_model"]))


class Stored(NamedTuple):
    """A stored reply, or the kind and message of a failure."""

    reply: str | None
    kind: str = ""
    message: str = ""


def call_key(prompt: str, digest: str, model: str, inputs: Mapping[str, str]) -> str:
    """Return the key of one question to a judge."""
    value = [prompt, digest, model, sorted(inputs.items())]
    return hashlib.sha256(orjson.dumps(value)).hexdigest()


def reward_key(model: str, prompt: str, reference: str, candidate: str) -> str:
    """Return the key of one question to a reward model."""
    return call_key(
        REWARD, "", model, {"prompt": prompt, "reference": reference, "candidate": candidate}
    )


def journal_path(run: Path, task: str) -> Path:
    """Return the journal of a task's judgements."""
    return run / "judge" / f"{task}.jsonl"


def read_judges(run: Path) -> dict[str, Judge]:
    """Return who judged each task of a run; empty without `judge/judge.json`."""
    path = run / "judge" / "judge.json"
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != _SCHEMA:
            raise ValueError(f"schema {content['schema']!r}")
        return {str(name): Judge.from_json(value) for name, value in content["tasks"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"cannot be read ({type(error).__name__}: {error})",
            file=str(path),
            fix="delete it and give --judge again; the stored replies are used again",
        ) from error


def write_judges(run: Path, judges: Mapping[str, Judge]) -> None:
    """Note who judged these tasks, beside what the file says of others; atomic."""
    known = {**read_judges(run), **judges}
    tasks = {name: judge.to_json() for name, judge in sorted(known.items())}
    write_json_atomic(run / "judge" / "judge.json", {"schema": _SCHEMA, "tasks": tasks})


def stored_replies(path: Path, *, quiet: bool = False) -> dict[str, Stored]:
    """Return what a journal holds, by key; `quiet` does not speak of a torn last line."""
    found: dict[str, Stored] = {}
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        for _, line in read_journal(path):
            entry = _entry(line)
            if entry is None:
                raise DataError(
                    "not a line of a judge's journal",
                    file=str(path),
                    record=str(line.get("key", "?"))[:12],
                    fix="remove the line; it is asked again",
                )
            key, stored = entry
            known = found.get(key)
            if known is None or known.reply is None or stored.reply is not None:
                found[key] = stored
    return found


def _entry(line: Mapping[str, Any]) -> tuple[str, Stored] | None:
    key, reply, error = line.get("key"), line.get("reply"), line.get("error")
    if not isinstance(key, str):
        return None
    if line.get("status") == "ok":
        return (key, Stored(reply)) if isinstance(reply, str) else None
    if not isinstance(error, Mapping):
        return None
    return key, Stored(None, str(error.get("kind", "")), str(error.get("message", "")))
