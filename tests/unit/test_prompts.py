"""Prompts: frozen wording, schemas that the parsers accept, literal import, no code run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from onethinker_eval import benchmarks, prompts
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.records import Medium, Record

SNAPSHOT = Path(__file__).parent / "data" / "prompts.txt"
TYPES = (
    "multiple choice",
    "numerical",
    "regression",
    "math",
    "OCR",
    "open-ended",
    "caption",
    "temporal grounding",
    "spatial grounding",
    "spatial-temporal grounding",
    "tracking",
    "segmentation",
)


def record(problem_type: str = "math", question: str = "What is it?", images: int = 0) -> Record:
    kind = "video" if problem_type in ("tracking", "temporal grounding") else "image"
    options = ("A. red", "B. blue") if problem_type == "multiple choice" else ()
    media = tuple(Medium("image", f"/{number}.png") for number in range(1, images + 1))
    return Record("1", problem_type, kind, question, media, "x", options)


def rendered() -> str:
    pieces = []
    for name in prompts.PROFILES:
        profile = prompts.load_profile(name)
        for problem_type in TYPES:
            text = prompts.text_of(record(problem_type), None, profile)
            pieces.append(f"=== {name}: {problem_type}\n{text}\n")
        for task in ("mmsci_caption", "videommlu_caption"):
            (found,) = benchmarks.resolve(task)
            text = prompts.text_of(record("caption"), found, profile)
            pieces.append(f"=== {name}: {task}\n{text}\n")
    return "\n".join(pieces)


def test_the_wording_is_frozen() -> None:
    """A change here changes every model's score: if it is meant, store `rendered()` again."""
    assert rendered() == SNAPSHOT.read_text()


def test_digests_are_frozen() -> None:
    digests = {name: prompts.load_profile(name).digest for name in prompts.PROFILES}
    assert digests == {
        "onethinker": "77cf7b2ff8e5",
        "native": "0b80f2f5751d",
        "plain": "694151a47099",
    }


def test_the_digest_sees_every_word() -> None:
    profile = prompts.load_profile()
    assert profile.with_system("Be brief.").digest != profile.digest
    assert profile.with_system("Be brief.").with_system("").digest == profile.digest
    assert profile.with_system(None) is profile


@pytest.mark.parametrize("name", prompts.PROFILES)
def test_every_problem_type_has_an_instruction(name: str) -> None:
    profile = prompts.load_profile(name)
    bare = prompts.text_of(record("unknown"), None, profile)
    for problem_type in TYPES:
        assert len(prompts.text_of(record(problem_type), None, profile)) > len(bare)
    tags = "<answer>" in prompts.text_of(record(), None, profile)
    assert tags == (name != "plain")


@pytest.mark.parametrize("name", prompts.PROFILES)
def test_json_examples_are_json_within_the_ranges(name: str) -> None:
    for kind, text in prompts.load_profile(name).answers.items():
        for example in re.findall(r"\{.*\}", text):
            if kind == "math":
                continue
            value = json.loads(example)
            boxes = value.get("boxes", [])
            for box in boxes.values() if isinstance(boxes, dict) else [boxes]:
                assert not box or (0 <= box[0] < box[2] <= 1000 and 0 <= box[1] < box[3] <= 1000)


def test_braces_of_a_question_stay_text() -> None:
    text = prompts.text_of(record(question="Is {answer} in {options} {x.__class__}?"))
    assert text.startswith("Is {answer} in {options} {x.__class__}?\n")


def test_media_come_before_the_text() -> None:
    parts = prompts.content(record(images=2), "Q")
    assert parts == [
        {"type": "image", "url": "/1.png"},
        {"type": "image", "url": "/2.png"},
        {"type": "text", "text": "Q"},
    ]


def test_images_stand_where_the_text_mentions_them() -> None:
    parts = prompts.content(record(images=3), "See <image 2>, then <image 1>. <image 2>? <image 9>")
    assert parts == [
        {"type": "image", "url": "/3.png"},
        {"type": "text", "text": "See"},
        {"type": "image", "url": "/2.png"},
        {"type": "text", "text": ", then"},
        {"type": "image", "url": "/1.png"},
        {"type": "text", "text": ". image 2? <image 9>"},
    ]


