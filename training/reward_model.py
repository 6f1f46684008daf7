"""A reward model for open-ended answers and captions, behind an HTTP server.

Requests are the judging package's: with time limits, few and growing pauses, and `Retry-After`
heeded. Here they are sent in batches, several at once, while training goes on; a number that came
once is kept, in memory and in a journal. What fails is a failure of that answer, told as
`JudgeFailed`, and asked again the next time: it is never a number.
"""

from __future__ import annotations

import atexit
import math
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from onethinker_eval.errors import RunError
from onethinker_eval.files import Journal, read_journal
from onethinker_eval.judging.cases import JudgeFailed, Unreadable, plain_reply, shortened
from onethinker_eval.judging.clients import ChatClient, RewardClient, reward_text
from onethinker_eval.judging.http import CallError, Endpoint
from onethinker_eval.judging.journal import call_key, reward_key
from onethinker_eval.judging.prompts import JudgePrompt
from onethinker_eval.judging.settings import JudgeSettings
from onethinker_eval.training.reward_settings import RewardSettings

__all__ = ["GRADING", "Asked", "RewardModel", "scaled"]

GRADING = JudgePrompt(
    "grade_rollout",
    "",
    "A student was shown pictures or a video, which you do not see, and asked a question. Compare "
    "the student's answer with the reference.\n\nQuestion: {question}\n\nReference: {reference}\n\n"
    "Answer: {answer}\n\nHow much of the reference does the answer give, without adding what "
    "contradicts it? Reply with one whole number from 0 (nothing, or wrong) to 10 (all of it), and "
    "nothing else.",
    ("question", "reference", "answer"),
    16,
    0.0,
)
"""How a chat model is asked for a grade."""

_BEST_GRADE = 10
_MOST_KEPT = 500_000


class Asked(NamedTuple):
    """What a judge is asked about: the question, the truth, and the rollout's answer."""

    question: str
    reference: str
    answer: str


