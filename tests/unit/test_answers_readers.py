"""Single answers of every structured type: what the readers make of their text."""

from __future__ import annotations

from typing import Any

import pytest

from onethinker_eval.answers import Answer, SegmentationPrompt, Tube, parse


def read(text: str, problem_type: str, **more: Any) -> Answer:
    return parse(f"<think>Look.</think><answer>{text}</answer>", problem_type, **more)


def value(text: str, problem_type: str, **more: Any) -> Any:
    """The value, or the failure's name."""
    answer = read(text, problem_type, **more)
    return answer.failure if answer.reading == "failed" else answer.value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 234 567", 1234567.0), ("1,234.50", 1234.5), ("-1,234", -1234.0), ("+7", 7.0),
        (".5", 0.5), ("0,5", 0.5), ("0,500", 0.5), ("12,50", 12.5), ("1.234.567", 1234567.0),
        ("-$5", -5.0), ("$-5", -5.0), ("£1,000", 1000.0), ("5e3 m", 5000.0),
        ("6 hundred", 6.0), ("half", 0.5), ("ninety nine", 99.0), ("-3 x 10^2", -300.0),
        ("3.5 × 10^{-2}", 0.035), ("$3/4$", 0.75), ("+1/2", 0.5), ("\\dfrac{9}{3}", 3.0),
        ("the answer is **42** apples", 42.0), ("so my answer is 7", 7.0), ("$\\text{14}$", 14.0),
        ("{'answer': 3}", 3.0), ('"answer": 3', 3.0), ('{"answer": "3", "unit": "m"}', 3.0),
        ("2 billion", 2e9), ("100\\%", 100.0), ("y=-2", -2.0), ("≈ 3", 3.0), ("3 and 3.0", 3.0),
        ("1,2345", 1.2345), ("12.34.56", "not_a_number"), ("1e999 m", "not_a_number"),
        ("", "empty"), ("**", "empty"), ("x =", "not_a_number"), ("{}", "not_a_number"),
        ("[]", "not_a_number"), ("[1, 2]", "ambiguous"), ("{'answer': true}", "not_a_number"),
        ("[1] [2]", "wrong_schema"), ("1 2 3", "ambiguous"), ("\\boxed{}", "empty"),
        ("v1.5", "not_a_number"), ("2x3", "not_a_number"), ("1 " * 100, "ambiguous"),
        ("\\infty", "not_a_number"), ("H2O", "not_a_number"),
    ],
)  # fmt: skip
def test_numbers(text: str, number: Any) -> None:
    assert value(text, "numerical") == number


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("12.3–25.7", (12.3, 25.7)), ("12.3 → 25.7", (12.3, 25.7)), ("3s-5s", (3.0, 5.0)),
        ("[12.3, 25.7] seconds", (12.3, 25.7)), ("(0:10, 0:20) of the clip", (10.0, 20.0)),
        ("1h 2m 3s to 1h 2m 4s", (3723.0, 3724.0)), ("1 h to 2 h", (3600.0, 7200.0)),
        ("between 1 and 2 minutes", (60.0, 120.0)), ("{12.3, 25.7}", (12.3, 25.7)),
        ("from 00:01.5 to 00:02.25", (1.5, 2.25)), ("$[1, 2]$", (1.0, 2.0)),
        ("\\boxed{3 \\text{ to } 5}", (3.0, 5.0)), ('{"time": ["2 min", "3 min"]}', (120.0, 180.0)),
        ('{"time": [["1", "2"]]}', (1.0, 2.0)), ('{"from": 1, "to": "0:05"}', (1.0, 5.0)),
        ('{"time": ["1.5 to 2.5"]}', (1.5, 2.5)), ('{"answer": [1, 2]}', (1.0, 2.0)),
        ('[{"start": 1, "end": 2}]', (1.0, 2.0)), ('{"time" => [1, 2]}', (1.0, 2.0)),
        ('{"time": [1; 2]}', (1.0, 2.0)), ('{"time": [1, 2)}', (1.0, 2.0)),
        ('{"time": [1\n2]}', (1.0, 2.0)), ('{"time" [1, 2]}', (1.0, 2.0)),
        ('{"time": ["a", "b"]}', "not_a_number"), ('{"time": ["-1", "2"]}', "out_of_range"),
        ('{"time": "soon"}', "wrong_schema"), ('{"time": true}', "wrong_length"),
        ('{"time": {"start": 1}}', "wrong_schema"), ('{"time": ["1:00 2:00", 3]}', "not_a_number"),
        ("it lasts from 3 to 5 seconds", "ambiguous"), ("99:99", "not_a_number"), ("", "empty"),
        ("1 " * 3000, "too_long"), ('"[1, 2"', (1.0, 2.0)), ('"plain words"', "wrong_schema"),
        ("null", "wrong_schema"), ("7", "wrong_length"), ('{"time": [1e400, 2]}', "not_a_number"),
        (f'{{"time": [1, 1{"0" * 400}]}}', "not_a_number"),
    ],
)  # fmt: skip
def test_spans(text: str, span: Any) -> None:
    assert value(text, "temporal grounding") == span


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("<1, 2, 3, 4>", (1.0, 2.0, 3.0, 4.0)), ("((1, 2), (3, 4))", (1.0, 2.0, 3.0, 4.0)),
        ("xmin: 1, ymin: 2, xmax: 3, ymax: 4", (1.0, 2.0, 3.0, 4.0)), ("\\boxed{1, 2, 3, 4}",
         (1.0, 2.0, 3.0, 4.0)), ('{"x0": 1, "y0": 2, "x1": 3, "y1": 4}', (1.0, 2.0, 3.0, 4.0)),
        ('{"answer": {"bbox": [1, 2, 3, 4]}}', (1.0, 2.0, 3.0, 4.0)),
        ('{"answer": [1, 2, 3, 4]}', (1.0, 2.0, 3.0, 4.0)), ("3, 4, 1, 2", (1.0, 2.0, 3.0, 4.0)),
        ('{"box": [1, 2, 3, 4], "bbox": [1, 2, 3, 5]}', "ambiguous"),
        ('{"left": 1, "top": 2, "width": -3, "height": 4}', "out_of_range"),
        ('{"boxes": [[1, 2, 3]]}', "wrong_length"), ('{"boxes": [[1], [2]]}', "ambiguous"),
        ('{"boxes": 5}', "wrong_schema"), ('{"boxes": [{}, {}]}', "ambiguous"),
        ('{"boxes": [{"x1": 1, "y1": 2, "x2": 3, "y2": 4}]}', (1.0, 2.0, 3.0, 4.0)),
        ("x1=1, y1=2, x2=3", "wrong_length"), ("x1=1 y1=2 x2=3 y2=4 x1=2", "ambiguous"),
        ("1 2 3 4 5", "ambiguous"), ('{"boxes": [null, 2, 3, 4]}', "not_a_number"), ("", "empty"),
        ('{"boxes": ["a", 2, 3, 4]}', "not_a_number"), ("[1, 2, 3, 4] (5, 6, 7, 8)",
         (1.0, 2.0, 3.0, 4.0)), ("<1, 2, 3, 4> <5, 6, 7, 8>", "ambiguous"),
        ("the box (1, 2, 3, 4)", (1.0, 2.0, 3.0, 4.0)), ("\"boxes\": [1, 2, 3, 4]",
         (1.0, 2.0, 3.0, 4.0)),
    ],
)  # fmt: skip
def test_boxes(text: str, box: Any) -> None:
    assert value(text, "spatial grounding") == box


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B\nThe ball is there.", "B"), ("B.\nblue", "B"), ("b) blue", "B"), ("Choice: C", "C"),
        ("(B) is right", "B"), ("{'choice': 'C', 'why': 'x'}", "C"), ("[2]", "wrong_schema"),
        ("{\"a\": 1, \"b\": 2}", "wrong_schema"), ("", "empty"), ("**", "empty"),
        ("A) red and B is blue", "ambiguous"), ("A, not B", "A"), ("blue.", "B"), ("BLUE", "B"),
        ("the answer is C, since A is red", "C"), ("answer: A or B", "ambiguous"), ("[]", "empty"),
        ("The answer isn't B", "ambiguous"), ("C is", "C"), ("not sure, maybe D", "ambiguous"),
        ("option A or option B, the final answer", "ambiguous"), ("\\textbf{D}", "D"),
        ("d", "D"), ("z", "out_of_range"), ("Ä", "wrong_schema"), ("I", "out_of_range"),
    ],
)  # fmt: skip
def test_letters(text: str, letter: str) -> None:
    options = ("A. red", "B. blue", "C. green", "D. white")
    assert value(text, "multiple choice", options=options) == letter


