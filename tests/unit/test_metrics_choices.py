"""Each multiple-choice rule with its quirks, on the replies that show them."""

from __future__ import annotations

import time

import pytest

from onethinker_eval.metrics import choices
from onethinker_eval.metrics.choices import Choice

COLOURS = {"A": "red", "B": "blue", "C": "green", "D": "yellow"}


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("b", "B"), ("B. blue", "B"), ("\n B\n", "B"), ("Both", "B"), ("J", "J"),
        ("Z", "Z"), ("ERROR", "E"), ("(B)", None), ("Answer: B", "A"), ("The answer is B", "T"),
        ("", None), ("  ", None), ("1", None), ("é", None), ("ß", None), ("ﬆ", None),
        ("<ANSWER>", None),
    ],
)  # fmt: skip
def test_first_character(text, letter):
    how = "none" if letter is None else "first character"
    assert choices.first_character(text) == Choice(letter, how)


def test_first_character_within_the_letters_of_a_question():
    assert choices.first_character("E", choices.LETTERS).letter == "E"
    assert choices.first_character("K", choices.LETTERS) == Choice(None, "none")
    assert choices.first_character("The", "ABCD") == Choice(None, "none")
    assert choices.LETTERS == "ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("choice", "truth", "expected"),
    [
        (Choice("B", "option letter"), "B", True),
        (Choice("B", "option letter"), " b. blue", True),
        (Choice("B", "option letter"), "C", False),
        (Choice("B", "option letter"), "", False),
        (Choice(None, "none"), "", False),
        (Choice(None, "refusal"), "Z", False),
    ],
)
def test_matches(choice, truth, expected):
    assert choices.matches(choice, truth) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B.", Choice("B", "option letter")),
        ("(B)", Choice("B", "option letter")),
        ("**B**", Choice("B", "option letter")),
        ("\\boxed{B}", Choice("B", "option letter")),
        ("Answer: B", Choice("B", "option letter")),
        ("B: blue", Choice("B", "option letter")),
        ("blue", Choice("B", "option text")),
        ("It is BLUE", Choice("B", "option text")),
        ("$B$", Choice(None, "none")),
        ("b", Choice(None, "none")),
        ("<answer>B</answer>", Choice(None, "none")),
        ("A and B", Choice(None, "none")),
        ("B B", Choice("B", "option letter")),
        ("red or blue", Choice(None, "none")),
        ("B one two three", Choice("B", "option letter")),
        ("B one two three four", Choice(None, "none")),
        ("B one two three B", Choice(None, "none")),
        ("B I say blue", Choice("B", "option letter")),
        ("B it is blue I say", Choice("B", "option text")),
        ("Z", Choice(None, "refusal")),
        ("B Z", Choice("B", "option letter")),
        ("E", Choice(None, "none")),
        ("Cannot determine the answer, B", Choice(None, "refusal")),
        ("I can't process this file. B", Choice(None, "refusal")),
        ("Sorry, I can't help with images of people yet. B", Choice(None, "refusal")),
        ("I'm sorry, but without the image provided I say B", Choice(None, "refusal")),
        ("Failed to obtain answer via API B", Choice(None, "none")),
        ("Failed to obtain answer via API blue", Choice("B", "option text")),
        ("x" * 33 + " red", Choice(None, "none")),
        ("x" * 32 + " red", Choice("A", "option text")),
        ("", Choice(None, "none")),
    ],
)
def test_option_inference(text, expected):
    # The four texts hold 18 characters: a reply of more than 36 is not searched for them.
    assert choices.option_inference(text, COLOURS) == expected


def test_options_are_left_alone():
    options = {"A": "Red", "B": "Blue"}
    assert choices.option_inference("BLUE", options).letter == "B"
    assert options == {"A": "Red", "B": "Blue"}


