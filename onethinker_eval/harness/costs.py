"""What a run costs, benchmark by benchmark: counters that the engine and the pipeline call.

Whoever knows a quantity adds it where it arises: the pipeline its decoding time, the model the
time its engine worked or stood idle. Samples and tokens are counted from the reply journal, wall
time by the run. The functions here speak to the process's one `Meter` and are safe in threads;
worker processes return their seconds to the process that started them, which adds them.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

from onethinker_eval.errors import UsageError

__all__ = [
    "Cost",
    "Meter",
    "add_decode",
    "add_engine",
    "add_idle",
    "add_price",
    "count_lines",
    "meter",
    "note_gpu_peak",
    "parse_price",
    "timed_decode",
    "timed_engine",
    "timed_idle",
]


@dataclass(slots=True)
class Cost:
    """What some samples of one benchmark cost.

    `samples` were answered and `failed` not. `tokens_in` and `tokens_out` are sums over the
    `counted` replies whose model reported tokens. `wall_s` is the benchmark's part of the
    time from the first request to the last reply, summed over sessions and processes: where two
    benchmarks are under way at once, the time before a reply is counted for that reply's.
    `decode_s` is the time that decoding and preparing media took, summed over workers, so it may
    exceed `wall_s`. `engine_s`
    is the time in which the engine had at least one request, `idle_s` that in which it had none
    while samples were left; both 0 if the model reports neither. `gpu_peak_bytes` is the largest
    sum over one process's devices, `None` without any. `price` is money (`None`: not known).

    >>> cost = Cost(samples=2, engine_s=9.0, idle_s=1.0) + Cost(samples=3, price=0.5)
    >>> cost.samples, cost.price, cost.idle_share
    (5, 0.5, 0.1)
    """

    samples: int = 0
    failed: int = 0
    counted: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    wall_s: float = 0.0
    decode_s: float = 0.0
    engine_s: float = 0.0
    idle_s: float = 0.0
    gpu_peak_bytes: int | None = None
    price: float | None = None

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both; the memory peak is the larger one."""
        values: dict[str, Any] = {}
        for item in fields(Cost):
            mine, theirs = getattr(self, item.name), getattr(other, item.name)
            if mine is None or theirs is None:
                values[item.name] = theirs if mine is None else mine
            elif item.name == "gpu_peak_bytes":
                values[item.name] = max(mine, theirs)
            else:
                values[item.name] = mine + theirs
        return Cost(**values)

    @property
    def idle_share(self) -> float | None:
        """The engine's idle part of its time (0..1); `None` where the model does not say."""
        spent = self.engine_s + self.idle_s
        return self.idle_s / spent if spent > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return the counters as JSON values, times to the millisecond."""
        return {
            name: round(value, 6 if name == "price" else 3) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Cost:
        """Read `to_json` back; fields of other versions are left out."""
        return Cost(**{item.name: value[item.name] for item in fields(Cost) if item.name in value})


class Meter:
    """The counters of one process, by task id.

    >>> meter = Meter()
    >>> with meter.running():
    ...     meter.attend("onethinker_x")
    ...     meter.add(decode_s=0.5)
    ...     meter.add(decode_s=0.25, task="onethinker_y")
    >>> meter.costs["onethinker_x"].decode_s, meter.costs["onethinker_y"].decode_s
    (0.5, 0.25)
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self._lock = threading.Lock()
        self._task = ""
        self._began: float | None = None
        self.costs: dict[str, Cost] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count wall time while the block runs, for the tasks that `attend` and `charge` name."""
        _reset_gpu_peak()
        self._began = time.monotonic()
        try:
            yield
        finally:
            self._add_wall()
            self._turn_to("")
            self._began = None

    def attend(self, task: str) -> None:
        """Count what names no task, and wall time from now on, for `task`."""
        self._add_wall()
        self._turn_to(task)

    def charge(self, task: str) -> None:
        """Count the wall time since the last call for `task`, as one of its replies ends it."""
        self._turn_to(task)
        self._add_wall()

    def _turn_to(self, task: str) -> None:
        before = self._task
        if task == before:
            return
        if before:
            self.add(task=before, gpu_peak_bytes=_gpu_peak())
            _reset_gpu_peak()
        self._task = task

    def _add_wall(self) -> None:
        """Count the wall time since the last call for the current task, if there is one."""
        with self._lock:
            began, now = self._began, time.monotonic()
            if began is None:
                return
            self._began = now
            self.costs[self._task] = self.costs.get(self._task, Cost()) + Cost(wall_s=now - began)

    def add(self, *, task: str = "", **amounts: Any) -> None:
        """Add `amounts`, named as the fields of `Cost`, to `task` or to the current one."""
        with self._lock:
            name = task or self._task
            self.costs[name] = self.costs.get(name, Cost()) + Cost(**amounts)

    def snapshot(self) -> dict[str, Cost]:
        """Return the costs of every task so far."""
        self._add_wall()
        with self._lock:
            return dict(self.costs)

    def clear(self) -> None:
        """Forget everything, for a new run in the same process."""
        with self._lock:
            self.costs = {}


_PRICES = ("in", "out", "gpu_hour")


def parse_price(text: str) -> dict[str, float]:
    """Read `in=…,out=…,gpu_hour=…`: money a million tokens read or written, and an hour of a GPU.

    >>> parse_price("in=0.2,out=0.8")
    {'in': 0.2, 'out': 0.8}

    Raises `UsageError` for another name or no number.
    """
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if name not in _PRICES or not 0 <= amount < math.inf:
            raise UsageError(
                f"--price: {part!r} is none of {', '.join(f'{key}=NUMBER' for key in _PRICES)}",
                hint="in and out are a million tokens, gpu_hour is one process for an hour",
            )
        found[name] = amount
    return found


_METER = Meter()


def meter() -> Meter:
    """Return the meter of this process."""
    return _METER


def count_lines(task: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Count the samples and tokens of lines that were added to a reply journal."""
    samples = failed = counted = tokens_in = tokens_out = 0
    for line in lines:
        ok = line["status"] == "ok"
        samples += ok
        failed += not ok
        tokens = line.get("tokens") or {}
        if tokens.get("in") is not None or tokens.get("out") is not None:
            counted += 1
            tokens_in += tokens.get("in") or 0
            tokens_out += tokens.get("out") or 0
    _METER.add(
        task=task,
        samples=samples,
        failed=failed,
        counted=counted,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )


