"""The command tree, and how every run of it ends: one line for an error, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from onethinker_eval.cli import (
    ask_command,
    catalogue_commands,
    costs_command,
    data_commands,
    evaluate_command,
    merge_command,
    render_command,
    report_commands,
    run_commands,
    segment_command,
)
from onethinker_eval.cli.group import QuickCommand, QuickGroup
from onethinker_eval.cli.terminal import error_line
from onethinker_eval.errors import OneThinkerError

__all__ = ["app", "run"]

PROGRAM = "onethinker-eval"

_HELP = """Evaluate a vision-language model on up to 31 image and video benchmarks.

Without a command it evaluates: replies are journalled as they come, so the same command resumes
after an interruption. Options with an underscore may also be written with a dash."""

_EPILOG = """Exit codes: 0 all samples scored, 1 something failed, 2 wrong use.
First steps: onethinker-eval --model onethinker-tiny --tasks refcoco,gotk10k --data demo"""


def _dashes(token: str) -> str:
    """Read `--model_args` and `--model-args` alike."""
    return token.replace("_", "-")


_CONTEXT = {"help_option_names": ["-h", "--help"], "token_normalize_func": _dashes}


def _group(**settings: Any) -> typer.Typer:
    return typer.Typer(
        cls=QuickGroup,
        add_completion=False,
        rich_markup_mode=None,
        context_settings=_CONTEXT,
        **settings,
    )


def _build() -> typer.Typer:
    root = _group(invoke_without_command=True, help=_HELP, epilog=_EPILOG)
    root.callback(invoke_without_command=True)(evaluate_command.evaluate)
    add = _adder(root)
    add("tasks", catalogue_commands.tasks)
    add("models", catalogue_commands.models)
    add("score", run_commands.score)
    add("segment", segment_command.segment)
    add("render", render_command.render)
    add("ask", ask_command.ask)
    add("merge", merge_command.merge)
    add("leaderboard", run_commands.leaderboard)
    add("costs", costs_command.costs)
    add("report", report_commands.report)
    add("compare", report_commands.compare)
    add("watch", report_commands.watch)
    add("doctor", catalogue_commands.doctor)
    demo = _group(help="Make the demo suite: small images and videos with exact truth.")
    _adder(demo)("make", data_commands.demo_make)
    data = _group(help="Check benchmark data, and say where to get it.")
    _adder(data)("check", data_commands.check)
    _adder(data)("where", data_commands.where)
    root.add_typer(demo, name="demo", short_help="Make the demo suite, e.g. demo make DIR.")
    root.add_typer(data, name="data", short_help="Check benchmark data; say where to get it.")
    return root


def _adder(group: typer.Typer) -> Any:
    def add(name: str, function: Any) -> None:
        first = (function.__doc__ or "").strip().splitlines()[0]
        group.command(name, cls=QuickCommand, context_settings=_CONTEXT, short_help=first)(function)

    return add


app = _build()


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line on `argv` (default: the process's) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--"]:
        # `torchrun -m onethinker_eval -- --run x`: without it, torchrun reads --run as its own.
        del arguments[0]
    verbose = "--verbose" in arguments
    try:
        command = typer.main.get_command(app)
        result = command.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except OneThinkerError as error:
        return _fail(str(error), error.exit_code, verbose)
    except _USAGE_ERROR as error:
        place = error.ctx.command_path if error.ctx is not None else PROGRAM
        message = " ".join(error.format_message().split()).rstrip(".")
        return _fail(f"{message} (see {place} --help)", 2, verbose=False)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130, verbose=False)
    except BrokenPipeError:
        # The reader (`| head`) has gone; point stdout at nothing so that closing it is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail("out of memory; try a smaller --batch_size", 1, verbose)
    except Exception as error:  # the last line of defence: a bug must not end in a wall of text
        name = type(error).__name__
        text = " ".join(str(error).split())
        return _fail(f"{name}: {text} (unexpected; --verbose shows where)", 1, verbose)


# Typer publishes only a subclass of the parser's error, which is click's in some releases and
# its own copy in others; the base is the same either way.
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]


def _fail(message: str, code: int, verbose: bool) -> int:
    if verbose:
        import traceback

        traceback.print_exc()
    print(error_line(message), file=sys.stderr, flush=True)
    return code
