"""The command group: one help page for the bare command and its subcommands, quick to show.

Typer's own rich help and its value conversion each load a large library (0.2 s). The page is
therefore laid out with the plain formatter, and options that were not given, or are plain
strings, skip the conversion: they have nothing to convert.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["QuickCommand", "QuickGroup"]

_PLAIN = (str, str | None)


def _spare_conversion(params: list[Any]) -> list[Any]:
    """Let unset options and plain strings pass without type conversion; return `params`."""
    for param in params:
        # Only newer releases of typer convert through pydantic; older ones are quick anyway.
        if hasattr(param, "get_runtime_param") and "process_value" not in vars(param):
            param.process_value = _quick(param)
    return params


def _quick(param: Any) -> Any:
    convert = param.process_value
    many = param.multiple or param.nargs != 1
    plain = getattr(param.type_descriptor, "annotation", None) in _PLAIN

    def process_value(ctx: Any, value: Any) -> Any:
        unset = value is None and not param.required
        if not unset and not (plain and isinstance(value, str)):
            return convert(ctx, value)
        value = () if unset and many else value
        return param.callback(ctx, param, value) if param.callback else value

    return process_value


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the options under the heading of their `rich_help_panel`, in order of declaration."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            name = getattr(param, "rich_help_panel", None)
            default = "Arguments" if param.param_type_name == "argument" else "Options"
            panels.setdefault(name if isinstance(name, str) else default, []).append(record)
    for heading, records in panels.items():
        with formatter.section(heading):
            formatter.write_dl(records, col_max=34)


class QuickCommand(TyperCommand):
    """A subcommand with grouped options and quick start-up."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, spared needless conversion."""
        return _spare_conversion(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options by group."""
        _write_options(self, ctx, formatter)


class QuickGroup(TyperGroup):
    """The bare command and its subcommands on one help page."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, spared needless conversion."""
        return _spare_conversion(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options by group, then the subcommands."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write both forms: the bare command that evaluates, and a subcommand."""
        if ctx.parent is not None:
            super().format_usage(ctx, formatter)
            return
        formatter.write_usage(ctx.command_path, "--model NAME --tasks A,B [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the subcommand; a stray word gets the nearest names and a word on commas."""
        name = args[0]
        known = self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from onethinker_eval.errors import unknown_name

        error = unknown_name("command", name, known)
        if ctx.parent is None and ctx.params.get("tasks"):
            error.hint += "; several tasks are written with commas: --tasks a,b"
        raise error


def given_options(ctx: typer.Context) -> list[str]:
    """Return the spellings of the options that stand on the command line."""
    given = []
    for param in ctx.command.params:
        source = ctx.get_parameter_source(param.name or "")
        if source is not None and source.name == "COMMANDLINE":
            given.append(param.opts[0])
    return given
