"""Where the tiny model lies: trained weights if the package carries them, else made on the spot.

Without trained weights an untrained model of the same architecture (Qwen3-VL, transformers' own
classes) is built once, from a seed, without network, into the cache. Its replies mean nothing; it
exercises every step of a real run.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from onethinker_eval.errors import RunError
from onethinker_eval.paths import cache_dir

__all__ = ["build", "is_trained", "tiny_folder"]

SEED = 0
RECIPE = 3
"""Counts changes to what `build` makes; each has a cache folder of its own."""

_UNTRAINED_TOKENS = 48
"""An untrained model repeats itself for ever; this many tokens show as much as thousands."""

_CORPUS = (
    "Find the large orange diamond. Give its box in the image as coordinates from 0 to 1000.",
    "When does the red circle cross the green square? Give start and end in seconds.",
    "Track the object of the first frame through the video, one box for each second.",
    "How many blue triangles are there? Which of these options is right? A. red B. green C. two",
    "Describe the picture. Point at the object and at the background. Read the text.",
    "Please think about this question step by step, then give the final answer between tags.",
)


def tiny_folder() -> Path:
    """Return the folder of the tiny model in transformers' form, building it if need be."""
    shipped = Path(__file__).resolve().parent / "model"
    if is_trained(shipped):
        return shipped
    folder = cache_dir() / f"tiny-{RECIPE}-{SEED}"
    if not (folder / "model.safetensors").is_file():
        _build_atomically(folder)
    return folder


def is_trained(folder: Path | None = None) -> bool:
    """Return whether `folder` (default: the one in use) holds shipped, trained weights."""
    shipped = Path(__file__).resolve().parent / "model"
    return (folder or shipped) == shipped and (shipped / "model.safetensors").is_file()


def build(folder: Path, *, seed: int = SEED) -> None:
    """Write an untrained tiny model to `folder`; the same files for the same seed and versions."""
    from onethinker_eval.training.tiny_model import build_model, build_processor, save
    from onethinker_eval.training.tiny_tokenizer import build_tokenizer

    tokenizer = build_tokenizer(_CORPUS)
    model = build_model(tokenizer, seed=seed)
    model.generation_config.max_new_tokens = _UNTRAINED_TOKENS
    save(folder, model, build_processor(tokenizer))


def _build_atomically(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise RunError(
            f"cannot write {folder.parent}: {error.strerror}",
            hint="set ONETHINKER_CACHE to a folder that can be written",
        ) from error
    try:
        build(made)
        made.chmod(0o755)
        # Another process may have been quicker: then its folder is as good as this one.
        with contextlib.suppress(OSError):
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
