"""Reading prompt templates out of a Python file without running it.

Only literals assigned to `QUESTION_TEMPLATE` (a text with `{Question}`) and `TYPE_TEMPLATE` (a
dictionary from problem type to text) at the top of the file are looked at.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError

__all__ = ["read_templates"]

_NAMES = ("QUESTION_TEMPLATE", "TYPE_TEMPLATE")


def read_templates(path: Path) -> tuple[str, str, dict[str, str]]:
    """Return (layout, options, answers) of the templates in a file like `eval_bench.py`.

    Raises `DataError` naming the file if it is no Python, or lacks a template, or computes it.
    """
    found = _literals(path)
    question, types = found["QUESTION_TEMPLATE"], found["TYPE_TEMPLATE"]
    if not isinstance(question, str) or "{Question}" not in question:
        raise DataError("expected a text with {Question}", file=str(path), field=_NAMES[0])
    if not isinstance(types, dict) or not all(
        isinstance(word, str) for pair in types.items() for word in pair
    ):
        raise DataError("expected problem type: text", file=str(path), field=_NAMES[1])
    # the file formats the first template with str.format: doubled braces there mean single ones
    wrapped = question.replace("{Question}", "\0").replace("{{", "{").replace("}}", "}")
    layout = wrapped.replace("\0", "{question}") + "{answer}"
    answers = {key.strip().lower().replace("_", " "): text for key, text in types.items()}
    return layout, "{question}\nOptions:\n{options}", answers


def _literals(path: Path) -> dict[str, Any]:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
        raise DataError(f"cannot be read as Python: {error}", file=str(path)) from error
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in _NAMES:
                found[target.id] = _value(value, path, target.id)
    for name in _NAMES:
        if name not in found:
            raise DataError(f"no {name} at the top level", file=str(path), fix="see docs/data.md")
    return found


def _value(node: ast.expr, path: Path, name: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DataError(
            "the template is computed; only literals are read",
            file=str(path),
            field=name,
            fix="copy it into a YAML profile",
        ) from error