def test_a_system_message_is_sent_if_asked_for() -> None:
    profile = prompts.load_profile("native")
    assert [message["role"] for message in prompts.render(record(), None, profile)] == ["user"]
    system, user = prompts.render(record(), None, profile.with_system("Think first."))
    assert system == {"role": "system", "content": [{"type": "text", "text": "Think first."}]}
    assert user["role"] == "user"


AUTHORS = """
import os
os.system("touch {marker}")
QUESTION_TEMPLATE = (
    "{{Question}}\\n"
    "Say {{{{x}}}} first.\\n"
)
TYPE_TEMPLATE = {{"OCR": "Read it.", "segmentation_video": "Prompt " "it."}}
"""


def test_templates_of_a_python_file_are_read_and_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "eval_bench.py"
    path.write_text(AUTHORS.format(marker=marker))
    profile = prompts.load_profile(path)
    assert prompts.text_of(record("OCR"), None, profile) == "What is it?\nSay {x} first.\nRead it."
    video = Record("1", "segmentation", "video", "the dog", (), None)
    assert prompts.text_of(video, None, profile).endswith("Prompt it.")
    assert profile.answers == {"ocr": "Read it.", "segmentation video": "Prompt it."}
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.py", "QUESTION_TEMPLATE = '{Question}' + x\nTYPE_TEMPLATE = {}", "computed"),
        ("p.py", "QUESTION_TEMPLATE = '{Question}'", "no TYPE_TEMPLATE"),
        ("p.py", "QUESTION_TEMPLATE = 'hello'\nTYPE_TEMPLATE = {}", "with {Question}"),
        ("p.py", "QUESTION_TEMPLATE = '{Question}'\nTYPE_TEMPLATE = {'a': 1}", "TYPE_TEMPLATE"),
        ("p.py", "def (", "cannot be read as Python"),
        ("p.yaml", "layout: x", "{question} has no place"),
        ("p.yaml", "layout: '{question}'\nlayuot: 1", "did you mean layout"),
        ("p.yaml", "layout: '{question}'\nanswers: {math: 3}", "answers"),
        ("p.yaml", "layout: '{question}'\nsystem: 3", "system"),
        ("p.yaml", "{}", "field 'layout'"),
        ("p.yaml", "[1", "cannot be read as YAML"),
        ("p.yaml", "3", "expected a mapping"),
    ],
)
def test_a_bad_profile_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        prompts.load_profile(path)
    assert name in str(caught.value)


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean onethinker"):
        prompts.load_profile("onethinkr")


def test_ones_own_profile(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("layout: '{question} {answer}'\nanswers: {OCR: Read.}\nsystem: Hi\n")
    profile = prompts.load_profile(path)
    assert (profile.name, profile.system) == ("mine", "Hi")
    assert prompts.text_of(record("ocr"), None, profile) == "What is it? Read."
    choice = prompts.text_of(record("multiple choice"), None, profile)
    assert choice == "What is it?\nA. red\nB. blue"


def test_a_system_message_of_the_run_reaches_the_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from onethinker_eval.harness import asking
    from onethinker_eval.harness import evaluate as module
    from onethinker_eval.harness.settings import Settings

    (task,) = benchmarks.resolve("refcoco_val")
    seen: list[list[str]] = []
    monkeypatch.setattr(module.environment, "prepare", lambda **_options: None)
    monkeypatch.setattr(module, "check_model_name", lambda _name: None)
    monkeypatch.setattr(
        module,
        "_evaluate",
        lambda *_: seen.append([part["role"] for part in asking.messages_of(task, record())]),
    )
    for system in (None, "Look twice.", ""):
        module.evaluate(Settings("oracle", ("refcoco_val",), system_prompt=system))
    assert seen == [["user"], ["system", "user"], ["user"]]
