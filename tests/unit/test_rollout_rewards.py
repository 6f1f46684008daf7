"""Rewards of batches: worker processes, judges over HTTP, and failures that are never zeros."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import Fault, JudgeServer

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.training.recipe import load
from onethinker_eval.training.reward_model import Asked, RewardModel, scaled
from onethinker_eval.training.reward_pool import ScoringPool
from onethinker_eval.training.reward_settings import RewardSettings
from onethinker_eval.training.rewards import reward
from onethinker_eval.training.rollout_rewards import RolloutRewards, rollout_rewards


def said(answer: str) -> str:
    return f"<think>I looked.</think>\n<answer>{answer}</answer>"


def columns(rows: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    """Columns of (problem type, truth) rows; the question names the type."""
    return {
        "truth": [truth for _, truth in rows],
        "problem_type": [kind for kind, _ in rows],
        "data_type": ["image"] * len(rows),
        "options": [[] for _ in rows],
        "record": [{"id": "1", "question": f"What is the {kind}?"} for kind, _ in rows],
    }


MIXED: list[tuple[str, str, Any]] = [
    (said("B"), "multiple choice", "B"),
    ("no tags", "multiple choice", "B"),
    (said("\\frac{1}{2}"), "math", "0.5"),
    (said('{"boxes": [1, 2, 30, 40]}'), "spatial grounding", '{"boxes": [1, 2, 30, 44]}'),
    (said("a red ball"), "open-ended", "the ball is red"),
    (said("{}"), "tracking", "no json"),
]


@pytest.fixture(scope="module")
def pool() -> Iterator[ScoringPool]:
    made = ScoringPool(1, time_limit_s=60.0)
    yield made
    made.close()


def test_worker_processes_give_the_same_rewards(pool: ScoringPool) -> None:
    replies = [reply for reply, _, _ in MIXED]
    given = columns([(kind, truth) for _, kind, truth in MIXED])
    for profile in ("paper", "released"):
        here = RolloutRewards(profile).score(replies, given)  # type: ignore[arg-type]
        there = RolloutRewards(profile, pool=pool).score(replies, given)  # type: ignore[arg-type]
        assert there[:-1] == here[:-1]
        for made in (here[-1], there[-1]):
            assert (made.failure or "").startswith("DataError: ")
            assert math.isnan(made.total)
            assert math.isnan(made.term("answer"))


def test_a_worker_that_dies_or_hangs_costs_one_reward() -> None:
    pool = ScoringPool(1, time_limit_s=60.0)
    try:
        rewards = RolloutRewards("paper", pool=pool)
        given = columns([("math", "7")])
        assert rewards.score([said("7")], given)[0].total == 2.0
        worker = pool._workers[0]
        assert worker._process is not None
        worker._process.kill()
        (dead,) = rewards.score([said("8")], given)
        assert dead.failure == "WorkerDied: the scoring process ended"
        assert rewards.score([said("7")], given)[0].total == 2.0
        assert worker._process is not None
        pool._limit_s = 0.2
        os.kill(worker._process.pid, signal.SIGSTOP)  # it works on, and never ends
        (late,) = rewards.score([said("8")], given)
        assert late.failure == "TimeLimit: no reward within 0.2 s"
        pool._limit_s = 60.0
        assert rewards.score([said("7")], given)[0].total == 2.0
        assert rewards.failures == {"WorkerDied": 1, "TimeLimit": 1}
    finally:
        pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit({})


def lengths(path: str, body: dict[str, Any]) -> Any:
    """A POLAR server of vLLM whose reward is the length of the candidate's text."""
    assert path.endswith("/pooling")
    return {
        "data": [
            {"data": [[float(len(text.rsplit("\n", 1)[1].split("[UNUSED")[0]))]]}
            for text in body["input"]
        ]
    }


def settings(server: JudgeServer, **changes: Any) -> RewardSettings:
    values = {"judge": "polar", "url": server.url, "model": "POLAR-7B", "retries": 0} | changes
    return RewardSettings(**values)


