"""The examples in `training/`, run under the name the package has once installed.

pytest would collect the folder as a bare `training`, a name another distribution uses.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from onethinker_eval.paths import training_dir

MODULES = [path.stem for path in sorted(training_dir().glob("*.py")) if ">>>" in path.read_text()]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(f"onethinker_eval.training.{name}")
    assert Path(str(module.__file__)).parent == training_dir()
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
