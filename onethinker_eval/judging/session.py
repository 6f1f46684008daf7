"""A session with a judge: every sample of a run's tasks that has a reply, many at once.

What is stored is not asked again, so a session that was killed goes on where it was; failures are
tried again. Nothing here scores: `rescore` reads the stored replies, with or without a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.files import Journal
from onethinker_eval.judging.apply import sample_of, with_judgements
from onethinker_eval.judging.asking import LiveAsking
from onethinker_eval.judging.cases import JudgeFailed
from onethinker_eval.judging.clients import ChatClient, RewardClient
from onethinker_eval.judging.http import Endpoint
from onethinker_eval.judging.journal import Judge, journal_path, stored_replies, write_judges
from onethinker_eval.judging.measures import JUDGED_PROTOCOLS
from onethinker_eval.judging.prompts import judge_prompt, prompt_names
from onethinker_eval.judging.roles import ROLES, rewards
from onethinker_eval.judging.settings import JudgeSettings
from onethinker_eval.rescoring.journals import winning_lines
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.sample import score_line

__all__ = ["TaskReport", "judge_of", "judge_run", "judged_tasks"]

Progress = Callable[[str, int], None]
Lines = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a session did for a task: calls made, reused and failed; `stopped` says why it ended."""

    task: str
    samples: int
    made: int
    reused: int
    failed: int
    stopped: str = ""

    def summary(self) -> str:
        """Return one line for people.

        >>> TaskReport("onethinker_mmmu", 9, 2, 1, 0).summary()
        'judge of mmmu: 2 calls made, 1 reused, 0 failed'
        """
        name = self.task.removeprefix("onethinker_")
        counts = f"{self.made} calls made, {self.reused} reused, {self.failed} failed"
        return f"judge of {name}: {counts}" + (f"; {self.stopped}" if self.stopped else "")


def judge_of(settings: JudgeSettings) -> Judge:
    """Return the identity of a judge: what its replies are stored under."""
    prompts = tuple((name, judge_prompt(name).digest) for name in prompt_names())
    reward = (settings.reward_model or "default") if settings.reward else ""
    return Judge(settings.model, prompts if settings.chat else (), reward)


def judged_tasks(tasks: Iterable[Task], settings: JudgeSettings) -> list[Task]:
    """Return the tasks that a judge of these settings has something to say about."""
    return [
        task
        for task in tasks
        if (settings.chat and task.judge in ROLES)
        or (settings.reward and task.problem_type.lower() in rewards.KINDS)
    ]


def judge_run(
    run: Path, tasks: Sequence[Task], settings: JudgeSettings, *, progress: Progress | None = None
) -> list[TaskReport]:
    """Ask the judge about the replies of `tasks` in a run folder, and store what it says.

    `progress` is called with the task id and the number of samples done since the last call. A
    judge that fails does not raise: the reports and the scores tell. Raises `UsageError` for a
    key that is not set, `RunError` when the folder cannot be written.
    """
    wanted = judged_tasks(tasks, settings)
    reports: list[TaskReport] = []
    with ExitStack() as stack:
        chat = _chat(settings, stack) if settings.chat else None
        reward = _reward(settings, stack) if settings.reward else None
        stopped = ""
        for task in wanted:
            journal = journal_path(run, task.id)
            lines = [line for line in winning_lines(run, task.id) if line["status"] == "ok"]
            judge = judge_of(settings)
            with Journal(journal) as opened:
                replies = stored_replies(journal, quiet=True)
                write_judges(run, {task.id: judge})
                asking = LiveAsking(judge, opened, replies, chat=chat, reward=reward)
                asking.stopped = stopped
                _ask_all(task, judge, lines, asking, settings, progress)
            stopped = asking.stopped
            counts = (len(lines), asking.made, asking.reused, asking.failed)
            reports.append(TaskReport(task.id, *counts, stopped))
    return reports


def _chat(settings: JudgeSettings, stack: ExitStack) -> ChatClient:
    return ChatClient(_endpoint(settings.base_url, settings, stack), settings.model)


def _reward(settings: JudgeSettings, stack: ExitStack) -> RewardClient:
    endpoint = _endpoint(settings.reward_url, settings, stack)
    return RewardClient(endpoint, settings.reward_server, settings.reward_model)


def _endpoint(url: str, settings: JudgeSettings, stack: ExitStack) -> Endpoint:
    endpoint = Endpoint(
        url,
        api_key=settings.api_key(url),
        timeout_s=settings.timeout_s,
        retries=settings.retries,
        concurrency=settings.concurrency,
    )
    stack.callback(endpoint.close)
    return endpoint


def _ask_all(
    task: Task,
    judge: Judge,
    lines: Sequence[Lines],
    asking: LiveAsking,
    settings: JudgeSettings,
    progress: Progress | None,
) -> None:
    plan = Plan.of(task, JUDGED_PROTOCOLS)
    jobs: list[Callable[[], int]] = []
    if settings.chat and task.judge in ROLES:
        alone = Judge(judge.model, judge.prompts)
        jobs += [lambda line=line: _ask(line, plan, alone, asking) for line in lines]  # type: ignore[misc]
    if settings.reward:
        step = settings.reward_batch
        parts = [lines[start : start + step] for start in range(0, len(lines), step)]
        jobs += [lambda part=part: _ask_rewards(part, plan, asking) for part in parts]  # type: ignore[misc]
    for count in _run(jobs, settings.concurrency):
        if progress is not None:
            progress(task.id, count)


def _run(jobs: Sequence[Callable[[], int]], workers: int) -> Iterator[int]:
    """Yield the results of `jobs` as they end; an interruption does not wait for the others.

    The threads are daemons: those of an executor would keep the process until a server that was
    asked before the interruption has replied.
    """
    waiting = list(reversed(jobs))
    todo: SimpleQueue[Callable[[], int] | None] = SimpleQueue()
    done: SimpleQueue[int | BaseException] = SimpleQueue()

    def work() -> None:
        while (job := todo.get()) is not None:
            try:
                done.put(job())
            except BaseException as error:  # handed to the caller's thread, which raises it
                done.put(error)

    count = min(workers, len(jobs))
    for number in range(count):
        Thread(target=work, name=f"judge-{number}", daemon=True).start()
        todo.put(waiting.pop())
    try:
        for _ in jobs:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            todo.put(waiting.pop() if waiting else None)
            yield result
    finally:
        for _ in range(count):
            todo.put(None)


def _ask(line: Lines, plan: Plan, judge: Judge, asking: LiveAsking) -> int:
    scores = score_line(line, plan)
    with_judgements(scores, line, judge, plan.role, plan.choice_rule, asking)
    return 1


def _ask_rewards(lines: Sequence[Lines], plan: Plan, asking: LiveAsking) -> int:
    pairs: dict[tuple[str, str, str], None] = {}
    for line in lines:
        for protocol, score in score_line(line, plan).items():
            if score.outcome == "failed":
                continue
            sample = sample_of(line, score, protocol, plan.choice_rule)  # type: ignore[arg-type]
            if sample.kind in rewards.KINDS:
                pairs[rewards.pair(sample)] = None
    if pairs:
        with suppress(JudgeFailed):  # noted in the journal and in the report
            asking.rewards(list(pairs))
    return len(lines)
