"""What the embedded model is shown: the frames it was trained on, whatever a task's own rule."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from onethinker_eval.benchmarks import resolve
from onethinker_eval.demo.steps import FRAMES
from onethinker_eval.harness.models import onethinker
from onethinker_eval.harness.models.media_ahead import rule_with
from onethinker_eval.harness.models.questions import RULE_KEYS
from onethinker_eval.media.frames import sample_indices


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the embedded model asks of `OneThinker`, which loads no weights here."""
    found: dict[str, Any] = {}

    def load(self: Any, pretrained: str, **arguments: Any) -> None:
        found.update(arguments)
        self._cap = 1

    monkeypatch.setattr(onethinker.OneThinker, "__init__", load)
    return found


def test_each_task_shows_the_frames_that_thoughts_tell_of(given: dict[str, Any]) -> None:
    """Two tasks ask for 128 frames of any clip: five a second of 12 s, which it has never seen."""
    onethinker.OneThinkerTiny()
    changes = {key: value for key, value in given.items() if key in RULE_KEYS}
    rules = {task.id: task.frames for task in resolve("all") if task.frames}
    assert {frames.get("rule", "fps") for frames in rules.values()} == {"uniform", "fps"}
    for task, frames in rules.items():
        for count in (48, 96, 140, 280, 640):
            shown = sample_indices(count, 8.0, rule_with(frames, changes))
            assert shown == sample_indices(count, 8.0, FRAMES), (task, count)


def test_who_asks_for_other_frames_gets_them(given: dict[str, Any]) -> None:
    onethinker.OneThinkerTiny(max_frames=16)
    assert given["max_frames"] == 16
