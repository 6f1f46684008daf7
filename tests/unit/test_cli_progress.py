"""Progress as lines when piped, and durations for people."""

from __future__ import annotations

import pytest

from onethinker_eval.cli import progress as module
from onethinker_eval.cli.progress import ProgressView, duration
from onethinker_eval.cli.terminal import Terminal
from onethinker_eval.harness.progress import Progress, Stage


def moment(
    done: int, *, stage: Stage = "generate", message: str = "", rate: float = 2.0
) -> Progress:
    left = (100 - done) / rate if rate else None
    return Progress(stage, "onethinker_got10k", done, 100, done, 100, 0, 0, rate, left, message)


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    clock.now = 1000.0
    return clock


def test_lines_come_at_intervals_and_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressView(Terminal()) as view:
        for done in range(1, 101):
            clock.now += 1.0
            view(moment(done))
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[-1].split()[:2] == ["got10k", "100/100"]
    assert "2.0/s" in lines[0]
    assert "left" in lines[0]
    assert "left" not in lines[-1]


def test_the_same_moment_twice_is_one_line(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressView(Terminal()) as view:
        view(moment(100))
        view(moment(100))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_messages_are_shown_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView(Terminal()) as view:
        view(moment(0, stage="model", message="loading x"))
        view(moment(0, stage="model", message="loading x"))
    assert capsys.readouterr().err == "loading x\n"


def test_quiet_shows_nothing_but_remembers(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressView(Terminal(quiet=True)) as view:
        view(moment(40, message="loading"))
    assert capsys.readouterr().err == ""
    assert view.last is not None
    assert view.last.done == 40


def test_slow_models_are_given_in_seconds_each(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressView(Terminal()) as view:
        view(moment(50, rate=0.25))
    assert "4.0 s each" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7320, "2 h 02 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
