"""Reading ahead: order, bounds, broken items, early end."""

from __future__ import annotations

import threading
import time

import pytest

from onethinker_eval.errors import DataError
from onethinker_eval.media.prefetch import read_ahead


def test_results_come_in_order_though_they_finish_out_of_order() -> None:
    def read(item: int) -> int:
        time.sleep(0.01 if item % 3 == 0 else 0)
        return item * item

    found = list(read_ahead(range(20), read, workers=4, ahead=6))
    assert found == [(item, item * item) for item in range(20)]


def test_a_broken_item_takes_its_place() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise DataError("broken", file="x.mp4")
        return item

    found = [result for _, result in read_ahead(range(4), read)]
    assert found[:2] == [0, 1]
    assert isinstance(found[2], DataError)
    assert found[3] == 3


def test_another_exception_is_raised_in_its_turn() -> None:
    def read(item: int) -> int:
        if item == 1:
            raise KeyError(item)
        return item

    reading = read_ahead(range(4), read)
    assert next(reading) == (0, 0)
    with pytest.raises(KeyError):
        next(reading)


def test_no_more_than_so_many_are_read_early() -> None:
    started: list[int] = []
    reading = read_ahead(range(100), lambda item: started.append(item) or item, ahead=3, workers=2)
    next(reading)
    time.sleep(0.05)
    assert len(started) <= 1 + 3
    reading.close()
    time.sleep(0.02)
    assert len(started) <= 1 + 3


@pytest.mark.parametrize("ahead", [1, 2, 20])
def test_heavy_results_hold_further_reads_back(ahead: int) -> None:
    most = held = 0
    lock = threading.Lock()

    def read(item: int) -> bytes:
        nonlocal held, most
        with lock:
            held += 100
            most = max(most, held)
        return bytes(100)

    done = 0
    for _, result in read_ahead(range(30), read, ahead=ahead, workers=2, most_bytes=400, weigh=len):
        time.sleep(0.002)
        done += len(result) if isinstance(result, bytes) else 0
        with lock:
            held -= 100
    assert done == 3000
    assert most <= 400


def test_one_result_heavier_than_allowed_still_comes() -> None:
    found = read_ahead(range(3), lambda item: bytes(1000), ahead=3, most_bytes=10, weigh=len)
    assert len(list(found)) == 3


def test_reading_overlaps_with_use() -> None:
    def read(item: int) -> int:
        time.sleep(0.02)
        return item

    start = time.perf_counter()
    for _ in read_ahead(range(10), read, workers=2, ahead=4):
        time.sleep(0.02)
    assert time.perf_counter() - start < 10 * 0.04


def test_nothing_to_read() -> None:
    assert list(read_ahead([], lambda item: item)) == []
