"""`--plan`: what a full run would take, from a small measured sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onethinker_eval.cli.terminal import Terminal, plain_table

if TYPE_CHECKING:
    from onethinker_eval.harness.planning import Plan
    from onethinker_eval.harness.settings import Settings

__all__ = ["run_plan"]


def run_plan(
    settings: Settings, terminal: Terminal, samples: int, gpus: int, to: str | None
) -> int:
    """Measure, print the plan, write it to `to` if named; return the exit code."""
    from onethinker_eval.cli.evaluate_command import interruptible
    from onethinker_eval.cli.progress import ProgressView
    from onethinker_eval.files import write_json_atomic
    from onethinker_eval.harness.planning import make_plan

    terminal.show_own_warnings()
    with ProgressView(terminal) as view, interruptible():
        try:
            plan = make_plan(settings, samples=samples, gpus=gpus, progress=view)
        except KeyboardInterrupt:
            terminal.warn("interrupted; nothing was kept")
            return 130
    _print(plan, terminal)
    if to is not None:
        write_json_atomic(to, plan.to_json())
        terminal.say(f"plan written to {to}")
    return 0


def _print(plan: Plan, terminal: Terminal) -> None:
    table = plain_table(
        *("benchmark", "split", "samples", "a sample", f"on {plan.gpus} GPU", "range", "GPU hours"),
        right=("samples", "a sample", f"on {plan.gpus} GPU", "range", "GPU hours"),
    )
    for row in (*plan.rows, plan.whole):
        table.add_row(
            row.benchmark,
            row.split,
            f"{row.samples:,}" + ("" if row.counted else " ?"),
            _time(row.seconds_a_sample),
            _time(row.wall_s),
            f"{_time(row.wall_low_s)} to {_time(row.wall_high_s)}",
            f"{row.gpu_hours:.2g}" if row.gpu_hours < 10 else f"{row.gpu_hours:,.0f}",
        )
    terminal.console().print(table)
    for line in plan.notes:
        terminal.say(line)


def _time(seconds: float) -> str:
    """Write a duration with two figures, from milliseconds to days.

    >>> _time(0.25), _time(65), _time(9000), _time(200000)
    ('250 ms', '1.1 min', '2.5 h', '2.3 d')
    """
    for limit, unit, factor in ((1, "ms", 1e3), (60, "s", 1), (3600, "min", 1 / 60)):
        if seconds < limit:
            return (
                f"{seconds * factor:.3g} {unit}"
                if unit == "ms"
                else f"{seconds * factor:.2g} {unit}"
            )
    return f"{seconds / 3600:.2g} h" if seconds < 172_800 else f"{seconds / 86_400:.2g} d"