def test_options_without_or_with_unusable_labels() -> None:
    assert value("blue", "multiple choice", options=("red", "blue")) == "B"
    assert value("blue", "multiple choice", options=["A. red", "A. blue"]) == "wrong_schema"
    assert value("A. blue", "multiple choice", options=["A. red", "A. blue"]) == "B"
    assert value("B", "multiple choice", options=()) == "B"
    assert value("F", "multiple choice", options=None) == "F"
    assert value("nothing", "multiple choice", options=("", "nothing")) == "B"


@pytest.mark.parametrize(
    ("text", "track"),
    [
        ('{"tracks": {"1": [1, 2, 3, 4]}}', {1: (1.0, 2.0, 3.0, 4.0)}),
        ('[{"t": 2.0, "box": [1, 2, 3, 4]}]', {2: (1.0, 2.0, 3.0, 4.0)}),
        ('[{"t": 1, "box": [1, 2, 3, 4]}, {"t": 1, "box": [1, 2, 3, 5]}]', "ambiguous"),
        ('[{"box": [1, 2, 3, 4]}]', "wrong_schema"),
        ("[]", "empty"),
        ('"x"', "wrong_schema"),
        ('[{"t": 1.5, "box": [1, 2, 3, 4]}]', "wrong_schema"),
        ("[[1, 2, 3, 4]]", {1: (1.0, 2.0, 3.0, 4.0)}),
        ("3", "wrong_schema"),
        ('{"boxes": 3}', "wrong_schema"),
        ('{"boxes": {"0:75": [1, 2, 3, 4]}}', "wrong_schema"),
        ('{"boxes": {"0:01.5": [1, 2, 3, 4]}}', "wrong_schema"),
        ("second 1: [1, 2, 3, 4]\n1: [1, 2, 3, 9]", "ambiguous"),
        (
            f"[{', '.join(['[1, 2, 3, 4]'] * 33)}]",
            dict.fromkeys(range(1, 33), (1.0, 2.0, 3.0, 4.0)),
        ),
    ],
)
def test_tracks(text: str, track: Any) -> None:
    assert value(text, "tracking", data_type="video") == track


