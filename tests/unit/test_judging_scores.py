"""Judged numbers in a run: beside those by rule, from stored replies, counted and named."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeServer, always, answered, make_run, record

from onethinker_eval.benchmarks import resolve
from onethinker_eval.cli.app import run as command
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.judging import judge_run, parse_judge, read_judges
from onethinker_eval.judging.journal import journal_path, stored_replies
from onethinker_eval.reporting import read_run
from onethinker_eval.rescoring import MetricRow, read_metrics, rescore

MMSTAR, MMBENCH = "onethinker_mmstar", "onethinker_mmbench"
LECTURES, MMSCI = "onethinker_videommlu_caption", "onethinker_mmsci_caption"
OPTIONS = ["A. red", "B. blue"]
VAGUE = "number {}: it is rather like the sky on a sunny day, if I may say so at all"


def choices(*replies: str | None, **fields: Any) -> list[tuple[dict[str, Any], str | None]]:
    return [
        (
            record(f"s{n}", "multiple choice", "B", **{"options": OPTIONS, **fields}),
            None if reply is None else answered(reply),
        )
        for n, reply in enumerate(replies)
    ]


def vague(n: int) -> str:
    return VAGUE.format(n)


def scored(run: Path, protocol: str = "paper") -> dict[str, MetricRow]:
    rows = rescore(run, processes=1, replicates=20).rows
    return {row.metric: row for row in rows if row.protocol == protocol}


def judge(run: Path, server: JudgeServer, tasks: str, more: str = "") -> None:
    judge_run(run, resolve(tasks), parse_judge(f"base_url={server.url},model=judge-1{more}"))


def test_judged_numbers_stand_beside_those_by_rule(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices("B", "A", vague(1), vague(2), None)})
    before = scored(run)
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmstar")
        assert len(server.requests) == 2
    after = scored(run)
    assert {name: after[name] for name in before} == before
    assert (before["accuracy"].value, before["accuracy"].n) == (25.0, 4)
    found = after["accuracy (judged)"]
    assert (found.value, found.n, found.unparsable, found.failed) == (75.0, 4, 0, 1)
    assert after["judged share"].value == 50.0
    official, repaired = scored(run, "official"), scored(run, "repaired")
    assert official["accuracy (judged)"].value == 75.0
    assert not [name for name in repaired if "judged" in name]


def test_stored_replies_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices("B", vague(1))})
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmstar")
    rescore(run, processes=1, replicates=20)
    first = (run / "metrics.csv").read_bytes()
    (run / "metrics.csv").unlink()

    def refuse(*_: Any) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for processes in (1, 2):
        rescore(run, processes=processes, replicates=20)
        assert (run / "metrics.csv").read_bytes() == first


def test_the_cut_into_chunks_does_not_matter(tmp_path: Path) -> None:
    from onethinker_eval.rescoring import Plan, rescore_task

    replies = [vague(n) if n % 3 else "B" for n in range(12)]
    run = make_run(tmp_path / "r", {MMSTAR: choices(*replies)})
    with JudgeServer(lambda path, body: "A" if "number 4" in str(body) else "B") as server:
        judge(run, server, "mmstar")
    plan = Plan.of(resolve("mmstar")[0])
    whole = rescore_task(run, plan, processes=1, replicates=20)
    for processes, chunk_bytes in ((1, 100), (1, 2000), (2, 1500)):
        parts = rescore_task(run, plan, processes=processes, chunk_bytes=chunk_bytes, replicates=20)
        assert parts.rows == whole.rows
        for name, tally in whole.tallies.items():
            assert parts.tallies[name].totals == tally.totals


def test_a_circular_question_with_a_failed_judgement_is_not_judged(tmp_path: Path) -> None:
    pairs = []
    for question, replies in (("1", ("B", vague(1))), ("2", ("B", vague(2))), ("3", ("B", "B"))):
        for n, reply in enumerate(replies):
            sample = f"{n}00000{question}"
            fields = {"options": OPTIONS, "meta": {"group": question}}
            pairs.append((record(sample, "multiple choice", "B", **fields), answered(reply)))
    run = make_run(tmp_path / "r", {MMBENCH: pairs})
    with JudgeServer(lambda path, body: "B" if "number 1" in str(body) else "Hm, hard") as server:
        judge(run, server, "mmbench")
    found = scored(run)
    assert round(found["circular accuracy"].value, 3) == 33.333
    assert found["circular accuracy (judged)"].value == 100.0
    assert (found["accuracy (judged)"].n, found["accuracy (judged)"].failed) == (5, 1)
    lows = found["circular accuracy (judged)"]
    assert lows.failed == 1


def test_categories_are_judged_too(tmp_path: Path) -> None:
    pairs = choices("B", vague(1), meta={"category": "one"})
    other = choices("A", meta={"category": "two"})[0]
    pairs.append(({**other[0], "id": "s9"}, other[1]))
    run = make_run(tmp_path / "r", {"onethinker_mmt_caption": pairs})
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmt_caption")
    found = scored(run)
    assert found["macro accuracy"].value == 25.0
    assert found["macro accuracy (judged)"].value == 50.0
    assert found["accuracy [one] (judged)"].value == 100.0
    assert found["accuracy [two] (judged)"].value == 0.0


def lecture(sample: str, count: int) -> tuple[dict[str, Any], str]:
    # the same questions in each lecture, and the same answer to all: nothing but the key tells
    questions = [{"question": f"Q{n}?", "answer": f"A{n}"} for n in range(count)]
    meta = {"questions": questions, "category": "Math"}
    item = record(sample, "caption", "A0 A1", data_type="video", meta=meta)
    return item, answered(f"Lecture {sample}.")


def test_no_answer_of_a_lecture_is_lost(tmp_path: Path) -> None:
    """The upstream scorer keeps one answer a video: a perfect one scored 48 of 100 there."""
    pairs = [lecture(f"v{n}", 5) for n in range(12)]
    run = make_run(tmp_path / "r", {LECTURES: pairs})

    def perfect(path: str, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if "Given answer" not in text:
            number = text.split("Question:\n")[1][1]
            return f"A{number}"
        truth, given = (text.split(f"{name} answer:\n")[1][:2] for name in ("Correct", "Given"))
        return json.dumps({"right": "yes" if truth == given else "no", "points": 5})

    with JudgeServer(perfect, delay_s=0.002) as server:
        judge(run, server, "videommlu_caption", ",concurrency=4")
        sent = server.texts()
    found = scored(run)
    accuracy = found["question accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.failed) == (100.0, 60, 0)
    assert found["question points (0-5)"].value == 5.0
    assert found["question accuracy [Math]"].n == 60
    answered_from = [text for text in sent if "Given answer" not in text]
    assert len(answered_from) == len(set(answered_from)) == 60


def test_video_mmlu_without_a_judge_says_what_it_is_not(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {LECTURES: [lecture("v1", 2), lecture("v2", 2)]})
    names = list(scored(run))
    assert names[0] == "METEOR against the answers (no judge)"
    assert all(name.endswith("against the answers (no judge)") for name in names)
    assert not [key for key in read_run(run).cells if key.benchmark == "videommlu_caption"]


def test_relevance_is_shown_on_its_own_scale(tmp_path: Path) -> None:
    pairs = [
        (record(f"c{n}", "caption", f"A chart of {n} bars."), answered(f"A chart, {n} bars."))
        for n in range(4)
    ]
    run = make_run(tmp_path / "r", {MMSCI: pairs})
    ratings = iter("5432")
    with JudgeServer(lambda path, body: next(ratings)) as server:
        judge(run, server, "mmsci_caption", ",concurrency=1")
    found = scored(run)
    assert found["G-Eval relevance (1-5)"].value == 3.5
    assert {"METEOR", "ROUGE-L", "CIDEr", "BLEU-4"} <= set(found)


@pytest.mark.parametrize("kind", ["sglang", "vllm", "lmdeploy"])
def test_rewards_come_in_batches(tmp_path: Path, kind: str) -> None:
    pairs = [
        (record(f"c{n}", "caption", f"Truth {n}."), answered(f"Caption {n}.")) for n in range(10)
    ]
    run = make_run(tmp_path / "r", {MMSCI: pairs})

    def reward(path: str, body: dict[str, Any]) -> Any:
        texts = body["text"] if kind == "sglang" else body["input"]
        assert path == ("/v1/classify" if kind == "sglang" else "/v1/pooling")
        values = [-float(text.split("Caption ")[1][0]) for text in texts]
        if kind == "sglang":
            return [{"embedding": [value]} for value in values]
        if kind == "vllm":
            return {"data": [{"data": [[0.0], [value]]} for value in values]}
        return {"data": [{"data": value} for value in values]}

    with JudgeServer(reward) as server:
        option = f"reward_url={server.url},reward_model=POLAR,reward_server={kind},reward_batch=4"
        (report,) = judge_run(run, resolve("mmsci_caption,mmstar"), parse_judge(option))
        assert (len(server.requests), report.made, report.failed) == (3, 3, 0)
        (report,) = judge_run(run, resolve("mmsci_caption"), parse_judge(option))
        assert (len(server.requests), report.reused) == (3, 10)
    row = scored(run)["reward"]
    assert (row.value, row.n) == (-4.5, 10)
    assert read_judges(run)[MMSCI].signature == "reward=POLAR"


@pytest.mark.parametrize(
    "reply",
    [[], {"data": []}, [{"embedding": []}], [{"embedding": ["x"]}], [{"embedding": [True]}], "no"],
    ids=range(6),
)
def test_rubbish_rewards_fail_the_sample(tmp_path: Path, reply: Any) -> None:
    pairs = [(record("c", "caption", "Truth."), answered("Caption."))]
    run = make_run(tmp_path / "r", {MMSCI: pairs})
    with JudgeServer(always(reply)) as server:
        option = f"reward_url={server.url},reward_model=POLAR"
        (report,) = judge_run(run, resolve("mmsci_caption"), parse_judge(option))
    assert (report.made, report.failed) == (0, 1)
    assert "reward" not in scored(run)
    assert rescore(run, processes=1, replicates=20).unjudged == {MMSCI: 1}


def test_another_model_is_another_judge(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices(vague(1))})
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmstar")
        server.answer = always("A")
        option = f"base_url={server.url},model=judge-2"
        judge_run(run, resolve("mmstar"), parse_judge(option))
        assert len(server.requests) == 2
        assert scored(run)["accuracy (judged)"].value == 0.0
        judge(run, server, "mmstar")
        assert len(server.requests) == 2
    assert scored(run)["accuracy (judged)"].value == 100.0
    assert len(stored_replies(journal_path(run, MMSTAR))) == 2


def test_replies_that_came_later_are_not_judged_and_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices(vague(1))})
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmstar")
    make_run(run, {MMSTAR: choices(vague(1), vague(2))})
    found = scored(run)["accuracy (judged)"]
    assert (found.value, found.n, found.failed) == (100.0, 1, 1)


def test_columns_and_signatures_tell_judged_numbers_apart(tmp_path: Path) -> None:
    from onethinker_eval.reporting import build_board, to_csv, to_markdown

    run = make_run(tmp_path / "r", {MMSTAR: choices("B", vague(1))})
    with JudgeServer(always("B")) as server:
        judge(run, server, "mmstar")
    rescore(run, processes=1, replicates=20)
    row = read_run(run)
    values = {key.metric: cell.value for key, cell in row.cells.items()}
    assert values == {"accuracy": 50.0, "accuracy (judged)": 100.0}
    text = to_markdown(build_board([row]))
    signed = [line for line in text.splitlines() if line.startswith("benchmark:")]
    assert len(signed) == 2
    assert "judge:" not in signed[0]
    assert "metric:accuracy%20(judged)" in signed[1]
    assert "judge:judge-1@" in signed[1]
    assert "judge:judge-1@" in to_csv(build_board([row]))


def test_the_score_command_asks_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices("B", vague(1), vague(2))})
    with JudgeServer(lambda p, body: "B" if "number 1" in str(body) else "Hm, hard") as server:
        option = f"base_url={server.url},model=judge-1"
        assert command(["score", str(run), "--judge", option]) == 1
        told = capsys.readouterr()
        assert "judge of mmstar: 1 calls made, 0 reused, 1 failed" in told.out + told.err
        assert "1 samples without a judged score" in told.out + told.err
        server.answer = always("B")
        assert command(["score", str(run), "--judge", option]) == 0
    capsys.readouterr()
    assert command(["score", str(run)]) == 0
    table = capsys.readouterr().out
    assert "accuracy (judged)" in table
    assert "100.0" in table
    rows = {row.metric: row for row in read_metrics(run / "metrics.csv")}
    assert rows["accuracy (judged)"].value == 100.0


def test_a_wrong_option_ends_with_2_before_anything_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices("B")})
    assert command(["score", str(run), "--judge", "model=m"]) == 2
    assert command(["score", str(run), "--judge", "base_url=http://h,model=m,api_key=sk-9"]) == 2
    told = capsys.readouterr()
    assert "sk-9" not in told.out + told.err
    assert "api_key_env=NAME" in told.err
    assert not (run / "judge").exists()
    words = ["--model", "oracle", "--tasks", "mmstar", "--data", "demo", "--judge", "model=m"]
    assert command(words) == 2


def test_a_key_that_is_not_set_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    run = make_run(tmp_path / "r", {MMSTAR: choices("B")})
    option = "base_url=http://localhost:1/v1,model=m,api_key_env=NO_SUCH_KEY"
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        judge_run(run, resolve("mmstar"), parse_judge(option))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 9, "tasks": {}}', "{\x00"])
def test_a_damaged_note_of_the_judge_is_named(tmp_path: Path, content: str) -> None:
    run = make_run(tmp_path / "r", {MMSTAR: choices("B")})
    (run / "judge").mkdir()
    (run / "judge" / "judge.json").write_text(content)
    with pytest.raises(DataError, match=r"judge\.json"):
        rescore(run, processes=1, replicates=20)
