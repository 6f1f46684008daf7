"""From `--segmenter` to a segmenter: `grabcut`, or `sam2[:CHECKPOINT][,config=…]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onethinker_eval.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from onethinker_eval.segmentation.segmenter import Segmenter

__all__ = ["DEMO_SEGMENTER", "NONE", "SEGMENTERS", "check_segmenter", "make_segmenter"]

SEGMENTERS = ("grabcut", "sam2")
DEMO_SEGMENTER = "grabcut"
NONE = "none"


def check_segmenter(text: str) -> tuple[str, str, dict[str, str]]:
    """Split `NAME[:CHECKPOINT][,key=value…]`, checking the name and the form.

    >>> check_segmenter("sam2:sam2.1_l.pt,config=sam2.1_hiera_l")
    ('sam2', 'sam2.1_l.pt', {'config': 'sam2.1_hiera_l'})

    Raises `UsageError` with the nearest names.
    """
    head, *pairs = [part.strip() for part in text.split(",")]
    name, _, checkpoint = head.partition(":")
    if name not in (*SEGMENTERS, NONE):
        raise unknown_name("segmenter", name, (*SEGMENTERS, NONE))
    options: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not value:
            raise UsageError(
                f"--segmenter expects key=value after the comma, found {pair!r}",
                hint="e.g. sam2:FILE.pt,config=sam2.1_hiera_l",
            )
        options[key] = value
    if name != "sam2" and (checkpoint or options):
        raise UsageError(f"--segmenter {name} takes no checkpoint or options, found {text!r}")
    return name, checkpoint, options


def make_segmenter(text: str, *, device: str | None = None) -> Segmenter:
    """Return the segmenter of `text`; SAM2 is loaded when it is first used.

    Raises `UsageError` for an unknown name or option, `MissingPart` when the `sam2` package or
    the checkpoint is not there.
    """
    name, checkpoint, options = check_segmenter(text)
    if name == "sam2":
        from onethinker_eval.segmentation.sam2_segmenter import Sam2

        return Sam2.of(checkpoint, options, device=device)
    if name == NONE:
        raise UsageError("--segmenter none makes no masks")
    from onethinker_eval.segmentation.grabcut import GrabCut

    return GrabCut()
