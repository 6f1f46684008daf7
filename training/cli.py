"""The command `onethinker-train`: supervised and reinforcement training from recipes.

Only what `--help` and `--dry-run` need is imported at load time.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from onethinker_eval.errors import OneThinkerError, UsageError
from onethinker_eval.training.recipe import load, shipped

__all__ = ["app", "main", "overrides"]

PROGRAM = "onethinker-train"

_Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file or shipped name.")]
_Changes = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes, as run.steps=10.")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print batches, memory and first prompts, then stop.")
]
_Fresh = Annotated[
    bool, typer.Option("--no-resume", help="Start anew instead of from the last checkpoint.")
]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train with the metrics of the evaluation as rewards.",
)


@app.command()
def sft(
    recipe: _Recipe,
    changes: _Changes = None,
    dry_run: _DryRun = False,
    no_resume: _Fresh = False,
) -> None:
    """Fine-tune on given replies: the cold start."""
    _train("sft", recipe, changes, dry_run=dry_run, resume=not no_resume)


@app.command()
def grpo(
    recipe: _Recipe,
    changes: _Changes = None,
    dry_run: _DryRun = False,
    no_resume: _Fresh = False,
) -> None:
    """Learn from rewards: EMA-GRPO, GRPO or Dr.GRPO, as the recipe says."""
    _train("grpo", recipe, changes, dry_run=dry_run, resume=not no_resume)


@app.command()
def ablate(
    recipe: Annotated[
        str, typer.Option(help="An ablation file or shipped name.")
    ] = "tiny-ablation",
    changes: _Changes = None,
) -> None:
    """Compare objectives and families with equal budgets (the paper's tables 9 and 10)."""
    from onethinker_eval.training.ablation import ablate as run
    from onethinker_eval.training.ablation import find_ablation

    made = find_ablation(recipe, overrides(changes or ()))
    _need("trl")
    folder = run(made)
    print((folder / "tables.md").read_text(encoding="utf-8"))
    print(f"tables and curves: {folder}")


@app.command()
def recipes() -> None:
    """List the shipped recipes."""
    for name, path in shipped().items():
        first = path.read_text(encoding="utf-8").splitlines()[0]
        print(f"{name:26} {first.removeprefix('# ')}")


@app.command()
def launchers(
    name: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Print the path of this one alone.")
    ] = None,
) -> None:
    """List the shipped files for several GPUs and nodes: accelerate, Slurm."""
    from onethinker_eval.errors import unknown_name
    from onethinker_eval.paths import training_dir

    files = {path.name: path for path in sorted((training_dir() / "launchers").iterdir())}
    if name is not None and name not in files:
        raise unknown_name("launch file", name, files)
    for path in files.values() if name is None else (files[name],):
        print(path)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The output folder of a run.")],
) -> None:
    """Draw the curves of a run, and score its rollouts for the evaluation's report."""
    from onethinker_eval.training.curve_image import write_image
    from onethinker_eval.training.curves import write_page
    from onethinker_eval.training.rollout_log import score_rollouts

    print(write_page(run))
    print(write_image(run))
    if count := score_rollouts(run / "rollouts"):
        print(f"{count} rollouts: onethinker-eval report {run / 'rollouts'}")


@app.command()
def data(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="RECIPE [KEY=VALUE]... | FILE...", help="A recipe, or JSON files."),
    ],
    root: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder the media paths are relative to.")
    ] = None,
    stage: Annotated[
        str, typer.Option(help="Of files: sft asks for thinking to learn, grpo does not.")
    ] = "grpo",
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Look for benchmark records: a data folder, or demo."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with 1 if anything is left out or in a benchmark."),
    ] = False,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Count tokens even without data.max_length.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads that decode media.", min=1)] = 2,
    scenes: Annotated[
        int, typer.Option(help="Scenes of each demo source that --against looks at.", min=1)
    ] = 50,
) -> None:
    """Check training data: records, media, caps, shares, overlap with benchmarks."""
    from onethinker_eval.training.data_command import Settings, recipe_of, run_data

    made = recipe_of(
        [item for item in inputs if "=" not in item],
        overrides([item for item in inputs if "=" in item]),
        root=root,
        stage=stage,
    )
    settings = Settings(workers, tokens, against, strict, json_file, scenes)
    raise typer.Exit(run_data(made, settings))


