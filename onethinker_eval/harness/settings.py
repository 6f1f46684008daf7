"""What a run is asked to do: one validated, frozen object that the manifest stores."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.costs import parse_price
from onethinker_eval.harness.sharding import parse_shard
from onethinker_eval.segmentation.choice import check_segmenter

__all__ = ["Settings", "parse_arguments", "redact", "without_secrets"]

_SECRET = re.compile(r"(^|_)(api_?key|token|secret|password)$", re.IGNORECASE)
_SLUG = re.compile(r"[^A-Za-z0-9.+_-]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """A run: which model answers which tasks over which data, and where results go.

    `model_args` and `gen_kwargs` are lmms-eval's `key=value,key=value` strings. `data` is `demo`,
    `hub`, or a folder that holds the benchmark files. `limit` counts records per task (`None`
    for all). `prompt` is a prompt profile, by name or file; empty for the default.
    `system_prompt` replaces the profile's system message ("" removes it). `run` names the folder
    under `output`; left empty it is made from model and data. `protocols` picks the
    scorings that are reported; empty means all a task has. `chunk` fixes how many samples are
    handed to the model at once; `None` lets the journal choose.
    `judge` is what `--judge` says (see `onethinker_eval.judging`); it decides no reply.
    `segmenter` makes the masks: `grabcut`, `sam2[:CHECKPOINT][,config=…]` or `none`; empty is
    `grabcut` for the demo suite and `none` for other data. `shard` is `i/n` for part i of a run
    that n commands share. `price` says what tokens or GPU hours cost (see `harness.costs`); it
    and `report`, whether a finished run gets a report.html, decide no reply.
    """

    model: str
    tasks: tuple[str, ...]
    model_args: str = ""
    data: str = "demo"
    limit: int | None = None
    batch_size: int = 1
    gen_kwargs: str = ""
    prompt: str = ""
    system_prompt: str | None = None
    device: str | None = None
    output: str = "results"
    run: str = ""
    protocols: tuple[str, ...] = ()
    include_path: tuple[str, ...] = ()
    seed: int = 0
    chunk: int | None = None
    verbose: bool = False
    judge: str = ""
    segmenter: str = ""
    shard: str = ""
    price: str = ""
    report: bool = True

    def __post_init__(self) -> None:
        """Check every field; raises `UsageError` that names the option."""
        if not self.model:
            raise UsageError("no model named", hint="give --model; see `onethinker-eval models`")
        if not self.tasks:
            raise UsageError("no task named", hint="give --tasks; see `onethinker-eval tasks`")
        for name in ("limit", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name} must be at least 1, found {value}")
        if self.batch_size < 1:
            raise UsageError(f"--batch_size must be at least 1, found {self.batch_size}")
        if self.run and (self.run in {".", ".."} or "/" in self.run or "\\" in self.run):
            raise UsageError(
                f"--run must be a plain folder name, found {self.run!r}",
                hint="use --output for the place and --run for the name",
            )
        parse_arguments(self.model_args, "--model_args")
        parse_arguments(self.gen_kwargs, "--gen_kwargs")
        if self.segmenter:
            check_segmenter(self.segmenter)
        if self.shard:
            parse_shard(self.shard)
        if self.price:
            parse_price(self.price)
        if self.judge:
            from onethinker_eval.judging.settings import parse_judge

            parse_judge(self.judge)

    @property
    def run_name(self) -> str:
        """The folder name of the run: as given, or made from the model, its weights and data.

        >>> Settings("qwen3_vl", ("refcoco",), "pretrained=org/OneThinker-8B,fps=2").run_name
        'qwen3_vl-OneThinker-8B-demo'
        >>> Settings("oracle", ("refcoco",), run="r", shard="2/8").run_name
        'r.shard-2-of-8'
        """
        return self._base_name + (parse_shard(self.shard).suffix if self.shard else "")

    @property
    def _base_name(self) -> str:
        if self.run:
            return self.run
        arguments = parse_arguments(self.model_args, "--model_args")
        parts = [self.model]
        for key in ("pretrained", "model_version", "model", "file"):
            if key in arguments:
                parts.append(Path(arguments[key]).name)
                break
        parts.append(self.data if self.data in {"demo", "hub"} else Path(self.data).name)
        return _SLUG.sub("_", "-".join(part for part in parts if part)).strip("._") or "run"

    @property
    def folder(self) -> Path:
        """The run folder, `output`/`run_name`, as an absolute path."""
        return Path(self.output).expanduser().resolve() / self.run_name

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, secrets in the argument strings masked."""
        value = asdict(self)
        value["model_args"] = redact(self.model_args)
        value["gen_kwargs"] = redact(self.gen_kwargs)
        return value


def parse_arguments(text: str, option: str) -> dict[str, str]:
    """Split `key=value,key=value` without interpreting the values.

    >>> parse_arguments("pretrained=a/b,fps=2", "--model_args")
    {'pretrained': 'a/b', 'fps': '2'}

    Raises `UsageError` naming `option` for a part without `=`.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise UsageError(
                f"{option} expects key=value,key=value, found {part.strip()!r}",
                hint="separate pairs by commas, without blanks",
            )
        found[key.strip()] = value.strip()
    return found


def without_secrets(text: str) -> dict[str, str]:
    """Return the arguments of `text` without keys, tokens and passwords."""
    arguments = parse_arguments(text, "--model_args")
    return {key: value for key, value in arguments.items() if not _SECRET.search(key)}


def redact(text: str) -> str:
    """Return `text` with the values of keys, tokens and passwords masked.

    >>> redact("model_version=m,api_key=sk-1,base_url=http://h/v1")
    'model_version=m,api_key=***,base_url=http://h/v1'
    """
    arguments = parse_arguments(text, "--model_args")
    return ",".join(
        f"{key}={'***' if _SECRET.search(key) else value}" for key, value in arguments.items()
    )
