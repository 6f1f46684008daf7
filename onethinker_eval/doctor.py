"""Examine this machine: what works, what is missing, and the command that mends it.

Decoders are tried on a real clip, in a child process: a decoder that is installed but broken can
take the process down with it. Packages are compared with the bounds of this distribution.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from onethinker_eval.paths import cache_dir

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Finding", "Findings", "examine", "print_report"]

State = Literal["ok", "absent", "broken"]
DISTRIBUTION = "onethinker-eval"
_TIME_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `required` ones that are not "ok" make the exit code 1."""

    group: str
    name: str
    state: State
    detail: str
    fix: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was looked at."""

    items: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 if every required part works, else 1."""
        return int(any(item.required and item.state != "ok" for item in self.items))

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return {"ok": self.exit_code == 0, "items": [asdict(item) for item in self.items]}


def examine() -> Findings:
    """Look at machine, packages, GPU, video decoders and folders; takes a few seconds."""
    return Findings((*_machine(), *_packages(), *_gpu(), *_decoders(), *_folders()))


def print_report(findings: Findings, console: Console) -> None:
    """Print the findings as a table by group, and the commands that mend what is missing."""
    from rich.table import Table

    marks = {"ok": "[green]ok[/]", "absent": "[yellow]absent[/]", "broken": "[red]broken[/]"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("part", "state", "detail"):
        table.add_column(heading, overflow="fold")
    group = ""
    for item in findings.items:
        if item.group != group:
            group = item.group
            table.add_row(f"[bold]{group}[/]", "", "")
        mark = marks[item.state]
        if item.required and item.state == "absent":
            mark = "[red]missing[/]"
        table.add_row(f"  {item.name}", mark, item.detail)
    console.print(table)
    fixes = [item for item in findings.items if item.fix and item.state != "ok"]
    for item in fixes:
        need = "needed" if item.required else "optional"
        console.print(f"{item.name} ({need}): {item.fix}", markup=False)


def _machine() -> list[Finding]:
    low, high = (3, 10), (3, 13)
    version = sys.version_info[:2]
    python = "ok" if low <= version < high else "broken"
    cores = os.cpu_count() or 1
    return [
        Finding(
            "machine",
            "python",
            python,  # type: ignore[arg-type]
            platform.python_version(),
            "use Python 3.10, 3.11 or 3.12",
            required=True,
        ),
        Finding("machine", "system", "ok", f"{platform.system()} {platform.machine()}"),
        Finding("machine", "cores", "ok", f"{cores}{_memory()}"),
    ]


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return ""
    return f", {size / 2**30:.0f} GiB memory"


def _packages() -> list[Finding]:
    """Compare what is installed with the distribution's own requirements."""
    from packaging.requirements import Requirement

    try:
        version = metadata.version(DISTRIBUTION)
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        fix = "pip install -e . in the checkout"
        return [Finding("packages", DISTRIBUTION, "absent", "runs from its folder", fix)]
    found = [Finding("packages", DISTRIBUTION, "ok", version, required=True)]
    core: list[Finding] = []
    optional: list[Finding] = []
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            core.append(_package(requirement, ""))
        else:
            optional += [
                _package(requirement, extra)
                for extra in ("vllm", "sam2", "train")
                if marker.evaluate({"extra": extra}) and requirement.name != DISTRIBUTION
            ]
    return found + core + optional


def _package(requirement: Any, extra: str) -> Finding:
    group = f"optional: {extra}" if extra else "packages"
    bounds = str(requirement.specifier)
    install = f"pip install '{DISTRIBUTION}[{extra}]'" if extra else ""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        fix = install or f"pip install '{requirement.name}{bounds}'"
        return Finding(group, requirement.name, "absent", bounds, fix, required=not extra)
    if requirement.specifier.contains(version, prereleases=True):
        return Finding(group, requirement.name, "ok", version, required=not extra)
    fix = f"pip install '{requirement.name}{bounds}'"
    detail = f"{version}, but {bounds} is needed"
    return Finding(group, requirement.name, "broken", detail, fix, required=not extra)


def _gpu() -> list[Finding]:
    """Ask the driver; torch is loaded only where there is a GPU for it to see."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        detail = "no NVIDIA driver found: models run on the CPU"
        return [Finding("accelerator", "gpu", "absent", detail)]
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    done = _child(query)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        detail = _last_line(done.stderr or done.stdout) or "the driver lists no GPU"
        return [Finding("accelerator", "gpu", "broken", detail, "check nvidia-smi")]
    found = [Finding("accelerator", f"gpu {n}", "ok", line) for n, line in enumerate(lines)]
    probe = "import torch; print(torch.__version__, torch.cuda.device_count())"
    seen = _child([sys.executable, "-c", probe])
    count = seen.stdout.split()[-1] if seen.returncode == 0 and seen.stdout.split() else ""
    if count.isdigit() and int(count) > 0:
        found.append(Finding("accelerator", "torch", "ok", f"sees {count} GPU(s)"))
    else:
        detail = _last_line(seen.stderr) or "sees no GPU"
        fix = "install the torch build for this driver, see pytorch.org/get-started"
        found.append(Finding("accelerator", "torch", "broken", detail, fix))
    return found


_WRITE_CLIP = """
import av, numpy, sys
with av.open(sys.argv[1], "w") as box:
    stream = box.add_stream("libx264", rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for number in range(10):
        image = numpy.full((64, 64, 3), 20 * number, numpy.uint8)
        for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
            box.mux(packet)
    for packet in stream.encode():
        box.mux(packet)
"""

_READ_CLIP = {
    "decord": "import decord, sys; print(len(decord.VideoReader(sys.argv[1])[9].asnumpy()))",
    "av": (
        "import av, sys; frames = list(av.open(sys.argv[1]).decode(video=0)); "
        "print(len(frames[9].to_ndarray(format='rgb24')))"
    ),
    "torchcodec": (
        "import sys; from torchcodec.decoders import VideoDecoder; "
        "print(VideoDecoder(sys.argv[1])[9].shape[-1])"
    ),
}


def _decoders() -> list[Finding]:
    """Write a ten-frame clip and read its last frame back with each decoder that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        clip = str(Path(folder) / "clip.mp4")
        written = _child([sys.executable, "-c", _WRITE_CLIP, clip])
        if written.returncode:
            detail = f"PyAV cannot write H.264: {_last_line(written.stderr)}"
            fix = "pip install 'av>=14'"
            return [Finding("video", "av", "broken", detail, fix, required=True)]
        found = [_decoder(name, code, clip) for name, code in _READ_CLIP.items()]
    working = [item.name for item in found if item.state == "ok"]
    detail = f"{' and '.join(working)} can be used" if working else "no decoder works"
    state: State = "ok" if working else "broken"
    fix = "pip install 'av>=14'"
    return [*found, Finding("video", "any decoder", state, detail, fix, required=True)]


def _decoder(name: str, code: str, clip: str) -> Finding:
    if importlib.util.find_spec(name) is None:
        fix = "pip install decord (no wheels for Arm: PyAV is used there)"
        return Finding("video", name, "absent", "", fix if name == "decord" else "")
    done = _child([sys.executable, "-c", code, clip])
    if done.returncode == 0 and done.stdout.strip() == "64":
        return Finding("video", name, "ok", f"{metadata.version(name)}, decodes H.264")
    return Finding("video", name, "broken", _last_line(done.stderr) or "wrong frame")


def _folders() -> list[Finding]:
    folder = cache_dir()
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        fix = "set ONETHINKER_CACHE to a folder you can write to"
        return [Finding("folders", "cache", "broken", f"{folder} is not writable", fix, True)]
    free = shutil.disk_usage(place).free / 2**30
    return [Finding("folders", "cache", "ok", f"{folder}, {free:.0f} GiB free")]


def _child(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _last_line(text: str) -> str:
    """Return the line of a traceback that names the error, else the last one that says a word."""
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 3]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or lines or [""])[-1][:160]
