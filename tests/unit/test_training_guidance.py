"""Guided heads: what a reply looks at, in which tokens that is, and that a head learns it."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from tiny_training import tiny_parts  # noqa: E402
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling  # noqa: E402

from onethinker_eval.demo.dice import Dice, scene_seed  # noqa: E402
from onethinker_eval.demo.twins import TWINS, draw  # noqa: E402
from onethinker_eval.media.frames import FrameRule  # noqa: E402
from onethinker_eval.prompts import load_profile  # noqa: E402
from onethinker_eval.training.deepening import deepen  # noqa: E402
from onethinker_eval.training.glances import EVERYWHERE, copied, glances  # noqa: E402
from onethinker_eval.training.guidance import Guidance  # noqa: E402
from onethinker_eval.training.looks import (  # noqa: E402
    Looks,
    copies,
    deeds,
    letters,
    lists,
    looks,
    lookups,
    replies,
    sought,
    spans,
    times,
)
from onethinker_eval.training.samples import demo_scenes, row  # noqa: E402
from onethinker_eval.training.slots import slot_processor  # noqa: E402

A, B, OTHER_B = 1, 2, 3
MARKS = {A: "A", B: "B", OTHER_B: "B"}
KINDS = (
    *("places", "moments", "letters", "options", "sought", "copies", "times", "spans", "lists"),
    "deeds",
)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # A x y, B x z | I look for x z B x z . (all options say x)
        ([A, 7, 8, B, 7, 9, 50, 60, 7, 9, B, 7, 9, 40], [(0, 9, [5], [9])]),
        # A x z, B y z | I look for y z B y z . (they end alike)
        ([A, 7, 9, B, 8, 9, 50, 60, 8, 9, B, 8, 9, 40], [(0, 9, [4], [8])]),
        # A x y, B y x | I look for y x B y x . (they all say the same, in another order)
        ([A, 7, 8, B, 8, 7, 50, 60, 8, 7, B, 8, 7, 40], [(0, 9, [4, 5], [8, 9])]),
        # the list has letters of another form
        ([A, 7, OTHER_B, 9, 50, 9, B, 9, 40], [(0, 5, [3], [5])]),
        ([50, 60, 7], []),  # no options at all
        ([A, 7, B, 9, 50, 60], []),  # options, but none is looked up: B is the last letter
        ([A, 7, B, 9, 50, 8, B, 9, 40], []),  # what was looked for is not what the option says
    ],
)
def test_a_lookup_sees_the_words_of_the_option_looked_for_that_not_all_have(
    tokens, expected
) -> None:
    texts = ["\n" if token == 50 else " word" for token in range(61)]
    for found, at in ((lookups, 2), (sought, 3)):
        one = found(torch.tensor([tokens]), texts, MARKS)
        seen = [which.nonzero().flatten().tolist() for which in one.seen]
        told = list(zip(one.rows.tolist(), one.asks.tolist(), seen, strict=True))
        assert told == [(row, ask, looks[at - 2]) for row, ask, *looks in expected]


def test_tokens_of_an_option_look_at_its_letter() -> None:
    texts = ["Which?", "\nA.", "\nB.", "", " red", " star", "\nAnswer", "<|im_end|>"]
    found = letters(
        torch.tensor([[0, A, 4, 5, B, 4, 6, 5], [0, B, 5, 7, 5, 5, 5, 5]]), texts, MARKS
    )
    where = zip(
        found.rows.tolist(), found.asks.tolist(), found.seen.int().argmax(1).tolist(), strict=True
    )
    assert list(where) == [(0, 2, 1), (0, 3, 1), (0, 5, 4), (1, 2, 1)]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            "It is the red star from 5 to 9 across and from 2 to 4 down.",
            [("is the red star from 5 to 9 across and from 2 to 4 down", (5, 2, 9, 4), None)],
        ),
        (
            "I search for the bar and find the red star. It spans 5 to 9 across and 2 to 4 down.",
            [("find the red star. It spans 5 to 9 across and 2 to 4 down", (5, 2, 9, 4), None)],
        ),
        (
            "From the left: 1 at [300, 200] cyan cross, 2 at [450, 875] red star. So 2.",
            [
                (" 1 at [300, 200] cyan cross", (270, 170, 330, 230), None),
                (", 2 at [450, 875] red star", (420, 845, 480, 905), None),
            ],
        ),
        (
            "0.5: [5, 2, 9, 4] red star, 2.6: [6, 2, 9, 4] right up, 4.7 away; 0.5 away.",
            [
                (": [5, 2, 9, 4] red star", (5, 2, 9, 4), 0.5),
                (": [6, 2, 9, 4] right up", (6, 2, 9, 4), 2.6),
                (" away", EVERYWHERE, 4.7),
                ("; 0.5 away", EVERYWHERE, 0.5),
            ],
        ),
        (
            "At 4.5 s the number at [300, 200] is 8. In the picture the number at [450, 875] is 3.",
            [
                ("the number at [300, 200] is 8", (270, 170, 330, 230), 4.5),
                ("the number at [450, 875] is 3", (420, 845, 480, 905), None),
            ],
        ),
        (
            "At 4.5 s it shows well. It covers 5 to 9 across and 2 to 4 down.",
            [("5 to 9 across and 2 to 4 down", (5, 2, 9, 4), 4.5)],
        ),
        # of an answer only tracks: the rest copies what the thought has said
        ('</think>\n<answer>{"boxes": [5, 2, 9, 4]}</answer>', []),
        ('</think>\n<answer>{"positive_points": [[5, 2]]}</answer>', []),
        (
            '</think>\n<answer>{"boxes": {"1": [5, 2, 9, 4]}}</answer>',
            [('1": [5, 2, 9, 4]', (5, 2, 9, 4), 0.0)],
        ),
        (
            '</think>\n<answer>{"time": [7, 8], "boxes": {"7": [5, 2, 9, 4]}}</answer>',
            [('7": [5, 2, 9, 4]', (5, 2, 9, 4), 7.0)],
        ),
        ("The first box holds the red star.", []),  # the question gives none
    ],
)
def test_a_reply_tells_where_it_looks(reply, expected) -> None:
    text = "From 3 to 4 across and 5 to 6 down?" + reply
    found = list(glances(text, len(text) - len(reply)))
    assert [(text[one.start : one.end], one.box, one.seconds) for one in found] == expected


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.label)
def test_places_in_the_thoughts_of_the_generator_are_looked_at(twin) -> None:
    for item in range(4):
        for ask in draw(twin, Dice(scene_seed("train", 5, twin.label, item)), item, None).asks:
            told = re.findall(r"\[\d+, \d+\]| across and |: \[\d+, |\d away", ask.thinking)
            assert len(list(glances(ask.thinking, 0))) == len(told), ask.thinking


def test_the_first_box_is_that_of_the_question() -> None:
    question = "Follow [10, 20, 30, 40]."
    reply = "The first box holds the red star."
    (found,) = glances(question + reply, len(question))
    assert (found.box, found.seconds) == ((10, 20, 30, 40), 0.0)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            "The angles are 50 and 40. 50 + 40 = 90. 180 - 90 = 90.",
            ["50", "40", "50", "40", "180", "90"],
        ),
        ("I put 5 into 3x + 2. 3 × 5 = 15. 15 + 2 = 17.", ["5", "2", "3", "5", "15", "2"]),
        ("The radius is 7. 2 × 7 = 14. Times pi.", ["7", "2", "7"]),
        ("6 + 4 = 10. 2 × 10 = 20. I look for 20\nB. 20.", ["6", "4", "2", "10", "20"]),
        ("A ends at [5, 7] and that is 5. None is above.", []),
        ("There are 3 stars.</think>\n<answer>3</answer>", ["3"]),
        ('</think>\n<answer>{"time": [3, 5]}</answer>', ["3", "5"]),
        ('</think>\n<answer>{"time": [3.5, 12.0]}</answer>', ["3.5", "12.0"]),
        ('</think>\n<answer>{"boxes": [3, 5, 7, 9]}</answer>', []),
    ],
)
def test_numbers_to_calculate_with_and_answers_repeat_others(reply, expected) -> None:
    assert [reply[start:end] for start, end in copied(reply, 0)] == expected


def test_a_number_that_is_repeated_looks_at_the_same_one_before() -> None:
    words = [
        *(
            "Track [",
            "6, ",
            "8, ",
            "4",
            "] by ",
            "6",
            " or ",
            "8",
            ":",
            "\nA.",
            "6",
            "\nB.",
            "8",
            "\n",
        ),
        *("It is ", "6", " at [", "4, ", "8", "]. ", "6", " + ", "8", " = ", "14", "<"),
    ]
    ids = torch.arange(len(words))[None]
    labels = ids.masked_fill(ids < 14, -100)
    found = copies(replies(ids, labels, words), words, {9: "A", 11: "B"})
    # neither coordinates nor options, and the sum repeats nothing
    asked = zip(found.asks.tolist(), found.seen, strict=True)
    assert [(at, seen.nonzero()[:, 0].tolist()) for at, seen in asked] == [
        (19, [5, 15]),
        (21, [7]),
    ]


def test_moments_of_a_course_look_at_their_time_and_limits_of_an_event_at_the_moments_around() -> (
    None
):
    course = [piece for at in range(5) for piece in (f"{at}.5", ": [", "5, 2, 9, 4", "], ")]
    course[16:] = ["4.5", " away", ". That is from "]
    words = ["When?", *course, "1.8", " s to ", "9.0"]
    ids = torch.arange(len(words))[None]
    labels = ids.masked_fill(ids < 1, -100)
    found = times(replies(ids, labels, words))
    assert found.seen.int().argmax(1).tolist() == [*[1] * 3, *[5] * 3, *[9] * 3, *[13] * 3, 17]
    assert found.asks.tolist() == [2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18]
    assert _spans(words) == [
        (19, list(range(5, 13))),  # 1.8 is between 1.5 and 2.5
        (21, list(range(13, 19))),  # 9.0 is after them all
    ]
    words[1:17] = ["From the left: ", *["."] * 15]  # a single moment is no course
    assert _spans(words) == []


def _spans(words: list[str]) -> list[tuple[int, list[int]]]:
    ids = torch.arange(len(words))[None]
    found = spans(replies(ids, ids.masked_fill(ids < 1, -100), words))
    return [
        (at, seen.nonzero()[:, 0].tolist())
        for at, seen in sorted(
            zip(found.asks.tolist(), found.seen, strict=True), key=lambda x: x[0]
        )
    ]


def test_a_limit_is_reckoned_from_the_moment_it_is_past_by_and_how_long() -> None:
    course = [piece for at in range(9) for piece in (f"{at}.5", " away")]
    told = [piece for at in range(5) for piece in (f"{at}.9", " away")]  # tokens 20 to 29
    words = ["When?", *course, ". It begins: ", *told, ", so by ", "3.9", " s less ", "1.4"]
    assert _spans([*words, " s at ", "2.5", " s.<"])[1:] == [
        (30, [26, 27]),  # the moment itself, as it was told last
        (32, list(range(20, 30))),  # three moments before it, and the one after
        (34, [31, 33]),  # the two numbers
    ]
    words[31:] = ["4.9", " s at ", "second ", "5", ". It"]  # after the last moment
    assert _spans(words)[1:] == [(30, [28, 29]), (33, list(range(22, 30)))]


def test_what_is_told_closely_begins_where_the_course_shows_a_limit() -> None:
    course = [piece for at in range(8) for piece in (f"{2 * at}.5", " away")]  # tokens 1 to 16
    words = ["When?", *course, ". It begins: ", "2.5", " away", ". It ends: ", "4.5", " away", "."]
    assert _spans(words) == [
        (17, list(range(3, 7))),  # that moment and the next, which shows that it set off
        (20, list(range(5, 13))),  # as far as the one which shows that it stopped
    ]
    words[17] = "; it begins: "  # who sets off first is told with no end
    assert _spans(words[:20]) == [(17, list(range(3, 7)))]


def test_a_name_that_is_repeated_looks_at_where_it_was_said_last() -> None:
    words = ["red star?", " at [9, 9]", " red", " star", ", ", " at [9, 9]", " red", " star"]
    words += [". So the", " red", " star", " or a", " blue", " star", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    assert found.asks.tolist() == [8]  # what is seen at a place is no repetition
    assert found.seen[0].nonzero()[:, 0].tolist() == [6, 7]


def test_what_is_counted_looks_at_the_word_that_it_is_counted_for() -> None:
    words = ["?", "I count", " red", ". From the left: ", " red", " star", ": ", "1", ", ", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    assert found.asks.tolist() == [5]  # before the colon: there it says whether it counts
    assert found.seen[0].nonzero()[:, 0].tolist() == [2]


def test_what_fits_looks_at_what_it_is_to_fit() -> None:
    words = [
        "?",
        "I look for the",
        " shape",
        " that grows",
        ". From the left: ",
        "0.5: [5, 5, 6, 6]",
    ]
    words += [" grows", ":", " fits", " star", "; ", "0.5: [7, 7, 8, 8]", " up", ":", " no", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    assert found.asks.tolist() == [7, 13]  # at the colon
    assert [one.nonzero()[:, 0].tolist() for one in found.seen] == [[2, 3], [2, 3]]


def test_what_fits_the_first_of_a_list_looks_at_that() -> None:
    words = ["?", "I look for the", " odd one", ". From the left: ", "0.5: [5, 5, 6, 6]"]
    words += [" red star", "; ", "0.5: [7, 7, 8, 8]", " red heart", ":", " no", " red heart", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    assert found.asks.tolist() == [10, 9]
    # Its name again sees its name before, the mark that of the first.
    assert [one.nonzero()[:, 0].tolist() for one in found.seen] == [[8], [5]]


def test_of_what_is_to_fit_the_first_the_shape_alone_is_looked_at() -> None:
    words = ["?", "I look for the", " odd one", ". From the left: ", "0.5: [5, 5, 6, 6]"]
    words += [" red", " star", "; ", "0.5: [7, 7, 8, 8]", " red", " heart", ":", " no", " red"]
    words += [" heart", ". So"]
    ids = torch.arange(len(words))[None]
    told = replies(ids, ids.masked_fill(ids < 1, -100), words)
    at = copies(told, words, {}).asks.tolist().index(11)
    assert copies(told, words, {}).seen[at].nonzero()[:, 0].tolist() == [6]
    at = deeds(told).asks.tolist().index(11)
    assert deeds(told).seen[at].nonzero()[:, 0].tolist() == [10]


def test_where_a_list_ends_it_looks_at_how_it_began() -> None:
    words = ["?", "I look.", " From the left: ", "0.5: [5, 5, 6, 6]", " red star", ". ", "So 0.5."]
    ids = torch.arange(len(words))[None]
    told = replies(ids, ids.masked_fill(ids < 1, -100), words)
    places = looks(told, iter([]))["places"]
    assert (places.asks.tolist(), places.seen.nonzero()[:, 1].tolist()) == ([4], [2])


def test_where_a_shape_is_looked_for_a_mark_looks_at_it_and_at_the_name() -> None:
    words = ["?", "I look for the", " one with 3 corners", ". That is a", " triangle"]
    words += [". From the left: ", "0.5: [5, 5, 6, 6]", " red star", ", 1.5: [5, 5, 7, 7]"]
    words += [" grows", ":", " no", " red star", ". It"]
    ids = torch.arange(len(words))[None]
    told = replies(ids, ids.masked_fill(ids < 1, -100), words)
    for found, seen in ((copies(told, words, {}), [4]), (deeds(told), [7])):
        at = found.asks.tolist().index(10)
        assert found.seen[at].nonzero()[:, 0].tolist() == seen


def test_what_fits_is_named_again_and_its_time_told_by_that_of_two_of_a_name() -> None:
    words = ["?", "I look for the", " one that grows", ". From the left: ", "0.5: [5, 5, 6, 6]"]
    words += [" red star", ", 1.5: [5, 5, 7, 7] grows", ":", " fits", " red star", "; "]
    words += ["0.5: [8, 8, 9, 9]", " red star", ", 1.5: [8, 8, 9, 9] still", ":", " no"]
    words += [" red star", ". It is the", " red star", ". At ", "1.5", " s it shows well."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    seen = dict(zip(found.asks.tolist(), found.seen, strict=True))
    assert seen[17].nonzero()[:, 0].tolist() == [9]  # the name that fits, not the last
    assert seen[19].nonzero()[:, 0].tolist() == [4, 5]  # when and where that was seen first


def test_a_start_is_compared_with_the_last_that_fits() -> None:
    words = ["?", "I look for the", " first to move", ". From the left: "]
    words += ["0.5: [5, 5, 6, 6]", " red star", ", 1.5: [5, 5, 6, 6] still", " red star"]
    for start, mark in (("2.5", " fits"), ("3.5", " no"), ("0.5", " fits")):
        words += [", it begins: so by 3.9 s less 1.4 s at ", start, " s", ":", mark, " red star"]
        words += ["; ", "0.5: [5, 5, 6, 6] blue star"]
    words += [". The first is the", " red star", "."]
    ids = torch.arange(len(words))[None]
    told = replies(ids, ids.masked_fill(ids < 1, -100), words)
    marks = [at - 1 for at, word in enumerate(words) if word in (" fits", " no")]
    for found, wanted in ((deeds(told), [[9], [9], [9]]), (copies(told, words, {}), [[2]] * 3)):
        seen = dict(zip(found.asks.tolist(), found.seen, strict=True))
        assert [seen[at].nonzero()[:, 0].tolist() for at in marks] == wanted


def test_a_count_in_a_list_looks_at_the_one_before() -> None:
    words = ["?", "I look for what", " moves", ". From the left: "]
    for number, mark in (("1", " fits "), ("", " no"), ("2", " fits ")):
        words += ["0.5: [5, 5, 6, 6] red star, 1.5: [5, 5, 7, 7] right", ":", mark, number]
        words += [" red star", "; "]
    words += ["That makes ", "2", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 1, -100), words), words, {})
    seen = dict(zip(found.asks.tolist(), found.seen, strict=True))
    first, second, total = (at for at, word in enumerate(words) if word in ("1", "2"))
    assert first - 1 not in seen
    assert seen[second - 1].nonzero()[:, 0].tolist() == [first]
    assert seen[total - 1].nonzero()[:, 0].tolist() == [second]


def test_what_an_option_says_looks_at_it() -> None:
    words = [
        "Which?\n",
        "A.",
        " the star",
        " grows",
        "\n",
        "B.",
        " the bar moves",
        "\n",
        "I see that",
    ]
    words += [" the bar grows", ":", " no", "; ", "the star", " grows", ":", " fits", "."]
    ids = torch.arange(len(words))[None]
    found = copies(replies(ids, ids.masked_fill(ids < 8, -100), words), words, {})
    assert found.asks.tolist() == [10, 15]  # at the colon
    seen = [one.nonzero()[:, 0].tolist() for one in found.seen]
    assert seen == [[8], [2, 3]]  # where no option fits, how the telling began


def test_where_a_list_goes_on_it_looks_at_what_was_listed_last() -> None:
    words = ["?", "From the left: ", "1", " at ", "[5, 5]", " star", ", ", "2", " at ", "[7, 7]"]
    words += [" bar", ". It is", ", ", "3", " at ", "[8, 8]", "."]  # that is in no list
    ids = torch.arange(len(words))[None]
    found = lists(replies(ids, ids.masked_fill(ids < 1, -100), words))
    assert found.asks.tolist() == [5, 6, 7, 8]
    assert [one.nonzero()[:, 0].tolist() for one in found.seen] == [[4]] * 4


def test_a_list_of_courses_looks_at_the_first_box_of_the_last() -> None:
    words = [
        "?",
        "From the left: ",
        "0.5",
        ": ",
        "[5, 5, 6, 6]",
        " star",
        ", ",
        "2.5",
        " away",
        "; ",
    ]
    words += ["1.5", ": ", "[7, 7, 9, 9]", " bar", "."]
    ids = torch.arange(len(words))[None]
    found = lists(replies(ids, ids.masked_fill(ids < 1, -100), words))
    assert found.asks.tolist() == [8, 9, 10, 11]
    assert [one.nonzero()[:, 0].tolist() for one in found.seen] == [[4]] * 4


def test_what_a_listed_thing_did_looks_at_the_words_that_told_it() -> None:
    words = ["?", "From the left: ", "0.5", ": [5, 5, 6, 6]", " red star", ", ", "1.5", " away"]
    words += [":", " no", " red star", "; ", "0.5", ": [5, 5, 6, 6]", " red heart", ", ", "1.5"]
    words += [": [5, 5, 7, 7]", " grows", ":", " fits", " red heart", ". ", "I see that ", "the"]
    words += [" red heart", " moves", " up", ":", " no", "."]
    ids = torch.arange(len(words))[None]
    found = deeds(replies(ids, ids.masked_fill(ids < 1, -100), words))
    asked = zip(found.asks.tolist(), found.seen, strict=True)
    assert [(at, seen.nonzero()[:, 0].tolist()) for at, seen in asked] == [
        (8, [7]),
        (19, [18]),
        (25, [18]),
        (26, [18]),
    ]


def test_what_is_looked_at_are_tokens_of_the_right_slot_and_place() -> None:
    # two slots of 2 x 2 tokens, at 0.5 s and 2.5 s, then a thought of nine tokens
    found = _looked(["0.5", ": [", "900, ", "0, ", "1000, ", "999", "], ", "2.5", " away"])
    places, moments = found["places"], found["moments"]
    asked = dict(zip(places.asks.tolist(), places.seen, strict=True))
    # what is written at a token is asked for at the one before
    assert {at: seen.nonzero()[:, 0].tolist() for at, seen in asked.items()} == {
        **{at: [4, 6] for at in range(14, 20)},  # the right half of the first slot
        21: [10, 11, 12, 13],  # all of the second
    }
    stamps = dict(zip(moments.asks.tolist(), moments.seen.int().argmax(1).tolist(), strict=True))
    assert stamps == {3: 1, 6: 1, 10: 8, 13: 8}


def test_a_picture_beside_a_clip_is_looked_at_where_no_time_is_told() -> None:
    picture = [" and ", *["\x00"] * 4]
    found = _looked(["In the picture ", " at [900, 250]"], beside=picture)["places"]
    assert [seen.nonzero()[:, 0].tolist() for seen in found.seen] == [[16]]
    found = _looked(["At 2.5 s ", " at [900, 250]"], beside=picture)["places"]
    assert [seen.nonzero()[:, 0].tolist() for seen in found.seen] == [[11]]


def test_of_several_pictures_the_one_told_is_looked_at() -> None:
    four = ["\x00"] * 4
    texts = [*four, " and ", *four, "In the second picture ", "I look.", " at [900, 250]"]
    ids = torch.arange(len(texts))[None]
    found = looks(replies(ids, ids.masked_fill(ids < 9, -100), texts), iter([(2, 2)] * 2))["places"]
    assert [seen.nonzero()[:, 0].tolist() for seen in found.seen] == [[6]]


def _looked(reply: list[str], beside: Sequence[str] = ()) -> dict[str, Looks]:
    """Return the looks of a reply to a clip of two slots of 2 x 2 tokens, at 0.5 s and 2.5 s."""
    slots = [["<", time, " seconds>", *["\x00"] * 4] for time in ("0.5", "2.5")]
    prompt = [*slots[0], *slots[1], *beside]
    texts = [*prompt, *reply]
    ids = torch.arange(len(texts))[None]
    labels = ids.masked_fill(ids < len(prompt), -100)
    return looks(replies(ids, labels, texts), iter([(2, 2)] * (3 if beside else 2)))


def _batch(families: list[str], count: int) -> tuple[object, dict, object]:
    model, processor = tiny_parts()
    rule = FrameRule(fps=2.0, max_frames=6)
    profile = load_profile()
    rows = [
        row(scene.samples(at)[0], profile)
        for scene in demo_scenes(families, rule, size=1000, seed=1)
        for at in range(count)
    ]
    collate = DataCollatorForVisionLanguageModeling(
        processor=slot_processor(processor), completion_only_loss=True
    )
    inputs = dict(collate(rows))
    return copy.deepcopy(model), inputs, processor.tokenizer


def test_every_number_of_a_thought_that_grounds_is_looked_at() -> None:
    model, inputs, tokenizer = _batch(["spatial_grounding"], 2)
    labels = inputs.pop("labels")
    places = Guidance(model, tokenizer, KINDS).read(inputs, labels)["places"]
    asked = set(zip(places.rows.tolist(), places.asks.tolist(), strict=True))
    end = tokenizer.convert_tokens_to_ids("</think>")
    numbers = 0
    for at, label in enumerate(labels.tolist()):
        for place in range(label.index(end)):
            if label[place] >= 0 and tokenizer.decode([label[place]]).strip(" ,").isdigit():
                numbers += 1
                assert (at, place - 1) in asked
    assert numbers >= 4 * len(labels)
    pictures = inputs["input_ids"] == model.config.image_token_id
    assert (places.seen <= pictures[places.rows]).all()


@pytest.mark.parametrize("layers", [3, 4])
def test_the_loss_is_that_of_the_models_own_attention(
    layers: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("onethinker_eval.training.guidance.MOST", 10**6)
    model, inputs, tokenizer = _batch(["temporal_grounding", "video_qa"], 1)
    deepen(model, layers)
    model.save_pretrained(tmp_path)
    model = type(model).from_pretrained(tmp_path, attn_implementation="eager")
    guidance = Guidance(model, tokenizer, KINDS)
    read = guidance.read(inputs, inputs.pop("labels"))
    with torch.no_grad():
        attended = model(**inputs, output_attentions=True).attentions
        losses = guidance.loss(read, inputs["attention_mask"])
    middle, last = layers // 2, layers - 1
    heads = {
        "moments": [(0, 0)],
        "letters": [(0, 2)],
        "places": [(at, 0) for at in range(1, layers)],
        "options": [(middle, 2)],
        "sought": [(middle - 1, 3)],
        "copies": [(last, 3)],
        "times": [(0, 1)],
        "spans": [(last, 2)],
        "lists": [(1, 1)],
        "deeds": [(middle, 3)],
    }
    assert set(losses) == set(heads)
    assert len({head for own in heads.values() for head in own}) == sum(map(len, heads.values()))
    for kind in losses:
        looked = read[kind]
        expected = [
            -(attended[layer][looked.rows, head, looked.asks] * looked.seen).sum(1).log().mean()
            for layer, head in heads[kind]
        ]
        assert losses[kind].item() == pytest.approx(sum(expected).item() / len(expected), rel=1e-3)


def test_guided_heads_learn_to_look() -> None:
    model, inputs, tokenizer = _batch(["spatial_grounding", "video_qa", "temporal_grounding"], 1)
    guidance = Guidance(model, tokenizer, KINDS)
    read = guidance.read(inputs, inputs.pop("labels"))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    shares = []
    for _ in range(12):
        model(**inputs)
        losses = guidance.loss(read, inputs["attention_mask"])
        shares.append({kind: math.exp(-loss.item()) for kind, loss in losses.items()})
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    for kind in KINDS:
        assert shares[-1][kind] > 1.3 * shares[0][kind], kind
