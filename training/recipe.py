"""Training recipes: typed YAML, unknown keys refused, the resolved copy saved with the run.

A recipe is one YAML file with the sections `model`, `data`, `optimiser`, `run`, `evaluation` and,
for reinforcement learning, `rollouts` and `advantage`. Every key has a default that is the paper's
value where the paper gives one; a key that does not exist is an error that names the nearest.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from onethinker_eval.errors import DataError, UsageError, unknown_name
from onethinker_eval.paths import training_dir
from onethinker_eval.training.ema import AdvantageRule
from onethinker_eval.training.reward_settings import RewardSettings

__all__ = [
    "DataSettings",
    "EvaluationSettings",
    "ModelSettings",
    "OptimiserSettings",
    "Recipe",
    "RolloutSettings",
    "RunSettings",
    "SourceSettings",
    "find",
    "load",
    "load_as",
    "shipped",
    "with_model",
]

Guided = Literal[
    "places",
    "moments",
    "letters",
    "options",
    "sought",
    "copies",
    "times",
    "spans",
    "lists",
    "deeds",
]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The policy and which of its parts learn."""

    path: str | None = None
    """Folder or hub id of the starting weights; null only with `scratch`."""
    scratch: Literal["tiny"] | None = None
    """Build an untrained model instead of loading one."""
    layers: int | None = None
    """Layers of the language model: more than it has are put in so that they change nothing at
    first (see `deepening`); null leaves it as it is."""
    freeze_vision: bool = False
    """Keep the vision tower as it is (the authors' SFT does)."""
    freeze_projector: bool = False
    """Keep the merger between vision tower and language model as it is."""
    freeze_embeddings: bool = False
    """Keep the rows of tokens as they are, and with tied weights the head. Rewards say little of
    each row, and Adam makes whole steps of it: neighbouring numbers drift apart."""
    attention: Literal["sdpa", "eager", "flash_attention_2", "causal"] = "sdpa"
    """Attention kernel of transformers; `causal` is sdpa without a mask, for SFT on CPUs, whose
    batches are padded on the right (see `causal_attention`)."""
    weights: Literal["fp32", "bf16"] = "fp32"
    """Type the weights are kept and updated in; bf16 halves the memory."""
    lora_rank: int = 0
    """Train LoRA adapters of this rank on the language model; 0 trains all weights."""
    lora_alpha: int = 32
    """Scale of the adapters."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Where samples come from."""

    kind: Literal["demo", "json"] = "demo"
    """`demo` generates scenes of the training split; `json` reads OneThinker-train files."""
    path: str | None = None
    """The JSON or JSONL file of kind `json`."""
    families: tuple[str, ...] = ()
    """Families of kind `demo`; empty takes all ten."""
    benchmarks: tuple[str, ...] = ()
    """Benchmarks of those families that kind `demo` imitates; empty takes all."""
    weight: float = 1.0
    """How often to draw from this source, relative to the others of its modality."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of single families (kind `demo`) or problem types (kind `json`)."""
    size: int = 1_000_000
    """How many different scenes kind `demo` has."""
    asks: int | None = None
    """Questions about one scene of kind `demo`; null asks as many as the demo suite does."""
    objects: tuple[int, ...] = ()
    """Fewest and most objects of a scene of kind `demo`; empty draws as the demo suite does."""
    about: tuple[str, ...] = ()
    """Words of which a question of kind `demo` must have one; empty asks all. What is rare can so
    be asked more often."""
    brief: float = 0.0
    """Share of the replies of kind `demo` that answer at once, without a thought. A cold start of
    both kinds leaves it to reinforcement learning to find out which pays."""


