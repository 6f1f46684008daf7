"""`doctor`: what it finds on this machine, and how it says that something is missing."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from typing import Any

import pytest

from onethinker_eval import doctor
from onethinker_eval.cli import main


def of_group(items: list[dict[str, Any]], group: str) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items if item["group"] == group}


def test_this_machine_can_run_the_tests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    packages = of_group(report["items"], "packages")
    assert packages["lmms-eval"]["state"] == "ok"
    assert packages["lmms-eval"]["detail"] == metadata.version("lmms-eval")
    video = of_group(report["items"], "video")
    assert video["av"]["state"] == "ok"
    assert video["any decoder"]["state"] == "ok"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what needs child processes."""
    monkeypatch.setattr(doctor, "_gpu", list)
    monkeypatch.setattr(doctor, "_decoders", list)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("requirement", "fix"),
    [
        ("no-such-package-of-ours>=1", "pip install 'no-such-package-of-ours>=1'"),
        ("numpy>=999", "pip install 'numpy>=999'"),
    ],
)
def test_a_missing_or_old_package_ends_with_1_and_the_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    requirement: str,
    fix: str,
) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: [requirement])
    assert main(["doctor"]) == 1
    assert fix in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_an_absent_extra_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = ['no-such-package-of-ours>=1; extra == "sam2"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: needs)
    assert main(["doctor"]) == 0
    assert "pip install 'onethinker-eval[sam2]'" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert main(["doctor"]) == 1
    assert "ONETHINKER_CACHE" in capsys.readouterr().out


def test_a_driver_without_gpu_is_broken_not_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    failed = subprocess.CompletedProcess([], 9, "", "NVIDIA-SMI has failed\n")
    monkeypatch.setattr(doctor, "_child", lambda command: failed)
    (finding,) = doctor._gpu()
    assert (finding.state, finding.detail) == ("broken", "NVIDIA-SMI has failed")


def test_the_line_that_names_an_error_is_quoted() -> None:
    text = "Traceback\n  File x\nRuntimeError: no libavutil\nhint about versions\n]\n"
    assert doctor._last_line(text) == "RuntimeError: no libavutil"
    assert doctor._last_line("") == ""