def test_a_reward_model_is_asked_in_batches_once_for_each_answer(tmp_path: Path) -> None:
    replies = [said(text) for text in ("aa", "aaaa", "aaaaaa", "aa")]
    replies += ["", said("bbb"), said("bbb"), said("B")]
    kinds = [*["open-ended"] * 4, *["caption"] * 3, "multiple choice"]
    given = columns([(kind, "B") for kind in kinds])
    with JudgeServer(lengths) as server:
        chosen = settings(server, batch=2)
        judge = RewardModel(chosen, tmp_path / "replies.jsonl")
        rewards = RolloutRewards("paper", settings=chosen, group_size=4, judge=judge)
        made = rewards.score(replies, given)
        assert sum(len(body["input"]) for _, _, body in server.requests) == 4
        assert {len(body["input"]) for _, _, body in server.requests} == {2}
        # group one: 2, 4, 6, 2 letters; group two: unreadable, 3, 3, and a rule's own score
        assert [rollout.accuracy for rollout in made] == [0, 0.5, 1, 0, 0, 1, 1, 1]
        assert made[1].parts == {"accuracy": 0.5, "format": 1.0}
        assert made[4].outcome == "unparsable"
        assert rewards.score(replies, given) is made
        again = rewards.score(list(replies), given)
        assert [rollout.accuracy for rollout in again] == [r.accuracy for r in made]
        assert len(server.requests) == 2
        rewards.close()
        judge = RewardModel(chosen, tmp_path / "replies.jsonl")  # a resumed run
        rewards = RolloutRewards("paper", settings=chosen, group_size=4, judge=judge)
        assert rewards.score(replies, given) == made
        assert len(server.requests) == 2
        rewards.close()
    assert "What is the open-ended?\nB<|reward|>" in server.requests[0][2]["input"][0]


def test_a_failed_judgement_is_no_reward_and_stops_the_run_in_the_end() -> None:
    faults = [Fault(status=500)] * 3
    with JudgeServer(lengths, faults) as server:
        chosen = settings(server, batch=1, patience=2, concurrency=1)
        rewards = RolloutRewards("paper", settings=chosen, group_size=2, judge=RewardModel(chosen))
        given = columns([("open-ended", "x"), ("open-ended", "x"), ("multiple choice", "B")])
        first = rewards.score([said("a"), said("bb"), said("B")], given)
        assert [rollout.failure is None for rollout in first] == [False, False, True]
        assert math.isnan(first[0].total)
        assert first[0].failure is not None
        assert "HTTP 500" in first[0].failure
        assert rewards.failures == {"reward model (server)": 2}
        second = rewards.score([said("a"), said("bb"), said("B")], given)  # one fault is left
        assert [rollout.failure is None for rollout in second] == [False, True, True]
        server.faults += [Fault(status=500)] * 9
        rewards.score([said("q"), said("r"), said("B")], given)
        with pytest.raises(RunError, match="no reward for 2 batches"):
            rewards.score([said("s"), said("t"), said("B")], given)
        rewards.close()


def test_time_limits_rubbish_and_a_wrong_key_are_failures() -> None:
    answers = [
        *(b"no json", {"data": []}, {"data": [{"data": [["high"]]}]}),
        b'{"data": [{"data": [[1e999]]}]}',
    ]
    with JudgeServer(lambda path, body: answers.pop(0)) as server:
        server.faults = [Fault(delay_s=1.0), Fault(status=401)]
        chosen = settings(server, batch=1, concurrency=1, timeout_s=0.3, patience=99)
        judge = RewardModel(chosen)
        for number, kind in enumerate(["timeout", "refused", *["rubbish"] * 4]):
            (future,) = judge.submit([Asked("q", "r", str(number))]).values()
            assert getattr(future.exception(), "kind", None) == kind, number
        judge.close()


