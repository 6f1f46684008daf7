"""The key of a sample: equal keys mean that the same question was put to the same model.

It is a SHA-256 over task id, rendered messages (each medium replaced by the digest of its bytes),
generation settings and the identity of the model: its name, its arguments without secrets, and
the fingerprint of its weights. Paths, batch size and device do not count: data may move, and a
run may be finished on another machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.harness.asking import messages_of
from onethinker_eval.harness.fingerprints import MediaDigests, canonical, digest
from onethinker_eval.harness.models import decisive
from onethinker_eval.harness.settings import without_secrets
from onethinker_eval.records import Record

__all__ = ["SampleKeys", "model_identity"]


def model_identity(name: str, arguments: str, weights: str) -> str:
    """Return the digest of what answers: model name, its decisive arguments, weights."""
    return digest(name, decisive(name, without_secrets(arguments)), weights)


class SampleKeys:
    """Makes the keys of one task's samples for one model."""

    def __init__(
        self, task: Task, identity: str, generation: Mapping[str, Any], media: MediaDigests
    ) -> None:
        """Prepare for `task`, a model `identity` and its generation settings.

        `media` hashes the files. The prompt profile is the one in force when a key is made.
        """
        self._prefix = hashlib.sha256(canonical([task.id, identity, dict(generation)]))
        self._task, self._media = task, media

    def save(self) -> None:
        """Remember the digests of the media for the next run."""
        self._media.save()

    def __call__(self, record: Record) -> str:
        """Return the key of `record`.

        Raises `DataError` naming the file when a medium cannot be read.
        """
        messages = messages_of(self._task, record)
        for message in messages:
            for part in message["content"]:
                if "url" in part:
                    part["url"] = self._media(part["url"])
        state = self._prefix.copy()
        state.update(canonical(messages))
        return state.hexdigest()
