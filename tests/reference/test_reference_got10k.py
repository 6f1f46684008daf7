"""AO, SR and success curve equal those of the GOT-10k toolkit's own report.

`data/got10k.json` holds what `ExperimentGOT10k.report` gave for 60 sequences and four trackers
made by `geometry_cases.got10k_sequence`, read back by the toolkit from its text files.
"""

from __future__ import annotations

import json
from pathlib import Path

import geometry_cases
import numpy as np
import plain_geometry
import pytest

from onethinker_eval.metrics import got10k

GOLDEN = json.loads((Path(__file__).parent / "data" / "got10k.json").read_text())
TRACKERS = range(len(GOLDEN["trackers"]))


def overlaps(tracker: int) -> list[np.ndarray]:
    values = []
    for seed in range(GOLDEN["sequences"]):
        pred, truth, cover, size = geometry_cases.got10k_sequence(seed, tracker)
        values.append(got10k.frame_overlaps(pred, truth, size, cover))
    return values


@pytest.mark.parametrize("tracker", TRACKERS)
def test_pooled_numbers(tracker: int) -> None:
    golden = GOLDEN["trackers"][tracker]
    pooled = got10k.pool(overlaps(tracker))
    assert pooled.ao == pytest.approx(golden["ao"], abs=1e-12)
    assert pooled.sr50 == golden["sr50"]
    assert list(pooled.curve) == pytest.approx(golden["curve"], abs=1e-12)
    assert pooled.sr75 == pooled.curve[75]


@pytest.mark.parametrize("tracker", TRACKERS)
def test_numbers_of_single_sequences(tracker: int) -> None:
    golden = GOLDEN["trackers"][tracker]["seq_ao"]
    for values, expected in zip(overlaps(tracker), golden, strict=True):
        if len(values):
            assert got10k.pool([values]).ao == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(expected)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_definition_worked_out_frame_by_frame(tracker: int) -> None:
    sequences = [
        geometry_cases.got10k_sequence(seed, tracker) for seed in range(GOLDEN["sequences"])
    ]
    expected = plain_geometry.got10k_pool(sequences)
    pooled = got10k.pool(overlaps(tracker))
    assert pooled.frames == len(expected)
    assert pooled.ao == pytest.approx(sum(expected) / len(expected), abs=1e-12)
    assert np.concatenate(overlaps(tracker)).tolist() == pytest.approx(expected, abs=1e-12)
