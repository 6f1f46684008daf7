"""Judges: language models and reward models, over HTTP, with every reply kept in the run folder.

A judge refines what a rule cannot decide: which option an unclear answer means, what the answer
at the end of a page of algebra is, whether a description answers a question. Its numbers stand
beside those by rule, under other names, and say in their signature whose they are.

>>> settings = parse_judge("base_url=http://localhost:8000/v1,model=Qwen3-8B")
>>> settings.model
'Qwen3-8B'
"""

from __future__ import annotations

from onethinker_eval.judging.journal import Judge, read_judges
from onethinker_eval.judging.session import TaskReport, judge_run, judged_tasks
from onethinker_eval.judging.settings import JudgeSettings, parse_judge

__all__ = [
    "Judge",
    "JudgeSettings",
    "TaskReport",
    "judge_run",
    "judged_tasks",
    "parse_judge",
    "read_judges",
]
