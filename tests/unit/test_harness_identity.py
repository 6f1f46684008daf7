"""Fingerprints, sample keys and manifests: what makes two runs the same one."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import DataError, RunError, UsageError
from onethinker_eval.harness.asking import using_profile
from onethinker_eval.harness.fingerprints import MediaDigests, digest, folder_fingerprint
from onethinker_eval.harness.manifest import Manifest, differences
from onethinker_eval.harness.run_folder import record_digest
from onethinker_eval.harness.sample_key import SampleKeys, model_identity
from onethinker_eval.harness.settings import Settings
from onethinker_eval.harness.weights import weights_fingerprint
from onethinker_eval.records import Medium, Record

TASK = resolve("refcoco_val")[0]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A record whose image is any bytes: keys do not decode."""
    image = tmp_path / "a.png"
    image.write_bytes(b"pixels")
    media = (Medium("image", str(image)),)
    return Record("1", "spatial grounding", "image", "Where is it?", media, "truth")


Keys = Callable[..., SampleKeys]


@pytest.fixture
def keys() -> Keys:
    """Sample keys of a made-up model."""

    def make(**changes: Any) -> SampleKeys:
        values = {"name": "m", "arguments": "fps=2", "weights": "w", **changes}
        generation = values.pop("generation", {"max_new_tokens": 8})
        task = values.pop("task", TASK)
        return SampleKeys(task, model_identity(**values), generation, MediaDigests(None))

    return make


def test_equal_questions_have_equal_keys(record: Record, keys: Keys) -> None:
    assert keys()(record) == keys()(record)
    assert len(keys()(record)) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "n"},
        {"arguments": "fps=3"},
        {"weights": "v"},
        {"generation": {"max_new_tokens": 9}},
        {"task": resolve("refcoco_testA")[0]},
    ],
)
def test_the_key_covers_model_weights_generation_and_task(
    record: Record, keys: Keys, changes: dict[str, Any]
) -> None:
    assert keys(**changes)(record) != keys()(record)


def test_the_key_covers_the_question_and_the_bytes_of_the_media(record: Record, keys: Keys) -> None:
    first = keys()(record)
    assert keys()(replace(record, question="Where?")) != first
    Path(record.media[0].path).write_bytes(b"PIXELS")
    assert keys()(record) != first


def test_the_key_covers_the_prompt(record: Record, keys: Keys) -> None:
    first = keys()(record)
    with using_profile("plain"):
        assert keys()(record) != first
    assert keys()(record) == first


def test_the_key_leaves_out_truth_place_and_secrets(
    record: Record, keys: Keys, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.png"
    moved.write_bytes(b"pixels")
    other = replace(record, media=(Medium("image", str(moved)),), truth="other", origin="elsewhere")
    assert keys()(other) == keys()(record)
    assert keys(arguments="fps=2,api_key=x")(record) == keys()(record)


def test_a_missing_medium_is_named(record: Record, keys: Keys) -> None:
    Path(record.media[0].path).unlink()
    with pytest.raises(DataError, match=r"a\.png: cannot be read: No such file"):
        keys()(record)


def test_digests_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    memory, file = tmp_path / "memory.jsonl", tmp_path / "a"
    file.write_bytes(b"one")
    first = MediaDigests(memory)
    value = first(str(file))
    first.save()
    stamp = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert MediaDigests(memory)(str(file)) == value, "same size and time: the memory is trusted"
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert MediaDigests(memory)(str(file)) != value


def test_a_torn_or_unwritable_memory_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    memory = tmp_path / "memory.jsonl"
    memory.write_text('["half')
    digests = MediaDigests(memory)
    assert digests(str(file)) == MediaDigests(None)(str(file))
    (tmp_path / "plain").write_text("")
    stuck = MediaDigests(tmp_path / "plain" / "memory.jsonl")
    stuck(str(file))
    stuck.save()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_digests_differ_exactly_when_values_do(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) == same


def test_weights_of_the_same_shape_are_told_apart(tmp_path: Path) -> None:
    big = bytearray(random.Random(0).randbytes(1 << 20)) * 70
    (tmp_path / "model.safetensors").write_bytes(big)
    (tmp_path / "config.json").write_text("{}")
    first = folder_fingerprint(tmp_path)
    assert folder_fingerprint(tmp_path) == first
    for place in range(0, len(big), 4096):
        big[place] ^= 1
    (tmp_path / "model.safetensors").write_bytes(big)
    assert folder_fingerprint(tmp_path) != first
    (tmp_path / "config.json").write_text("{} ")
    assert len({first, folder_fingerprint(tmp_path)}) == 2


def test_weights_are_looked_for_where_the_arguments_say(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    here = weights_fingerprint("qwen3_vl", f"pretrained={tmp_path}")
    assert here == folder_fingerprint(tmp_path)
    assert weights_fingerprint("vllm", f"model={tmp_path}") == here
    assert weights_fingerprint("oracle", "") == "none"
    assert weights_fingerprint("openai", "model_version=m,base_url=http://h") == "remote"
    with pytest.raises(UsageError, match="does not exist"):
        weights_fingerprint("qwen3_vl", "pretrained=./not-here")


def test_a_record_counts_as_changed_by_what_matters(record: Record) -> None:
    first = record_digest(record.to_json())
    moved = replace(record, media=(Medium("image", "/x"),), origin="y", cluster="z")
    assert record_digest(moved.to_json()) == first
    assert record_digest(replace(record, truth="t").to_json()) != first
    assert record_digest(replace(record, options=("A. x",)).to_json()) != first


def test_differences_name_what_changed() -> None:
    old = {"model": {"name": "a", "arguments": {"fps": "2"}}, "tasks": {}}
    new = {"model": {"name": "a", "arguments": {"fps": "3", "x": "1"}}, "tasks": {}}
    assert differences(old, new) == [
        "fps of arguments of model: 2 then, 3 now",
        "x of arguments of model: not set then, 1 now",
    ]


def test_a_manifest_keeps_its_sessions_and_masks_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["onethinker-eval", "--model_args", "m=x,api_key=hidden"])
    settings = Settings("openai", ("a",), "m=x,api_key=hidden", output=str(tmp_path), run="r")
    identity = {"model": {"name": "openai"}, "seed": 0, "tasks": {"t": {"limit": 3}}}
    for number in (1, 2):
        manifest = Manifest(settings.folder)
        manifest.compare(identity)
        manifest.begin(settings, identity)
        manifest.finish({"generated": number})
    stored = (settings.folder / "run.json").read_text()
    assert "hidden" not in stored
    sessions = json.loads(stored)["sessions"]
    assert [session["outcome"]["generated"] for session in sessions] == [1, 2]
    assert {"command", "versions", "git", "host", "started", "finished"} <= set(sessions[0])
    with pytest.raises(RunError, match="name of model: openai then, vllm now"):
        Manifest(settings.folder).compare({**identity, "model": {"name": "vllm"}})


def test_a_manifest_keeps_tasks_of_earlier_commands(tmp_path: Path) -> None:
    settings = Settings("oracle", ("a",), output=str(tmp_path), run="r")
    for task in ("t", "u"):
        identity = {"model": {}, "seed": 0, "tasks": {task: {"limit": 3}}}
        Manifest(settings.folder).begin(settings, identity)
    assert set(Manifest(settings.folder).content["identity"]["tasks"]) == {"t", "u"}
