"""A craft for worker processes whose jobs say what shall happen to them; see `Told`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onethinker_eval.errors import DataError
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.shown import Wanted

__all__ = ["SIZE", "Broken", "Told", "told"]

RULE = FrameRule()
SIZE = 1 << 20


def told(what: str, task: str = "") -> Wanted:
    """Return a job: `SIZE bytes`, `sleep S`, `kill`, `kill-once FILE`, `raise`, `broken`."""
    return Wanted(({"type": "told", "url": what},), RULE, task=task)


class Told:
    """Does what the place of a file in a job says."""

    name = "pipeline_crafts:Told"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def wanted(self, request: Mapping[str, Any]) -> Wanted:
        return Wanted.from_json(request)

    def do(self, wanted: Wanted) -> Any:
        what, _, rest = str(wanted.parts[0]["url"]).partition(" ")
        if what == "sleep":
            time.sleep(float(rest))
        elif what == "kill" or (what == "kill-once" and not Path(rest).exists()):
            if rest:
                Path(rest).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "raise":
            raise KeyError("unforeseen")
        elif what == "broken":
            raise DataError("it is broken", file=rest, fix="mend it")
        size = int(what) if what.isdigit() else 8
        return np.full(size, 7, np.uint8)

    def pack(self, result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"pid": os.getpid()}, {"it": result}

    def unpack(self, info: Mapping[str, Any], arrays: Mapping[str, Any]) -> Any:
        return arrays["it"]

    def weigh(self, result: Any) -> int:
        return int(result.nbytes)

    def bound(self, wanted: Wanted) -> int:
        return SIZE


class Broken(Told):
    """A craft that cannot be made in a worker."""

    name = "pipeline_crafts:Broken"

    def __init__(self) -> None:
        super().__init__()
        if "PYTHONSAFEPATH" in os.environ:
            raise ImportError("no such decoder")
