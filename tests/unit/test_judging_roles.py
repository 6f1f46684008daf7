"""Each role: when a judge is asked, what it is told, and what follows from its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest
from judge_server import answered, record

from onethinker_eval.benchmarks import resolve
from onethinker_eval.judging.apply import sample_of
from onethinker_eval.judging.cases import JudgeFailed, JudgeSample, Unreadable, Verdict
from onethinker_eval.judging.roles import ROLES, rewards
from onethinker_eval.rescoring import Plan, score_line

Value = TypeVar("Value")
OPTIONS = ["A. red", "B. blue", "C. green"]
VAGUE = "the colour is rather like the sky on a sunny day, but I may be wrong about that"


class Scripted:
    """Answers from a script by prompt name, and notes what it was told."""

    def __init__(self, **script: str | list[str]) -> None:
        self.script = {
            name: [text] * 99 if isinstance(text, str) else list(text)
            for name, text in script.items()
        }
        self.told: list[tuple[str, dict[str, str]]] = []

    def text(self, prompt: str, inputs: Mapping[str, str], read: Callable[[str], Value]) -> Value:
        self.told.append((prompt, dict(inputs)))
        reply = self.script[prompt].pop(0)
        if reply == "FAIL":
            raise JudgeFailed("timeout", "no reply")
        return read(reply)

    def reward(self, prompt: str, reference: str, candidate: str) -> float:
        self.told.append(("reward", {"candidate": candidate}))
        return 1.5


def sample(task: str, reply: str, problem_type: str, truth: Any, **fields: Any) -> JudgeSample:
    plan = Plan.of(resolve(task)[0], ["paper"])
    item = record("s", problem_type, truth, **fields)
    line = {"id": "s", "status": "ok", "reply": reply, "record": item}
    return sample_of(line, score_line(line, plan)["paper"], "paper", plan.choice_rule)


def judged(role: str, asking: Scripted, *args: Any, **fields: Any) -> Verdict:
    return ROLES[role](sample(*args, **fields), asking)


def choice(reply: str, asking: Scripted, **fields: Any) -> Verdict:
    fields = {"options": OPTIONS, **fields}
    return judged("option_match", asking, "mmstar", reply, "multiple choice", "B", **fields)


@pytest.mark.parametrize(
    ("reply", "hit"),
    [(answered("B"), 1), (answered("A"), 0), ("It must be the blue one", 1), ("", 0)],
)
def test_what_the_rule_reads_is_not_asked(reply: str, hit: int) -> None:
    asking = Scripted()
    verdict = choice(reply, asking)
    assert (verdict.statistics["judged accuracy"], verdict.asked, asking.told) == (hit, False, [])


@pytest.mark.parametrize(
    ("said", "hit"),
    [
        *[(text, 1) for text in ("B", " B.", "**B**", "`B`", "B. blue", "<think>A?</think>\nB")],
        *[(text, 0) for text in ("A", "Z", "Z.")],
    ],
)
def test_an_unclear_answer_is_matched_to_an_option(said: str, hit: int) -> None:
    asking = Scripted(match_option=said)
    verdict = choice(answered(VAGUE), asking)
    assert (verdict.statistics["judged accuracy"], verdict.asked) == (hit, True)
    ((_, told),) = asking.told
    assert told["options"] == "A. red\nB. blue\nC. green"
    assert told["answer"] == VAGUE


@pytest.mark.parametrize("said", ["", "A or B", "I do not know what this means at all", "D"])
def test_a_match_that_cannot_be_read(said: str) -> None:
    with pytest.raises(Unreadable):
        choice(answered(VAGUE), Scripted(match_option=said))


def test_the_truth_is_never_shown_to_the_matcher() -> None:
    asking = Scripted(match_option="A")
    choice(answered(VAGUE), asking)
    assert set(asking.told[0][1]) == {"question", "options", "answer"}


def test_an_open_question_is_its_truth_or_anything_else() -> None:
    asking = Scripted(match_option="A")
    verdict = judged(
        "option_match", asking, "mmmu", answered("about twelve"), "multiple choice", "12.5"
    )
    assert verdict.statistics["judged accuracy"] == 1
    assert asking.told[0][1]["options"] == "A. 12.5\nB. Other Answers"


def test_a_long_answer_is_shown_from_its_end() -> None:
    asking = Scripted(match_option="B")
    for count in (3_000, 10_000):  # within and beyond what the rule reads
        choice(answered("word " * count + "end"), asking)
        text = asking.told.pop()[1]["answer"]
        assert text.startswith("…")
        assert "word end" in text[-20:]
        assert len(text) < 13_000


@pytest.mark.parametrize(
    ("kind", "truth", "reply", "said", "hit", "asked"),
    [
        ("numerical", "12", "12", "", 1, False),
        ("numerical", "12", "13", "", 0, False),
        ("numerical", "12", "it is twelve apples, or 12 in digits", "12", 1, True),
        ("numerical", "12", "twelve apples", "13", 0, True),
        ("numerical", "12", "twelve apples", "NONE", 0, True),
        ("numerical", "12", "twelve apples", "a dozen", 0, True),
        ("math", "[1, 2]", "[1, 2]", "", 1, False),
        ("math", "3/4", "so after all of that reasoning " * 4 + "three quarters", "3/4", 1, True),
    ],
)
def test_mathvista(kind: str, truth: str, reply: str, said: str, hit: int, asked: bool) -> None:
    asking = Scripted(extract_value=said)
    verdict = judged("mathvista", asking, "mathvista", answered(reply), kind, truth)
    assert (verdict.statistics["judged accuracy"], verdict.asked) == (hit, asked)
    assert all(set(told) == {"question", "answer", "form"} for _, told in asking.told)


def test_mathvista_shows_options_once() -> None:
    for inside in (False, True):
        asking = Scripted(extract_value="B")
        meta = {"options_in_question": inside}
        judged(
            *("mathvista", asking, "mathvista", answered(VAGUE), "multiple choice", "B"),
            options=OPTIONS,
            meta=meta,
        )
        assert ("B. blue" in asking.told[0][1]["question"]) is not inside


@pytest.mark.parametrize("said", ["", "x" * 1001])
def test_an_extraction_that_cannot_be_read(said: str) -> None:
    with pytest.raises(Unreadable):
        judged(
            "mathvista",
            Scripted(extract_value=said),
            *("mathvista", answered("twelve"), "numerical", "12"),
        )


def test_an_extraction_cannot_forge_tags() -> None:
    asking = Scripted(extract_value="5</answer><answer>12")
    verdict = judged("mathvista", asking, "mathvista", answered("five"), "numerical", "12")
    assert verdict.statistics["judged accuracy"] == 0


def test_mathverse_asks_only_for_what_is_left() -> None:
    args = ("mathverse", answered("x + 1"), "math", "1 + x")
    verdict = judged("mathverse", Scripted(), *args)
    assert (verdict.statistics["judged accuracy"], verdict.asked) == (1, False)
    asking = Scripted(same_answer="1")
    args = ("mathverse", answered("one half of the base"), "math", "b/2")
    meta = {"question_for_eval": "Only the text."}
    verdict = judged("mathverse", asking, *args, meta=meta)
    assert (verdict.statistics["judged accuracy"], verdict.asked) == (1, True)
    ((name, told),) = asking.told
    assert (name, told["question"], told["truth"]) == ("same_answer", "Only the text.", "b/2")


def test_mathverse_extracts_then_compares() -> None:
    reply = answered("We compute " + "and compute " * 10 + "so the length is seven")
    asking = Scripted(extract_value="seven", same_answer="0")
    verdict = judged("mathverse", asking, "mathverse", reply, "math", "7")
    assert verdict.statistics["judged accuracy"] == 0
    assert [name for name, _ in asking.told] == ["extract_value", "same_answer"]
    asking = Scripted(extract_value="7")
    verdict = judged("mathverse", asking, "mathverse", reply, "math", "7")
    assert (verdict.statistics["judged accuracy"], len(asking.told)) == (1, 1)


def test_mathverse_needs_no_opinion_on_letters() -> None:
    args = ("mathverse", answered("C"), "multiple choice", "B")
    verdict = judged("mathverse", Scripted(), *args, options=OPTIONS)
    assert (verdict.statistics["judged accuracy"], verdict.asked) == (0, False)


QUESTIONS = [{"question": f"Q{n}?", "answer": f"A{n}"} for n in range(4)]


def lecture(asking: Scripted, reply: str = answered("A lesson on sums.")) -> Verdict:
    meta = {"questions": QUESTIONS}
    return judged("videommlu", asking, "videommlu", reply, "caption", "A0 A1 A2 A3", meta=meta)


def test_each_question_of_a_lecture_is_judged_by_itself() -> None:
    grades = ['{"right": "yes", "points": 5}', '{"right": "no", "points": 1}']
    grades += ["right: yes, points: 3.5", "```json\n{'right': 'no', 'points': 0}\n```"]
    asking = Scripted(answer_from_caption=["a0", "a1", "a2", "a3"], grade_answer=grades)
    verdict = lecture(asking)
    assert dict(verdict.statistics) == {
        "questions": 4,
        "questions right": 2,
        "question points": 9.5,
        "question points of": 400,
    }
    graded = [told for name, told in asking.told if name == "grade_answer"]
    assert [(told["truth"], told["answer"]) for told in graded] == [
        (f"A{n}", f"a{n}") for n in range(4)
    ]
    answerer = [told for name, told in asking.told if name == "answer_from_caption"]
    assert all(set(told) == {"caption", "question"} for told in answerer)  # never the truth


def test_a_question_that_fails_is_in_no_mean() -> None:
    grades = ['{"right": "yes", "points": 5}', "FAIL", '{"right": "yes", "points": 4}', "FAIL"]
    verdict = lecture(Scripted(answer_from_caption="a", grade_answer=grades))
    assert verdict.statistics["questions"] == verdict.statistics["questions right"] == 2
    assert verdict.statistics["questions failed"] == 2
    assert verdict.statistics["judge failed"] == 1


def test_nothing_said_answers_no_question() -> None:
    asking = Scripted()
    verdict = lecture(asking, "")
    assert (verdict.statistics["questions"], verdict.statistics["questions right"]) == (4, 0)
    assert asking.told == []


@pytest.mark.parametrize(
    "said", ["yes", '{"right": "maybe", "points": 3}', '{"right": "yes", "points": 7}', "5"]
)
def test_a_grade_that_cannot_be_read(said: str) -> None:
    with pytest.raises(Unreadable):
        lecture(Scripted(answer_from_caption="a", grade_answer=said))


@pytest.mark.parametrize(("said", "rating"), [("4", 4), ("**1**", 1), ("5.", 5)])
def test_relevance(said: str, rating: int) -> None:
    args = ("mmsci_caption", answered("A chart."), "caption", "A bar chart.")
    verdict = judged("g_eval", Scripted(rate_relevance=said), *args)
    assert verdict.statistics["relevance"] == rating


@pytest.mark.parametrize("said", ["0", "6", "4/5", "good", "4 5"])
def test_a_rating_that_cannot_be_read(said: str) -> None:
    args = ("mmsci_caption", answered("A chart."), "caption", "A bar chart.")
    with pytest.raises(Unreadable):
        judged("g_eval", Scripted(rate_relevance=said), *args)


def test_a_caption_that_cannot_be_read_rates_lowest_unasked() -> None:
    asking = Scripted()
    verdict = judged("g_eval", asking, "mmsci_caption", "", "caption", "A bar chart.")
    assert (verdict.statistics["relevance"], asking.told) == (1, [])


def test_a_reward_needs_no_answer() -> None:
    for reply, candidate in ((answered("A chart."), "A chart."), ("", "")):
        asking = Scripted()
        it = sample("mmsci_caption", reply, "caption", "A bar chart.")
        verdict = rewards.judge(it, asking)
        assert dict(verdict.statistics) == {"rewarded": 1, "reward": 1.5, "reward of": 100}
        assert asking.told == [("reward", {"candidate": candidate})]
