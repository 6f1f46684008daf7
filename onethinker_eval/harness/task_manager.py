"""lmms-eval's task manager over our task files only, with scoring left to the journal.

While a run is under way lmms-eval builds the requests and drives the model; scores are made from
the journal afterwards, by the code that `score` uses. So that each reply is scored once, the
task's own `process_results` is replaced by one that does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmms_eval.tasks import TaskManager

from onethinker_eval.paths import tasks_dir

__all__ = ["RunTaskManager"]


class RunTaskManager(TaskManager):  # type: ignore[misc]  # lmms-eval carries no types
    """Finds the shipped tasks and those of `include_path`; their data are given beforehand."""

    def __init__(self, files: Mapping[str, Path], include_path: Sequence[str] = ()) -> None:
        """Use the data `files` by task id."""
        super().__init__(include_path=[str(tasks_dir()), *include_path], include_defaults=False)
        self._files = {task: str(path) for task, path in files.items()}

    def _get_config(self, name: str) -> Any:
        config = super()._get_config(name)
        if name in self._files:
            config["dataset_kwargs"] = {"data_files": {"test": self._files[name]}}
            config["process_results"] = _score_later
        return config


def _score_later(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    return {}
