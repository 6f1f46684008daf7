"""lmms-eval's task manager over the tasks of one run, with scoring left to the journal.

While a run is under way lmms-eval builds the requests and drives the model; scores are made from
the journal afterwards, by the code that `score` uses. So that each reply is scored once, the
task's own `process_results` is replaced by one that does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmms_eval.tasks import TaskManager

from onethinker_eval.benchmarks import Task

__all__ = ["RunTaskManager"]


class RunTaskManager(TaskManager):  # type: ignore[misc]  # lmms-eval carries no types
    """Knows the given tasks and the file that holds the data of each.

    lmms-eval's own index would parse every task file there is, with the slow YAML loader.
    """

    def __init__(self, tasks: Sequence[Task], files: Mapping[str, Path]) -> None:
        """Serve `tasks`; `files` are their data by task id."""
        self._files = files
        self._index = {task.id: {"type": "task", "yaml_path": task.file} for task in tasks}
        super().__init__(include_defaults=False)

    def initialize_tasks(self, include_path: Any = None, include_defaults: bool = False) -> Any:
        """Return the index of the given tasks."""
        return self._index

    def _get_config(self, name: str) -> Any:
        config = super()._get_config(name)
        config["dataset_kwargs"] = {"data_files": {"test": str(self._files[name])}}
        config["process_results"] = _score_later
        # Every request would carry a copy of it.
        config["metadata"] = {"version": (config.get("metadata") or {}).get("version", 1)}
        return config


def _score_later(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    return {}
