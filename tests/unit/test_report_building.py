"""Building reports: what is in the file, what never is, and the server that shows it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from report_runs import make_media, make_run, right, wrong

from onethinker_eval.cli import main
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.reporting.html import Report, ReportServer, build_report
from onethinker_eval.reporting.html.drawing import mask_shapes, truth_shapes
from onethinker_eval.reporting.html.media import Media, media_type
from onethinker_eval.reporting.html.stored import StoredLines

TASKS = {"onethinker_mmstar": 4, "onethinker_refcoco_val": 4, "onethinker_charades": 2}
EVIL = "</script><script>window.pwned=1</script><!--"


def mixed(task: str, number: int, record: Mapping[str, Any]) -> str | None:
    return (None, EVIL, wrong(task, number, record), right(task, number, record))[number % 4]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_media(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", media, mixed, tasks=TASKS)


@pytest.fixture(scope="module")
def report(run: Path) -> Report:
    return build_report([run])


def blocks_of(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="text/plain" id="([a-z0-9-]+)">([^<]*)</script>', page)
    return {
        name: json.loads(gzip.decompress(base64.b64decode(text)))
        for name, text in found
        if not name.startswith("media")
    }


def summary_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="summary">(.*?)</script>', page, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_every_sample_of_the_run_is_in_the_file(report: Report, run: Path) -> None:
    page = report.path.read_text(encoding="utf-8")
    assert report.path == run / "report.html"
    assert (report.samples, report.bytes) == (10, report.path.stat().st_size)
    blocks, summary = blocks_of(page), summary_of(page)
    assert [task["samples"] for task in summary["tasks"]] == [4, 2, 4]
    for place, task in enumerate(summary["tasks"]):
        rows = blocks[f"rows-{place}-0"]
        assert len(rows) == len(blocks[f"list-{place}"]["ids"]) == task["samples"]
    place = [task["id"] for task in summary["tasks"]].index("onethinker_refcoco_val")
    columns = blocks[f"list-{place}"]["scores"]["paper"][0]
    assert columns["value"] == [None, 0.0, 0.0, 1.0]
    assert [summary["outcomes"][code] for code in columns["outcome"]] == [
        *("failed", "unparsable"),
        *("scored", "scored"),
    ]
    row = blocks[f"rows-{place}-0"][3]
    assert row["shapes"] == {"box": [100, 200, 500, 700]}
    assert row["replies"][0]["shapes"] == row["shapes"]
    assert row["replies"][0]["thinking"] == "I looked at 3."


def test_the_values_are_those_of_the_metrics_file(report: Report, run: Path) -> None:
    from onethinker_eval.rescoring.rows import read_metrics

    summary = summary_of(report.path.read_text(encoding="utf-8"))
    shown = [
        (task["benchmark"], task["split"], protocol, *row)
        for task in summary["tasks"]
        for protocol, rows in task["metrics"][0].items()
        for row in rows
    ]
    stored = [
        (
            *(r.benchmark, r.split, r.protocol, r.metric),
            *(r.value, r.ci_low, r.ci_high, r.n, r.unparsable, r.failed),
        )
        for r in read_metrics(run / "metrics.csv")
    ]
    assert sorted(shown, key=str) == sorted(stored, key=str)


def test_model_text_never_stands_in_the_page_as_markup(report: Report) -> None:
    page = report.path.read_text(encoding="utf-8")
    assert "pwned" not in page
    assert page.count("<script") == page.count("</script>")


def test_a_run_named_like_markup_is_escaped(tmp_path: Path, media: Path) -> None:
    made = make_run(tmp_path / "x", media, right, tasks={"onethinker_mmstar": 2}, model=EVIL)
    manifest = json.loads((made / "run.json").read_text())
    manifest["name"] = EVIL + "\ud800"
    (made / "run.json").write_text(json.dumps(manifest))
    page = build_report([made]).path.read_text(encoding="utf-8")
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert summary_of(page)["runs"][0]["model"] == EVIL


def test_the_policy_names_the_very_script_and_style(report: Report) -> None:
    page = report.path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for tag in ("script", "style"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert body
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    assert "unsafe" not in policy[1]


def test_the_script_writes_no_markup() -> None:
    assets = Path(build_report.__code__.co_filename).parent / "assets"
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(assets.glob("*.js")))
    assert len(code) > 20_000
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ):
        assert word not in code
    assert "</script" not in code
    assert "http" not in code.replace("http://www.w3.org/2000/svg", "")


def test_the_same_run_gives_the_same_bytes(report: Report, run: Path, tmp_path: Path) -> None:
    again = build_report([run], tmp_path / "again.html")
    assert again.path.read_bytes() == report.path.read_bytes()


def test_media_are_embedded_linked_copied_or_left_out(run: Path, tmp_path: Path) -> None:
    pages = {}
    for way in ("embed", "link", "copy", "none"):
        made = build_report([run], tmp_path / way / "r.html", media=way)
        pages[way] = made.path.read_text(encoding="utf-8")
        assert made.media == way
    assert pages["embed"].count('id="media-') == 2
    assert "file:" not in re.findall(r'content="(default[^"]*)"', pages["embed"])[0]
    for way in ("link", "copy"):
        for kind, address in summary_of(pages[way])["media"]:
            file = (tmp_path / way / address).resolve()
            assert media_type(file) == kind
    assert (tmp_path / "copy" / "r_media").is_dir()
    assert [kind for kind, _ in summary_of(pages["none"])["media"]] == [None, None]


def test_files_that_are_no_media_stay_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text("password")
    table = Media()
    assert [table.add(str(secret)), table.add(str(tmp_path / "gone.png")), table.add(str(tmp_path))]
    os.mkfifo(tmp_path / "pipe.png")
    table.add(str(tmp_path / "pipe.png"))
    table.add("a\0b.png")
    assert table.types == [None] * 5
    assert list(table.embedded()) == []
    assert table.links(tmp_path) == [""] * 5


def test_of_two_lines_a_reply_wins_then_the_later_one(tmp_path: Path) -> None:
    lines = [("a", "failed", 1), ("b", "ok", 2), ("a", "ok", 3), ("b", "failed", 4), ("b", "ok", 5)]
    path = tmp_path / "j.jsonl"
    path.write_text("".join(json.dumps({"id": i, "status": s, "n": n}) + "\n" for i, s, n in lines))
    with StoredLines([path]) as stored:
        assert stored.ids == ["a", "b"]
        assert [(stored.get(name) or {})["n"] for name in "ab"] == [3, 5]
        assert stored.get("c") is None


def record(data_type: str, segmentation: Any, **meta: Any) -> dict[str, Any]:
    truth = {
        "boxes": [0, 0, 500, 500],
        "positive_points": [[1, 1]] * 3,
        "negative_points": [[9, 9]] * 3,
        **({"time": 1.0} if data_type == "video" else {}),
    }
    return {"truth": truth, "data_type": data_type, "meta": {"segmentation": segmentation, **meta}}


RLE = {"size": [2, 2], "counts": [1, 2, 1]}


def test_masks_of_truths_and_journals() -> None:
    image = record("image", {"frames": ["0"], "rle": {"0": RLE}})
    assert (truth_shapes(image, "segmentation") or {})["mask"] == RLE
    video = record("video", {"frames": ["a", "b"], "rle": {"b": RLE}}, fps=2.0)
    assert mask_shapes(video["meta"]["segmentation"], video) == {"masks": [[1, RLE]], "rate": 2.0}
    assert mask_shapes({"masks": {"a": RLE}}, video) == {"masks": [[0, RLE]], "rate": 2.0}
    assert mask_shapes({"masks": [None, RLE]}, video)["masks"] == [[1, RLE]]
    for broken in (None, 3, {"rle": 3}, {"rle": {"0": {"size": 3, "counts": []}}}, {"masks": None}):
        assert mask_shapes(broken, image) == {}


def test_wrong_use(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="one or two runs"):
        build_report([])
    with pytest.raises(UsageError, match="unknown way with media 'embd'"):
        build_report([run], media="embd")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "run.json").write_text((run / "run.json").read_text())
    with pytest.raises(DataError, match="not found"):
        build_report([empty])
    assert main(["report", str(run), str(run), str(run)]) == 2
    assert main(["report", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert main(["report", str(run), "--output", str(tmp_path / "r.html"), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "r.html")


@pytest.fixture
def server(run: Path, tmp_path: Path) -> Iterator[ReportServer]:
    with ReportServer(build_report([run], tmp_path / "r.html", media="link")) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def ask(server: ReportServer, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_the_server_gives_the_page_and_media_and_nothing_else(
    server: ReportServer, media: Path
) -> None:
    status, headers, body = ask(server, "/")
    assert (status, headers["X-Content-Type-Options"]) == (200, "nosniff")
    assert body.replace(b'data-served="1"', b'data-served="0"', 1) == (
        server.report.path.read_bytes()
    )
    found = {ask(server, f"/media/{number}")[2] for number in range(2)}
    assert found == {(media / "p.png").read_bytes(), (media / "v.mp4").read_bytes()}
    for path in (
        *("/run.json", "/../run.json", "/%2e%2e/run.json", "/media/9", "/media/-1", "/media/"),
        *("/media/0/../../run.json", "//etc/passwd", "/media/0x1", "/r.html"),
    ):
        assert ask(server, path)[0] == 404, path
    assert ask(server, "/", Host="evil.example:80")[0] == 403
    assert ask(server, "/", Host="localhost")[0] == 200


def test_the_server_gives_parts_of_a_file(server: ReportServer) -> None:
    whole = ask(server, "/media/1")[2]
    cases = {
        "bytes=0-9": (206, whole[:10]),
        "bytes=5-": (206, whole[5:]),
        "bytes=-7": (206, whole[-7:]),
        f"bytes=2-{10**9}": (206, whole[2:]),
        f"bytes={len(whole)}-": (416, b""),
        "bytes=9-3": (416, b""),
        "bytes=-": (200, whole),
        "bytes=a-b": (200, whole),
        "bytes=0-1,4-5": (200, whole),
    }
    for wanted, expected in cases.items():
        status, headers, body = ask(server, "/media/1", Range=wanted)
        assert (status, body) == expected, wanted
        assert int(headers["Content-Length"]) == len(body)


def test_a_port_in_use_is_told(server: ReportServer) -> None:
    with pytest.raises(UsageError, match="cannot listen on port"):
        ReportServer(server.report, server.server_address[1])


def test_a_task_without_a_task_file_is_told(tmp_path: Path, media: Path) -> None:
    made = make_run(tmp_path / "run", media, right, tasks={"onethinker_mmstar": 2})
    stored = made / "replies" / "onethinker_mmstar.jsonl"
    (made / "replies" / "own_task.jsonl").write_bytes(stored.read_bytes())
    with pytest.warns(UserWarning, match="no task file tells of own_task"):
        report = build_report([made])
    assert report.samples == 2


def test_two_runs_of_one_name_are_told_apart(run: Path, tmp_path: Path) -> None:
    page = build_report([run, run], tmp_path / "r.html").path.read_text(encoding="utf-8")
    summary = summary_of(page)
    assert [item["name"] for item in summary["runs"]] == ["run (1)", "run (2)"]
    assert set(summary["comparisons"]) == {"paper", "official", "repaired"}
    rows = blocks_of(page)["rows-0-0"]
    assert all(len(row["replies"]) == 2 for row in rows)


def test_samples_of_one_run_only_are_marked_absent(tmp_path: Path, media: Path) -> None:
    runs = [
        make_run(tmp_path / name, media, right, tasks={"onethinker_mmstar": size})
        for name, size in (("a", 2), ("b", 4))
    ]
    page = build_report(runs).path.read_text(encoding="utf-8")
    columns = blocks_of(page)["list-0"]["scores"]["paper"]
    absent = summary_of(page)["outcomes"].index("absent")
    assert [code == absent for code in columns[0]["outcome"]] == [False, False, True, True]
    assert [code == absent for code in columns[1]["outcome"]] == [False] * 4
    assert blocks_of(page)["rows-0-0"][3]["replies"][0] is None
