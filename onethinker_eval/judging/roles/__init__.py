"""The roles of a judge, a module each: when it is asked, what it is asked, what follows from it.

A role sees an answered sample, asks through `Asking`, and returns a `Verdict`. The same code runs
in the session that asks the judge and when stored replies are scored again, so both agree.

| role (`judge:` of a task file) | module | asked |
|---|---|---|
| `option_match` | `options` | when the rule finds no option in the answer |
| `mathvista` | `mathvista` | when the rule cannot read the answer |
| `mathverse` | `mathverse` | when it cannot be read (extraction) or is not equal (equality) |
| `videommlu` | `lectures` | for every question about the lecture, twice |
| `g_eval` | `relevance` | for every caption |
| any caption, open-ended | `rewards` | for every answer, if there is a reward model |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onethinker_eval.judging.cases import Asking, JudgeSample, Verdict
from onethinker_eval.judging.roles import lectures, mathverse, mathvista, options, relevance

__all__ = ["ROLES", "Role"]

Role = Callable[[JudgeSample, Asking], Verdict]

ROLES: Mapping[str, Role] = {
    "option_match": options.judge,
    "mathvista": mathvista.judge,
    "mathverse": mathverse.judge,
    "videommlu": lectures.judge,
    "g_eval": relevance.judge,
}
"""The roles a task file may name."""
