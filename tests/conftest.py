"""Options of the whole test suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from run_server import RunServer


# Hypothesis' deadline of 0.2 s an example fails on a busy machine; the time of whole tests is
# pytest's to watch.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --runslow."""
    parser.addoption(
        "--runslow", action="store_true", help="run the tests marked slow (minutes) as well"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip slow tests, and those that need a GPU, unless --runslow asks for them."""
    if config.getoption("--runslow"):
        return
    skip = pytest.mark.skip(reason="slow; run with --runslow")
    for item in items:
        if "slow" in item.keywords or "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def small_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the demo suite, in a folder of its own: 24 records of each of a few tasks."""
    from onethinker_eval import demo

    folder = tmp_path_factory.mktemp("suite")
    return demo.make(folder, benchmarks=["refcoco", "got10k", "charades", "mmstar"])


@pytest.fixture(scope="session")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunServer]:
    """Runs in child processes that share their imports; see `run_server.py`."""
    from run_server import RunServer

    server = RunServer(tmp_path_factory.mktemp("server"))
    yield server
    server.close()
