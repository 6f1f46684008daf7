"""Asking: of stored replies alone, or of the judge with its replies stored as they come."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from onethinker_eval.files import Journal
from onethinker_eval.judging.cases import JudgeFailed, Unreadable
from onethinker_eval.judging.clients import ChatClient, RewardClient, reward_text
from onethinker_eval.judging.http import CallError
from onethinker_eval.judging.journal import REWARD, Judge, Stored, call_key, reward_key
from onethinker_eval.judging.prompts import judge_prompt

__all__ = ["LiveAsking", "StoredAsking"]

Value = TypeVar("Value")

_TRIES = 3
"""How often rubbish is asked again before the judgement counts as failed."""
_NOT_JUDGED = "no judge's reply is stored; give --judge to ask for it"


class StoredAsking:
    """Answers from a journal; what is not there was never judged."""

    def __init__(self, judge: Judge, replies: Mapping[str, Stored]) -> None:
        """Use the `replies` that `judge` gave."""
        self._judge, self._replies = judge, replies
        self._digests = dict(judge.prompts)

    def text(self, prompt: str, inputs: Mapping[str, str], read: Callable[[str], Value]) -> Value:
        """Return what `read` makes of the stored reply; raises `JudgeFailed`."""
        digest = self._digests.get(prompt)
        if digest is None:
            raise JudgeFailed("not_judged", _NOT_JUDGED)
        return _read(self._stored(call_key(prompt, digest, self._judge.model, inputs)), read)

    def reward(self, prompt: str, reference: str, candidate: str) -> float:
        """Return the stored reward; raises `JudgeFailed`."""
        key = reward_key(self._judge.reward_model, prompt, reference, candidate)
        return _read(self._stored(key), _finite)

    def _stored(self, key: str) -> Stored:
        return self._replies.get(key, Stored(None, "not_judged", _NOT_JUDGED))


def _read(stored: Stored, read: Callable[[str], Value]) -> Value:
    if stored.reply is None:
        raise JudgeFailed(stored.kind, stored.message)
    try:
        return read(stored.reply)
    except Unreadable as error:
        raise JudgeFailed("unreadable", str(error)) from error


def _finite(reply: str) -> float:
    try:
        value = float(reply)
    except ValueError as error:
        raise Unreadable("expected a number") from error
    if not math.isfinite(value):
        raise Unreadable("expected a finite number")
    return value


class LiveAsking:
    """Asks a judge for what is not stored yet; safe to use from several threads.

    Counts calls that were `made` and `failed`, and replies `reused`. After a refusal that every
    call would meet, or `broken_after` failures in a row, nothing more is asked and `stopped` says
    why.
    """

    def __init__(
        self,
        judge: Judge,
        journal: Journal,
        replies: dict[str, Stored],
        *,
        chat: ChatClient | None = None,
        reward: RewardClient | None = None,
        broken_after: int = 16,
    ) -> None:
        """Use an open `journal` and the `replies` it held; `replies` grows with what comes."""
        self._judge, self._journal, self._replies = judge, journal, replies
        self._chat, self._reward = chat, reward
        self._digests = dict(judge.prompts)
        self._broken_after, self._in_row = broken_after, 0
        self._lock = threading.Lock()
        self._before = {key for key, stored in replies.items() if stored.reply is not None}
        self._used: set[str] = set()
        self._gone: set[str] = set()
        self.made = self.failed = 0
        self.stopped = ""

    @property
    def reused(self) -> int:
        """How many of the replies of earlier sessions were used."""
        return len(self._used)

    def text(self, prompt: str, inputs: Mapping[str, str], read: Callable[[str], Value]) -> Value:
        """Return what `read` makes of the reply, stored or asked for; raises `JudgeFailed`."""
        key = call_key(prompt, self._digests[prompt], self._judge.model, inputs)
        known = self._known(key)
        if known is not None:
            return _read(known, read)
        if self._chat is None:
            raise JudgeFailed("not_judged", _NOT_JUDGED)
        self._check([key])
        for attempt in range(_TRIES):
            try:
                done = self._chat.complete(judge_prompt(prompt), inputs)
            except CallError as error:
                if error.kind == "rubbish" and attempt + 1 < _TRIES:
                    continue
                raise self._failure([key], prompt, error) from error
            try:
                value = read(done.text)
            except Unreadable as error:
                if attempt + 1 < _TRIES:
                    continue
                problem = CallError("unreadable", f"{error}; found {done.text[:60]!r}")
                raise self._failure([key], prompt, problem) from error
            tokens = {"in": done.tokens_in, "out": done.tokens_out}
            self._keep([(key, done.text)], prompt, self._judge.model, tokens)
            return value
        raise AssertionError("the last try returns or raises")

    def reward(self, prompt: str, reference: str, candidate: str) -> float:
        """Return a reward, stored or asked for; raises `JudgeFailed`."""
        return _read(self.rewards([(prompt, reference, candidate)])[0], _finite)

    def rewards(self, pairs: Sequence[tuple[str, str, str]]) -> list[Stored]:
        """Return what is stored for each (prompt, reference, candidate), asking for the rest."""
        keys = [reward_key(self._judge.reward_model, *pair) for pair in pairs]
        texts = {
            key: reward_text(*pair)
            for key, pair in zip(keys, pairs, strict=True)
            if self._known(key) is None
        }
        if texts and self._reward is not None:
            self._check(list(texts))
            try:
                found = self._reward.scores(list(texts.values()))
            except CallError as error:
                raise self._failure(list(texts), REWARD, error) from error
            replies = [(key, repr(value)) for key, value in zip(texts, found, strict=True)]
            self._keep(replies, REWARD, self._judge.reward_model, {})
        missing = Stored(None, "not_judged", _NOT_JUDGED)
        with self._lock:
            return [self._replies.get(key, missing) for key in keys]

    def _known(self, key: str) -> Stored | None:
        """Return a stored reply; a stored failure is asked again."""
        with self._lock:
            found = self._replies.get(key)
            if found is None or found.reply is None:
                return None
            if key in self._before:
                self._used.add(key)
            return found

    def _check(self, keys: Sequence[str]) -> None:
        """Raise `JudgeFailed` if nothing is asked any more, or not these `keys` again."""
        if self.stopped:
            raise JudgeFailed("not_judged", self.stopped)
        with self._lock:
            stored = next((self._replies[key] for key in keys if key in self._gone), None)
        if stored is not None:
            raise JudgeFailed(stored.kind, stored.message)

    def _keep(
        self,
        replies: Sequence[tuple[str, str]],
        prompt: str,
        model: str,
        tokens: Mapping[str, int | None],
    ) -> None:
        with self._lock:
            self._journal.append(
                *(_line(key, prompt, model, Stored(text), tokens) for key, text in replies)
            )
            self._replies.update((key, Stored(text)) for key, text in replies)
            self.made, self._in_row = self.made + 1, 0

    def _failure(self, keys: Sequence[str], prompt: str, error: CallError) -> JudgeFailed:
        """Note a failed call; what was stopped by us was no failure of the judge."""
        stored = Stored(None, error.kind, str(error))
        with self._lock:
            if error.kind == "stopped":
                return JudgeFailed("not_judged", str(error))
            model = self._judge.reward_model if prompt == REWARD else self._judge.model
            self._journal.append(*(_line(key, prompt, model, stored, {}) for key in keys))
            self._replies.update((key, stored) for key in keys)
            self._gone.update(keys)
            self.failed, self._in_row = self.failed + 1, self._in_row + 1
            if not self.stopped and (error.fatal or self._in_row >= self._broken_after):
                why = "refused" if error.fatal else f"failed {self._in_row} times in a row"
                self.stopped = f"the judge {why} ({error.kind}: {error})"
        return JudgeFailed(error.kind, str(error))


def _line(
    key: str, prompt: str, model: str, stored: Stored, tokens: Mapping[str, int | None]
) -> dict[str, object]:
    error = None
    if stored.reply is None:
        error = {"kind": stored.kind, "message": stored.message}
    return {
        "key": key,
        "prompt": prompt,
        "status": "failed" if error else "ok",
        "reply": stored.reply,
        "error": error,
        "model": model,
        "tokens": dict(tokens),
    }
