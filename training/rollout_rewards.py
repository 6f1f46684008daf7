"""Rewards of whole batches of rollouts, as the reward functions TRL calls.

TRL wants one function per term; scoring gives all terms at once. A batch is therefore scored as a
whole and the terms read the same result. `start` begins as soon as completions exist: worker
processes score (see `reward_pool`) and a judge is asked (see `reward_model`) while the training
process computes log-probabilities; `score` waits for what is still missing.

A reward that fails (a truth that cannot be read, a judge that does not answer, a time limit) is
NaN in every term and is counted by reason: the trainer drops its group, and no rollout gets a zero
it did not earn.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from onethinker_eval.answers import parse
from onethinker_eval.errors import DataError, RunError, one_line
from onethinker_eval.judging.cases import JudgeFailed
from onethinker_eval.scoring.truths import read_truth
from onethinker_eval.training.ema import task_key
from onethinker_eval.training.recipe import Recipe
from onethinker_eval.training.reward_model import Asked, RewardModel, scaled
from onethinker_eval.training.reward_pool import RewardFailed, ScoringPool
from onethinker_eval.training.reward_settings import RewardSettings
from onethinker_eval.training.rewards import Profile, Reward, reward

__all__ = ["TERMS", "Rollout", "RolloutRewards", "rollout_rewards", "text_of_completion"]

TERMS = ("answer", "format", "structure")
"""The terms of every reward; `answer` is the sum of the parts that are not the other two."""

_LOG = logging.getLogger(__name__)
_DEAR = frozenset({"math", "caption"})
"""Types that take longer to score than to hand to another process (0.1 ms)."""
_COLUMNS = ("truth", "problem_type", "data_type", "options")


@dataclass(frozen=True, slots=True)
class Rollout:
    """What is known of one rollout: where it belongs, what was said, what it earned.

    `total`, `accuracy` and the parts are NaN or absent where `failure` names a reason.
    """

    task: str
    reply: str
    total: float = math.nan
    accuracy: float = math.nan
    outcome: str = "failed"
    parts: Mapping[str, float] = field(default_factory=dict)  # a plain one: processes send it
    failure: str | None = None

    def term(self, name: str) -> float:
        """Return one of `TERMS`; NaN where the reward failed."""
        if self.failure is not None:
            return math.nan
        if name == "answer":
            return math.fsum(v for part, v in self.parts.items() if part not in TERMS[1:])
        return self.parts.get(name, 0.0)


class _Row(NamedTuple):
    """One rollout to score; `question` names its group too."""

    reply: str
    truth: Any
    kind: str
    data_type: str
    options: Sequence[str]
    question: str


@dataclass(slots=True)
class _Batch:
    """A batch under way: what was started for each row, by its number."""

    completions: Any
    rows: list[_Row]
    scored: dict[int, Future[Reward]] = field(default_factory=dict)
    judged: dict[int, Future[float]] = field(default_factory=dict)


class RolloutRewards:
    """The rewards of the latest batch, and functions that give its terms to TRL."""

    def __init__(
        self,
        profile: Profile,
        measure: Callable[..., Reward] = reward,
        *,
        settings: RewardSettings | None = None,
        group_size: int = 1,
        judge: RewardModel | None = None,
        pool: ScoringPool | None = None,
    ) -> None:
        """Weigh by `profile`; `measure` is `rewards.reward` or has its signature.

        A `judge` scores the kinds of `settings`, group by group of `group_size`; a `pool` takes
        mathematics and captions off this process, which scores the rest.
        """
        self.failures: Counter[str] = Counter()
        self.rollouts: list[Rollout] = []
        self._profile = profile
        self._measure = measure
        self._settings = settings or RewardSettings()
        self._group_size = group_size
        self._judge, self._pool = judge, pool
        self._started: _Batch | None = None
        self._batch: Any = None

    def functions(self) -> list[Callable[..., list[float]]]:
        """Return one reward function for each of `TERMS`, named after it."""
        return [self._function(name) for name in TERMS]

    def _function(self, name: str) -> Callable[..., list[float]]:
        def term(completions: Sequence[Any], **columns: Any) -> list[float]:
            return [made.term(name) for made in self.score(completions, columns)]

        term.__name__ = name
        return term

    def start(self, completions: Sequence[Any], columns: Mapping[str, Any]) -> None:
        """Begin to score a batch; `score` of the same list object waits for the results.

        `columns` hold `truth`, `problem_type`, `data_type`, `options` and, for a judge, `record`.
        """
        texts = [text_of_completion(completion) for completion in completions]
        asked = [_question(item) for item in columns.get("record") or [None] * len(texts)]
        rows = [
            _Row(*row)
            for row in zip(texts, *(columns[name] for name in _COLUMNS), asked, strict=True)
        ]
        batch = self._started = _Batch(completions, rows)
        self._ask_judge(batch)
        if self._pool is None:
            return
        for number, row in enumerate(rows):
            if number not in batch.judged and row.kind.strip().lower() in _DEAR:
                batch.scored[number] = self._pool.submit(self._request(row))

    def _request(self, row: _Row) -> dict[str, Any]:
        return {
            "reply": row.reply,
            "truth": row.truth,
            "problem_type": row.kind,
            "data_type": row.data_type,
            "options": list(row.options),
            "profile": self._profile,
        }

    def _ask_judge(self, batch: _Batch) -> None:
        """Ask about the readable answers to questions of the judge's kinds."""
        if self._judge is None:
            return
        asked: dict[int, Asked] = {}
        for number, row in enumerate(batch.rows):
            kind = row.kind.strip().lower()
            if kind not in self._settings.kinds:
                continue
            answer = parse(row.reply, kind, rule="paper")
            if answer.failure is not None:
                continue
            try:
                truth = str(read_truth(row.truth, kind, row.data_type))
            except DataError:
                continue  # scoring it fails, and is counted there
            asked[number] = Asked(row.question, truth, answer.text)
        futures = self._judge.submit(list(asked.values()))
        batch.judged = {number: futures[item] for number, item in asked.items()}

    def score(self, completions: Sequence[Any], columns: Mapping[str, Any]) -> list[Rollout]:
        """Return the rollouts of a batch; the same list object is scored once.

        Raises `RunError` where the judge has not answered for `patience` batches.
        """
        if self._batch is completions:
            return self.rollouts
        if self._started is None or self._started.completions is not completions:
            self.start(completions, columns)
        batch, self._started = self._started, None
        assert batch is not None
        judged = self._judgements(batch)
        made = [
            self._rollout(row, batch.scored.get(number), judged.get(number))
            for number, row in enumerate(batch.rows)
        ]
        failed = Counter(
            str(rollout.failure).split(":")[0] for rollout in made if rollout.failure is not None
        )
        if failed:
            self.failures.update(failed)
            _LOG.warning("%d of %d rewards failed: %s", failed.total(), len(made), dict(failed))
        self.rollouts, self._batch = made, completions
        if self._judge is not None:
            self._judge.note(list(batch.judged.values()))
        return made

    def _judgements(self, batch: _Batch) -> dict[int, float | Exception]:
        """Wait for the judge; return its numbers as accuracies, or why there is none."""
        values: dict[int, float | Exception] = {}
        for number, future in batch.judged.items():
            error = future.exception()
            if error is not None and not isinstance(error, JudgeFailed):
                raise error  # a full disk, an interruption: no reward will come
            values[number] = error if error is not None else future.result()
        for start in range(0, len(batch.rows), self._group_size):
            numbers = range(start, start + self._group_size)
            group = [at for at in numbers if isinstance(values.get(at), float)]
            found = scaled([values[at] for at in group], self._settings)  # type: ignore[misc]
            values.update(zip(group, found, strict=True))
        return values

    def _rollout(
        self, row: _Row, scored: Future[Reward] | None, judged: float | Exception | None
    ) -> Rollout:
        task = task_key(row.kind, row.data_type)
        try:
            if isinstance(judged, JudgeFailed):
                raise RewardFailed(f"reward model ({judged.kind})", str(judged))
            made = scored.result() if scored is not None else self._measured(row, judged)
        except RunError:
            raise
        except Exception as error:  # whatever went wrong must not become a reward
            kind = error.kind if isinstance(error, RewardFailed) else type(error).__name__
            return Rollout(task, row.reply, failure=one_line(f"{kind}: {error}"))
        return Rollout(task, row.reply, made.total, made.accuracy, made.outcome, dict(made.parts))

    def _measured(self, row: _Row, judged: float | Exception | None) -> Reward:
        extra = {} if judged is None else {"judged": judged}
        return self._measure(
            row.reply,
            row.truth,
            row.kind,
            data_type=row.data_type,
            profile=self._profile,
            options=tuple(row.options) or None,
            **extra,
        )

    def close(self) -> None:
        """End worker processes and requests."""
        if self._pool is not None:
            self._pool.close()
        if self._judge is not None:
            self._judge.close()


def rollout_rewards(recipe: Recipe) -> RolloutRewards:
    """Return the rewards of a recipe, with its judge and its worker processes.

    What the judge says is kept in `RUN/reward_model/`, one file for each training process.
    """
    settings = recipe.rewards
    judge = None
    if settings.judge != "off":
        rank = int(os.environ.get("RANK", "0"))
        judge = RewardModel(
            settings, Path(recipe.run.output) / "reward_model" / f"replies-{rank}.jsonl"
        )
    pool = ScoringPool(settings.workers, settings.time_limit_s) if settings.workers else None
    return RolloutRewards(
        recipe.rollouts.profile,
        settings=settings,
        group_size=recipe.rollouts.group_size,
        judge=judge,
        pool=pool,
    )


def _question(record: Any) -> str:
    return str(record.get("question", "")) if isinstance(record, Mapping) else ""


def text_of_completion(completion: Any) -> str:
    """Return the text of a completion: a string, or a conversation of one reply.

    >>> text_of_completion([{"role": "assistant", "content": "B"}])
    'B'
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
