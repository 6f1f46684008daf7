"""What models without weights share: they answer a record, not a prompt."""

from __future__ import annotations

import abc
import time
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms

from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.harness.task_data import record_of
from onethinker_eval.records import Record

__all__ = ["RecordModel", "refuse_unknown"]


class RecordModel(lmms):  # type: ignore[misc]  # lmms-eval carries no types
    """A chat model of lmms-eval that makes its reply from the record of the document."""

    is_simple = False

    def __init__(
        self,
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        delay_s: float = 0.0,
        **unknown: Any,
    ) -> None:
        """Accept lmms-eval's common arguments; `delay_s` waits so long before each reply."""
        super().__init__()
        refuse_unknown(type(self).__name__.lower(), unknown, ["delay_s"])
        self.device = "cpu"  # lmms-eval counts requests over several processes on it
        self._delay_s = float(delay_s)

    @abc.abstractmethod
    def answer(self, record: Record, task: str) -> str:
        """Return the whole reply to `record` of the task id `task`."""

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer each request in turn."""
        return [GenerationResult(text=self._reply(request)) for request in requests]

    def _reply(self, request: Instance) -> str:
        *_, number, task, split = request.args
        if self._delay_s:
            time.sleep(self._delay_s)
        return self.answer(record_of(self.task_dict[task][split][number]), task)

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Refuse: there is no likelihood here."""
        raise UsageError(f"{type(self).__name__} gives replies only, no likelihoods")

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        """Refuse: no task of ours has several rounds."""
        raise UsageError(f"{type(self).__name__} answers in one round only")


def refuse_unknown(model: str, unknown: dict[str, Any], known: list[str]) -> None:
    """Raise `UsageError` with the nearest names if a model was given arguments it has not."""
    for name in unknown:
        raise unknown_name(f"argument of {model}", name, known)