@pytest.mark.parametrize(
    ("text", "tube"),
    [
        ('{"answer": {"time": [1, 2], "boxes": {"1": [1, 2, 3, 4]}}}',
         Tube((1.0, 2.0), {1: (1.0, 2.0, 3.0, 4.0)})),
        ('{"time": [0, 1e9], "boxes": [[1, 2, 3, 4]]}', "wrong_length"),
        ('{"time": [1, 2], "boxes": "none"}', "wrong_schema"), ("[1, 2]", "wrong_schema"),
        ('{"time": [1, 2], "boxes": [5]}', "wrong_schema"),
        ('{"time": [1, 2], "bboxes": {"1": [1, 2, 3, 4]}, "label": "x"}',
         Tube((1.0, 2.0), {1: (1.0, 2.0, 3.0, 4.0)})),
        ('{"time": [1, 2], "boxes": [[1, 2, 3, 4], [1, 2, 3, 4]]}',
         Tube((1.0, 2.0), {1: (1.0, 2.0, 3.0, 4.0), 2: (1.0, 2.0, 3.0, 4.0)})),
        ('{"time": [1, 2], "boxes": {"1": [1, 2, 3, 4], "1s": [1, 2, 3, 5]}}', "ambiguous"),
    ],
)  # fmt: skip
def test_tubes(text: str, tube: Any) -> None:
    assert value(text, "spatial-temporal grounding", data_type="video") == tube


