"""Where the package's own data lies, in a checkout and in an installed wheel alike.

In a checkout `tasks/`, `results/published/` and `training/` are top-level folders; the wheel
carries them inside `onethinker_eval`, so that nothing generic lands in site-packages.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_dir", "published_dir", "tasks_dir", "training_dir"]

_PACKAGE = Path(__file__).resolve().parent


def _resource(installed: str, checkout: str) -> Path:
    inside = _PACKAGE / installed
    return inside if inside.is_dir() else _PACKAGE.parent / checkout


def tasks_dir() -> Path:
    """Return the folder of the shipped task files."""
    return _resource("tasks", "tasks")


def published_dir() -> Path:
    """Return the folder of the paper's numbers as CSV."""
    return _resource("results/published", "results/published")


def training_dir() -> Path:
    """Return the folder of the training code, its recipes and DeepSpeed files."""
    return _resource("training", "training")


def cache_dir() -> Path:
    """Return the folder for things that can be made again (demo suite, media hashes).

    `ONETHINKER_CACHE` overrides the default `~/.cache/onethinker_eval`. It is not created here.
    """
    named = os.environ.get("ONETHINKER_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "onethinker_eval"
