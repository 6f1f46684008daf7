"""How the replies of one task are scored: what its task file says, in a form that can be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onethinker_eval.scoring.definitions import Metric, by_category, definitions
from onethinker_eval.scoring.result import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onethinker_eval.benchmarks import Task
    from onethinker_eval.judging.journal import Judge

__all__ = ["Plan"]

_ANSWERED_FROM_CAPTIONS = "videommlu"
"""The role whose truth, the answers to questions, is no caption to compare with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What scoring one task needs to know; small and picklable.

    `problem_type` and `data_type` name the metrics to report; each sample is scored by its own
    record's. `breakdown` is the key of `record.meta` that accuracy is split by. `role` is what a
    judge would do for the task, `judge` who did it in this run: without one nothing is judged.
    """

    task: str
    benchmark: str
    split: str
    problem_type: str
    data_type: str
    choice_rule: str = ""
    span_rule: str = ""
    breakdown: str = ""
    role: str = ""
    judge: Judge | None = None
    protocols: tuple[Protocol, ...] = PROTOCOLS

    @classmethod
    def of(cls, task: Task, protocols: Sequence[str] = ()) -> Plan:
        """Return the plan of a task; `protocols` narrows the ones it has."""
        wanted = set(protocols or PROTOCOLS) & set(task.protocols)
        return cls(
            task=task.id,
            benchmark=task.benchmark,
            split=task.split,
            problem_type=task.problem_type,
            data_type=task.data_type,
            choice_rule=task.choice_rule,
            span_rule=task.span_rule,
            breakdown=task.breakdown,
            role=task.judge,
            protocols=tuple(name for name in PROTOCOLS if name in wanted),
        )

    @property
    def truth_is_answers(self) -> bool:
        """Whether the truth of a caption is the answers to questions, and no caption."""
        return self.role == _ANSWERED_FROM_CAPTIONS

    def metrics(self, protocol: str, statistics: Iterable[str]) -> tuple[Metric, ...]:
        """Return the metrics to report, given the names of the statistics that were met.

        None for a task that names no problem type and has no record to take it from.
        """
        if not self.problem_type:
            return ()
        plain = definitions(
            self.problem_type, protocol, data_type=self.data_type, span_rule=self.span_rule
        )
        names = list(statistics)
        metrics = (*plain, *by_category(names))
        if self.truth_is_answers:
            from onethinker_eval.judging.measures import relabelled

            metrics = tuple(map(relabelled, metrics))
        if self.judge is None:
            return metrics
        from onethinker_eval.judging.measures import JUDGED_PROTOCOLS, judged_metrics

        if protocol not in JUDGED_PROTOCOLS:
            return metrics
        return (*metrics, *judged_metrics(self.role, names))
