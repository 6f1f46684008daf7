"""Rewards of reinforcement learning: the evaluation's own score plus a format term.

What a rollout earns for being right is `onethinker_eval.scoring.score` on the parsed rollout, the
same function object that fills the leaderboard; nothing is measured twice. Two profiles weigh it:

| profile | total | source |
|---|---|---|
| `paper` | R_acc + R_format; grounding rewards are unweighted sums (STVG tIoU + sIoU, image
  segmentation IoU + G₊ + G₋, video segmentation these and G_t), Gaussians with σ = 50 on the
  0..1000 grid and 1 s | arXiv 2512.03043, section 3.2, equations 1 to 8 |
| `released` | 0.9 · accuracy + 0.1 · format + structure; weighted sums; exp(−|dt| / 2 s) for the
  key frame; structure up to 0.5 for a well-formed answer, 0 without the tags | the authors'
  `onethinker_reward.py` |

The released code removes blanks around `<`, `>` and `/` from the reply but not from the truth
("5 / 10 km" answered perfectly earned .25); that is not repeated here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from onethinker_eval.answers import parse
from onethinker_eval.answers.extraction import strict_body
from onethinker_eval.answers.values import Answer, SegmentationPrompt, Tube
from onethinker_eval.errors import unknown_name
from onethinker_eval.scoring import Score, score
from onethinker_eval.scoring.api import normal_type
from onethinker_eval.scoring.result import Outcome
from onethinker_eval.scoring.truths import read_truth

__all__ = ["PROFILES", "Profile", "Reward", "reward", "score"]

Profile = Literal["paper", "released"]

PROFILES: tuple[Profile, ...] = ("paper", "released")

_SEGMENTATION = ("box IoU", "positive points", "negative points", "keyframe time")
# Equations 5, 7 and 8 add what the evaluation averages; every other type earns its accuracy.
_SUMMED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"spatial-temporal grounding": ("tIoU", "sIoU"), "segmentation": _SEGMENTATION}
)
_JUDGED = frozenset({"open-ended", "caption"})
_KEYED = frozenset({"spatial-temporal grounding", "tracking"})


@dataclass(frozen=True, slots=True)
class Reward:
    """What one rollout earns.

    `total` is what the advantage is made of; `parts` adds up to it. `accuracy` (0..1) is the
    evaluation's score, which filtering and curves use.
    """

    total: float
    parts: Mapping[str, float]
    accuracy: float
    outcome: str


def reward(
    reply: str,
    truth: Any,
    problem_type: str,
    *,
    data_type: str = "image",
    profile: Profile = "paper",
    options: Sequence[str] | None = None,
    judged: float | None = None,
) -> Reward:
    """Return the reward of a raw rollout.

    Arguments are those of `onethinker_eval.score`; `judged` (0..1) replaces the ROUGE score of an
    open-ended answer or caption by a reward model's. Raises what `score` raises: a malformed
    truth is an error of the data, never a zero.

    >>> made = reward("<think>…</think><answer>B</answer>", "B", "multiple choice")
    >>> made.total, dict(made.parts)
    (2.0, {'accuracy': 1.0, 'format': 1.0})
    >>> round(reward("B", "B", "multiple choice", profile="released").total, 3)
    0.9
    """
    kind = normal_type(problem_type)
    if profile not in PROFILES:
        raise unknown_name("reward profile", profile, PROFILES)
    if judged is not None and kind in _JUDGED:
        return _judged_reward(reply, truth, kind, judged, profile)
    # The Gaussians of equations 7 and 8 are the evaluation's `official` reading of a prompt, the
    # released weights its `paper` reading; all other types score alike for a well-formed reply.
    gaussian = profile == "paper" and kind == "segmentation"
    scored = score(
        reply,
        truth,
        kind,
        data_type=data_type,
        protocol="official" if gaussian else "paper",
        options=options,
    )
    made = _PROFILES[profile](scored, scored.accuracy, _form(reply), truth, kind, data_type)
    return Reward(sum(made.values()), MappingProxyType(made), scored.accuracy, scored.outcome)


def _judged_reward(reply: str, truth: Any, kind: str, judged: float, profile: Profile) -> Reward:
    """Return a reward whose accuracy is a judge's: ROUGE and METEOR are not computed."""
    read_truth(truth, kind, "image")
    answer = parse(reply, kind, rule="paper")
    outcome: Outcome = "scored" if answer.failure is None else "unparsable"
    accuracy = min(max(judged, 0.0), 1.0) if answer.failure is None else 0.0
    scored = Score(accuracy, {}, outcome, answer.failure, answer.reading, {}, answer)
    made = _PROFILES[profile](scored, accuracy, _form(reply), truth, kind, "image")
    return Reward(sum(made.values()), MappingProxyType(made), accuracy, outcome)


def _form(reply: str) -> float:
    return 1.0 if strict_body(reply) is not None else 0.0


def _paper(
    scored: Score, accuracy: float, form: float, truth: Any, kind: str, data_type: str
) -> dict[str, float]:
    names = _SUMMED.get(kind)
    if names is None:
        return {"accuracy": accuracy, "format": form}
    earned = {name: scored.components[name] for name in names if name in scored.components}
    return {**earned, "format": form}


def _released(
    scored: Score, accuracy: float, form: float, truth: Any, kind: str, data_type: str
) -> dict[str, float]:
    structure = _structure(scored.answer, truth, kind, data_type) if form else 0.0
    return {"accuracy": 0.9 * accuracy, "format": 0.1 * form, "structure": structure}


_PROFILES: Mapping[Profile, Callable[..., dict[str, float]]] = MappingProxyType(
    {"paper": _paper, "released": _released}
)


def _structure(answer: Answer | None, truth: Any, kind: str, data_type: str) -> float:
    """Return the released bonus for an answer of the right form, 0..0.5."""
    if kind in _KEYED:
        return _keyed_structure(answer, truth, kind, data_type)
    if kind in ("temporal grounding", "spatial grounding"):
        return 0.5 if answer is not None and answer.failure is None else 0.0
    if kind == "segmentation":
        return 0.5 if answer is not None and _full_prompt(answer.value, data_type) else 0.0
    return 0.5


def _keyed_structure(answer: Answer | None, truth: Any, kind: str, data_type: str) -> float:
    if answer is None or answer.failure is not None:
        return 0.0
    expected = read_truth(truth, kind, data_type)
    mine, theirs = _keys(answer.value), _keys(expected)
    return 0.25 + 0.25 * len(mine & theirs) / max(len(theirs), 1)


def _keys(value: Any) -> set[int]:
    return set(value.boxes if isinstance(value, Tube) else value)


def _full_prompt(value: Any, data_type: str) -> bool:
    return (
        isinstance(value, SegmentationPrompt)
        and bool(value.box_1000)
        and len(value.positive_points) == len(value.negative_points) == 3
        and (data_type == "image" or value.time_s is not None)
    )
