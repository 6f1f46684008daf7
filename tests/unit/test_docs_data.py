"""The documents about benchmarks and data say what the task files say.

`python tests/unit/test_docs_data.py` writes the generated part of `docs/benchmarks.md` anew.
"""

from __future__ import annotations

from pathlib import Path

from onethinker_eval import benchmarks, prompts, readers
from onethinker_eval.benchmarks import Task
from onethinker_eval.readers.findings import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
START, END = "<!-- table: start -->\n", "<!-- table: end -->"


def row(task: Task) -> str:
    ours, base = (task.published.get(name) for name in ("OneThinker-8B", "Qwen3-VL-8B"))
    count = "?" if task.expected is None else f"{task.expected:,}"
    metric = task.headline["paper"]
    if task.headline["official"] != metric:
        metric += f" (official: {task.headline['official']})"
    frames = "–" if task.data_type == "image" else task.frames["rule"]
    values = f"{base:.1f} → {ours:.1f}" if ours is not None else "part of the above"
    cells = (f"`{task.name}`", task.problem_type, count, metric, values, frames, task.licence)
    return f"| {' | '.join(cells)} |"


def table() -> str:
    lines = []
    for family, members in benchmarks.catalogue().families().items():
        lines += [f"### {benchmarks.FAMILIES[family]} (`{family}`)", ""]
        lines += ["| task | asks for | records | headline | paper | frames | licence |"]
        lines += ["|---|---|---|---|---|---|---|"]
        tasks = [task for member in members for task in (*member.tasks, *member.parts)]
        lines += [row(task) for task in tasks]
        said: dict[str, list[str]] = {}
        for task in tasks:
            for caveat in () if task.part_of else task.caveats:
                said.setdefault(caveat, []).append(f"`{task.name}`")
        notes = [f"- {', '.join(names)}: {caveat}" for caveat, names in said.items()]
        lines += ["", *notes, ""] if notes else [""]
    return "\n".join(lines).rstrip() + "\n"


def test_the_table_of_benchmarks_is_the_task_files() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    generated = text.partition(START)[2].partition(END)[0]
    assert generated == table(), "run `python tests/unit/test_docs_data.py`"


def test_the_data_page_names_every_reader_finding_and_profile() -> None:
    text = (DOCS / "data.md").read_text()
    missing = [name for name in (*readers.READERS, *KINDS, *prompts.PROFILES) if name not in text]
    assert missing == []


def main() -> None:
    path = DOCS / "benchmarks.md"
    head, _, rest = path.read_text().partition(START)
    path.write_text(head + START + table() + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
