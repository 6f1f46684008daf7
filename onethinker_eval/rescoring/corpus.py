"""Caption metrics of a whole corpus: CIDEr, which weighs words by their rarity in it, and BLEU.

Their value for one caption depends on all references, so they cannot be sums of samples' scores
and are made from the replies in one go. A reply that cannot be read is an empty caption. CIDEr's
interval draws images again at the rarities of the whole corpus; BLEU has none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from onethinker_eval.answers import parse
from onethinker_eval.errors import DataError, MissingPart
from onethinker_eval.rescoring.journals import winning_lines
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.rows import MetricRow
from onethinker_eval.rescoring.tally import Tally
from onethinker_eval.scoring.definitions import FAILED_MEMBER, UNPARSABLE
from onethinker_eval.scoring.result import Protocol
from onethinker_eval.scoring.truths import read_truth
from onethinker_eval.statistics import ClusterSums, Resampling

__all__ = ["MOST_CAPTIONS", "corpus_rows"]

MOST_CAPTIONS = 20_000
"""A larger corpus has no CIDEr and BLEU: CIDEr holds all n-grams, 110 KB for each 80 words."""

_CAPTION = "caption"


class _Pair(NamedTuple):
    cluster: str
    prediction: str
    reference: str


def corpus_rows(
    run: Path, plan: Plan, tallies: Mapping[str, Tally], *, seed: int, replicates: int
) -> Iterator[MetricRow]:
    """Yield the corpus metrics of a caption task under each protocol; values ×100, as usual.

    Nothing for other tasks, for one whose truth is no caption, and, with a warning, without
    pycocoevalcap or for a corpus of more than `MOST_CAPTIONS`.
    """
    if plan.problem_type.lower() != _CAPTION or plan.truth_is_answers:
        return
    lines = [line for line in winning_lines(run, plan.task) if line["status"] == "ok"]
    if len(lines) > MOST_CAPTIONS:
        warnings.warn(
            f"{plan.task}: no CIDEr and BLEU for more than {MOST_CAPTIONS} captions", stacklevel=2
        )
        return
    known: dict[tuple[_Pair, ...], list[MetricRow]] = {}
    for protocol in plan.protocols:
        pairs = tuple(_pairs(lines, protocol))
        if not pairs:
            continue
        try:
            if pairs not in known:
                known[pairs] = list(_rows(pairs, plan, seed, replicates))
        except MissingPart as error:
            warnings.warn(f"{plan.task}: {error}", stacklevel=2)
            return
        totals = tallies[protocol].totals
        unread, failed = int(totals[UNPARSABLE]), int(totals[FAILED_MEMBER])
        for row in known[pairs]:
            yield replace(row, protocol=protocol, unparsable=unread, failed=failed)


def _pairs(lines: list[dict[str, object]], protocol: Protocol) -> Iterator[_Pair]:
    for line in lines:
        record = line["record"]
        assert isinstance(record, dict)
        if str(record["problem_type"]).lower() != _CAPTION:
            continue
        try:
            reference = read_truth(record["truth"], _CAPTION)
        except DataError:
            continue  # its samples failed when they were scored
        reply = line["reply"]
        answer = parse(reply if isinstance(reply, str) else "", _CAPTION, rule=protocol)
        prediction = "" if answer.failure is not None else str(answer.value)
        yield _Pair(str(record["cluster"] or line["id"]), prediction, reference)


def _rows(pairs: tuple[_Pair, ...], plan: Plan, seed: int, replicates: int) -> Iterator[MetricRow]:
    from onethinker_eval.metrics import captions

    ordered = sorted(pairs)  # sums of floats: the same for any order of the journal
    predictions = [pair.prediction for pair in ordered]
    references = [[pair.reference] for pair in ordered]
    cider = captions.cider(predictions, references)
    table = ClusterSums()
    table.add_many(
        [pair.cluster for pair in ordered], [{"CIDEr": value, "n": 1} for value in cider.each]
    )
    drawn = Resampling(table, seed=seed, label=plan.task, replicates=replicates)
    interval = drawn.interval([("CIDEr", "n")])
    low, high = interval or (None, None)
    count = len(pairs)
    yield _row(plan, "CIDEr", 100 * cider.corpus, low, high, count)
    for order, score in enumerate(captions.bleu(predictions, references), start=1):
        yield _row(plan, f"BLEU-{order}", 100 * score.corpus, None, None, count)


def _row(
    plan: Plan, metric: str, value: float, low: float | None, high: float | None, count: int
) -> MetricRow:
    low, high = (None if end is None else round(end, 6) for end in (low, high))
    return MetricRow(
        plan.benchmark, plan.split, "", metric, round(value, 6), low, high, count, 0, 0
    )
