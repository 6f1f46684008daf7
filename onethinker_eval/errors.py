"""The exceptions a caller can meet, split by what the caller does about them.

    OneThinkerError
    ├── UsageError     the command or call is wrong: change it            (exit 2)
    ├── DataError      a file, record or medium is wrong: mend the data   (exit 1)
    ├── RunError       a run folder cannot be used as asked               (exit 1)
    └── MissingPart    an optional package or a checkpoint is absent      (exit 2)

Every message is one line that says what was expected, what was found and what to do.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DataError",
    "MissingPart",
    "OneThinkerError",
    "RunError",
    "UsageError",
    "described",
    "one_line",
    "unknown_name",
]


class OneThinkerError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Store a one-line `message` and an optional `hint` that says what to do."""
        super().__init__(" ".join(message.split()))
        self.hint = " ".join(hint.split())

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class UsageError(OneThinkerError):
    """A wrong option, an unknown name, a combination that makes no sense."""

    exit_code = 2


class DataError(OneThinkerError):
    """A data file, record, field or medium that cannot be used."""

    def __init__(
        self,
        problem: str,
        *,
        file: str = "",
        record: str | int | None = None,
        field: str = "",
        fix: str = "",
    ) -> None:
        """Name the `file`, `record` and `field` at fault, the `problem`, and the `fix`."""
        where = [file] if file else []
        if record is not None:
            where.append(f"record {record}")
        if field:
            where.append(f"field {field!r}")
        prefix = ", ".join(where)
        super().__init__(f"{prefix}: {problem}" if prefix else problem, hint=fix)
        self.file = file
        self.record = record
        self.field = field
        self.problem = problem
        self.fix = fix


class RunError(OneThinkerError):
    """A run folder that is held by another process, damaged, or made with other settings."""


class MissingPart(OneThinkerError):
    """An optional package or a checkpoint is absent; the hint holds the command to get it."""

    exit_code = 2


def described(error: Exception) -> str:
    """Return what `error` says, after its kind if it was not raised on purpose.

    >>> described(ValueError("no digit")), described(KeyError())
    ('ValueError: no digit', 'KeyError: KeyError')
    """
    message = str(error) or type(error).__name__
    return message if isinstance(error, OneThinkerError) else f"{type(error).__name__}: {message}"


def one_line(text: str, longest: int = 500) -> str:
    r"""Return `text` without line breaks, cut to `longest` characters.

    >>> one_line("a\n  b", 9), one_line("abcdef", 4)
    ('a b', 'abc…')
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a name that is not known, with the nearest known ones.

    >>> str(unknown_name("task", "refcocoo", ["refcoco", "mevis"]))
    "unknown task 'refcocoo' (did you mean refcoco?)"
    """
    names = list(known)
    by_fold = {candidate.casefold(): candidate for candidate in names}
    near = get_close_matches(name.casefold(), list(by_fold), n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {', '.join(by_fold[fold] for fold in near)}?"
    else:
        shown = ", ".join(names[:12])
        hint = f"known: {shown}{', …' if len(names) > 12 else ''}"
    return UsageError(f"unknown {kind} {name!r}", hint=hint)
