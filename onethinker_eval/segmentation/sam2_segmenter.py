"""SAM2 as a segmenter: `sam2[:CHECKPOINT][,config=NAME][,image_size=N]`.

A checkpoint is a file of the official release or a hub id such as facebook/sam2.1-hiera-large,
the default and the authors'. Under `paper` prompting it is asked as their script asks it: on the
video predictor, images too, first with the box, then with box and points, so that the first mask
is an input of the second; forward from the key frame, then back. Under `official` it is asked
once, images by the image predictor. On a GPU it computes in bfloat16 where autocast does.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onethinker_eval.errors import (
    MissingPart,
    RunError,
    UsageError,
    described,
    one_line,
    unknown_name,
)
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.paths import cache_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.prompts import PixelPrompt
    from onethinker_eval.segmentation.segmenter import Prompting

__all__ = ["DEFAULT_CHECKPOINT", "Sam2"]

DEFAULT_CHECKPOINT = "facebook/sam2.1-hiera-large"
_INSTALL = 'pip install "onethinker-eval[sam2]"'
_SIZES = {"t": "tiny", "s": "small", "b+": "base_plus", "l": "large"}
_RELEASES = ("sam2.1", "sam2")
CONFIGS = {
    f"{release}_hiera_{short}": f"configs/{release}/{release}_hiera_{short}.yaml"
    for release in _RELEASES
    for short in _SIZES
}
"""The configurations that come with the package, by name."""
CHECKPOINTS = {
    f"facebook/{release}-hiera-{long.replace('_', '-')}": f"{release}_hiera_{long}.pt"
    for release in _RELEASES
    for long in _SIZES.values()
}
"""Hub ids and the files they hold."""

_GPU_BATCH = 8
_BUDGET = {"cuda": 8 << 30, "cpu": 2 << 30}  # bytes of frame encodings


class Sam2:
    """A SAM2 model that is loaded when it is first asked; see `of`."""

    label = "sam2"
    promptings: tuple[Prompting, ...] = ("paper", "official")

    def __init__(
        self, checkpoint: Path, config: str, *, device: str, image_size: int | None = None
    ) -> None:
        """Use the weights of a file with a configuration of `CONFIGS`."""
        self._checkpoint, self._config = checkpoint, config
        self._image_size, self._device = image_size, device
        self._model: Any = None
        self.label = f"sam2 ({checkpoint.stem})"
        parts = [f"sam2 {metadata.version('sam2')}", config, _fingerprint(checkpoint)]
        parts += [f"{image_size} px"] if image_size else []
        parts += ["bf16" if device.startswith("cuda") else "fp32"]
        self.identity = " ".join(parts)

    @classmethod
    def of(cls, checkpoint: str, options: Mapping[str, str], *, device: str | None = None) -> Sam2:
        """Return the segmenter for what `--segmenter` says; weights are fetched, not yet loaded.

        Raises `MissingPart` without the package or the checkpoint, `UsageError` for an option or
        configuration that does not exist.
        """
        for key in options:
            if key not in ("config", "image_size"):
                raise unknown_name("option of --segmenter sam2", key, ("config", "image_size"))
        size = _image_size(options.get("image_size"))
        if importlib.util.find_spec("sam2") is None or importlib.util.find_spec("hydra") is None:
            raise MissingPart("SAM2 needs the packages sam2 and hydra-core", hint=_INSTALL)
        file, config = _find(checkpoint or DEFAULT_CHECKPOINT, options.get("config", ""))
        return cls(file, config, device=device or _usual_device(), image_size=size)

    def open(self, frames: NDArray[np.uint8], *, video: bool) -> _Session:
        """Prepare `frames`, uint8 (T, H, W, 3) RGB."""
        if self._model is None:
            self._model = self._load()
        return _Session(self._model, frames, video, self._device)

    def _load(self) -> Any:
        overrides = ["++model._target_=onethinker_eval.segmentation.sam2_predictor.ArrayPredictor"]
        if self._image_size:
            overrides.append(f"++model.image_size={self._image_size}")
        try:
            from sam2.build_sam import build_sam2_video_predictor

            return build_sam2_video_predictor(
                CONFIGS[self._config],
                str(self._checkpoint),
                device=self._device,
                hydra_overrides_extra=overrides,
            )
        except ImportError as error:
            raise MissingPart(
                f"SAM2 cannot be imported: {one_line(str(error), 200)}", hint=_INSTALL
            ) from error
        except Exception as error:  # a torn file, another architecture, no memory
            raise RunError(
                f"{self._checkpoint} could not be loaded as {self._config}: "
                f"{one_line(described(error), 200)}",
                hint=f"name its configuration: config={'|'.join(CONFIGS)}",
            ) from error


class _Session:
    def __init__(self, model: Any, frames: NDArray[np.uint8], video: bool, device: str) -> None:
        from onethinker_eval.segmentation.sam2_predictor import Encodings

        self._model, self._frames, self._video, self._device = model, frames, video, device
        kind = device.partition(":")[0]
        batch = _GPU_BATCH if kind == "cuda" else 1
        self.encodings = Encodings(batch, _BUDGET.get(kind, 0))
        self._image: Any = None

    def masks(self, prompt: PixelPrompt, prompting: Prompting) -> list[tuple[int, Any]]:
        """Return (frame index, mask); when the GPU's memory runs out, go on with half the batch."""
        import torch

        while True:
            try:
                with torch.inference_mode(), _precision(self._device):
                    if prompting == "official" and not self._video:
                        return [(0, self._by_image_predictor(prompt))]
                    return list(self._by_video_predictor(prompt, prompting))
            except torch.OutOfMemoryError:
                self._image = None
                if not self.encodings.shrink():
                    raise
            # Outside the handler, whose traceback would keep the tensors alive.
            torch.cuda.empty_cache()

    def _by_video_predictor(
        self, prompt: PixelPrompt, prompting: Prompting
    ) -> Iterator[tuple[int, Any]]:
        model, key = self._model, prompt.frame
        state = model.start(self._frames, self.encodings)
        points, labels, box = _arrays(prompt)
        logits = None
        if box is not None and (prompting == "paper" or points is None):
            logits = model.add_new_points_or_box(state, key, 1, box=box)[2]
        if points is not None:
            logits = model.add_new_points_or_box(
                state, key, 1, points=points, labels=labels, box=box
            )[2]
        if not self._video:
            yield key, _mask(logits)
            return
        seen: set[int] = set()
        for reverse in (False, True):
            for index, _, scores in model.propagate_in_video(
                state, start_frame_idx=key, reverse=reverse
            ):
                if index not in seen:
                    seen.add(index)
                    yield index, _mask(scores)

    def _by_image_predictor(self, prompt: PixelPrompt) -> Any:
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        if self._image is None:
            predictor = SAM2ImagePredictor(self._model)
            side = self._model.image_size
            predictor._bb_feat_sizes = [(side // n,) * 2 for n in (4, 8, 16)]
            predictor.set_image(self._frames[0].copy())
            self._image = predictor
        points, labels, box = _arrays(prompt)
        masks, _, _ = self._image.predict(
            point_coords=points, point_labels=labels, box=box, multimask_output=False
        )
        return masks[0] > 0


def _arrays(prompt: PixelPrompt) -> tuple[Any, Any, Any]:
    """Return points (N, 2), their labels (1 inside, 0 outside) and the box (4); None if absent."""
    import numpy as np

    given = [*prompt.positive_px, *prompt.negative_px]
    points = np.array(given, dtype=np.float32) if given else None
    inside, outside = len(prompt.positive_px), len(prompt.negative_px)
    labels = np.array([1] * inside + [0] * outside, dtype=np.int32) if given else None
    box = None if prompt.box_px is None else np.array(prompt.box_px, dtype=np.float32)
    return points, labels, box


def _mask(logits: Any) -> Any:
    return (logits[0, 0] > 0).cpu().numpy()


@contextmanager
def _precision(device: str) -> Iterator[None]:
    import torch

    if not device.startswith("cuda"):
        yield
        return
    with torch.autocast("cuda", dtype=torch.bfloat16):
        yield


def _usual_device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{int(local) % torch.cuda.device_count()}" if local else "cuda"


def _image_size(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or not 128 <= int(text) <= 4096 or int(text) % 32:
        raise UsageError(f"image_size must be a multiple of 32 from 128 to 4096, found {text!r}")
    return int(text)


def _find(checkpoint: str, config: str) -> tuple[Path, str]:
    """Return the checkpoint's file and its configuration's name, fetching it from the hub."""
    config = Path(config).stem if config.endswith(".yaml") else config
    if config and config not in CONFIGS:
        raise unknown_name("SAM2 configuration", config, CONFIGS)
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        if checkpoint not in CHECKPOINTS:
            raise MissingPart(
                f"the SAM2 checkpoint {checkpoint} is neither a file nor one of "
                f"{', '.join(CHECKPOINTS)}",
                hint=f"`--segmenter sam2` fetches {DEFAULT_CHECKPOINT}",
            )
        path = _fetch(checkpoint)
    name = config or _config_of(path.name)
    if not name:
        raise UsageError(
            f"no SAM2 configuration is known for {path.name}",
            hint=f"add ,config=NAME with one of {', '.join(CONFIGS)}",
        )
    return path, name


def _config_of(file: str) -> str:
    """Return the configuration of an official file name, or "".

    >>> _config_of("sam2.1_hiera_base_plus.pt"), _config_of("mine.pt")
    ('sam2.1_hiera_b+', '')
    """
    for release in _RELEASES:
        for short, long in _SIZES.items():
            if file == f"{release}_hiera_{long}.pt":
                return f"{release}_hiera_{short}"
    return ""


def _fetch(hub_id: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo_id=hub_id, filename=CHECKPOINTS[hub_id]))
    except Exception as error:  # no network, no such file, offline mode: the library has many
        reason = one_line(str(error), 200)
        raise MissingPart(
            f"the SAM2 checkpoint {hub_id} is not here and could not be fetched: {reason}",
            hint=f"hf download {hub_id} {CHECKPOINTS[hub_id]} where there is a network, then "
            "--segmenter sam2:FILE",
        ) from error


def _fingerprint(checkpoint: Path) -> str:
    digests = MediaDigests(cache_dir() / "media_digests.jsonl")
    value = digests(str(checkpoint.resolve()))
    digests.save()
    return value[:16]
