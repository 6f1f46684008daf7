"""Writing files so that nothing half-written is ever taken for a result.

- `write_atomic` makes a file appear whole or not at all: temporary file in the same folder,
  flush, fsync, rename, fsync of the folder. It costs twice the space for a moment.
- `Journal` appends one JSON object a line and forces it to disk; a line torn by a kill is
  recognised by its missing newline or broken JSON *at the end of the file* and dropped with a
  warning. Broken lines elsewhere are damage and raise `DataError`.
- `FolderLock` lets one process hold a run folder; the second is told who holds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, final

from onethinker_eval.errors import DataError, RunError

__all__ = ["FolderLock", "Journal", "read_journal", "write_atomic", "write_json_atomic"]

_BLOCK = 1 << 16


def write_atomic(path: Path | str, content: str | bytes) -> None:
    """Write `content` to `path` so that readers see the old file or the whole new one.

    Raises `RunError` naming the file when the folder is not writable or the disk is full.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise _cannot_write(target, error) from error


def write_json_atomic(path: Path | str, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys, atomically."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    write_atomic(path, text + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(path: Path, error: OSError) -> RunError:
    reason = error.strerror or str(error)
    return RunError(
        f"cannot write {path}: {reason}",
        hint="free some space or choose another folder with --output",
    )


def read_journal(path: Path | str, *, start: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(byte offset, object)` for each whole line; drop a torn last line with a warning.

    A missing file yields nothing. `start`, the offset of a line, leaves out what stands before it.
    Raises `DataError` naming file and line for damage elsewhere.
    """
    import orjson

    source = Path(path)
    if not source.exists():
        return
    size = source.stat().st_size
    offset = start
    with source.open("rb") as stream:
        stream.seek(start)
        for number, line in enumerate(stream, start=1):
            whole = line.endswith(b"\n")
            last = offset + len(line) >= size
            try:
                value = orjson.loads(line) if whole else None
            except orjson.JSONDecodeError as error:
                if not last:
                    raise DataError(
                        f"broken JSON ({error})",
                        file=str(source),
                        record=_line_name(number, start),
                        fix="the file was changed by hand or the disk is damaged; remove the line",
                    ) from error
                value = None
            if value is None and last:
                _warn_of_torn(source, _line_name(number, start))
                return
            if not isinstance(value, dict):
                raise DataError(
                    "expected a JSON object",
                    file=str(source),
                    record=_line_name(number, start),
                    fix="remove the line",
                )
            yield offset, value
            offset += len(line)


def _line_name(number: int, start: int) -> str:
    return f"line {number}" + (f" after byte {start}" if start else "")


def _warn_of_torn(path: Path, line: str) -> None:
    warnings.warn(f"{path}: {line} was cut off by an interruption; it is done again", stacklevel=3)


@final
class Journal:
    """An append-only JSON-lines file whose finished lines survive a kill at any instant."""

    def __init__(self, path: Path | str) -> None:
        """Open `path` for appending; a torn last line is cut off first."""
        self.path = Path(path)
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> Journal:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._cut_torn_line()
            self._stream = self.path.open("ab")
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def append(self, *values: dict[str, Any]) -> None:
        """Add one line per value and force them to disk together.

        Raises `RunError` when the disk is full; lines already written stay whole.
        """
        if self._stream is None:
            raise RuntimeError("the journal is not open; use it as a context manager")
        import orjson

        data = b"".join(orjson.dumps(value) + b"\n" for value in values)
        start = self._stream.tell()
        try:
            self._stream.write(data)
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            self._roll_back(start)
            raise _cannot_write(self.path, error) from error

    def _roll_back(self, start: int) -> None:
        """Drop a line that only partly reached the disk, so the next append stays readable."""
        stream, self._stream = self._stream, None
        if stream is not None:
            # Closing flushes the rest, which fails on a full disk as well.
            with contextlib.suppress(OSError):
                stream.close()
        try:
            os.truncate(self.path, start)
        except OSError as error:
            warnings.warn(f"{self.path}: {error}; the last line is dropped later", stacklevel=2)

    def _cut_torn_line(self) -> None:
        """Look at the last line alone: the file may be large, and whoever reads it checks it."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as stream:
            start = _last_line_start(stream)
            stream.seek(start)
            line = stream.read()
            if not line or _is_whole(line):
                return
            stream.seek(0)
            before = sum(block.count(b"\n") for block in _blocks(stream, start))
            _warn_of_torn(self.path, f"line {before + 1}")
            stream.truncate(start)


def _last_line_start(stream: IO[bytes]) -> int:
    """Return the offset behind the last newline that is not the last byte."""
    end = stream.seek(0, os.SEEK_END)
    place = end - 1
    while place > 0:
        start = max(0, place - _BLOCK)
        stream.seek(start)
        found = stream.read(place - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        place = start
    return 0


def _blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (block := stream.read(min(size, _BLOCK))):
        size -= len(block)
        yield block


def _is_whole(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


@final
class FolderLock:
    """Exclusive use of a folder by one process, released when that process ends, however it ends.

    Stands on `flock`, so a killed holder leaves no stale lock behind.
    """

    def __init__(self, folder: Path | str) -> None:
        """Prepare the lock of `folder`; nothing is taken before `with`."""
        self.path = Path(folder) / ".lock"
        self._stream: IO[str] | None = None

    def __enter__(self) -> FolderLock:
        import fcntl

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            stream = self.path.open("a+")
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            stream.close()
            raise RunError(
                f"{self.path.parent} is in use by {holder}",
                hint="wait for it, stop it, or choose another --run name",
            ) from error
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}")
        stream.flush()
        self._stream = stream
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
