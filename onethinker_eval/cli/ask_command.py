"""`ask`: one question about a picture or a clip, the reply, and the answer drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onethinker_eval.cli.catalogue_commands import JsonFlag
from onethinker_eval.cli.run_commands import Verbose
from onethinker_eval.cli.terminal import Terminal

if TYPE_CHECKING:
    from onethinker_eval.answers.values import Answer
    from onethinker_eval.harness.example import Example

__all__ = ["ask"]

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_MODEL = "onethinker-tiny"


def ask(
    medium: Annotated[str, typer.Argument(metavar="IMAGE|VIDEO", help="What is asked about.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In plain words.")],
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Problem type, e.g. spatial grounding, tracking, multiple choice.",
        ),
    ] = "open-ended",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="TEXT", help="A choice; repeat it for each."),
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="See `models`.")] = _MODEL,
    model_args: Annotated[
        str | None, typer.Option("--model_args", metavar="K=V,…", help="The model's settings.")
    ] = None,
    gen_kwargs: Annotated[
        str | None, typer.Option("--gen_kwargs", metavar="K=V,…", help="Generation settings.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option("--prompts", metavar="NAME|FILE", help="Prompt profile.")
    ] = None,
    system_prompt: Annotated[
        str | None, typer.Option("--system-prompt", metavar="TEXT", help="System message.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="cpu|cuda[:N]", help="Where it runs.")
    ] = None,
    segmenter: Annotated[
        str,
        typer.Option(
            "--segmenter", metavar="NAME[:FILE]", help="Makes masks: grabcut, sam2, none."
        ),
    ] = "grabcut",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Drawn answer, .png or .mp4 (default: NAME-answer here, if there is any to draw).",
        ),
    ] = None,
    as_json: JsonFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the answer.")] = False,
    verbose: Verbose = False,
) -> None:
    """Ask one question about an image or a video; print the reply and draw the answer."""
    from onethinker_eval.cli.model_list import check_model
    from onethinker_eval.harness.example import ask as ask_model
    from onethinker_eval.harness.example import example
    from onethinker_eval.harness.settings import Settings

    terminal = Terminal(quiet=quiet, verbose=verbose)
    terminal.show_own_warnings()
    one = example(medium, question, kind, option or ())
    check_model(model)
    target = _target(one, output)
    settings = Settings(
        model=model,
        tasks=(one.task.id,),
        model_args=model_args or "",
        gen_kwargs=gen_kwargs or "",
        prompt=prompts or "",
        system_prompt=system_prompt,
        device=device,
        segmenter=segmenter,
        verbose=verbose,
    )
    terminal.say(f"asking {model} …")
    reply, answer, line = ask_model(one, settings)
    drawn = None
    if target is not None and answer.value is not None:
        drawn = _draw(one, answer, segmenter, device, target, question)
    if as_json:
        print(json.dumps(_as_json(reply, answer, line, drawn), indent=2, ensure_ascii=False))
    else:
        _print(reply, answer, line, drawn, terminal)
    raise typer.Exit(0 if answer.failure is None else 1)


def _target(one: Example, output: str | None) -> Path | None:
    """Return where to draw: as named, beside nothing else, or nowhere if words are all there is."""
    from onethinker_eval.errors import UsageError
    from onethinker_eval.reporting.answer_picture import is_drawn

    medium = one.medium
    if output is None:
        if not is_drawn(one.record.problem_type):
            return None
        suffix = ".png" if medium.kind == "image" else ".mp4"
        return Path(f"{Path(medium.path).stem}-answer{suffix}")
    target = Path(output).expanduser()
    kinds = (".png",) if medium.kind == "image" else (".png", ".mp4")
    if target.suffix.casefold() not in kinds:
        raise UsageError(f"--output of a {medium.kind} ends in {' or '.join(kinds)}: {output!r}")
    if target.resolve() == Path(medium.path):
        raise UsageError(f"--output {output} is the file that is asked about")
    return target


def _draw(
    one: Example, answer: Answer, segmenter: str, device: str | None, target: Path, question: str
) -> Path:
    from onethinker_eval.reporting.answer_picture import draw_answer
    from onethinker_eval.segmentation.choice import NONE, make_segmenter

    makes_masks = one.record.problem_type == "segmentation" and segmenter != NONE
    return draw_answer(
        one.medium,
        answer,
        one.record.problem_type,
        target,
        segmenter=make_segmenter(segmenter, device=device) if makes_masks else None,
        text=f"{' '.join(question.split())}  {_value(answer)}",
    )


def _value(answer: Answer) -> str:
    """Write an answer for people."""
    from onethinker_eval.answers.values import SegmentationPrompt, Tube

    value: Any = answer.value
    if isinstance(value, SegmentationPrompt):
        parts = [] if value.box_1000 is None else [f"box {_numbers(value.box_1000)}"]
        parts += [f"{len(value.positive_points)} points in, {len(value.negative_points)} out"]
        parts += [] if value.time_s is None else [f"at {value.time_s:g} s"]
        return ", ".join(parts)
    if isinstance(value, Tube):
        return f"{value.span_s[0]:g} to {value.span_s[1]:g} s, {len(value.boxes)} boxes"
    if isinstance(value, dict):
        return f"{len(value)} boxes, seconds {min(value)} to {max(value)}" if value else "no box"
    if isinstance(value, tuple):
        return f"{value[0]:g} to {value[1]:g} s" if len(value) == 2 else f"box {_numbers(value)}"
    return str(value)


def _numbers(values: Any) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def _print(
    reply: str, answer: Answer, line: dict[str, Any], drawn: Path | None, terminal: Terminal
) -> None:
    from rich.text import Text

    if not terminal.quiet:
        shown = Text(reply.strip())
        for match in _THINKING.finditer(reply.strip()):
            shown.stylize("dim", match.start(), match.end())
        terminal.console().print(shown)
        print()
    if answer.failure is not None:
        print(f"no answer could be read: {answer.failure}")
    else:
        mended = f"  ({', '.join(answer.repairs)})" if answer.repairs else ""
        print(f"answer: {_value(answer)}{mended}")
    tokens = line["tokens"]
    count = "" if tokens["out"] is None else f", {tokens['in']} tokens in, {tokens['out']} out"
    terminal.say(f"{line['seconds']:.1f} s{count}")
    if drawn is not None:
        print(f"drawn: {drawn}")


def _as_json(
    reply: str, answer: Answer, line: dict[str, Any], drawn: Path | None
) -> dict[str, Any]:
    from dataclasses import asdict, is_dataclass

    value: Any = answer.value
    return {
        "reply": reply,
        "answer": asdict(value) if is_dataclass(value) and not isinstance(value, type) else value,
        "reading": answer.reading,
        "repairs": list(answer.repairs),
        "failure": answer.failure,
        "seconds": line["seconds"],
        "tokens": line["tokens"],
        "drawn": None if drawn is None else str(drawn),
    }
