"""Find the thinking and the answer in a raw reply; one pass over its tags, linear time.

A reply as asked is `<think>…</think><answer>…</answer>`, blanks allowed around and between. What
stands inside the thinking may quote those tags. The last answer outside the thinking counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from onethinker_eval.answers.values import MAX_REPLY_CHARS, MAX_TAGS, Extraction

__all__ = ["extract", "first_answer", "strict_body", "wrap"]

_TAGS = re.compile(r"</?(?:think|answer)>")
_LOOSE_TAGS = re.compile(
    r"[<\[＜《〈]\s{0,3}([/\\]?)\s{0,3}(think|thinking|answer|final[_ ]answer)\s{0,3}[>\]＞》〉]",
    re.IGNORECASE,
)
_CLOSING = "</answer>"
_SPECIAL = re.compile(
    r"(?:\s{0,8}(?:<\|[A-Za-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>))+\s{0,8}\Z",
)
_LAST_CUE = re.compile(
    r"(?i:^[\s*_#>]{0,8}(?:so,?\s|therefore,?\s|thus,?\s)?(?:the\s)?(?:final\s|correct\s)?"
    r"answer(?:\s?is\b|\s?[:：]))|\A\s{0,4}\$?\\boxed\{"
)


def wrap(thinking: str, answer: str) -> str:
    r"""Return a reply in exactly the form the prompts ask for.

    Args:
        thinking: reasoning; must not hold `</think>`.
        answer: text of the answer, such as `format_answer` makes; must not hold tags.

    Raises:
        ValueError: a text would break the tags.

    Examples:
        >>> wrap("It is red.", "B")
        '<think>It is red.</think>\n<answer>B</answer>'
    """
    if "</think>" in thinking:
        raise ValueError("thinking must not contain </think>: remove it")
    if _TAGS.search(answer):
        raise ValueError("answer must not contain think or answer tags: remove them")
    return f"<think>{thinking}</think>\n<answer>{answer}</answer>"


def strict_body(reply: str) -> tuple[str, bool] | None:
    """Take apart a reply in exactly the asked form.

    Returns the stripped answer and whether its tag is the first one of the reply, that is, whether
    the thinking quotes none; None for a reply in any other form.

    Examples:
        >>> strict_body("<think>x</think> <answer> B </answer>")
        ('B', True)
    """
    if not reply.startswith("<think>") or not reply.endswith(_CLOSING):
        reply = reply.strip()
        if not reply.startswith("<think>") or not reply.endswith(_CLOSING):
            return None
    # Most thinking holds no other tag, and a single character is found many times faster.
    close, first = reply.find("<", 7), True
    if not reply.startswith("</think>", close):
        close = reply.find("</think>", 7)
        if close < 0:
            return None
        first = reply.find("<answer>", 7, close) < 0
    start = reply.find("<answer>", close + 8)
    if start < 0 or (start > close + 8 and not reply[close + 8 : start].isspace()):
        return None
    body = reply[start + 8 : -9]
    if "<" in body and _TAGS.search(body):
        return None
    return body.strip(), first


def first_answer(reply: str) -> tuple[str, str]:
    """Apply the authors' rule: the first answer tag, else the whole text.

    Returns the stripped text and where it came from: "tag", "whole" (no tag) or
    "empty" (an empty tag, for which the authors take the whole reply).
    """
    start = reply.find("<answer>")
    end = reply.find(_CLOSING, start + 8) if start >= 0 else -1
    if end < 0:
        return reply.strip(), "whole"
    inside = reply[start + 8 : end].strip()
    return (inside, "tag") if inside else (reply.strip(), "empty")


@dataclass(slots=True)
class _Scan:
    """State of the pass over the tags; positions are offsets into the text."""

    outside: list[tuple[int, int]] = field(default_factory=list)
    after_proper: list[tuple[int, int]] = field(default_factory=list)
    inside: list[tuple[int, int]] = field(default_factory=list)
    think_start: int | None = None
    thought: tuple[int, int] | None = None
    opened: bool = True
    answer_start: int | None = None
    reopened: tuple[int, int] | None = None
    think_in_answer: bool = False
    tags: int = 0

    def step(self, tag: str, start: int, end: int) -> None:
        """Take one tag at text[start:end] into account."""
        self.tags += 1
        if tag == "<think>":
            if self.answer_start is not None and self.think_start is None:
                self.think_in_answer = True
            elif self.think_start is None:
                self.think_start = end
        elif tag == "</think>":
            self._close_thinking(start, end)
        elif tag == "<answer>":
            if self.answer_start is not None:
                self.reopened = (self.answer_start, start)
            self.answer_start, self.think_in_answer = end, False
        elif self.answer_start is not None:
            self._keep((self.answer_start, start))
            self.answer_start, self.think_in_answer = None, False

    def _keep(self, span: tuple[int, int]) -> None:
        if self.think_start is not None:
            self.inside.append(span)
            return
        self.outside.append(span)
        if self.thought is not None and self.opened:
            self.after_proper.append(span)

    def _close_thinking(self, start: int, end: int) -> None:
        if self.think_in_answer:
            self.think_in_answer = False
            return
        if self.think_start is not None:
            begin = self.thought[0] if self.thought else self.think_start
        else:
            # Not open: all text so far was thinking whose opening tag stood in the prompt.
            begin = self.thought[0] if self.thought else 0
            self.opened = self.thought is not None
            self.inside += self.outside
            self.outside.clear()
        self.thought = (begin, start)
        self.think_start, self.answer_start = None, None


def _scan(text: str) -> _Scan | None:
    """Pass over all tags; None when there are more than `MAX_TAGS`."""
    state = _Scan()
    for match in _TAGS.finditer(text):
        state.step(match.group(), match.start(), match.end())
        if state.tags > MAX_TAGS:
            return None
    return state


def extract(reply: str) -> Extraction:
    """Return thinking, answer and how the answer was found, reading as generously as is safe.

    Args:
        reply: the raw text of a model; any string.

    Returns:
        An `Extraction`; `found` is "strict" for a reply in exactly the asked form, "none" when no
        answer can be told from the rest, with `failure` saying why.

    Examples:
        >>> extract("<think>red, so B</think><answer>B</answer>").answer
        'B'
        >>> extract("<think>I write <answer>A</answer> or").failure
        'truncated'
        >>> extract("red, so B</think> <Answer>B</Answer>").repairs
        ('loose_tags', 'think_not_opened')
    """
    if len(reply) > MAX_REPLY_CHARS:
        return Extraction(None, None, "none", failure="too_long")
    parts = strict_body(reply)
    if parts is not None and parts[0]:
        start = reply.index("<think>") + 7
        return Extraction(reply[start : reply.index("</think>", start)].strip(), parts[0], "strict")
    text = _without_end_tokens(reply)
    repairs = ("special_tokens",) if text != reply else ()
    state = _scan(text)
    if state is None:
        return Extraction(None, None, "none", failure="too_long")
    loose: tuple[str, ...] = ()
    if not state.outside and not state.after_proper and "answer" in text.lower():
        tidy = _LOOSE_TAGS.sub(_exact_tag, text)
        if tidy != text:
            again = _scan(tidy)
            if again is not None:
                text, state, loose = tidy, again, ("loose_tags",)
    found = _choose(text, state)
    if found.found == "tag" and not (repairs or loose or found.repairs):
        repairs = ("stray_tags",)
    if loose and found.found == "tag":
        return _with(found, repairs + loose, "loose_tag")
    return _with(found, repairs + loose, found.found)


def _without_end_tokens(reply: str) -> str:
    # Only the tail is searched: the pattern would be quadratic over a reply full of tokens.
    tail = reply[-400:]
    match = _SPECIAL.search(tail)
    return reply[: len(reply) - len(tail) + match.start()] if match else reply


def _with(found: Extraction, repairs: tuple[str, ...], where: str) -> Extraction:
    return Extraction(
        found.thinking,
        found.answer,
        where,  # type: ignore[arg-type]
        repairs + found.repairs,
        found.failure,
        found.cut,
    )


def _exact_tag(match: re.Match[str]) -> str:
    name = "think" if match.group(2).lower().startswith("think") else "answer"
    return f"<{'/' if match.group(1) else ''}{name}>"


def _choose(text: str, state: _Scan) -> Extraction:
    """Pick the answer from a finished pass."""
    thinking = text[slice(*state.thought)].strip() if state.thought else None
    notes: list[str] = [] if state.opened else ["think_not_opened"]
    if not state.outside and state.after_proper and not text[state.thought[1] + 8 :].strip():  # type: ignore[index]
        state.outside = state.after_proper
    if state.outside:
        return _from_tags(text, state, thinking, notes)
    if state.think_start is not None:
        return _from_open_thinking(text, state)
    if state.answer_start is not None:
        return _from_open_answer(text, state.answer_start, thinking, notes, state.reopened)
    return _without_tags(text, state, thinking, notes)


def _from_tags(text: str, state: _Scan, thinking: str | None, notes: list[str]) -> Extraction:
    filled = [span for span in state.outside if text[span[0] : span[1]].strip()]
    if not filled:
        return Extraction(thinking, None, "none", tuple(notes), "empty")
    start, end = filled[-1]
    if thinking is None and state.think_start is None:
        notes.append("no_thinking")
    if len(state.outside) > 1:
        notes.append("several_answers")
    before = text[state.thought[1] + 8 if state.thought else 0 : start - 8]
    if len(state.outside) == 1 and (before.strip() or text[end + 9 :].strip()):
        notes.append("text_outside_tags")
    return Extraction(thinking, text[start:end].strip(), "tag", tuple(notes))


def _from_open_thinking(text: str, state: _Scan) -> Extraction:
    """Thinking never closes: the last answer in it, a cue on its last line, or nothing."""
    start = state.think_start or 0
    if state.inside and state.inside[-1][0] >= start:
        begin, end = state.inside[-1]
        rest = text[end + 9 :]
        answer = text[begin:end].strip()
        # A quoted tag in mid-thought is not an answer; one that ends the reply is.
        if answer and not rest.strip(" \t\r\n.*`"):
            thinking = text[start : begin - 8].strip()
            return Extraction(thinking, answer, "inside_thinking", ("unclosed_thinking",))
        return Extraction(text[start:].strip(), None, "none", (), "truncated")
    if state.answer_start is not None and state.answer_start >= start:
        thinking = text[start : state.answer_start - 8].strip()
        return _from_open_answer(
            text, state.answer_start, thinking, ["unclosed_thinking"], state.reopened
        )
    thoughts = text[start:].strip()
    last = thoughts[thoughts.rfind("\n") + 1 :][:2000]
    if _LAST_CUE.search(last):
        notes = ("unclosed_thinking", "no_answer_tag")
        return Extraction(thoughts, last.strip(), "inside_thinking", notes)
    return Extraction(thoughts, None, "none", (), "truncated")


def _from_open_answer(
    text: str,
    start: int,
    thinking: str | None,
    notes: list[str],
    reopened: tuple[int, int] | None,
) -> Extraction:
    answer, cut = text[start:].strip(), True
    if not answer and reopened is not None:
        # <answer>B<answer>: the second tag was meant to close.
        answer, cut = text[slice(*reopened)].strip(), False
    mark = answer.rfind("<")
    if mark >= 0 and 2 <= len(answer) - mark < len(_CLOSING) and _CLOSING.startswith(answer[mark:]):
        answer, cut = answer[:mark].rstrip(), False
    if not answer:
        return Extraction(thinking, None, "none", tuple(notes), "truncated")
    return Extraction(thinking, answer, "unclosed_tag", (*notes, "unclosed_answer"), cut=cut)


def _without_tags(text: str, state: _Scan, thinking: str | None, notes: list[str]) -> Extraction:
    if state.thought is None:
        answer = text.removesuffix(_CLOSING).strip()
        if not answer:
            return Extraction(None, None, "none", (), "missing")
        return Extraction(None, answer, "whole", ("no_answer_tag",))
    answer = text[state.thought[1] + 8 :].replace(_CLOSING, "").strip()
    if answer:
        notes.append("no_answer_tag")
        return Extraction(thinking, answer, "after_thinking", tuple(notes))
    if state.inside:
        begin, end = state.inside[-1]
        quoted = text[begin:end].strip()
        if quoted and not text[end + 9 : state.thought[1]].strip():
            notes.append("answer_inside_thinking")
            return Extraction(thinking, quoted, "inside_thinking", tuple(notes))
    return Extraction(thinking, None, "none", tuple(notes), "missing")
