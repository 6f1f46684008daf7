"""`run.json`: what a run consists of, and the refusal to continue it as another one.

The *identity* part decides what the replies are: model, its arguments and weights, and for each
task its records, prompts and generation settings. A second command on the same folder must agree
with it; new tasks may be added and a limit may grow. The *sessions* part tells who ran when, with
which versions and batch size; it never decides anything.
"""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from onethinker_eval import __version__
from onethinker_eval.errors import RunError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.harness.settings import Settings, redact
from onethinker_eval.media import video

__all__ = ["Manifest", "differences", "git_state", "package_versions"]

SCHEMA = 1
_PACKAGES = (
    *("lmms-eval", "transformers", "torch", "torchvision", "accelerate", "datasets", "vllm"),
    *("decord", "av", "numpy", "pillow", "qwen-vl-utils", "opencv-python-headless"),
    *("pycocotools", "jiwer", "rapidfuzz", "rouge-score", "math-verify", "sam2"),
)


class Manifest:
    """The manifest of one run folder, read from and written to `run.json`."""

    def __init__(self, folder: Path) -> None:
        """Read `folder`/run.json if there is one; raises `RunError` if it is not one of ours."""
        self.path = folder / "run.json"
        self.content: dict[str, Any] = {}
        if not self.path.exists():
            return
        try:
            content = json.loads(self.path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.path} cannot be read: {error}", hint="choose another --run name"
            ) from error
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise RunError(
                f"{self.path} is not a manifest of schema {SCHEMA}",
                hint="it comes from another program or version; choose another --run name",
            )
        self.content = content

    def compare(self, identity: Mapping[str, Any]) -> None:
        """Raise `RunError` that lists every difference if the folder holds another run.

        `identity` has `model`, `seed` and `tasks`.
        """
        if not self.content:
            return
        found = differences(self.content["identity"], identity)
        if found:
            shown = "; ".join(found[:8]) + ("; …" if len(found) > 8 else "")
            raise RunError(
                f"{self.path.parent} was made with other settings: {shown}",
                hint="give a new --run name, or the settings of the first command",
            )

    def begin(self, settings: Settings, identity: Mapping[str, Any]) -> None:
        """Start a session of `settings` with an `identity` that passed `compare`."""
        from onethinker_eval.demo import is_demo

        old = self.content.get("identity", {})
        tasks = {**old.get("tasks", {}), **identity["tasks"]}
        sessions = [*self.content.get("sessions", []), _session(settings)]
        self.content = {
            "schema": SCHEMA,
            "name": settings.run_name,
            "demo": is_demo(settings.data),
            "created": self.content.get("created", _now()),
            "identity": {**identity, "tasks": tasks},
            "settings": settings.to_json(),
            "sessions": sessions,
            "costs": self.content.get("costs", {}),
        }
        self.write()

    def finish(self, outcome: Mapping[str, Any], costs: Mapping[str, Any] | None = None) -> None:
        """Note that the current session came to its end, with what `outcome`, and all `costs`."""
        self.content["sessions"][-1] |= {"finished": _now(), "outcome": dict(outcome)}
        self.content["costs"] = dict(costs or {})
        self.write()

    def write(self) -> None:
        """Write the file atomically; raises `RunError` when that is not possible."""
        write_json_atomic(self.path, self.content)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one phrase per setting of `new` that contradicts `old`; new tasks do not.

    >>> task = {"limit": 8, "prompts": "aa"}
    >>> differences({"seed": 0, "tasks": {"t": task}}, {"seed": 1, "tasks": {"t": task}})
    ['seed: 0 then, 1 now']
    >>> differences({"tasks": {"t": {"limit": 8}}}, {"tasks": {"t": {"limit": 9}, "u": {}}})
    []
    """
    keys = [key for key in {**old, **new} if key != "tasks"]
    found = [phrase for key in keys for phrase in _compare(key, old, new)]
    for task, now in new["tasks"].items():
        then = old["tasks"].get(task)
        if then is None:
            continue
        for key in then:
            if key == "info":
                continue
            if key == "limit":
                if now[key] < then[key]:
                    found.append(f"limit of {task}: {then[key]} then, {now[key]} now (may grow)")
            else:
                found += _compare(key, then, now, f" of {task}")
    return found


def _compare(key: str, old: Mapping[str, Any], new: Mapping[str, Any], of: str = "") -> list[str]:
    then, now = old.get(key), new.get(key)
    if then == now:
        return []
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        inner = sorted({*then, *now})
        both = ({name: then.get(name) for name in inner}, {name: now.get(name) for name in inner})
        return [phrase for name in inner for phrase in _compare(name, *both, f" of {key}{of}")]
    return [f"{key}{of}: {_short(then)} then, {_short(now)} now"]


def _short(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return "not set" if value is None else str(value)


def _session(settings: Settings) -> dict[str, Any]:
    return {
        "started": _now(),
        "command": " ".join(_redacted(word) for word in sys.argv),
        "batch_size": settings.batch_size,
        "device": settings.device,
        "prompt": settings.prompt,
        "video_reader": next(iter(video.available()), None),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": package_versions(),
        "git": git_state(),
    }


def _redacted(word: str) -> str:
    """Mask secrets in a command-line word that holds `key=value` pairs."""
    option, sign, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if "=" not in value:
        return word
    pairs = value.split(",")
    if not all("=" in pair for pair in pairs):
        return word
    return option + sign + redact(value)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def package_versions() -> dict[str, str]:
    """Return the versions of the installed packages that can move a score; imports none."""
    found = {"onethinker-eval": __version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Return commit and cleanliness of the checkout this package runs from, if it is one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changed is None:
        return None
    return {"commit": commit, "changed": bool(changed)}


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],  # noqa: S607  # whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
