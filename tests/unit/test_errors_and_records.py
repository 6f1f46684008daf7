"""Errors say what to do; records survive JSON."""

from __future__ import annotations

import json

import pytest

from onethinker_eval import errors
from onethinker_eval.errors import DataError, MissingPart, RunError, UsageError, unknown_name
from onethinker_eval.records import Medium, Record


def test_a_data_error_names_file_record_field_and_fix() -> None:
    error = DataError(
        "expected 4 numbers, got 3",
        file="eval_refcoco_val.json",
        record=12,
        field="solution",
        fix="mend the box",
    )
    assert str(error) == (
        "eval_refcoco_val.json, record 12, field 'solution': "
        "expected 4 numbers, got 3 (mend the box)"
    )


def test_messages_are_one_line() -> None:
    assert "\n" not in str(RunError("a\nb", hint="c\nd"))


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, 2), (MissingPart, 2), (RunError, 1), (DataError, 1)]
)
def test_exit_codes(kind: type[errors.OneThinkerError], code: int) -> None:
    assert kind("x").exit_code == code


def test_near_names_are_shown_and_far_names_get_the_list() -> None:
    known = ["refcoco", "mevis", "got10k"]
    assert "did you mean got10k?" in str(unknown_name("task", "GOT10", known))
    assert "known: refcoco, mevis, got10k" in str(unknown_name("task", "zzz", known))


def test_the_error_tree_is_exported() -> None:
    for name in errors.__all__:
        assert getattr(errors, name)


def test_a_record_survives_json() -> None:
    record = Record(
        id="7",
        problem_type="tracking",
        data_type="video",
        question="Follow it.",
        media=(Medium("video", "/data/a.mp4"),),
        truth={"boxes": {"1": [1, 2, 3, 4]}},
        options=("A. x",),
        cluster="a.mp4",
        meta={"fps": 1.0},
        origin="eval_got10k.json: record 7",
    )
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