@dataclass(frozen=True, slots=True)
class DataSettings:
    """What is trained on, in which mixture and at which size."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(),)
    """The sources."""
    root: str = "."
    """Folder that media paths of JSON sources are relative to."""
    video_share: float | None = 0.5
    """Share of video batches; null follows the weights."""
    video_from: float = 0.0
    """Fraction of the run before which there are only images."""
    sort: int = 1
    """Batches of one modality that are filled by length, to pad less; 1 leaves all to chance."""
    seed: int = 0
    """Seed of the order."""
    fps: float = 2.0
    """Frames a second taken from a video."""
    max_frames: int = 128
    """Most frames of a video."""
    frame_pixels: int = 100_352
    """Most pixels of a frame (the authors' SFT value)."""
    image_pixels: int = 802_816
    """Most pixels of an image."""
    max_length: int | None = None
    """Longest sequence in tokens; longer samples are left out and counted."""
    prompts: str = "onethinker"
    """Prompt profile; it must be the one of the evaluation."""


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """How weights are updated."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` uses Muon for matrices and AdamW for the rest (small models from scratch)."""
    lr: float = 1e-5
    """Learning rate of AdamW."""
    muon_lr: float = 5e-3
    """Learning rate of Muon."""
    schedule: str = "cosine"
    """Schedule of transformers: cosine, constant, linear, warmup_stable_decay, …"""
    min_lr_rate: float | None = None
    """Last learning rate as a share of the first (cosine_with_min_lr, warmup_stable_decay)."""
    decay: float = 0.3
    """Last share of the steps in which the rate falls, for warmup_stable_decay."""
    warmup: float = 0.02
    """Share of the steps in which the rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """Sampling and objective of reinforcement learning."""

    group_size: int = 8
    """Rollouts of one prompt."""
    temperature: float = 1.0
    """Sampling temperature."""
    top_p: float = 1.0
    """Nucleus sampling; 1 is off."""
    max_tokens: int = 4096
    """Longest rollout."""
    kl: float = 0.01
    """Weight of the KL term to the starting policy."""
    clip_low: float = 0.2
    """PPO clip below (paper: standard GRPO)."""
    clip_high: float = 0.2
    """PPO clip above (released code: 0.3)."""
    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo"] = "dapo"
    """How token losses are averaged; dapo is the mean over all tokens, as released."""
    profile: Literal["paper", "released"] = "paper"
    """Reward profile; see `onethinker_eval.training.rewards`."""
    filter_low: float = 0.01
    """Groups whose mean accuracy is not above this are drawn anew (all wrong)."""
    filter_high: float = 0.99
    """Groups whose mean accuracy is not below this are drawn anew (all right)."""
    filter_tries: int = 4
    """How often to draw anew before the batch is filled with masked rows; 0 never filters."""
    entropy_limit: float | None = None
    """Tokens of more entropy (nats) are sampled, but not trained on; null trains on all."""
    updates: int = 1
    """Optimiser steps made from one batch of rollouts (released code: 4)."""
    log_every: int = 1
    """Steps between those whose rollouts are written to `rollouts/`; 0 writes none."""
    vllm: Literal["off", "colocate", "server"] = "off"
    """Generate with vLLM beside the trainer, on its own server, or with transformers."""
    vllm_tensor_parallel: int = 1
    """GPUs a vLLM engine beside the trainer spans."""
    vllm_memory: float = 0.3
    """Share of a GPU's memory for the engine beside the trainer."""
    vllm_sleep: bool = False
    """Let that engine give its memory back while weights are updated."""
    vllm_url: str = "http://localhost:8000"
    """Address of the server (`vllm: server`)."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Length, batch, precision, checkpoints."""

    output: str = "results/training/run"
    """Folder of checkpoints, logs and the resolved recipe."""
    steps: int = 1000
    """Optimiser steps."""
    batch: int = 32
    """Samples (SFT) or prompts (RL) of one step over all processes."""
    video_batch: int | None = None
    """The same for batches of videos; null is `batch`."""
    micro_batch: int = 32
    """Samples, or rollouts, a process handles at once."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """Autocast type; `model.weights` is the type of what is stored."""
    gradient_checkpointing: bool = False
    """Recompute activations to save memory."""
    deepspeed: str | None = None
    """DeepSpeed JSON: a path, or the name of a shipped one (zero2, zero3)."""
    save_every: int = 200
    """Steps between checkpoints."""
    keep: int = 2
    """Latest checkpoints kept."""
    log_every: int = 10
    """Steps between log lines."""
    trackers: tuple[str, ...] = ()
    """tensorboard, wandb, trackio, swanlab."""
    seed: int = 0
    """Seed of weights and sampling."""
    workers: int = 1
    """Processes that decode and prepare samples."""
    number_smoothing: float = 0.0
    """Spread of the target over neighbouring number tokens (tiny models only); 0 is off."""
    exact_weight: float = 1.0
    """Weight in the loss of targets that `number_smoothing` does not spread."""
    guidance: float = 0.0
    """Weight of the loss of heads that are told where to look (SFT of the tiny model only, see
    `guidance`); 0 is off."""
    guided: tuple[Guided, ...] = (
        "places",
        "moments",
        "letters",
        "options",
        "sought",
        "copies",
        "times",
        "spans",
        "lists",
        "deeds",
    )
    """What they are told to see: what a thought tells of, the time of a clip's tokens, the letter
    of an option's, the option that says the same, what tells it from the others where it is looked
    for, the number that is repeated, the time of what a course tells, the part of the course that a
    limit of an event is in, what a list names last, what a listed thing did."""
    compile: bool = False
    """torch.compile the blocks; needs a C++ compiler."""
    share_media: bool = False
    """Encode a picture once that several samples of a batch show (SFT, one process)."""
    minutes: float | None = None
    """Stop, with a checkpoint, after this many minutes of training."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """Evaluation by the harness while training, and which checkpoint is kept as the best."""

    every: int = 0
    """Steps between evaluations, each of a checkpoint saved then; 0 never evaluates."""
    tasks: tuple[str, ...] = ("all",)
    """Benchmarks, splits, families or patterns, as `onethinker-eval --tasks` takes them."""
    data: str = "demo"
    """The demo suite, or the folder of the benchmark files."""
    limit: int | None = None
    """First records of each task; null takes all."""
    max_tokens: int | None = None
    """Longest reply; null leaves it to the tasks (8,192) or the model."""
    model: str = "onethinker"
    """Model of `onethinker-eval --model`; it gets the checkpoint as `pretrained`."""
    model_args: str = ""
    """More arguments of the model, as key=value,key=value; they win over the recipe's frames."""
    batch_size: int = 8
    """Samples the evaluation answers at once."""
    device: str | None = None
    """Where the evaluation runs (cpu, cuda:7); null is the first GPU the run may use."""
    best: str = "mean"
    """Keep the checkpoint with most of this: mean (of headlines), or BENCHMARK/METRIC."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run."""

    stage: Literal["sft", "grpo"]
    """What kind of training this is."""
    model: ModelSettings = field(default_factory=ModelSettings)
    """The policy."""
    data: DataSettings = field(default_factory=DataSettings)
    """The samples."""
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    """The updates."""
    rollouts: RolloutSettings = field(default_factory=RolloutSettings)
    """Sampling and objective (stage grpo)."""
    rewards: RewardSettings = field(default_factory=RewardSettings)
    """Who scores rollouts, and where (stage grpo)."""
    advantage: AdvantageRule = field(default_factory=AdvantageRule)
    """EMA-GRPO, GRPO or Dr.GRPO (stage grpo)."""
    ema_decay: float = 0.99
    """Decay of the moving moments."""
    run: RunSettings = field(default_factory=RunSettings)
    """Length, batch, checkpoints."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    """Evaluation while training."""

    def to_yaml(self) -> str:
        """Return the resolved recipe; `load` reads it back to an equal one."""
        return yaml.safe_dump(_plain(dataclasses.asdict(self)), sort_keys=False)


_T = TypeVar("_T")


def shipped() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = training_dir() / "recipes"
    return {
        path.relative_to(folder).with_suffix("").as_posix().replace("/", "-"): path
        for path in sorted(folder.rglob("*.yaml"))
    }


def find(name: str) -> Path:
    """Return the file of a recipe given by path or shipped name; raises `UsageError`."""
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml"):
        raise UsageError(f"there is no recipe file {name}", hint="check the path")
    known = shipped()
    if name not in known:
        raise unknown_name("recipe", name, known)
    return known[name]


def load(name: str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Return the recipe `name`, with `overrides` such as `{"run.steps": "10"}` put in.

    Raises `UsageError` for an unknown key or a value of the wrong type, naming file and key.
    """
    return load_as(Recipe, find(name), overrides)


def load_as(kind: type[_T], path: Path, overrides: Mapping[str, str] | None = None) -> _T:
    """Return the settings of dataclass `kind` in a YAML file, as strictly read as a recipe."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(str(error), file=str(path), fix="mend the recipe") from error
    if not isinstance(values, dict):
        raise DataError("expected a mapping of sections", file=str(path), fix="mend the recipe")
    for key, text in (overrides or {}).items():
        _put(values, key.split("."), yaml.safe_load(text), key)
    try:
        return _build(kind, values, "")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def with_model(recipe: Recipe, path: str) -> Recipe:
    """Return the recipe with the model of `path` in place of an untrained one."""
    model = dataclasses.replace(recipe.model, path=path, scratch=None)
    return dataclasses.replace(recipe, model=model)


def _put(values: dict[str, Any], parts: list[str], value: Any, key: str) -> None:
    for part in parts[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{key}: {part} is not a section")
        values = inner
    values[parts[-1]] = value


def _build(kind: type[_T], values: Any, where: str) -> _T:
    if not isinstance(values, Mapping):
        raise UsageError(f"{where or 'the recipe'} must be a section of keys, got {values!r}")
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise unknown_name("key", f"{where}{name}", [f"{where}{known}" for known in hints])
    made = {name: _value(hints[name], value, f"{where}{name}") for name, value in values.items()}
    try:
        return kind(**made)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where or 'the recipe'}: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, f"{where}.")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _value(next(arm for arm in inner if arm is not type(None)), value, where)
    if origin is Literal:
        if value is False and "off" in inner:
            return "off"  # YAML reads the word as false
        if value not in inner:
            raise unknown_name(where, str(value), [str(known) for known in inner])
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where} must be a list, got {value!r}")
        return tuple(_value(inner[0], item, f"{where}[{at}]") for at, item in enumerate(value))
    if origin is not None:  # a mapping of names to numbers
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} must be a mapping, got {value!r}")
        return {str(key): _value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(hint, value, where)


def _scalar(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-5 as text
        except ValueError:
            pass
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{where} must be {hint.__name__}, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
