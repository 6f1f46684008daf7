"""The bare command: check the options, evaluate with live progress, print the summary."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker_eval.cli.group import given_options
from onethinker_eval.cli.progress import ProgressView
from onethinker_eval.cli.terminal import Terminal
from onethinker_eval.errors import UsageError

if TYPE_CHECKING:
    from onethinker_eval.harness.settings import Settings

__all__ = ["check_protocols", "evaluate", "interruptible", "whole_number", "words"]

_PROTOCOLS = ("paper", "official", "repaired")
_WHAT, _HOW, _WHERE, _SAY = "What to run", "How to ask", "Where results go", "Output"
_SCALE = "Large runs"


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="See `models`.", rich_help_panel=_WHAT),
    ] = None,
    model_args: Annotated[
        str | None,
        typer.Option(
            "--model_args",
            metavar="K=V,…",
            help="The model's settings, e.g. pretrained=DIR.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            "--tasks",
            metavar="A,B,…",
            help="Benchmarks, splits, families, patterns or `all`; see `tasks`.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="demo|PATH|hub",
            help="The demo suite, a folder of benchmark files ($ONETHINKER_DATA), or the hub.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            "--limit", metavar="N", help="First N records of each task.", rich_help_panel=_WHAT
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            metavar="P,…",
            help="Report only these: paper, official, repaired (default: all).",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    include_path: Annotated[
        list[str] | None,
        typer.Option(
            "--include_path",
            metavar="DIR",
            help="Folder with task files of your own; may be repeated.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    batch_size: Annotated[
        str,
        typer.Option("--batch_size", metavar="N", help="Samples a batch.", rich_help_panel=_HOW),
    ] = "1",
    gen_kwargs: Annotated[
        str | None,
        typer.Option(
            "--gen_kwargs",
            metavar="K=V,…",
            help="Generation settings over the tasks' own (greedy, 8192 new tokens).",
            rich_help_panel=_HOW,
        ),
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            "--prompts",
            metavar="NAME|FILE",
            help="Prompt profile: onethinker, native, plain, a YAML or Python file.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    system_prompt: Annotated[
        str | None,
        typer.Option(
            "--system-prompt",
            metavar="TEXT",
            help='System message in place of the profile\'s ("" for none).',
            rich_help_panel=_HOW,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="cpu|cuda[:N]", help="Where the model runs.", rich_help_panel=_HOW
        ),
    ] = None,
    seed: Annotated[
        str,
        typer.Option("--seed", metavar="N", help="Of all random numbers.", rich_help_panel=_HOW),
    ] = "0",
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="K=V,…",
            help="LLM judge: base_url=…,model=…; see docs/judging.md.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="NAME[:FILE]",
            help="What makes masks: sam2[:CHECKPOINT], grabcut (demo), none.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "--output_path",
            metavar="DIR",
            help="Folder of the run folders.",
            rich_help_panel=_WHERE,
        ),
    ] = "results",
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            "--run-name",
            metavar="NAME",
            help="Name of the run folder (default: made from model and data).",
            rich_help_panel=_WHERE,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Only part I of N, in a folder of its own; see `merge`.",
            rich_help_panel=_SCALE,
        ),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="K=V,…",
            help="in=, out= (a million tokens), gpu_hour=: for the costs in run.json.",
            rich_help_panel=_SCALE,
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Estimate time and GPU hours from a small sample; keep no results.",
            rich_help_panel=_SCALE,
        ),
    ] = False,
    plan_samples: Annotated[
        str,
        typer.Option("--plan-samples", metavar="N", help="Of each family.", rich_help_panel=_SCALE),
    ] = "8",
    plan_to: Annotated[
        str | None,
        typer.Option(
            "--plan-to", metavar="FILE", help="Write the plan as JSON.", rich_help_panel=_SCALE
        ),
    ] = None,
    gpus: Annotated[
        str,
        typer.Option("--gpus", metavar="N", help="GPUs the plan is for.", rich_help_panel=_SCALE),
    ] = "1",
    no_report: Annotated[
        bool, typer.Option("--no-report", help="No report.html.", rich_help_panel=_WHERE)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only errors and the table.", rich_help_panel=_SAY)
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            help="Library messages, and tracebacks of errors.",
            rich_help_panel=_SAY,
        ),
    ] = False,
) -> None:
    """Evaluate; with a subcommand only check that its options did not stray here."""
    if ctx.invoked_subcommand is not None:
        _refuse_stray_options(ctx)
        return
    settings = _settings(
        model=model,
        model_args=model_args or "",
        tasks=tasks,
        data=data,
        limit=limit,
        batch_size=batch_size,
        gen_kwargs=gen_kwargs or "",
        prompt=prompts or "",
        system_prompt=system_prompt,
        device=device,
        output=output,
        run=run or "",
        protocols=words(protocol),
        include_path=tuple(include_path or ()),
        seed=seed,
        verbose=verbose,
        judge=judge or "",
        segmenter=segmenter or "",
        shard=(shard or "").strip(),
        price=price or "",
        report=not no_report,
    )
    terminal = Terminal(quiet=quiet, verbose=verbose)
    if plan:
        from onethinker_eval.cli.plan_command import run_plan

        samples = whole_number("--plan-samples", plan_samples, 1)
        raise typer.Exit(
            run_plan(settings, terminal, samples, whole_number("--gpus", gpus, 1), plan_to)
        )
    raise typer.Exit(_run(settings, terminal))


def _refuse_stray_options(ctx: typer.Context) -> None:
    given = given_options(ctx)
    if given:
        raise UsageError(
            f"{', '.join(given)} before the command {ctx.invoked_subcommand!r} has no effect",
            hint=f"write `onethinker-eval {ctx.invoked_subcommand} …` and its options after it",
        )


def words(text: str | None) -> tuple[str, ...]:
    """Split an option's value at commas."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def whole_number(option: str, text: str, at_least: int) -> int:
    """Return the value of an option that counts; raises `UsageError` for anything else."""
    if not text.strip().lstrip("-").isdigit() or int(text) < at_least:
        raise UsageError(f"{option} must be a whole number of at least {at_least}, found {text!r}")
    return int(text)