@app.command()
def merge(
    adapter: Annotated[
        Path, typer.Argument(metavar="ADAPTER", help="The model or a checkpoint of a LoRA run.")
    ],
    output: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the model is written.")],
) -> None:
    """Put LoRA adapters into the weights they belong to."""
    _need("peft")
    from onethinker_eval.training.adapters import merge as write

    print(write(adapter, output))


@app.command()
def mean(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL=SHARE...", help="Folders of models and their shares of 1."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the model is written.")
    ],
) -> None:
    """Average the weights of models that went on from one another."""
    from onethinker_eval.training.averaging import average

    shares = {}
    for model in models:
        path, _, share = model.rpartition("=")
        try:
            shares[Path(path)] = float(share)
        except ValueError:
            raise UsageError(f"{model!r} is not a model and its share, as FOLDER=0.5") from None
    print(average(shares, output))


@app.command()
def annotate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON files of records.")],
    teacher: Annotated[
        str,
        typer.Option(
            metavar="base_url=…,model=…",
            help="An OpenAI-compatible server; also concurrency, timeout_s, retries, api_key_env.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The SFT file.")],
    root: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder the media paths are relative to.")
    ] = Path(),
    settings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Thresholds and filters; shipped: annotation.yaml."),
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="First N records.", min=1)] = None,
) -> None:
    """Let a teacher write the thinking of records, keep what our metrics accept."""
    from onethinker_eval.training.annotation_command import run_annotation
    from onethinker_eval.training.annotation_settings import load_annotation, parse_teacher

    made = load_annotation(settings, overrides(change or []))
    raise typer.Exit(run_annotation(files, root, output, parse_teacher(teacher), made, limit=limit))


def overrides(changes: Sequence[str]) -> Mapping[str, str]:
    """Return `key=value` arguments as a mapping; raises `UsageError` for another form.

    >>> overrides(["run.steps=10"])
    {'run.steps': '10'}
    """
    made: dict[str, str] = {}
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign or not key:
            raise UsageError(f"expected KEY=VALUE, got {change!r}", hint="as run.steps=10")
        made[key] = value
    return made


def _train(
    stage: str, name: str, changes: Sequence[str] | None, *, dry_run: bool, resume: bool
) -> None:
    """Train, or explain, the recipe `name` by the module of its `stage`."""
    made = load(name, overrides(changes or []))
    if made.stage != stage:
        raise UsageError(
            f"{name} is a recipe of stage {made.stage}", hint=f"{PROGRAM} {made.stage} {name}"
        )
    if dry_run:
        from onethinker_eval.training.dry_run import explain

        print(explain(made))
        return
    _need("trl")
    trainer = importlib.import_module(f"onethinker_eval.training.{stage}")
    print(f"trained model: {trainer.train(made, resume=resume)}")


def _need(package: str) -> None:
    from onethinker_eval.errors import MissingPart

    if importlib.util.find_spec(package) is None:
        raise MissingPart(
            f"training needs the package {package}", hint="pip install 'onethinker-eval[train]'"
        )


# Typer publishes only a subclass of the parser's error.
_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 (done), 1 (failed) or 2 (wrong use)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = typer.main.get_command(app).main(
            args=arguments, prog_name=PROGRAM, standalone_mode=False
        )
    except OneThinkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except _USAGE_ERROR as error:
        print(f"error: {error.format_message()} (see {PROGRAM} --help)", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print(
            "error: interrupted; the same command goes on from the last checkpoint", file=sys.stderr
        )
        return 130
    return result if isinstance(result, int) else 0