def test_scoring_goes_on_while_the_trainer_works() -> None:
    with JudgeServer(lengths, delay_s=0.5) as server:
        chosen = settings(server)
        rewards = RolloutRewards("paper", settings=chosen, judge=RewardModel(chosen))
        given = columns([("caption", "x")])
        replies = [said("a")]
        begun = time.monotonic()
        rewards.start(replies, given)
        assert time.monotonic() - begun < 0.3
        time.sleep(0.8)  # log-probabilities
        begun = time.monotonic()
        assert rewards.score(replies, given)[0].accuracy == 1.0
        assert time.monotonic() - begun < 0.3
        assert len(server.requests) == 1
        rewards.close()


def test_a_chat_model_grades() -> None:
    grades = {"all": "10", "half": "<think>hm</think> 5", "odd": "eleven", "more": "11"}

    def grade(path: str, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        return next(value for name, value in grades.items() if f"Answer: {name}" in text)

    with JudgeServer(grade) as server:
        chosen = settings(server, judge="chat", model="m")
        rewards = RolloutRewards("paper", settings=chosen, group_size=4, judge=RewardModel(chosen))
        made = rewards.score([said(name) for name in grades], columns([("caption", "x")] * 4))
        assert [rollout.accuracy for rollout in made[:2]] == [1.0, 0.5]
        assert [rollout.failure for rollout in made[2:]] == [
            "reward model (unreadable): expected a whole number from 0 to 10, found 'eleven'",
            "reward model (unreadable): expected a whole number from 0 to 10, found '11'",
        ]
        rewards.close()


def test_judged_rewards_need_no_rouge(monkeypatch: pytest.MonkeyPatch) -> None:
    from onethinker_eval.training import rewards

    plain = reward(said("a red ball"), "the ball is red", "caption", judged=0.75)
    monkeypatch.delattr(rewards, "score")
    assert reward(said("a red ball"), "the ball is red", "caption", judged=0.75) == plain
    assert (plain.total, plain.accuracy, plain.outcome) == (1.75, 0.75, "scored")
    assert reward("", "the ball", "caption", judged=0.75).outcome == "unparsable"


def test_scales() -> None:
    polar = RewardSettings(judge="polar", url="http://localhost")
    assert scaled([2.0, 2.0], polar) == [1.0, 1.0]
    assert scaled([], polar) == []
    flat = RewardSettings(judge="polar", url="http://localhost", scale="sigmoid")
    assert scaled([0.0, -1e9], flat) == [0.5, pytest.approx(0.0)]
    assert scaled([-1.0, 0.25, 3.0], RewardSettings()) == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards.judge": "polar"}, "a judge needs url"),
        ({"rewards.judge": "chat", "rewards.url": "http://localhost"}, "needs model"),
        ({"rewards.judge": "poler"}, "did you mean polar"),
        ({"rewards.worker": "2"}, "did you mean rewards.workers"),
        ({"rewards.workers": "-1"}, "workers 0 or more"),
    ],
)
def test_recipes_with_a_wrong_judge_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load("demo-grpo", changes)


def test_off_is_a_word(tmp_path: Path) -> None:
    assert load("demo-grpo", {"rewards.judge": "off"}).rewards.judge == "off"
    made = load("demo-grpo", {"rollouts.vllm": "off"})
    assert made.rollouts.vllm == "off"
    (tmp_path / "again.yaml").write_text(made.to_yaml())
    assert load(str(tmp_path / "again.yaml")) == made


def test_a_recipe_builds_its_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rollout_rewards(load("demo-grpo"))
    assert plain._judge is None
    assert plain._pool is None
    changes = {
        "run.output": str(tmp_path),
        "rewards.judge": "polar",
        "rewards.url": "http://localhost:1",
        "rewards.workers": "2",
        "rewards.api_key_env": "NO_SUCH_KEY",
    }
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        rollout_rewards(load("demo-grpo", changes))
    monkeypatch.setenv("NO_SUCH_KEY", "secret")
    monkeypatch.setenv("RANK", "3")
    made = rollout_rewards(load("demo-grpo", changes))
    assert (tmp_path / "reward_model" / "replies-3.jsonl").exists()
    assert made._group_size == 8
    made.close()