def _settings(*, model: str | None, tasks: str | None, **options: Any) -> Settings:
    """Check everything that can be checked before anything heavy is imported."""
    if not model or not tasks:
        missing = " and ".join(
            name for name, value in (("--model", model), ("--tasks", tasks)) if not value
        )
        raise UsageError(
            f"{missing} not given",
            hint="e.g. --model onethinker-tiny --tasks refcoco,gotk10k --data demo; see --help",
        )
    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.cli.catalogue_commands import data_root
    from onethinker_eval.cli.model_list import check_model
    from onethinker_eval.harness.settings import Settings

    wanted = resolve(tasks, options["include_path"])
    check_model(model)
    check_protocols(options["protocols"])
    root = data_root(options.pop("data"))
    if not root:
        raise UsageError(
            "no data named",
            hint="--data demo, --data FOLDER (or $ONETHINKER_DATA), or --data hub",
        )
    if options["limit"] is not None:
        options["limit"] = whole_number("--limit", options["limit"], 1)
    options["batch_size"] = whole_number("--batch_size", options["batch_size"], 1)
    options["seed"] = whole_number("--seed", options["seed"], 0)
    return Settings(model=model, tasks=tuple(task.id for task in wanted), data=root, **options)


def check_protocols(names: tuple[str, ...]) -> None:
    """Raise `UsageError` with the nearest name for a protocol that does not exist."""
    from onethinker_eval.errors import unknown_name

    for name in names:
        if name not in _PROTOCOLS:
            raise unknown_name("protocol", name, _PROTOCOLS)


def _run(settings: Settings, terminal: Terminal) -> int:
    """Evaluate, show progress and the summary; return the exit code."""
    from onethinker_eval.harness.environment import distributed_rank
    from onethinker_eval.harness.evaluate import evaluate as evaluate_run

    terminal.show_own_warnings()
    first = distributed_rank() == 0
    terminal.quiet = terminal.quiet or not first  # one voice for all processes of a run
    started = time.monotonic()
    with ProgressView(terminal) as view, interruptible():
        try:
            result = evaluate_run(settings, progress=view)
        except KeyboardInterrupt:
            last = view.last
            done = f"{last.done} of {last.total} samples are kept" if last else "nothing lost"
            terminal.warn(f"interrupted; {done}: run the same command to go on")
            return 130
    if not first:
        return int(result.exit_code)
    from onethinker_eval.cli.summary import print_summary
    from onethinker_eval.demo import is_demo

    print_summary(
        result,
        terminal,
        seconds=time.monotonic() - started,
        protocol=settings.protocols[0] if settings.protocols else "paper",
        demo=is_demo(settings.data),
    )
    return int(result.exit_code)


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM, which schedulers send, like Ctrl-C."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