class RewardModel:
    """Asks for rewards of many answers at once; safe to use from one thread at a time."""

    def __init__(self, settings: RewardSettings, journal: Path | None = None) -> None:
        """Prepare requests; nothing is sent yet. `journal` keeps what comes over a resume.

        Raises `UsageError` for a key that is named and not set.
        """
        self._settings = settings
        # The judging package knows which keys may be sent where.
        self._endpoint = Endpoint(
            settings.url,
            api_key=JudgeSettings(api_key_env=settings.api_key_env).api_key(settings.url),
            timeout_s=settings.timeout_s,
            retries=settings.retries,
            concurrency=settings.concurrency,
        )
        self._chat = ChatClient(self._endpoint, settings.model)
        self._polar = RewardClient(self._endpoint, settings.server, settings.model)
        self._threads = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="reward-model")
        self._lock = threading.Lock()
        self._known: dict[str, float] = {}
        self._journal: Journal | None = None
        self.asked = self.reused = 0
        self.failures: Counter[str] = Counter()
        self._silent = 0
        if journal is not None:
            self._known = _stored(journal)
            self._journal = Journal(journal).__enter__()
        atexit.register(self.close)

    def close(self) -> None:
        """Let waiting requests end now; nothing can be asked afterwards."""
        atexit.unregister(self.close)
        self._endpoint.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._journal is not None:
            self._journal.__exit__(None, None, None)
            self._journal = None

    def submit(self, asked: Sequence[Asked]) -> dict[Asked, Future[float]]:
        """Start asking about each different item; a future raises `JudgeFailed` where it failed."""
        made: dict[Asked, Future[float]] = {}
        todo: dict[Asked, str] = {}
        for item in dict.fromkeys(asked):
            key = self._key(item)
            with self._lock:
                known = self._known.get(key)
            made[item] = Future()
            if known is None:
                todo[item] = key
            else:
                self.reused += 1
                made[item].set_result(known)
        items = list(todo)
        step = self._settings.batch if self._settings.judge == "polar" else 1
        for start in range(0, len(items), step):
            part = items[start : start + step]
            self._threads.submit(
                self._ask, part, [todo[item] for item in part], [made[item] for item in part]
            )
        return made

    def note(self, replies: Sequence[Future[float]]) -> None:
        """Note how a batch of rollouts went; raises `RunError` after too many without a reply."""
        if not replies:
            return
        failed = [reply.exception() for reply in replies]
        self._silent = self._silent + 1 if all(failed) else 0
        if self._silent >= self._settings.patience:
            raise RunError(
                f"the reward model at {self._settings.url} gave no reward for {self._silent} "
                f"batches of rollouts in a row ({failed[0]})",
                hint="the last checkpoint is good; start the server and give the same command",
            )

    def _key(self, item: Asked) -> str:
        if self._settings.judge == "polar":
            return reward_key(self._settings.model, *item)
        inputs = {"question": item.question, "reference": item.reference, "answer": item.answer}
        return call_key(GRADING.name, GRADING.digest, self._settings.model, inputs)

    def _ask(
        self, items: Sequence[Asked], keys: Sequence[str], replies: Sequence[Future[float]]
    ) -> None:
        try:
            values = self._values(items)
            with self._lock:
                self.asked += len(items)
                if len(self._known) < _MOST_KEPT:
                    self._known.update(zip(keys, values, strict=True))
                if self._journal is not None:
                    pairs = zip(keys, values, strict=True)
                    self._journal.append(*({"key": key, "value": value} for key, value in pairs))
        except (CallError, Unreadable) as error:
            kind = error.kind if isinstance(error, CallError) else "unreadable"
            with self._lock:
                self.failures[kind] += len(items)
            for reply in replies:
                reply.set_exception(JudgeFailed(kind, str(error)))
        except BaseException as error:  # a full disk, say: who waits must not wait for ever
            for reply in replies:
                reply.set_exception(error)
        else:
            for reply, value in zip(replies, values, strict=True):
                reply.set_result(value)

    def _values(self, items: Sequence[Asked]) -> list[float]:
        if self._settings.judge == "polar":
            return self._polar.scores(
                [
                    reward_text(item.question, item.reference, shortened(item.answer))
                    for item in items
                ]
            )
        return [self._grade(item) for item in items]

    def _grade(self, item: Asked) -> float:
        inputs = {
            "question": item.question,
            "reference": item.reference,
            "answer": shortened(item.answer),
        }
        text = plain_reply(self._chat.complete(GRADING, inputs).text)
        word = text.split()[-1].strip(".*") if text.split() else ""
        if not word.isdecimal() or int(word) > _BEST_GRADE:
            raise Unreadable(f"expected a whole number from 0 to 10, found {text[:60]!r}")
        return int(word) / _BEST_GRADE


def scaled(values: Sequence[float], settings: RewardSettings) -> list[float]:
    """Return a group's numbers as accuracies, 0..1, in the way `settings.scale` says.

    >>> scaled([-3.0, 1.0, -1.0], RewardSettings(judge="polar", url="http://localhost"))
    [0.0, 1.0, 0.5]
    >>> scaled([0.7, 1.2], RewardSettings())
    [0.7, 1.0]
    """
    scale = settings.scale
    if scale == "auto":
        scale = "group" if settings.judge == "polar" else "none"
    if scale == "sigmoid":
        return [1 / (1 + math.exp(-min(max(value, -60.0), 60.0))) for value in values]
    if scale == "none" or not values:
        return [min(max(value, 0.0), 1.0) for value in values]
    low, high = min(values), max(values)
    if high == low:
        return [1.0] * len(values)  # as released: a uniform group is taken as right, and filtered
    return [(value - low) / (high - low) for value in values]


def _stored(path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for _, line in read_journal(path):
        value = line.get("value")
        if isinstance(value, (int, float)) and math.isfinite(value):
            found[str(line.get("key"))] = float(value)
    return found
