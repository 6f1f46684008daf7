"""Mathematical equality: what is decided how, and that nothing hangs or harms."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from onethinker_eval.errors import MissingPart, UsageError
from onethinker_eval.metrics import math_worker, mathematics
from onethinker_eval.metrics.math_normal_form import normal_form
from onethinker_eval.metrics.mathematics import Comparison, compare, equivalent

PACKAGE_HOME = Path(mathematics.__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("pred", "truth", "expected"),
    [
        ("", "", Comparison(False, "empty")),
        ("3", " ", Comparison(False, "empty")),
        (" red\n", "red", Comparison(True, "identical")),
        ("0.50", "0.5", Comparison(True, "number")),
        ("1,234", "1234.0", Comparison(True, "number")),
        ("1,234", "1.234", Comparison(False, "number")),
        ("-0", "0", Comparison(True, "number")),
        ("1/2", r"\frac{1}{2}", Comparison(True, "symbolic")),
        ("x+1", "1+x", Comparison(False, "symbolic")),
        ("$x+1$", "$1+x$", Comparison(True, "symbolic")),
        ("3", "x" * 10_001, Comparison(False, "too long")),
        ("3" * 10_001, "x", Comparison(False, "too long")),
    ],
)
def test_paper_rule(pred, truth, expected):
    assert compare(pred, truth) == expected
    assert equivalent(pred, truth) is expected.equal


def test_the_longest_allowed_answer_is_still_tried(monkeypatch):
    monkeypatch.setattr(mathematics._WORKER, "ask", lambda *_: {"equal": True})
    longest = "x" + "y" * 9_999
    assert compare(longest, "7") == Comparison(True, "symbolic")
    assert compare("7", longest) == Comparison(True, "symbolic")
    assert compare("7", longest + "y") == Comparison(False, "too long")
    assert compare(longest + "y", "7") == Comparison(False, "too long")


@pytest.mark.parametrize(
    ("pred", "truth", "expected"),
    [
        (r"\text{Red}", "red", Comparison(True, "normal form")),
        (r"\dfrac12", "1/2", Comparison(True, "normal form")),
        ("x+1", "1+x", Comparison(True, "symbolic")),
        ("2x+1", "3x+1", Comparison(False, "symbolic")),
        ("5 apples", "5", Comparison(True, "symbolic")),
        ("50%", "0.5", Comparison(True, "symbolic")),
    ],
)
def test_repaired_rule(pred, truth, expected):
    assert compare(pred, truth, rule="repaired") == expected


def test_unknown_rule_and_impossible_limits_are_refused():
    with pytest.raises(UsageError, match=r"^unknown rule 'papr'.*did you mean paper"):
        compare("1", "1", rule="papr")
    for limit in (0, -1, float("nan"), float("inf"), 3_601):
        with pytest.raises(ValueError, match="time_limit_s"):
            compare("1", "2", time_limit_s=limit)
    for limit in (0.001, 1, 3_600):
        assert not equivalent("1", "2", time_limit_s=limit)


def test_equivalent_asks_as_compare_does(monkeypatch):
    asked = []

    def ask(request, limit):
        asked.append((*request, limit))
        return {"equal": True}

    monkeypatch.setattr(mathematics._WORKER, "ask", ask)
    assert equivalent("n+1", "1+n", time_limit_s=9, rule="repaired")
    assert equivalent("n+2", "2+n")
    assert asked == [("n+1", "1+n", "repaired", 9, 9), ("n+2", "2+n", "paper", 5.0, 5.0)]


BOMBS = [
    "9**9**9**9",
    "$9^{9^{9^{9}}}$",
    "$(10^9)!$",
    "$" + r"\frac{1}{" * 400 + "1" + "}" * 400 + "$",
    "$" + "(" * 3_000 + "x" + ")" * 3_000 + "$",
    "$" * 9_000,
    "1+" * 4_000 + "1",
    "__import__('os').system('true')",
    "$\\input{/etc/passwd}$",
    "\x00\ud800",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_hostile_answers_end_in_time_and_never_score(bomb):
    equivalent("$z+1$", "$1+z$", time_limit_s=30)  # the process has started
    for pair in ((bomb, "$2$"), ("$2$", bomb)):
        start = time.monotonic()
        assert not equivalent(*pair, time_limit_s=0.5)
        assert time.monotonic() - start < 5
    assert equivalent("$z+1$", "$1+z$", time_limit_s=30)


def test_a_given_up_comparison_falls_back_to_the_normal_form():
    tower = "9^{9^{9^{9}}}"
    assert compare(f"${tower}$", tower, time_limit_s=0.3) == Comparison(True, "normal form")
    assert compare(f"${tower}$", "2", time_limit_s=0.3) == Comparison(False, "timeout")


def test_works_outside_the_main_thread_and_from_several_at_once():
    found: list[Comparison] = []

    def work(number: int) -> None:
        for offset in range(4):
            i = 10 * number + offset
            found.append(compare(f"${i}+y$", f"$y+{i}$", time_limit_s=60))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Comparison(True, "symbolic")] * 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_uses_a_process_of_its_own():
    assert equivalent("$a+b$", "$b+a$", time_limit_s=60)
    ours = mathematics._WORKER._process
    child = os.fork()
    if child == 0:
        status = 1
        try:
            separate = mathematics._WORKER._process is None
            right = equivalent("$c+d$", "$d+c$", time_limit_s=60)
            status = 0 if separate and right else 2
        finally:
            mathematics.stop_worker()
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert mathematics._WORKER._process is ours
    assert ours is not None
    assert ours.poll() is None
    assert equivalent("$e+f$", "$f+e$", time_limit_s=60)


def test_a_killed_process_is_replaced():
    assert equivalent("$g+1$", "$1+g$", time_limit_s=60)
    process = mathematics._WORKER._process
    process.kill()
    process.wait()
    assert equivalent("$g+2$", "$2+g$", time_limit_s=60)
    assert mathematics._WORKER._process is not process


@pytest.mark.parametrize("who", ["_answering", "_process"])
def test_a_process_that_dies_while_asked_is_an_error_not_a_verdict(who):
    assert equivalent("$g+3$", "$3+g$", time_limit_s=60)
    worker = mathematics._WORKER
    victims = {worker._answering, worker._process.pid} if who == "_process" else {worker._answering}
    threading.Timer(0.3, lambda: [mathematics._kill(victim) for victim in victims]).start()
    tower = "$8^{8^{8^{8}}}$"
    assert compare(tower, "$5$", time_limit_s=60) == Comparison(False, "error")
    assert equivalent("$g+3$", "$g+2+1$", time_limit_s=60)


def test_a_late_answer_is_not_taken_for_the_next_question():
    assert equivalent("$g+7$", "$7+g$", time_limit_s=60)
    worker = mathematics._WORKER
    mathematics._kill(worker._answering)
    worker._answering = 0
    worker._replies.put('{"equal": true}')
    assert compare("$g+8$", "$9+g$", time_limit_s=60) == Comparison(False, "symbolic")


def test_where_there_is_no_child_the_process_itself_is_replaced():
    assert equivalent("$g+9$", "$9+g$", time_limit_s=60)
    worker = mathematics._WORKER
    process = worker._process
    worker._answering = process.pid
    tower = "$7^{7^{7^{7}}}$"
    assert compare(tower, "$5$", time_limit_s=0.3) == Comparison(False, "timeout")
    assert process.poll() is not None
    assert equivalent("$g+9$", "$g+8+1$", time_limit_s=60)


def test_a_closed_pipe_is_an_error_not_a_verdict():
    assert equivalent("$g+4$", "$4+g$", time_limit_s=60)

    class Broken:
        def write(self, _text):
            raise BrokenPipeError

        def close(self):
            pass

    mathematics._WORKER._process.stdin.close()
    mathematics._WORKER._process.stdin = Broken()
    assert compare("$g+5$", "$5+g$") == Comparison(False, "error")
    assert equivalent("$g+6$", "$6+g$", time_limit_s=60)


def test_errors_of_the_library_are_named(monkeypatch):
    monkeypatch.setattr(mathematics._WORKER, "ask", lambda *_: {"error": "RecursionError"})
    assert compare("$h$", "$i$") == Comparison(False, "error")
    assert compare("$h$", "h") == Comparison(True, "normal form")


def test_verdicts_are_remembered_and_given_up_ones_are_not(monkeypatch):
    asked = []
    replies = iter([{"error": "X"}, {"equal": True}])

    def ask(request, _limit):
        asked.append(request)
        return next(replies)

    monkeypatch.setattr(mathematics._WORKER, "ask", ask)
    assert compare("$j+1$", "$1+j+0$").how == "error"
    assert compare("$j+1$", "$1+j+0$") == Comparison(True, "symbolic")
    assert compare("$j+1$", "$1+j+0$") == Comparison(True, "symbolic")
    assert asked == [["$j+1$", "$1+j+0$", "paper", 5.0]] * 2


@pytest.fixture
def own_worker(monkeypatch):
    worker = mathematics._Worker()
    monkeypatch.setattr(mathematics, "_WORKER", worker)
    yield worker
    worker.stop()


def test_without_math_verify_the_missing_part_is_named(own_worker, monkeypatch, tmp_path):
    (tmp_path / "math_verify.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(mathematics, "_package_home", lambda: tmp_path)
    (tmp_path / "onethinker_eval").symlink_to(PACKAGE_HOME / "onethinker_eval")
    with pytest.raises(MissingPart, match="math-verify"):
        compare("$k$", "$l$")
    assert own_worker._process is None


def test_a_process_that_never_gets_ready_is_a_missing_part(own_worker, monkeypatch):
    monkeypatch.setattr(mathematics, "_START_LIMIT_S", 0.01)
    with pytest.raises(MissingPart):
        compare("$k$", "$m$")
    assert own_worker._process is None


def test_no_process_is_started_for_cheap_answers(own_worker):
    assert compare("3", "3.0").equal
    assert own_worker._process is None


class Talk:
    """A `math_worker` spoken to by hand."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onethinker_eval.metrics.math_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=PACKAGE_HOME,
        )
        assert self.ready() > 0

    def ready(self):
        return json.loads(self.process.stdout.readline())["ready"]

    def ask(self, *request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else None


def test_the_process_answers_until_its_input_ends():
    talk = Talk()
    assert talk.ask("$x+1$", "$1+x$", "paper", 60) == {"equal": True}
    assert talk.ask("x+1", "1+x", "paper", 60) == {"equal": False}
    assert talk.ask("x+1", "1+x", "repaired", 60) == {"equal": True}
    assert talk.ask("", "", "paper", 60) == {"equal": False}
    talk.process.stdin.close()
    assert talk.process.wait(timeout=60) == 0
    assert talk.process.stdout.read() == ""
    talk.process.stdout.close()


def test_the_process_ends_itself_when_nobody_stops_it():
    talk = Talk()
    start = time.monotonic()
    assert "ready" in talk.ask("$9^{9^{9^{9}}}$", "$2$", "paper", 0.2)
    assert time.monotonic() - start < 30
    assert talk.ask("$x+1$", "$1+x$", "paper", 60) == {"equal": True}
    talk.process.stdin.write(json.dumps(["$9^{9^{9^{9}}}$", "$2$", "paper", 0.2]) + "\n")
    talk.process.stdin.close()
    assert talk.process.wait(timeout=60) == 0
    talk.process.stdout.close()


def test_the_process_ends_when_nobody_reads_its_answers():
    talk = Talk()
    talk.process.stdout.close()
    talk.process.stdin.write(json.dumps(["$x$", "$y$", "paper", 60]) + "\n")
    talk.process.stdin.close()
    assert talk.process.wait(timeout=60) == 0


@pytest.mark.slow
def test_without_fork_the_process_serves_itself():
    code = "import os; del os.fork; from onethinker_eval.metrics.math_worker import main; main()"
    served = subprocess.run(
        [sys.executable, "-c", code],
        input='["$x+1$", "$1+x$", "paper", 60]\n',
        capture_output=True,
        text=True,
        cwd=PACKAGE_HOME,
        check=True,
    )
    ready, answer = map(json.loads, served.stdout.splitlines())
    assert ready["ready"] > 0
    assert answer == {"equal": True}


def test_the_worker_names_what_a_library_raises(monkeypatch):
    def explode(*_):
        raise RecursionError

    monkeypatch.setattr(math_worker, "symbolically_equal", explode)
    assert math_worker._answer('["1", "2", "paper", 60]') == {"error": "RecursionError"}


def test_requests_are_answered_line_by_line(monkeypatch):
    monkeypatch.setattr(math_worker, "symbolically_equal", lambda pred, truth, _: pred == truth)
    replies = io.StringIO()
    math_worker._serve(['["1", "1", "paper", 60]', '["1", "2", "paper", 60]'], replies)
    assert [json.loads(line) for line in replies.getvalue().splitlines()] == [
        {"ready": os.getpid()},
        {"equal": True},
        {"equal": False},
    ]


def test_serving_ends_when_the_answers_cannot_be_written():
    class Broken(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    math_worker._serve(["never read"], Broken())


def test_limits_are_set_but_never_above_the_hard_ones(monkeypatch):
    resource = pytest.importorskip("resource")
    hard = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_FSIZE: 10}
    limits = []

    def set_limit(kind, pair):
        limits.append((kind, pair))
        raise ValueError("not on this platform")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (0, hard[kind]))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    monkeypatch.setattr(math_worker.signal, "signal", lambda *pair: limits.append(pair))
    math_worker._limit_resources()
    assert limits == [
        (signal.SIGINT, signal.SIG_IGN),
        (resource.RLIMIT_AS, (3 << 30, resource.RLIM_INFINITY)),
        (resource.RLIMIT_FSIZE, (0, 10)),
    ]
    hard[resource.RLIMIT_AS] = 5
    math_worker._limit_resources()
    assert (resource.RLIMIT_AS, (5, 5)) in limits