def test_too_many_frames_or_points() -> None:
    many = f"[{', '.join(['[1,2,3,4]'] * 9_000)}]"
    assert value(many, "tracking") == dict.fromkeys(range(1, 33), (1.0, 2.0, 3.0, 4.0))
    tiny = f"[{','.join(['[]'] * 30_000)}]"
    assert value(tiny, "tracking") == "too_long"
    points = ", ".join(["[1, 2]"] * 65)
    body = f'{{"boxes": [1, 2, 3, 4], "positive_points": [{points}], "negative_points": []}}'
    assert value(body, "segmentation") == "too_long"
    assert value(body, "segmentation", rule="paper") == "too_long"


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ('[{"boxes": [1, 2, 3, 4]}]', None),
        ('{"answer": {"boxes": [1, 2, 3, 4]}}', None),
        ('{"boxes": [1, 2, 3, 4], "positive_points": 3}', "wrong_schema"),
        ('{"boxes": [1, 2, 3, 4], "positive_points": [3]}', "wrong_length"),
        ('{"boxes": [1, 2, 3, 4], "positive_points": [[1, 2], 3]}', "wrong_schema"),
        ('{"boxes": [1, 2, 3, 4], "positive_points": [{"x": 1}]}', "wrong_schema"),
        ('{"boxes": [1, 2, 3, 4], "positive_points": [["a", 2]]}', "not_a_number"),
        ('{"bbox": [1, 2, 3, 4], "box": [1, 2, 3, 4]}', "ambiguous"),
        ("{}", "wrong_schema"),
        ('{"negative_points": [[1, 2]]}', "wrong_schema"),
        ("[1, 2]", "wrong_schema"),
        ("", "empty"),
    ],
)
def test_segmentation_prompts(text: str, failure: str | None) -> None:
    answer = read(text, "segmentation")
    assert answer.failure == failure
    if failure is None:
        assert answer.value == SegmentationPrompt((1.0, 2.0, 3.0, 4.0), (), (), None)


POINTS = '"positive_points": [[1, 2], [3, 4], [5, 6]], "negative_points": [[1, 2], [3, 4], [5, 6]]'


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (("[1, 2], [3", "[1], [3"), "wrong_length"),
        (("[1, 2], [3", "1, [3"), "wrong_schema"),
        (("[1, 2], [3", "[true, 2], [3"), "not_a_number"),
        (("[1, 2], [3", "[-1, 2], [3"), "out_of_range"),
        (("[1, 2], [3", "[NaN, 2], [3"), "not_a_number"),
        (("[[1, 2], [3, 4], [5, 6]]", "7"), "wrong_schema"),
        (("3.5", '"3.5"'), "not_a_number"),
        (("3.5", "-1"), "out_of_range"),
        (('"time": 3.5, ', ""), "wrong_schema"),
        (("3.5", "1e999"), "not_a_number"),
    ],
)
def test_official_segmentation(change: tuple[str, str], failure: str) -> None:
    body = f'{{"time": 3.5, "boxes": [1, 2, 3, 4], {POINTS}}}'
    assert read(body, "segmentation", data_type="video", rule="official").reading == "strict"
    changed = body.replace(*change, 1)
    assert value(changed, "segmentation", data_type="video", rule="official") == failure


def test_paper_segmentation_follows_the_authors_step() -> None:
    def paper(body: str) -> Any:
        return value(body, "segmentation", data_type="video", rule="paper")

    assert paper('{"boxes": [3, 2, 1, 4]}') == SegmentationPrompt((1.0, 2.0, 3.0, 4.0), (), (), 0.0)
    points = paper('{"positive_points": [[1, true], 5, [1], [2000, 3]], "time": "7"}')
    assert points == SegmentationPrompt(None, ((1.0, 1.0), (2000.0, 3.0)), (), 7.0)
    assert paper('{"boxes": [1, 2, 3], "positive_points": [["1", 2]]}') == "not_a_number"
    assert paper('{"boxes": [1, 2, 3, null]}') == "not_a_number"
    assert paper('{"time": true, "boxes": [1, 2, 3, 4]}').time_s == 1.0
    assert paper('{"time": "inf", "boxes": [1, 2, 3, 4]}') == "not_a_number"
    assert paper("[]") == "wrong_schema"


def test_official_extra_keys_in_segmentation_and_tubes() -> None:
    body = f'{{"boxes": [1, 2, 3, 4], {POINTS}, "label": "x"}}'
    assert read(body, "segmentation", rule="official").repairs == ("extra_keys",)
    tube = '{"time": [1, 2], "boxes": {"1": [1, 2, 3, 4]}, "label": "x"}'
    assert read(tube, "spatial-temporal grounding", rule="official").repairs == ("extra_keys",)
    assert read("7", "segmentation", rule="official").failure == "wrong_schema"


def test_paper_tubes_without_any_span_or_box() -> None:
    kind = "spatial-temporal grounding"
    assert value('{"time": 5}', kind, rule="paper") == "wrong_schema"
    assert value("{}", kind, rule="paper") == "wrong_schema"
    assert value("[]", kind, rule="paper") == "wrong_schema"
    assert value('{"boxes": {"x": [1, 2, 3, 4]}}', "tracking", rule="paper") == "wrong_schema"
