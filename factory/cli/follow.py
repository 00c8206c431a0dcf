"""`factory follow`: what the logs of a training run say of what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.common import EncodingOption, FilesArgument, load_files, shown_progress

if TYPE_CHECKING:
    from factory.api.following import Followed

app = typer.Typer(
    help="Read what a trainer logs: when to stop, which set overfits, which task to add. The step `prune` prunes rows "
    "by it. docs/following.md says what to log.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LogArgument = Annotated[
    Path, typer.Argument(metavar="LOG", help="The file that the trainer writes, JSON Lines.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object.")]
OutOption = Annotated[Path, typer.Option("--out", help="The JSON Lines file to write.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of all random choices.")]


@app.command()
def stop(
    log: LogArgument,
    metric: Annotated[str, typer.Option("--metric", help="The key of the value to follow.")] = "eval_loss",
    higher: Annotated[bool, typer.Option("--higher", help="Higher is better: a score, or ifs.")] = False,
    least: Annotated[
        float | None,
        typer.Option(
            "--least", min=0, help="A gain over the window that is none. Default: 1 % of the best value."
        ),
    ] = None,
    window: Annotated[
        int, typer.Option("--window", min=3, help="Evaluations that the trend is told from.")
    ] = 5,
    target: Annotated[
        float | None,
        typer.Option("--target", help="A value to tell when it was reached, such as 0.9 of ifs."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Say whether an evaluation still gets better, with the interval of its trend: go on, stop, or cannot be told.

    No paper names a window, a least gain or a target: they are ours, and options.
    """
    from factory.api.following import read_log, when_to_stop

    lines = read_log(log, _warn)
    _show(
        when_to_stop(log, lines, metric, lower=not higher, least=least, window=window, target=target), json_
    )


@app.command()
def sets(
    log: LogArgument,
    metric: Annotated[
        str,
        typer.Option(
            "--metric", help="The key of the validation loss; a star stands for the set: eval_*_loss."
        ),
    ] = "eval_*_loss",
    by: Annotated[
        str, typer.Option("--by", help="The key of the set's name, where the metric has no star.")
    ] = "set",
    json_: JsonOption = False,
) -> None:
    """Say which set overfits first: whose validation loss rises from its lowest point on, with intervals."""
    from factory.api.following import read_log, which_overfits

    _show(which_overfits(log, read_log(log, _warn), metric, by), json_)


@app.command()
def tasks(log: LogArgument, json_: JsonOption = False) -> None:
    """Say which tasks to add next: those whose prompts leave the model most uncertain (Active Instruction Tuning).

    `factory follow variants` makes the prompts to score.
    """
    from factory.api.following import next_tasks, read_log

    _show(next_tasks(log, read_log(log, _warn)), json_)


@app.command()
def answers(
    outputs: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUTS", help='What the model says at each step: {"step", "prompt", "output"}.'
        ),
    ],
    learn_from: Annotated[
        list[str], typer.Option("--set", help="The set that tells what an answer looks like. Repeatable.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the scores, for `factory follow stop`.")
    ] = None,
    seed: SeedOption = 0,
    encoding: EncodingOption = "",
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Measure how many of a model's outputs are like answers at each step: the Instruction Following Score.

    `factory follow probes` makes the prompts. The share rises and stays flat once the form is learnt, some 0.9 in the
    paper (arXiv 2307.03692).
    """
    from factory.api.following import answer_likeness, read_log
    from factory.data.formats.row_files import write_plain_rows

    dataset, _ = load_files(learn_from, encoding=encoding)
    lines = read_log(outputs, _warn)
    with shown_progress() as progress:
        found = answer_likeness(list(dataset), outputs, lines, journal, seed, progress)
    if out is not None:
        write_plain_rows(found.facts["steps"], out)
    _show(found, json_)


@app.command()
def probes(
    files: FilesArgument,
    out: OutOption,
    number: Annotated[int, typer.Option("--number", min=2, help="Prompts to write.")] = 500,
    seed: SeedOption = 0,
    encoding: EncodingOption = "",
) -> None:
    """Write prompts for a model in training to answer, every second one cut in the middle: for `answers`."""
    from factory.data.formats.row_files import write_plain_rows
    from factory.statistics.training.probes import probes as probe_rows

    dataset, _ = load_files(files, encoding=encoding, out=out)
    rows = list(probe_rows(list(dataset), number, seed))
    _check_rows(rows, "has an instruction of 8 words to cut")
    write_plain_rows(rows, out)
    typer.echo(
        f"{len(rows):,} prompts written to {out}, {sum(row['fragment'] for row in rows):,} of them cut"
    )


@app.command()
def variants(
    files: FilesArgument,
    out: OutOption,
    instances: Annotated[int, typer.Option("--instances", min=1, help="Records of each task.")] = 10,
    number: Annotated[int, typer.Option("--number", min=1, help="Variants of each prompt.")] = 10,
    dropped: Annotated[
        float, typer.Option("--dropped", min=0, max=1, help="Probability that a word is dropped.")
    ] = 0.2,
    seed: SeedOption = 0,
    encoding: EncodingOption = "",
) -> None:
    """Write prompts and variants of them, from which words are dropped, to score an answer under: for `tasks`."""
    import random

    from factory.data.formats.row_files import write_plain_rows
    from factory.statistics.training.uncertainty import variant

    dataset, _ = load_files(files, encoding=encoding, out=out)
    by_task: dict[str, list[int]] = {}
    records = list(dataset)
    for at, record in enumerate(records):
        if record.task and record.prompt.strip() and record.answered:
            by_task.setdefault(record.task, []).append(at)
    rows, unchanged = [], 0
    for task, members in by_task.items():
        for at in sorted(random.Random(repr((seed, task))).sample(members, min(instances, len(members)))):
            record = records[at]
            chance = random.Random(repr((seed, record.id)))
            changed = [variant(record.prompt, chance, dropped) for _ in range(number)]
            unchanged += changed.count(" ".join(record.prompt.split()))
            rows.append(
                {
                    "task": task,
                    "id": record.id,
                    "prompt": record.prompt,
                    "variants": changed,
                    "output": record.output,
                }
            )
    _check_rows(rows, "has a task and an answer: name tasks with the step `task`")
    write_plain_rows(rows, out)
    typer.echo(
        f"{len(rows):,} prompts of {len(by_task):,} tasks written to {out}, each with {number} variants"
    )
    if unchanged:
        typer.echo(
            f"{unchanged:,} of the {number * len(rows):,} variants equal their prompt: of a short one often no word is "
            "dropped. They count as they are, as in the paper; a larger --dropped makes fewer"
        )


def _check_rows(rows: Sequence[object], what: str) -> None:
    from factory.errors import InputError

    if not rows:
        raise InputError(f"no record {what}")


def _warn(sentence: str) -> None:
    typer.echo(f"warning: {sentence}", err=True)


def _show(found: Followed, as_json: bool) -> None:
    for sentence in found.warnings:
        _warn(sentence)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(dict(found.facts), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(found.lines))