def test_limits_need_a_platform_that_has_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(math_worker.signal, "signal", lambda *_: None)
    math_worker._limit_resources()


def test_symbolic_equality_in_this_process():
    assert math_worker.symbolically_equal("$x+1$", "$1+x$", "paper")
    assert not math_worker.symbolically_equal("x+1", "1+x", "paper")
    assert math_worker.symbolically_equal("x+1", "1+x", "repaired")
    assert not math_worker.symbolically_equal("7", "nothing", "paper")
    assert math_worker.symbolically_equal("The answer is 7", "7", "repaired")
    assert math_worker.symbolically_equal("12 apples or 13", "13", "repaired")


def test_symbolic_equality_uses_no_signals():
    # The library's own limits raise anywhere but in a main thread.
    found = []

    def work():
        found.append(math_worker.symbolically_equal("$x+2$", "$2+x$", "paper"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x+1", True), (r"\frac{x}{2}", True), ("(1,2)", True), ("sin x", True), ("x", True),
        ("$x$", False), (r"\(x\)", False), (r"\[x\]", False), (r"\boxed{x}", False),
        ("12", False), ("1/2", False), ("50%", False), ("five", False), ("x\n+1", False),
        ("the x", False), ("x\n", True), ("sinus x", False), ("é²", False),
    ],
)  # fmt: skip
def test_bare_formulas(text, expected):
    assert math_worker.looks_like_formula(text) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("RED", "red"),
        ("\\\\frac{1}{2}", "1/2"),
        ("$a$ or $b$", "aorb"),
        ("12 cm.", "12"),
        ("X.X", "x.x"),
        ("", ""),
    ],
)
def test_normal_form_as_written(answer, expected):
    assert normal_form(answer) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"$\frac{1}{2}$", "1/2"),
        (r"\tfrac12", r"\dfrac{1}{2}"),
        (r"\frac{x+1}{2}", "(x+1)/2"),
        (r"\frac{\frac{1}{2}}{3}", "(1/2)/3"),
        (r"\frac{\sqrt{3}}{2}", "(sqrt(3))/2"),
        (r"\sqrt3", r"\sqrt{3}"),
        (r"\sqrt{\sqrt{2}}", "sqrt(sqrt(2))"),
        (r"\boxed{\text{Blue}}", "blue"),
        (r"\(x\)", "x"),
        (r"\[x\]", "$$x$$"),
        (r"90^\circ", "90"),
        (r"90^{\circ}", "90°"),
        ("90 degrees", "90"),
        ("12 cm", "12"),
        ("12cm^2", "12"),
        ("12 m", "12m"),
        (r"12\,\text{cm}^{2}", "12"),
        (r"\left(1, 2\right)", "(1,2)"),
        ("12,000", "12000"),
        ("x = 5", "5"),
        ("5.00", "5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        (r"50\%", "50%"),
        (r"\$5", "5"),
        ("5.", "5"),
        ("a  b", "ab"),
    ],
)
def test_same_normal_form(first, second):
    assert normal_form(first) == normal_form(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1/2", "2/4"), ("5", "-5"), ("5.01", "5"), ("1,2", "12"), ("10", "1"), ("x==5", "5"),
        ("0.5", "5"), ("x+1", "1+x"), ("105.0", "105.01"), ("1.50", "1.5000001"),
        (r"\frac{1}{23}", r"\frac{12}{3}"), ("xy = 5", "5"), ("second", "2"), ("1,2345", "12345"),
    ],
)  # fmt: skip
def test_different_normal_form(first, second):
    assert normal_form(first) != normal_form(second)


def test_the_normal_form_of_anything_is_quick():
    start = time.process_time()
    for piece in ("\\frac{", "\\text{", "{", "}", "$", "\\sqrt", " ", "1 ", "^", "\\(", "9", ",9"):
        normal_form(piece * 5_000)
    assert time.process_time() - start < 2
