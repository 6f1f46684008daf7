"""Start-up: what answers at once must not load what takes seconds."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

HEAVY = ["torch", "transformers", "lmms_eval", "vllm", "datasets", "pandas", "scipy", "cv2"]
HEAVY += ["sam2", "trl", "pydantic", "av", "decord", "nltk"]

PROBE = """
import json, sys
{code}
sys.stdout.flush()
print()
print(json.dumps(sorted({heavy!r} & sys.modules.keys())))
"""


def heavy_modules_after(code: str) -> list[str]:
    script = PROBE.format(code=code, heavy=set(HEAVY))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import onethinker_eval",
        "import onethinker_eval as o; assert o.score('<answer>B</answer>', 'B', 'multiple choice')"
        ".accuracy == 1.0",
        "from onethinker_eval.cli import main; assert main(['--help']) == 0",
        "from onethinker_eval.cli import main; assert main(['score', '--help']) == 0",
        "from onethinker_eval.cli import main; assert main(['tasks']) == 0",
        "from onethinker_eval.cli import main; assert main(['tasks', '--json']) == 0",
        "from onethinker_eval.cli import main; assert main(['tasks', '--data', 'demo']) == 0",
        "from onethinker_eval.cli import main; assert main(['nonsense']) == 2",
        "import onethinker_eval.reporting, onethinker_eval.rescoring",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert heavy_modules_after(code) == []


def test_the_probe_sees_a_heavy_module() -> None:
    assert heavy_modules_after("import pandas") == ["pandas"]


def cpu_seconds(*words: str) -> float:
    """Return the least user and system time of three runs of python with `words`."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@pytest.mark.parametrize("words", [("--help",), ("tasks",), ("tasks", "--json")])
def test_start_up_stays_within_thirty_bare_interpreters(words: tuple[str, ...]) -> None:
    # About 0.3 s where a bare interpreter takes 0.02 s; a wall-clock bound would measure the
    # neighbours on a shared machine instead.
    assert cpu_seconds("-m", "onethinker_eval", *words) < 30 * cpu_seconds("-c", "pass")
