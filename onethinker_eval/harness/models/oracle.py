"""`oracle`: answers from the truth. Every benchmark must then score its maximum."""

from __future__ import annotations

from onethinker_eval.harness.models.record_model import RecordModel
from onethinker_eval.harness.models.replies import reply_with
from onethinker_eval.records import Record

__all__ = ["Oracle"]


class Oracle(RecordModel):
    """Says the truth in the answer schema: checks that data, parser and metric fit together."""

    def answer(self, record: Record, task: str) -> str:
        """Return the truth as a reply; of several accepted truths the first."""
        truth = record.truth
        if isinstance(truth, list) and truth and isinstance(truth[0], str):
            truth = truth[0]
        return reply_with(truth)
