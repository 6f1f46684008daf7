"""Making the demo suite: all files into a folder, with a manifest that vouches for them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from onethinker_eval.demo.dice import SPLITS
from onethinker_eval.demo.twins import TWINS, Twin, groups
from onethinker_eval.demo.writing import Folder
from onethinker_eval.errors import UsageError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.paths import cache_dir

__all__ = ["MANIFEST", "benchmarks", "ensure", "make", "verified", "version"]

MANIFEST = "manifest.json"
Progress = Callable[[int, int, str], None]


def benchmarks() -> list[str]:
    """Return the names of the demo benchmarks, in the order in which they are made."""
    return list(dict.fromkeys(name for twin in TWINS for name in twin.benchmarks))


@lru_cache(maxsize=1)
def version() -> str:
    """Return 12 hex digits that change with the generator's source code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name.startswith(("model", "tiny")):
            continue
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def make(
    out_dir: Path | str,
    *,
    seed: int = 0,
    split: str = "eval",
    benchmarks: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the demo suite into `out_dir` and return that folder.

    The same arguments give the same records byte for byte and the same pixels. `split` is "eval"
    or "train" (disjoint scenes). `size` is (width, height) in even pixels, 96 or more, for all
    media; by default 160×128 and a few other forms. `progress(done, total, label)` is called
    before each part and once at the end. Raises `UsageError` for bad arguments.
    """
    twins = _chosen(benchmarks)
    _check(split, size)
    folder = Folder(Path(out_dir))
    folder.root.mkdir(parents=True, exist_ok=True)
    (folder.root / MANIFEST).unlink(missing_ok=True)
    for done, twin in enumerate(twins):
        if progress:
            progress(done, len(twins), twin.label)
        twin.write(folder, groups(twin, seed, split, size))
    about = {
        "demo": True,
        "version": version(),
        "seed": seed,
        "split": split,
        "size": list(size) if size else None,
        "benchmarks": list(dict.fromkeys(name for twin in twins for name in twin.benchmarks)),
        "records": folder.records,
        "files": _fingerprints(folder.root),
    }
    write_json_atomic(folder.root / MANIFEST, about)
    if progress:
        progress(len(twins), len(twins), "done")
    return folder.root


def ensure(progress: Progress | None = None) -> Path:
    """Return the folder of the evaluation suite, made once in the cache and verified.

    The suite is made in a temporary folder and renamed, so a killed or a second process never
    leaves or sees half of it; a damaged suite is replaced.
    """
    home = cache_dir() / "demo"
    target = home / version()
    if verified(target):
        return target
    home.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{version()}.", dir=home))
    try:
        _move_into_place(make(workshop / "suite", progress=progress), target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return target


def verified(root: Path) -> bool:
    """Return whether every file of the manifest is there with its size and SHA-256."""
    try:
        about = json.loads((root / MANIFEST).read_text())
        files: dict[str, Any] = about["files"]
        return bool(files) and all(_fingerprint(root / name) == files[name] for name in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_demo(data: Path | str) -> bool:
    """Return whether `data` (`--data`) is the demo suite: by name, or a folder `make` wrote."""
    if str(data) == "demo":
        return True
    try:
        about = json.loads((Path(data) / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and about.get("demo") is True


def _move_into_place(made: Path, target: Path) -> None:
    """Rename `made` to `target`; a good one that another process put there is kept."""
    for _ in range(10):
        try:
            made.rename(target)
            return
        except OSError:
            if verified(target):
                return
            grave = Path(tempfile.mkdtemp(prefix=".old.", dir=target.parent))
            with suppress(FileNotFoundError):
                target.rename(grave / "suite")
            shutil.rmtree(grave, ignore_errors=True)
    raise UsageError(f"{target}: cannot put the demo suite in place; remove this folder")


def _fingerprints(root: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of each file below the root, the manifest left out."""
    result = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name != MANIFEST and not path.name.startswith("."):
            result[name] = _fingerprint(path)
    return result


def _fingerprint(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _chosen(names: Sequence[str] | None) -> list[Twin]:
    if names is None:
        return list(TWINS)
    known = benchmarks()
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 3) or known
            raise UsageError(f"no demo benchmark {name!r}; nearest: {', '.join(near)}")
    return [twin for twin in TWINS if set(twin.benchmarks) & set(names)]


def _check(split: str, size: tuple[int, int] | None) -> None:
    if split not in SPLITS:
        raise UsageError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if size is not None and (len(size) != 2 or any(side < 96 or side % 2 for side in size)):
        raise UsageError(f"size must be (width, height), even, 96 or more; got {size!r}")
