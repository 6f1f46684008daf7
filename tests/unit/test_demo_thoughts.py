"""Thoughts of the demo generator: what they calculate is true, and what they see is drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from onethinker_eval.demo.asking import Ask, Group
from onethinker_eval.demo.scene import Scene
from onethinker_eval.demo.shapes import CORNERS
from onethinker_eval.demo.steps import FRAMES
from onethinker_eval.demo.tiny_model import tiny_folder
from onethinker_eval.demo.twins import TWINS, groups
from onethinker_eval.media.frames import sample_indices, slot_seconds
from onethinker_eval.training import recipe

_EQUATION = re.compile(r"(?<![\d.])(\d+) ([-+×/]) (\d+) = (\d+(?:\.\d)?)(?![\d.]*\d)")


def _asks(name: str, count: int) -> Iterator[tuple[Group, Ask]]:
    (twin,) = (twin for twin in TWINS if name in twin.benchmarks)
    for group in groups(replace(twin, scenes=count), 9, "train", None):
        yield from ((group, ask) for ask in group.asks)


@pytest.mark.parametrize("name", ["mathverse", "mathvista", "mmstar", "videomathqa", "videommmu"])
def test_sums_are_done_one_step_at_a_time_and_are_right(name: str) -> None:
    found = 0
    for _, ask in _asks(name, 40):
        for a, sign, b, result in _EQUATION.findall(ask.thinking):
            found += 1
            x, y = Fraction(a), Fraction(b)
            true = {"+": x + y, "-": x - y, "×": x * y, "/": x / y if y else None}[sign]
            assert true == Fraction(result), ask.thinking
        assert len(re.findall(r" = \d", ask.thinking)) == len(_EQUATION.findall(ask.thinking))
    assert found > 10


def test_a_rule_is_what_the_differences_and_quotients_say() -> None:
    rules = set()
    for _, ask in _asks("videommmu", 60):
        rule = re.search(r"The rule is: (add|multiply by) (\d)\.", ask.thinking)
        if not rule:
            continue
        results = [
            (sign, int(result))
            for _, sign, _, result in _EQUATION.findall(ask.thinking[: rule.start()])
        ]
        differences = {result for sign, result in results if sign == "-"}
        quotients = {result for sign, result in results if sign == "/"}
        alike = rule[1] == "add"
        assert (len(differences) == 1) == alike
        assert (differences if alike else quotients) == {int(rule[2])}
        rules.add(rule[1])
    assert rules == {"add", "multiply by"}


def test_arrows_point_as_the_thought_says_and_lead_to_the_answer() -> None:
    ways = set()
    for group, ask in _asks("ai2d", 40):
        told = re.search(r"The arrow at \[(\d+), (\d+)\] points (up|down)\.", ask.thinking)
        if not told:
            continue
        image = group.picture.image()
        height, width = image.shape[:2]
        x, y = int(told[1]) * width // 1000, int(told[2]) * height // 1000
        dark = image[y - 12 : y + 13, x - 12 : x + 13].max(axis=2) < 40
        rows = np.nonzero(dark)[0] - 12
        assert (rows.mean() < 0) == (told[3] == "up")  # an arrow is widest at its head
        start, arrow, end = (
            np.array([int(one) for one in pair])
            for pair in re.findall(r"\[(\d+), (\d+)\]", ask.thinking)[:3]
        )
        neighbour = 2 * arrow - start
        leaves = (told[3] == "down") == (neighbour[1] > start[1])
        after = "right after" in ask.question
        assert (abs(end - neighbour).max() < 5) == (leaves == after), ask.thinking
        ways.add((leaves, after))
    assert len(ways) == 4


_ENTRIES = re.compile(r"([\d.]+)(?:: \[[\d, ]+\]| away)([a-z ]*)")
_MOMENT = re.compile(r"(\d+\.\d)(?:: \[(\d+), (\d+), (\d+), (\d+)\]| away)")


def _pairs_shown(scene: Scene) -> list[float]:
    return slot_seconds(sample_indices(scene.frame_count, scene.fps, FRAMES), scene.fps)


@pytest.mark.parametrize("name", ["charades", "activitynet", "anet_rtl", "stvg", "mevis", "mmvu"])
def test_a_course_tells_of_pairs_of_frames_that_are_shown(name: str) -> None:
    found = 0
    for group, ask in _asks(name, 12):
        assert isinstance(group.picture, Scene)
        times = [one[1] for one in _MOMENT.finditer(ask.thinking)]
        assert set(times) <= {f"{one:.1f}" for one in _pairs_shown(group.picture)}
        found += len(times)
    assert found > 50


@pytest.mark.parametrize("name", ["charades", "activitynet", "stvg"])
def test_a_limit_of_an_event_is_told_after_the_moments_around_it(name: str) -> None:
    found = 0
    for group, ask in _asks(name, 12):
        assert isinstance(group.picture, Scene)
        shown = _pairs_shown(group.picture)
        limits = re.findall(
            r"It (begins|ends): (.*?), so by ([\d.]+) s(?: less ([\d.]+) s)? at "
            r"(?:second )?([\d.]+)(?: s)?\. ?",
            ask.thinking,
        )
        assert [kind for kind, *_ in limits] == ["begins", "ends"]
        seen = name == "stvg" or "in view" in ask.thinking
        for kind, told, past, less, limit in limits:
            near = [one for one in shown if one <= float(limit)][-1:]
            near += [one for one in shown if one >= float(limit)][:1]
            times = [one[1] for one in _MOMENT.finditer(told)]
            # What set off by too little to show may be told from just after that on.
            hidden = kind == "begins" and not seen and float(times[0]) > float(limit)
            assert {f"{one:.1f}" for one in near[hidden:]} <= set(times), (limit, ask.thinking)
            assert times == sorted(times, key=float)
            assert past in times
            after = [one for one in shown if one > float(limit) - 1e-6]
            if kind == ("ends" if seen else "begins") and after and after[0] == float(limit):
                del after[0]  # still in view, or not yet on its way
            still = {one[0]: "still" in one[1] for one in _ENTRIES.findall(told)}
            # What is in view is there and away at once; what moves sets off and stops visibly.
            rests = after and (hidden or still.get(f"{after[0]:.1f}", False))
            later = not seen and after and rests != (kind == "ends")
            assert past == f"{[*after[later:], shown[-1]][0]:.1f}"
            if after:  # how long it is past can be told from the moment after it
                assert f"{float(past) - float(less):.1f}" == f"{float(limit):.1f}"
                beyond = [one for one in shown if one > float(past) + 0.1] or shown[-1:]
                assert times[-1] == f"{beyond[0]:.1f}"
            found += 1
    assert found > 20


@pytest.mark.parametrize("name", ["charades", "activitynet"])
def test_the_course_alone_says_from_which_moment_a_limit_is_told_closely(name: str) -> None:
    found: list[bool] = []
    for _, ask in _asks(name, 20):
        word = re.search(r"grows|shrinks|right|left|up|down", ask.question)
        course, begins, ends = re.split(r"It (?:begins|ends): ", ask.thinking)
        told = _ENTRIES.findall(course)
        moves = [at for at, (_, did) in enumerate(told) if word and word[0] in did.split()]
        if moves:
            times = [time for time, _ in told]
            found.append(begins.startswith(times[max(0, moves[0] - 1)]))
            # One more before an end, as it needs to be known how far a whole moment goes.
            found.append(ends.startswith(times[max(0, moves[-1] - 2)]))
    assert len(found) > 40
    # Two motions in one moment of a course read as one.
    assert np.mean(found) > 0.95


@pytest.mark.parametrize("name", ["charades", "activitynet"])
def test_how_far_it_went_tells_how_long_a_limit_is_past(name: str) -> None:
    errors: list[float] = []
    for _, ask in _asks(name, 20):
        for kind, told, past, less in re.findall(
            r"It (begins|ends): (.*?), so by ([\d.]+) s less ([\d.]+) s", ask.thinking
        ):
            times = re.findall(r"(\d+\.\d)(?:: \[| away)", told)
            ways = dict(re.findall(r"(\d+\.\d): \[[^]]*\] ([a-z]+ \d+)(?=,|$)", told))
            at = times.index(past)
            part, whole = (at, at + 1) if kind == "begins" else (at - 1, at - 2)
            if 0 < whole < len(times) and {times[part], times[whole]} <= ways.keys():
                one, other = (ways[times[index]].split() for index in (part, whole))
                share = int(one[1]) / int(other[1])
                if one[0] == other[0] and share <= 1:
                    step = float(times[part]) - float(times[part - 1])
                    reckoned = step * (share if kind == "begins" else 2 - share)
                    errors.append(abs(reckoned - float(less)))
    assert len(errors) > 20
    # A motion that takes two moments has no whole one, and steps are not all alike.
    assert np.median(errors) < 0.1
    assert np.quantile(errors, 0.9) < 0.35


def test_shapes_are_listed_before_one_is_meant_by_what_tells_it_from_the_others() -> None:
    found = set()
    for group, ask in _asks("anet_rtl", 24):
        assert isinstance(group.picture, Scene)
        listed = re.search(
            r"From the left: (.*?)\. (?:I see that [^<]*?\. )?"
            r"(?:It|The others are \w+; it|The \w+(?: one)?) is the (\w+ \w+)\. ",
            ask.thinking,
        )
        assert listed, ask.thinking
        parts = listed[1].split("; ")
        assert len(parts) == len(group.picture.bodies)
        assert any(listed[2] in part for part in parts)
        fitting = [part for part in parts if ": fits" in part]
        if "only shape" in ask.question:
            assert [part.endswith(f": fits {listed[2]}") for part in fitting] == [True]
        elif not re.search("unlike|first|last", ask.question):
            assert not fitting
        found.add(ask.question.split("the ")[-1].split(" ")[0])
    assert len(found) > 2


@pytest.mark.parametrize("name", ["anet_rtl", "reasonvos"])
def test_the_shape_unlike_the_others_shows_by_comparing_each_with_the_first(name: str) -> None:
    firsts = set()
    for _, ask in _asks(name, 60):
        named = re.search(r"others are (\w+); it is the (\w+ (\w+))\. ", ask.thinking)
        assert bool(named) == ("does not belong" in ask.question or "unlike" in ask.question)
        if named:
            listed = re.search(r"From the left: (.*?)\. The others", ask.thinking)
            assert listed is not None
            first, *rest = listed[1].split("; ")
            shape = first.split(" ")[-1]
            marks = re.findall(r": (fits|no) \w+ (\w+)(?:;|$)", listed[1])
            assert len(marks) == len(rest)
            assert all((mark == "fits") == (told == shape) for mark, told in marks)
            # All unlike the first: it is the one; else it is the only one unlike it.
            unlike = [part for part in rest if ": no " in part]
            meant = first if len(unlike) == len(rest) else unlike[0]
            assert meant.endswith(named[2]), ask.thinking
            assert named[1].startswith(marks[0][1] if meant == first else shape)
            firsts.add(meant == first)
    assert firsts == {True, False}


@pytest.mark.parametrize("name", ["anet_rtl", "reasonvos"])
def test_corners_are_told_as_shapes_before_any_is_listed(name: str) -> None:
    found = set()
    for group, ask in _asks(name, 40):
        corners = re.search(r"with (\d+) corners|(without any|like a wheel)", ask.question)
        told = re.search(r"[.] That is an? ([a-z ]+)[.] From the left: ", ask.thinking)
        assert bool(corners) == bool(told), ask.thinking
        if corners and told:
            assert isinstance(group.picture, Scene)
            wanted = int(corners[1] or 0)
            assert {CORNERS[one] for one in told[1].split(" or a ")} == {wanted}
            fits = re.search(r": fits \w+ (\w+)", ask.thinking)
            assert fits
            assert fits[1] in told[1].split(" or a ")
            found.add(wanted)
    assert len(found) > 2


@pytest.mark.parametrize("name", ["mevis", "reasonvos"])
def test_what_is_meant_is_named_before_the_time_at_which_it_shows(name: str) -> None:
    late = 0
    for _, ask in _asks(name, 20):
        shows = re.search(r"[Ii]t is the (\w+ \w+)[.] At (\d+[.]\d) s it shows well", ask.thinking)
        assert shows, ask.thinking
        assert f"It is the {shows[1]} from" in ask.thinking[shows.end() :]
        assert float(shows[2]) == json.loads(ask.answer)["time"]
        late += float(shows[2]) > 1
    assert late > 2


@pytest.mark.parametrize("name", ["mevis", "reasonvos", "mmvu"])
def test_a_list_of_courses_says_which_of_them_fits(name: str) -> None:
    marked = 0
    for _, ask in _asks(name, 12):
        marks = re.findall(r": (fits|no) (\w+ \w+)[;.]", ask.thinking)
        right = re.search(r"(?:It is|Only) the (\w+ \w+)", ask.thinking)
        if marks and right and "the others" not in ask.thinking:
            assert [one for mark, one in marks if mark == "fits"] == [right[1]]
            marked += 1
    assert marked > 2


@pytest.mark.parametrize("name", ["mmvu", "videoholmes", "longvideo_reason"])
def test_what_happened_is_told_with_whether_an_option_says_so(name: str) -> None:
    marked = 0
    for _, ask in _asks(name, 20):
        events = re.findall(r"(the \w+ \w+ [a-z ]+): (fits|no)[;.]", ask.thinking)
        options = {option[3:] for option in ask.options}
        assert all((mark == "fits") == (event in options) for event, mark in events)
        assert [mark for _, mark in events][-1:] in ([], ["fits"])
        marked += bool(events)
    assert marked > 2


def test_the_shapes_that_are_asked_for_are_counted_among_all() -> None:
    words = set()
    for _, ask in (one for name in ("mmstar", "mmbench", "mathvista") for one in _asks(name, 40)):
        what = re.search(r"^I count (\w+)\. From", ask.thinking)
        if not what:
            continue
        listed = re.findall(r"\] ((?:\w+ )?\w+ \w+)(?:: (\d))?[,.]", ask.thinking)
        counted = [(name, number) for name, number in listed if number]
        assert [number for _, number in counted] == [str(at + 1) for at in range(len(counted))]
        assert counted == [one for one in listed if what[1] in one[0].split()]
        assert re.search(rf"There (?:is|are) {len(counted)} ", ask.thinking)
        words.add(what[1])
    assert {"large", "heart", "red"} <= words


def test_who_starts_last_is_the_last_that_fits() -> None:
    words = set()
    for _, ask in (one for name in ("mmvu", "videoholmes") for one in _asks(name, 40)):
        word = re.search(r"The (first|last) is the (\w+ \w+)\.", ask.thinking)
        if word:
            told = re.findall(r" s at ([\d.]+) s: (fits|no) (\w+ \w+)[;.]", ask.thinking)
            assert len(told) == ask.thinking.count("it begins: ") > 1
            best, meant = None, ""
            for start, mark, name in ((float(one[0]), *one[1:]) for one in told):
                better = best is None or (start < best if word[1] == "first" else start > best)
                assert mark == ("fits" if better else "no")
                best, meant = (start, name) if better else (best, meant)
            assert word[2] == meant, ask.thinking
            assert f"I look for the {word[1]} to start moving. From" in ask.thinking
            words.add(word[1])
    assert words == {"first", "last"}


def test_what_appears_or_moves_in_a_clip_is_counted_as_it_is_listed() -> None:
    aims = set()
    for _, ask in (one for name in ("videomme", "longvideobench") for one in _asks(name, 40)):
        total = re.search(r"That makes (\d+)\.", ask.thinking)
        if total:
            counts = re.findall(r": fits (\d+) \w+ \w+[;.]", ask.thinking)
            assert counts == [str(at + 1) for at in range(int(total[1]))]
            assert f"{ask.answer}. {total[1]}" in ask.options
            aims.add(re.search(r"I look for what (\w+)\.", ask.thinking)[1])
    assert aims == {"appears", "moves"}


def test_the_longest_thoughts_fit_in_what_the_embedded_model_may_say() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folder())
    limit = transformers.GenerationConfig.from_pretrained(tiny_folder()).max_new_tokens
    longest = max(
        len(tokenizer(f"<think>{ask.thinking}</think>\n<answer>{ask.answer}</answer>")["input_ids"])
        for name in ("anet_rtl", "videoholmes", "longvideo_reason", "stvg", "got10k", "mevis")
        for _, ask in _asks(name, 60)
    )
    assert 400 < longest < limit == recipe.load("tiny-grpo").rollouts.max_tokens
