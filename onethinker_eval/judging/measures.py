"""The metrics a judge adds to a task: named apart from those by rule, never mixed with them.

Each metric counts its own failures: a judgement that could not be had is in no numerator and no
denominator, but in the column `failed` of the metric's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from onethinker_eval.scoring.definitions import COUNT, Metric
from onethinker_eval.scoring.result import Protocol

__all__ = ["JUDGED_PROTOCOLS", "is_judged", "judged_metrics", "relabelled"]

JUDGED_PROTOCOLS: tuple[Protocol, ...] = ("paper", "official")
"""The protocols with judged numbers; `repaired` has a reader of its own in the judge's place."""

_BY_NATURE = frozenset(
    {
        "question accuracy",
        "macro question accuracy",
        "question points (0-5)",
        "G-Eval relevance (1-5)",
        "judged share",
        "reward",
    }
)
_FAILED = "judge failed"
_SHARE = Metric("judged share", "judge asked", COUNT)
_REWARD = Metric("reward", "reward", "reward of", count="rewarded", failures="reward failed")
_ACCURACY = ("judged accuracy", "judged", "accuracy (judged)")
_QUESTIONS = ("questions right", "questions", "question accuracy")


def _accuracy(names: Iterable[str]) -> tuple[Metric, ...]:
    above, below, title = _ACCURACY
    plain = Metric(title, above, below, count=below, failures=_FAILED)
    circular = Metric(
        f"circular {title}",
        above,
        below,
        count=below,
        reduction="group_all",
        over="group",
        failures=_FAILED,
    )
    return (plain, circular, *_categories(names, *_ACCURACY, _FAILED), _SHARE)


def _lectures(names: Iterable[str]) -> tuple[Metric, ...]:
    above, below, title = _QUESTIONS
    failed = "questions failed"
    points = Metric(
        "question points (0-5)",
        "question points",
        "question points of",
        count=below,
        failures=failed,
    )
    return (
        Metric(title, above, below, count=below, failures=failed),
        points,
        *_categories(names, *_QUESTIONS, failed)[1:],
        _SHARE,
    )


def _relevance(_names: Iterable[str]) -> tuple[Metric, ...]:
    rating = Metric(
        "G-Eval relevance (1-5)",
        "relevance",
        "relevance of",
        count="relevance rated",
        failures=_FAILED,
    )
    return rating, _SHARE


def _categories(
    names: Iterable[str], above: str, below: str, title: str, failed: str
) -> tuple[Metric, ...]:
    """Return the macro mean over the categories met, and each category."""
    pattern = re.compile(rf"{re.escape(below)}\[(.+)\]", re.DOTALL)
    found = sorted({match[1] for name in names if (match := pattern.fullmatch(name))})
    if not found:
        return ()
    parts = tuple((f"{above}[{name}]", f"{below}[{name}]") for name in found)
    macro = Metric(f"macro {title}", count=below, reduction="mean_of", parts=parts, failures=failed)
    stem, mark, _ = title.partition(" (judged)")
    each = (
        Metric(f"{stem} [{name}]{mark}", *pair, count=pair[1], failures=failed)
        for name, pair in zip(found, parts, strict=True)
    )
    return (macro, *each)


_BY_ROLE = {
    "option_match": _accuracy,
    "mathvista": _accuracy,
    "mathverse": _accuracy,
    "videommlu": _lectures,
    "g_eval": _relevance,
}


def is_judged(metric: str) -> bool:
    """Tell from its name whether a judge or a reward model had a say in a metric.

    >>> is_judged("accuracy (judged)"), is_judged("accuracy"), is_judged("question accuracy [Math]")
    (True, False, True)
    """
    return metric.endswith(" (judged)") or metric.partition(" [")[0] in _BY_NATURE


def judged_metrics(role: str, statistics: Iterable[str]) -> tuple[Metric, ...]:
    """Return the metrics of a `role`, and the reward; without statistics they have no value.

    >>> [metric.name for metric in judged_metrics("g_eval", [])]
    ['G-Eval relevance (1-5)', 'judged share', 'reward']
    """
    names = list(statistics)
    return (*(_BY_ROLE[role](names) if role in _BY_ROLE else ()), _REWARD)


def relabelled(metric: Metric) -> Metric:
    """Return a caption metric of Video-MMLU under a name that says what it is not.

    Its truth without a judge is the questions' answers as one text; a caption that holds them
    may be anything but similar to it.

    >>> relabelled(Metric("METEOR", "METEOR")).name
    'METEOR against the answers (no judge)'
    """
    from dataclasses import replace

    return replace(metric, name=f"{metric.name} against the answers (no judge)")
