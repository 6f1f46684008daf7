from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from onethinker_eval.harness.models.cpu_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def take(): bytearray(48 << 20)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(made.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_large_blocks_are_got_from_the_system_once() -> None:
    assert faults("keep") < faults("let go") / 10
