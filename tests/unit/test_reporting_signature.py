"""Signatures: printed, read back, compared."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.errors import UsageError
from onethinker_eval.reporting.signature import (
    Signature,
    compare,
    parse_signature,
    signatures_of_run,
)

NAMES = [item.name for item in fields(Signature)]
TEXTS = st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30))


@given(TEXTS)
def test_reading_back_gives_the_same_signature(values: dict[str, str]) -> None:
    signature = Signature(
        benchmark="refcoco+", **{k: v for k, v in values.items() if k != "benchmark"}
    )
    text = str(signature)
    assert "\n" not in text
    assert " " not in text
    assert parse_signature(text) == signature


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fps:2|fps:3", "twice"),
        ("refcoco", "name:value"),
        ("frame:2", "did you mean frames"),
        ("", "name:value"),
    ],
)
def test_what_is_not_a_signature_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_signature(text)


def test_compare_lists_exactly_what_differs() -> None:
    one = Signature(metric="AO", fps="2", data="aa")
    assert compare(one, one) == {}
    assert compare(one, Signature(metric="AO", fps="1")) == {"fps": ("2", "1"), "data": ("aa", "")}


def test_a_run_manifest_becomes_signatures() -> None:
    manifest = {
        "identity": {
            "model": {"name": "qwen3_vl", "arguments": {"pretrained": "a/b"}, "weights": "f" * 64},
            "seed": 3,
            "tasks": {
                "onethinker_x": {
                    "prompts": "0" * 64,
                    "generation": {"temperature": "0", "max_new_tokens": "8192"},
                    "limit": 5,
                    "info": {"benchmark": "x", "split": "val", "records": 5, "data": "d" * 64},
                }
            },
        },
        "sessions": [{"versions": {"torch": "1"}}, {"versions": {"torch": "2", "lmms-eval": "3"}}],
    }
    rules = {"onethinker_x": {"fps": 2, "max_frames": 128, "frame_pixels": 7, "image_pixels": 8}}
    found = signatures_of_run(manifest, rules)[("x", "val")]
    assert (found.fps, found.frames, found.pixels) == ("2", "128", "7/8")
    assert (found.prompt, found.data, found.weights) == ("0" * 12, "d" * 12, "f" * 12)
    assert found.generation == "max_new_tokens=8192,temperature=0"
    assert found.limit == "5"
    assert (found.torch, found.lmms_eval, found.seed) == ("2", "3", "3")
    assert parse_signature(str(found)) == found
