"""Rows of the VLMEvalKit tables and of the video sets' own files, with their real column names.

Each function makes the rows of one question of a group; `number` counts questions from 0.
"""

from __future__ import annotations

from typing import Any

from onethinker_eval.demo.asking import Ask, Group
from onethinker_eval.demo.forms import mathverse, mathvista, number_kind
from onethinker_eval.demo.media import png_base64

__all__ = [
    "Row",
    "ai2d_rows",
    "holmes_record",
    "longvideobench_record",
    "mathverse_rows",
    "mathvista_rows",
    "mmbench_rows",
    "mmlu_rows",
    "mmmu_rows",
    "mmsci_rows",
    "mmstar_rows",
    "mmt_rows",
    "scienceqa_rows",
]

Row = dict[str, Any]
_LETTERS = "ABCDEFGHI"


def _image(group: Group, ask: Ask) -> str:
    """Return the picture as base64, or several as the text of a list."""
    coded = [png_base64(picture.image()) for picture in group.shown(ask)]
    return coded[0] if len(coded) == 1 else repr(coded)


def _options(ask: Ask) -> Row:
    return dict(zip(_LETTERS, ask.option_texts(), strict=False))


def _split(number: int, dev: int, other: str) -> str:
    return "dev" if number < dev else other


def mmstar_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MMStar: index, question, A to D, answer, category, l2_category, image."""
    row = {"index": number, "question": ask.question, **_options(ask), "answer": ask.answer}
    row |= {"category": ask.category, "l2_category": ask.category}
    return [row | {"image": _image(group, ask)}]


def mmmu_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MMMU_DEV_VAL: the first 4 rows are "dev"; open questions have no options."""
    split = _split(number, 4, "validation")
    row: Row = {
        "index": number + 1,
        "id": f"{split}_{ask.category}_{number + 1}",
        "question": ask.question,
        "A": None,
        "B": None,
        "C": None,
        "D": None,
    }
    row |= _options(ask)
    row |= {"answer": ask.answer, "category": ask.category, "l2-category": _FIELD[ask.category]}
    return [row | {"split": split, "image": _image(group, ask)}]


_FIELD = {
    "Accounting": "Business",
    "Economics": "Business",
    "Finance": "Business",
    "Physics": "Science",
    "Chemistry": "Science",
    "Design": "Art & Design",
    "Art": "Art & Design",
    "Sociology": "Humanities & Social Science",
}


def mathvista_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MathVista_MINI: numbers (integer, float), LaTeX and choices in one table."""
    texts = ask.option_texts()
    answer = texts[_LETTERS.index(ask.answer)] if texts else ask.answer
    return [
        {
            "index": number + 1,
            "question": mathvista(ask).question,
            "answer": answer,
            "question_type": "multi_choice" if texts else "free_form",
            "answer_type": "text" if texts else number_kind(answer),
            "answer_option": ask.answer if texts else None,
            "choices": repr(texts) if texts else None,
            "task": "figure question answering",
            "skills": repr([ask.category]),
            "image": _image(group, ask),
        }
    ]


def mathverse_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MathVerse_MINIV: five rows a problem, one for each version."""
    question = mathverse(ask).question
    subject = {"subject": ask.facts["subject"], "subfield": ask.category, "source": "demo"}
    return [
        {
            "index": number + 1,
            "sample_index": number + 1,
            "problem_index": number // 5 + 1,
            "problem_version": ask.facts["problem_version"],
            "question": question,
            "question_for_eval": ask.facts["question_for_eval"],
            "query_cot": f"Think step by step before you answer.\nQuestion: {question}",
            "answer": ask.answer,
            "metadata": repr(subject),
            "question_type": "multi-choice" if ask.options else "free-form",
            "image": _image(group, ask),
        }
    ]


