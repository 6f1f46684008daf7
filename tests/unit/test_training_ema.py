"""EMA-GRPO's moments and advantages against values worked out by hand."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.training.ema import AdvantageRule, TaskMoments, advantages, task_key

REWARDS = st.lists(st.floats(0, 4), min_size=1, max_size=40)


def test_moments_by_hand() -> None:
    moments = TaskMoments(decay=0.9)
    moments.update("math", [0.0, 1.0, 1.0, 1.0])  # m1 = 3/4, m2 = 3/4
    assert moments.std("math") == pytest.approx(math.sqrt(0.75 - 0.5625))
    moments.update("math", [0.0, 0.0])  # m1 = .675, m2 = .675
    assert moments.mean("math") == pytest.approx(0.675)
    assert moments.std("math") == pytest.approx(math.sqrt(0.675 - 0.675**2))


def test_tasks_do_not_mix_and_unknown_tasks_are_an_error() -> None:
    moments = TaskMoments()
    moments.update("a", [0.0, 1.0])
    moments.update("b", [5.0, 5.0])
    assert moments.std("a") == pytest.approx(0.5)
    assert moments.std("b") == moments.floor
    with pytest.raises(KeyError, match="'c'"):
        moments.std("c")


def test_nan_rewards_are_left_out() -> None:
    moments = TaskMoments()
    moments.update("a", [math.nan, math.nan])
    assert moments.tasks == ()
    moments.update("a", [0.0, math.nan, 1.0])
    assert moments.mean("a") == 0.5


@given(REWARDS, st.randoms())
def test_order_of_ranks_does_not_matter(rewards: list[float], random: object) -> None:
    shuffled = list(rewards)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = TaskMoments(), TaskMoments()
    first.update("a", rewards)
    second.update("a", shuffled)
    assert first.state_dict() == second.state_dict()


@given(st.lists(REWARDS, min_size=1, max_size=5), REWARDS)
def test_state_survives_json_exactly(steps: list[list[float]], more: list[float]) -> None:
    whole = TaskMoments()
    for rewards in steps:
        whole.update("a", rewards)
    resumed = TaskMoments()
    resumed.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    whole.update("a", more)
    resumed.update("a", more)
    assert whole.state_dict() == resumed.state_dict()
    assert whole.std("a") == resumed.std("a")


def test_state_of_other_settings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"decay=0\.9"):
        TaskMoments().load_state_dict(TaskMoments(decay=0.9).state_dict())


def test_ema_advantages_by_hand() -> None:
    moments = TaskMoments(decay=0.99)
    # Two groups of one task: [0, 1] and [1, 1]. m1 = m2 = 3/4, sigma = sqrt(3)/4.
    got = advantages([0, 1, 1, 1], ["t"] * 4, 2, moments)
    sigma = math.sqrt(3) / 4
    assert got == pytest.approx([-0.5 / sigma, 0.5 / sigma, 0, 0], rel=1e-5)


def test_update_after_uses_the_moments_of_earlier_steps() -> None:
    moments = TaskMoments(decay=0.5)
    moments.update("t", [0.0, 2.0])  # sigma 1
    after = AdvantageRule(update="after")
    got = advantages([0.0, 1.0], ["t"] * 2, 2, moments, after)
    assert got == pytest.approx([-0.5, 0.5], rel=1e-5)
    # m1 = .5*1 + .5*.5, m2 = .5*2 + .5*.5
    assert moments.mean("t") == 0.75
    assert moments.std("t") == pytest.approx(math.sqrt(1.25 - 0.5625))


def test_first_step_of_a_task_initialises_before_use_under_both_rules() -> None:
    states = []
    for update in ("before", "after"):
        moments = TaskMoments()
        rule = AdvantageRule(update=update)  # type: ignore[arg-type]
        got = advantages([0.0, 1.0], ["t"] * 2, 2, moments, rule)
        assert got == pytest.approx([-1, 1], rel=1e-5)
        states.append(moments.state_dict())
    assert states[0] == states[1]


def test_guards_differ_as_documented() -> None:
    def small_sigma() -> TaskMoments:
        moments = TaskMoments(decay=0.99)
        moments.update("t", [0.5, 0.52])  # sigma 0.01
        return moments

    after = {"update": "after"}
    clipped = advantages(
        [0.0, 1.0],
        ["t"] * 2,
        2,
        small_sigma(),
        AdvantageRule(**after),  # type: ignore[arg-type]
    )
    assert clipped == [-5.0, 5.0]
    fallen_back = advantages(
        [0.0, 1.0],
        ["t"] * 2,
        2,
        small_sigma(),
        AdvantageRule(guard="group_std", **after),  # type: ignore[arg-type]
    )
    assert fallen_back == pytest.approx([-1.0, 1.0], rel=1e-5)


def test_grpo_and_dr_grpo_are_the_same_rule_with_another_scale() -> None:
    rewards, tasks = [0.0, 1.0, 0.2, 0.4], ["a", "a", "b", "b"]
    grpo = advantages(rewards, tasks, 2, TaskMoments(), AdvantageRule(scale="group"))
    assert grpo == pytest.approx([-1, 1, -1, 1], rel=1e-4)
    dr_grpo = advantages(rewards, tasks, 2, TaskMoments(), AdvantageRule(scale="none"))
    assert dr_grpo == pytest.approx([-0.5, 0.5, -0.1, 0.1])


def test_ema_weighs_dense_and_sparse_tasks_alike() -> None:
    """The paper's inter-task claim: scaling one task's reward leaves its advantages alone."""
    rewards = [0.1, 0.3, 0.2, 0.6]
    plain = advantages(rewards, ["t"] * 4, 2, TaskMoments())
    scaled = advantages([r * 10 for r in rewards], ["t"] * 4, 2, TaskMoments())
    assert plain == pytest.approx(scaled, rel=1e-4)


def test_nan_gets_no_advantage_and_does_not_move_its_group() -> None:
    got = advantages([0.0, 1.0, math.nan, 1.0], ["t"] * 4, 4, TaskMoments())
    assert got[2] == 0.0
    assert got[0] == pytest.approx(-2 * got[1], rel=1e-6)
    assert advantages([math.nan] * 2, ["u"] * 2, 2, TaskMoments()) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rewards", "tasks", "size", "words"),
    [
        ([1.0, 2.0, 3.0], ["a"] * 3, 2, "whole groups"),
        ([1.0, 2.0], ["a"], 2, "a task each"),
        ([1.0, 2.0], ["a", "b"], 2, "mixes the tasks"),
    ],
)
def test_shapes_that_do_not_fit(
    rewards: list[float], tasks: list[str], size: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        advantages(rewards, tasks, size, TaskMoments())


@pytest.mark.parametrize(
    "wrong", [{"scale": "batch"}, {"guard": "none"}, {"update": "never"}, {"clip": 0.0}]
)
def test_unknown_rules_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AdvantageRule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"decay": 1.0}, {"decay": -0.1}, {"floor": 0.0}])
def test_moments_refuse_bad_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TaskMoments(**wrong)


@pytest.mark.parametrize(
    ("problem_type", "data_type", "task"),
    [
        ("segmentation", "image", "segmentation/image"),
        ("Segmentation", "Video", "segmentation/video"),
        ("OCR", "image", "ocr"),
        ("tracking", "video", "tracking"),
    ],
)
def test_segmentation_splits_by_modality(problem_type: str, data_type: str, task: str) -> None:
    assert task_key(problem_type, data_type) == task
