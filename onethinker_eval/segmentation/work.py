"""What there is to segment: the prompts of each reply under each protocol, and their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onethinker_eval.answers import parse
from onethinker_eval.errors import DataError
from onethinker_eval.harness.fingerprints import MediaDigests, digest
from onethinker_eval.segmentation.frames import Place, place_of

if TYPE_CHECKING:
    from onethinker_eval.answers.values import SegmentationPrompt
    from onethinker_eval.segmentation.segmenter import Prompting

__all__ = ["Request", "Sample", "prompting_of", "sample_of"]

Request = tuple["SegmentationPrompt", "Prompting"]
"""A prompt (0..1000, seconds) and the way it is put to the segmenter."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply to segment.

    `requests` holds, by protocol, what to ask, None where the protocol read no prompt. `place` is
    None when the record lacks what masks need; `problem` then says what.
    """

    id: str
    requests: Mapping[str, Request | None]
    place: Place | None
    problem: DataError | None
    reply: str

    def distinct(self, protocols: Sequence[str]) -> list[Request]:
        """Return the different requests under `protocols`, in their order."""
        asked = (self.requests.get(name) for name in protocols)
        return list(dict.fromkeys(item for item in asked if item is not None))

    def key(self, protocols: Sequence[str], identity: str, media: MediaDigests) -> str:
        """Return the digest of reply, prompts, segmenter, medium and frames.

        Raises `DataError` when the medium cannot be read.
        """
        place = self.place
        asked = {
            name: None if item is None else [_json(item[0]), item[1]]
            for name in protocols
            for item in [self.requests.get(name)]
        }
        where = None
        if place is not None and any(asked.values()):
            where = [media(place.path), place.names, place.fps, place.size, place.mask_size]
        return digest(self.reply, asked, identity, where)


def _json(prompt: SegmentationPrompt) -> list[Any]:
    return [prompt.box_1000, prompt.positive_points, prompt.negative_points, prompt.time_s]


def prompting_of(protocol: str, promptings: Sequence[Prompting]) -> Prompting:
    """Return how a protocol prompts, of the ways that differ for a segmenter.

    >>> prompting_of("repaired", ("paper", "official")), prompting_of("official", ("paper",))
    ('official', 'paper')
    """
    wanted: Prompting = "paper" if protocol == "paper" else "official"
    return wanted if wanted in promptings else promptings[0]


def sample_of(
    line: Mapping[str, Any], protocols: Sequence[str], promptings: Sequence[Prompting]
) -> Sample:
    """Return what to segment for a line of the reply journal that holds a reply."""
    record = line["record"]
    reply = line["reply"] if isinstance(line["reply"], str) else ""
    requests: dict[str, Request | None] = {}
    for protocol in protocols:
        answer = parse(
            reply,
            "segmentation",
            data_type=record["data_type"],
            rule=protocol,  # type: ignore[arg-type]
        )
        prompting = prompting_of(protocol, promptings)
        requests[protocol] = None if answer.value is None else (answer.value, prompting)
    try:
        place, problem = place_of(record), None
    except DataError as error:
        place, problem = None, error
    return Sample(str(line["id"]), requests, place, problem, reply)
