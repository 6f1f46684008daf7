"""The paper's tables as data, and its own aggregates recomputed from them."""

from __future__ import annotations

import pytest

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.reporting.averages import averages, mean_values, paper_columns
from onethinker_eval.reporting.published import Key, model_name, published, values_of

# Rows and columns of numbers of each table as printed; blanks are cells too.
SHAPES = {1: (10, 8), 2: (10, 7), 3: (4, 3), 4: (7, 12), 5: (5, 8), 6: (5, 4)}
SHAPES |= {7: (4, 4), 8: (8, 9), 9: (5, 6), 10: (4, 4)}


@pytest.mark.parametrize("table", SHAPES)
def test_every_cell_of_every_table_is_there(table: int) -> None:
    cells = [cell for cell in published() if cell.table == table]
    models = dict.fromkeys(cell.model for cell in cells)
    keys = dict.fromkeys(cell.key for cell in cells)
    assert (len(models), len(keys)) == SHAPES[table]
    assert len({(cell.model, cell.key) for cell in cells}) == len(cells) == len(models) * len(keys)


@pytest.mark.parametrize(
    ("table", "model", "values"),
    [
        (1, "OneThinker-8B", [70.6, 77.6, 64.3, 86.6, 70.6, 96.5, 85.2, 67.8]),
        (1, "Seed1.5-VL", [77.9, 85.6, None, 89.9, 77.8, None, 87.3, None]),
        (2, "GPT-4o", [61.2, 75.4, 71.9, 42.0, 66.7, None, 20.2]),
        (2, "OneThinker-8B", [66.2, 70.5, 66.5, 48.7, 61.7, 79.2, 35.0]),
        (3, "Qwen3-VL-Instruct-8B", [15.1, 47.3, 20.0]),
        (5, "OneThinker-8B", [93.7, 88.9, 92.0, 91.4, 82.7, 87.0, 88.8, 89.2]),
        (6, "GroundingGPT", [7.1, 12.2, 2.9, 9.2]),
        (7, "R1-Track", [68.0, None, 76.6, None]),
        (8, "VISA-13B", [72.4, 59.8, 65.5, None, None, 44.5, None, None, None]),
        (10, "OneThinker-wo-ImageQA", [None, 58.2, 72.3, 63.9]),
    ],
)
def test_rows_read_as_printed(table: int, model: str, values: list[float | None]) -> None:
    row = [cell.value for cell in published() if cell.table == table and cell.model == model]
    assert row == values


def test_temporal_grounding_row_reads_as_printed() -> None:
    row = [c.value for c in published() if c.table == 4 and c.model == "OneThinker-8B"]
    assert row == [83.5, 68.3, 45.3, 59.9, 65.0, 43.6, 25.7, 45.9, 62.0, 42.3, 22.7, 43.2]


def test_misprints_are_noted() -> None:
    notes = {(cell.table, cell.model, cell.note) for cell in published() if cell.note}
    assert (6, "GroundingGPT", "printed 7,1") in notes
    assert any(table == 2 and model == "GPT-4o" for table, model, _ in notes)
    assert len({(table, model) for table, model, _ in notes}) == 2


def test_frames_are_those_of_the_tables() -> None:
    frames = {(c.table, c.model): c.frames for c in published() if c.frames is not None}
    assert set(frames.values()) == {128}
    assert (2, "OneThinker-8B") in frames
    assert (2, "Video-R1-7B") not in frames


# Table 9 names the aggregates of the two models of which tables 1 to 8 have every cell; table 10
# repeats four of them. Means of printed values carry the rounding of each: half a digit, and the
# paper truncates 64.26 to 64.2.
RECOMPUTABLE = [
    cell
    for cell in published()
    if (cell.table == 9 and cell.model in ("OneThinker-8B", "Qwen3-VL-Instruct-8B"))
    or (cell.table == 10 and cell.model == "OneThinker")
]


@pytest.mark.parametrize(
    "cell", RECOMPUTABLE, ids=lambda c: f"{c.table}-{c.model}-{c.key.benchmark}"
)
def test_tables_9_and_10_follow_from_tables_1_to_8(cell) -> None:  # type: ignore[no-untyped-def]
    model = "OneThinker-8B" if cell.model == "OneThinker" else cell.model
    means = mean_values(values_of(model))
    assert cell.value == pytest.approx(means[cell.key.benchmark], abs=0.0601)


def test_sixteen_aggregates_are_recomputed() -> None:
    assert len(RECOMPUTABLE) == 16


def test_a_mean_needs_all_its_members() -> None:
    values = values_of("OneThinker-8B")
    del values[Key("anet_rtl", "test", "mIoU")]
    means = mean_values(values)
    assert "temporal_grounding" not in means
    assert "spatial_grounding" in means


def test_columns_of_the_paper_are_headlines_or_metrics_of_our_tasks() -> None:
    known = {(task.benchmark, task.split) for task in catalogue().tasks.values()}
    assert {(key.benchmark, key.split) for _, key in paper_columns()} <= known
    assert len(paper_columns()) == 55
    assert {key for average in averages() for key in average.members} <= {
        key for _, key in paper_columns()
    }


def test_task_files_quote_the_same_numbers() -> None:
    ours, theirs = values_of("OneThinker-8B"), values_of("Qwen3-VL-Instruct-8B")
    checked = 0
    for bench in catalogue().benchmarks.values():
        for task in bench.tasks:
            key = Key(task.benchmark, task.split, task.headline["paper"])
            if "OneThinker-8B" in task.published:
                assert task.published["OneThinker-8B"] == ours[key], key
                assert task.published["Qwen3-VL-8B"] == theirs[key], key
                checked += 1
    assert checked >= 31


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("OneThink/OneThinker-8B", "OneThinker-8B"),
        ("/models/onethinker_8b/", "OneThinker-8B"),
        ("Qwen/Qwen3-VL-8B-Instruct", "Qwen3-VL-Instruct-8B"),
        ("Qwen3-VL-Instruct-8B + SAM2", "Qwen3-VL-Instruct-8B"),
        ("org/OneThinker-80B", "org/OneThinker-80B"),
        ("onethinker-tiny", "onethinker-tiny"),
    ],
)
def test_models_are_recognised_by_name_only_when_it_is_the_same(given: str, expected: str) -> None:
    assert model_name(given) == expected