def test_open_questions_become_two_options():
    options = choices.open_question_options("2.5")
    assert options == {"A": "2.5", "B": "Other Answers"}
    assert choices.option_inference("12.5", options).letter == "A"
    assert choices.option_inference("3", options).letter is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", Choice("B", "leading letter")),
        ("b.", Choice("B", "leading letter")),
        ("F: he ran", Choice("F", "leading letter")),
        ("C、他", Choice("C", "leading letter")),
        ("G. he ran", Choice(None, "none")),
        ("A man is running so B", Choice("A", "leading letter")),
        ("The man is a runner, so B or D!", Choice("D", "last letter")),
        ("The man is a runner", Choice("A", "last letter")),
        ("nothing", Choice(None, "none")),
        ("(e)", Choice("E", "last letter")),
        ("Bat", Choice(None, "none")),
        ("B,", Choice("B", "last letter")),
        ("<answer>B</answer> C", Choice("B", "leading letter")),
        ("<answer>B</answer> <answer> d. x </answer>", Choice("D", "leading letter")),
        ("<answer>B</answer><answer>C", Choice("B", "leading letter")),
        ("<answer>B", Choice("B", "last letter")),
        ("<answer><answer>B</answer>", Choice("B", "last letter")),
        ("</answer> C <answer>B</answer>", Choice("B", "leading letter")),
        ("B <answer></answer>", Choice(None, "none")),
        ("", Choice(None, "none")),
    ],
)
def test_video_holmes(text, expected):
    assert choices.video_holmes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", Choice("B", "first capital")),
        ("The answer is C", Choice("C", "first capital")),
        ("Answer: D", Choice("D", "first capital")),
        ("Option: E", Choice("E", "first capital")),
        ("The best answer is A", Choice("A", "first capital")),
        ("The correct answer is B", Choice("B", "first capital")),
        ("The answer, D", Choice("D", "first capital")),
        ("Best answer: C", Choice("B", "first capital")),
        ("The best option is C", Choice("C", "first capital")),
        ("Based on the video, the answer is C", Choice("B", "first capital")),
        ("Cannot tell", Choice("C", "first capital")),
        ("F", Choice(None, "none")),
        ("c", Choice(None, "none")),
        ("", Choice(None, "none")),
    ],
)
def test_long_video_bench(text, expected):
    assert choices.long_video_bench(text) == expected


def test_long_video_bench_falls_back_to_the_options():
    assert choices.long_video_bench("it is blue", COLOURS) == Choice("B", "option text")
    assert choices.long_video_bench("it is blue", {}) == Choice(None, "none")
    assert choices.long_video_bench("Z", COLOURS) == Choice(None, "refusal")


def read(letter):
    return Choice(letter, "option letter")


@pytest.mark.parametrize(
    ("rotations", "expected"),
    [
        ([(read("A"), "A"), (read("B"), "B")], "right"),
        ([(read("A"), "A"), (read("B"), "C")], "wrong"),
        ([(Choice(None, "none"), "A"), (read("B"), "B")], "unread"),
        ([(Choice(None, "none"), "A"), (read("B"), "C")], "wrong"),
        ([(read("B"), "C"), (Choice(None, "none"), "A")], "wrong"),
        ([(Choice(None, "refusal"), "A")], "wrong"),
        ([(read("D"), "D")], "right"),
    ],
)
def test_circular_hit(rotations, expected):
    assert choices.circular_hit(rotations) == expected
    assert choices.circular_hit(iter(rotations)) == expected


def test_circular_groups():
    million = 1_000_000
    assert choices.circular_groups([3, 5, million + 3, 2 * million + 5, million + 9]) == {
        3: (0, 2),
        5: (1, 3),
    }
    assert choices.circular_groups([million + 3, 3]) == {3: (0, 1)}
    assert choices.circular_groups([]) == {}
    assert choices.circular_groups([0, million, 999_999, 1_999_999]) == {0: (0, 1), 999_999: (2, 3)}
    assert list(choices.circular_groups([9, 2, 5])) == [9, 2, 5]


def test_rules_are_linear_in_the_reply():
    start = time.process_time()
    for piece in ("<answer>", "</answer>", " ", "<answer> ", "A ", "Failed", "The answer is "):
        reply = piece * 40_000
        choices.video_holmes(reply)
        choices.long_video_bench(reply, COLOURS)
        choices.option_inference(reply, COLOURS)
        choices.first_character(reply)
    assert time.process_time() - start < 5