def add_decode(seconds: float, *, task: str = "") -> None:
    """Add time spent on decoding and preparing media, in whichever thread or worker."""
    _METER.add(task=task, decode_s=seconds)


def add_engine(seconds: float, *, task: str = "") -> None:
    """Add wall time in which the engine had at least one request to work on."""
    _METER.add(task=task, engine_s=seconds)


def add_idle(seconds: float, *, task: str = "") -> None:
    """Add wall time in which the engine had nothing to do while samples were left."""
    _METER.add(task=task, idle_s=seconds)


def add_price(amount: float, *, task: str = "") -> None:
    """Add money, in the currency of the run, that an endpoint said it charged."""
    _METER.add(task=task, price=amount)


def note_gpu_peak(size: int, *, task: str = "") -> None:
    """Note a peak of GPU memory in bytes that an engine in other processes reported."""
    _METER.add(task=task, gpu_peak_bytes=size)


@contextmanager
def timed_decode(*, task: str = "") -> Iterator[None]:
    """Add the time of the block as decoding."""
    began = time.monotonic()
    try:
        yield
    finally:
        add_decode(time.monotonic() - began, task=task)


@contextmanager
def timed_engine(*, task: str = "") -> Iterator[None]:
    """Add the time of the block as the engine's work."""
    began = time.monotonic()
    try:
        yield
    finally:
        add_engine(time.monotonic() - began, task=task)


@contextmanager
def timed_idle(*, task: str = "") -> Iterator[None]:
    """Add the time of the block as the engine's waiting."""
    began = time.monotonic()
    try:
        yield
    finally:
        add_idle(time.monotonic() - began, task=task)


def _cuda() -> Any:
    """Return torch.cuda if something here uses it already; a look must not start a device."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_initialized() else None


def _reset_gpu_peak() -> None:
    cuda = _cuda()
    if cuda is not None:
        for device in range(cuda.device_count()):
            cuda.reset_peak_memory_stats(device)


def _gpu_peak() -> int | None:
    cuda = _cuda()
    if cuda is None:
        return None
    peak = sum(cuda.max_memory_allocated(device) for device in range(cuda.device_count()))
    return int(peak) or None
