"""Live progress of a run: counts, rate and time left, as a bar or, when piped, as lines."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onethinker_eval.cli.terminal import Terminal
    from onethinker_eval.harness.progress import Progress

__all__ = ["ProgressView", "duration"]

_LINE_EVERY_S = 10.0
_COUNTED = ("generate", "segment")  # the stages that go through samples


class ProgressView:
    """Shows what `evaluate` reports; call it with each `Progress`."""

    def __init__(self, terminal: Terminal) -> None:
        """Show on `terminal`; nothing is shown if that is quiet."""
        self._terminal = terminal
        self._bar: Any = None
        self._rows: dict[str, Any] = {}
        self._last_line = 0.0
        self._last_message = ""
        self.last: Progress | None = None

    def __enter__(self) -> ProgressView:
        if not self._terminal.quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, moment: Progress) -> None:
        """Show `moment`."""
        before, self.last = self.last, moment
        if self._terminal.quiet:
            return
        if moment.message and moment.message != self._last_message:
            self._last_message = moment.message
            self.note(moment.message)
        if self._bar is not None:
            self._update_bar(moment)
        elif moment.stage in _COUNTED:
            self._maybe_line(moment, before)

    def note(self, message: str) -> None:
        """Say one line, above the bars if there are any."""
        if self._bar is not None:
            self._bar.console.print(message, style="dim", markup=False)
        else:
            self._terminal.say(message)

    def _update_bar(self, moment: Progress) -> None:
        if not moment.task or moment.stage not in _COUNTED:
            return
        row = f"{moment.stage} {moment.task}"
        if row not in self._rows:
            self._rows[row] = self._bar.add_task(_title(moment), total=moment.task_total, detail="")
        self._bar.update(
            self._rows[row],
            completed=moment.task_done,
            total=moment.task_total,
            detail=_detail(moment),
        )

    def _maybe_line(self, moment: Progress, before: Progress | None) -> None:
        now = time.monotonic()
        finished = moment.task_done >= moment.task_total > 0
        repeated = before is not None and (before.stage, before.task, before.task_done) == (
            moment.stage,
            moment.task,
            moment.task_done,
        )
        due = now - self._last_line >= _LINE_EVERY_S and moment.task_done > 0
        if repeated or not (finished or due):
            return
        self._last_line = now
        count = f"{moment.task_done}/{moment.task_total}"
        self._terminal.say(f"{_title(moment):<24} {count:>13}  {_detail(moment)}")


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(file=sys.stderr),
        transient=False,
        refresh_per_second=4,
    )


def _title(moment: Progress) -> str:
    name = moment.task.removeprefix("onethinker_")
    return f"{name} masks" if moment.stage == "segment" else name


def _detail(moment: Progress) -> str:
    parts = []
    if moment.rate:
        parts.append(
            f"{moment.rate:.1f}/s" if moment.rate >= 1 else f"{1 / moment.rate:.1f} s each"
        )
    if moment.seconds_left is not None and moment.done < moment.total:
        parts.append(f"{duration(moment.seconds_left)} left")
    if moment.reused:
        parts.append(f"{moment.reused} reused")
    if moment.failed:
        parts.append(f"{moment.failed} failed")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Write a duration for people.

    >>> duration(7), duration(75), duration(7320)
    ('7 s', '1 min 15 s', '2 h 02 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