def mmbench_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MMBench_DEV_EN: a row for each rotation of the options, index + a million each time."""
    texts = ask.option_texts()
    right = _LETTERS.index(ask.answer)
    rows = []
    for turn in range(len(texts)):
        turned = texts[turn:] + texts[:turn]
        row: Row = {
            "index": number + turn * 1_000_000,
            "question": ask.question,
            "hint": ask.facts.get("hint") or None,
            "A": None,
            "B": None,
            "C": None,
            "D": None,
        }
        row |= dict(zip(_LETTERS, turned, strict=False))
        row |= {
            "answer": _LETTERS[(right - turn) % len(texts)],
            "category": ask.category,
            "l2-category": "perception" if ask.category != "relation" else "reasoning",
            "split": "dev",
            "image": _image(group, ask),
        }
        rows.append(row)
    return rows


def scienceqa_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """ScienceQA_TEST: index, question, hint, A to D, answer, category, image."""
    row: Row = {
        "index": number,
        "question": ask.question,
        "hint": ask.facts.get("hint") or None,
        "A": None,
        "B": None,
        "C": None,
        "D": None,
    }
    row |= _options(ask)
    row |= {"answer": ask.answer, "category": ask.category, "image": _image(group, ask)}
    return [row]


def ai2d_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """AI2D_TEST: index, question, A to D, answer, category, image."""
    row: Row = {"index": number, "question": ask.question, **_options(ask), "answer": ask.answer}
    return [row | {"category": ask.category, "image": _image(group, ask)}]


def mmt_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MMT-Bench_VAL: up to nine options, sub-task in category, its group in l2-category."""
    row: Row = {"index": number, "question": ask.question, **dict.fromkeys(_LETTERS)}
    row |= _options(ask)
    row |= {"answer": ask.answer, "category": ask.category}
    row |= {"l2-category": ask.facts["l2-category"], "split": "VAL"}
    return [row | {"image": _image(group, ask)}]


def mmsci_rows(number: int, group: Group, ask: Ask) -> list[Row]:
    """MMSci_DEV_Captioning_image_only: a figure with its caption, subject and category."""
    chart = ask.category == "chart"
    return [
        {
            "index": number,
            "image_id": f"demo-{number:04d}",
            "question": ask.question,
            "caption": ask.answer,
            "abstract": "A study of simple figures with known contents.",
            "subject": "Climate sciences" if chart else "Optics and photonics",
            "category": "Earth and environmental sciences" if chart else "Physical sciences",
            "image": _image(group, ask),
        }
    ]


def mmlu_rows(number: int, ask: Ask, video: str) -> Row:
    """Video_MMLU_CAP: a video with its questions as the text of a list."""
    pairs = [{"question": q, "answer": a} for q, a in ask.facts["qa"]]
    return {"index": number, "video": video, "discipline": ask.category, "question": repr(pairs)}


def holmes_record(number: int, ask: Ask, video_id: str) -> Row:
    """Video-Holmes: options as a mapping from letter to text."""
    return {
        "video ID": video_id,
        "Question ID": number,
        "Question Type": ask.category,
        "Question": ask.question,
        "Options": _options(ask),
        "Answer": ask.answer,
        "Explanation": ask.thinking,
    }


def longvideobench_record(number: int, ask: Ask, video_id: str, duration_s: float) -> Row:
    """LongVideoBench lvb_val.json: candidates and the position of the right one."""
    group = next(limit for limit in (15, 60, 600, 3600) if duration_s <= limit)
    return {
        "video_id": video_id,
        "video_path": f"{video_id}.mp4",
        "id": f"{video_id}_{number}",
        "question": ask.question,
        "question_wo_referring_query": ask.question,
        "candidates": ask.option_texts(),
        "correct_choice": _LETTERS.index(ask.answer),
        "position": [],
        "topic_category": "DEMO-Shapes",
        "question_category": ask.category,
        "level": "L1-Perception",
        "subtitle_path": f"{video_id}_en.json",
        "duration_group": group,
        "starting_timestamp_for_subtitles": 0,
        "duration": duration_s,
        "view_count": 0,
    }
