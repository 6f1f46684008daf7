"""What is shipped: names inside the wheel and the sdist, and a wheel that works by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["onethinker_eval", "training", "tasks", "results/published", "docs"]
FILES = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md"]

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="needs the checkout, not an installed package"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build wheel and sdist from a copy of the checkout, and unpack the wheel."""
    copy = tmp_path_factory.mktemp("copy")
    for name in SOURCES:
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in [*FILES, "tox.ini"]:
        shutil.copy(ROOT / name, copy / name)
    out = copy / "out"
    out.mkdir()
    code = "from setuptools import build_meta as b; b.build_sdist('out'); b.build_wheel('out')"
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    target = copy / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return {"wheel": wheel, "sdist": sdist, "target": target}


def names_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_nothing_generic_lands_in_site_packages(built: dict[str, Path]) -> None:
    tops = {name.split("/")[0] for name in names_of(built["wheel"])}
    version = metadata.version("onethinker-eval")
    assert tops == {"onethinker_eval", f"onethinker_eval-{version}.dist-info"}


def test_the_wheel_holds_every_module_task_and_table(built: dict[str, Path]) -> None:
    names = names_of(built["wheel"])
    places = {"onethinker_eval": "onethinker_eval", "training": "onethinker_eval/training"}
    places |= {"tasks": "onethinker_eval/tasks"}
    places |= {"results/published": "onethinker_eval/results/published"}
    wanted = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in places.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert wanted - names == set()
    assert "onethinker_eval/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".egg-info")]


def test_the_sdist_holds_what_is_needed_to_build_and_test(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*FILES, "tox.ini", "tasks/_base.yaml", "training/__init__.py"} <= names
    assert "results/published/table_01_image_qa.csv" in names


def run_installed(built: dict[str, Path], *words: str, code: str = "") -> str:
    """Run python on the unpacked wheel, from a folder without the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(built["target"])}
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "onethinker_eval"]
    done = subprocess.run(
        [*command, *words],
        cwd=built["target"].parent / "out",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_installed_wheel_finds_its_tasks_and_tables(built: dict[str, Path]) -> None:
    rows = json.loads(run_installed(built, "tasks", "--json"))
    assert len(rows) == 31
    code = (
        "import onethinker_eval, onethinker_eval.training as t\n"
        "from onethinker_eval import paths\n"
        "from onethinker_eval.reporting import published\n"
        "print(onethinker_eval.__file__, t.__file__, paths.tasks_dir(), paths.published_dir())\n"
        "print(len(published()))"
    )
    places, count = run_installed(built, code=code).splitlines()
    assert all(place.startswith(str(built["target"])) for place in places.split())
    assert int(count) == 440


def test_the_command_is_declared(built: dict[str, Path]) -> None:
    name = next(n for n in names_of(built["wheel"]) if n.endswith("entry_points.txt"))
    text = (built["target"] / name).read_text()
    assert "onethinker-eval = onethinker_eval.cli:main" in text
    assert "[lmms_eval.models]" in text


def test_this_installation_imports_training_by_its_full_name() -> None:
    import onethinker_eval.training

    assert onethinker_eval.training.__file__ is not None


def test_no_file_names_a_registry_or_a_machine() -> None:
    """Hosts of package registries and absolute home paths belong in nobody's checkout."""
    pattern = re.compile(
        r"index-url|extra-index|pypi\.org/simple|files\.pythonhosted|/root/|/home/\w+/"
    )
    texts = [*ROOT.glob("*.toml"), *ROOT.glob("*.ini"), *ROOT.glob("*.py"), *ROOT.glob("*.md")]
    texts += [ROOT / ".ci" / "run", *(ROOT / "tasks").rglob("*.yaml")]
    texts += [*(ROOT / "training").rglob("*.yaml"), *(ROOT / "docs").rglob("*.md")]
    assert {p.name: m.group() for p in texts if (m := pattern.search(p.read_text()))} == {}
    assert not [p.name for p in ROOT.iterdir() if p.name.endswith((".lock", "-lock.json"))]


def test_the_readme_links_to_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_runs_what_ci_runs() -> None:
    text = (ROOT / "README.md").read_text()
    script = (ROOT / ".ci" / "run").read_text()
    assert "tox -e tests" in text
    assert "tox run -e tests" in script
    assert "--model onethinker-tiny --tasks refcoco,gotk10k --data demo" in text
