"""What the logs of a training run say, each as plain facts and as sentences: `factory follow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.data.record import Record
    from factory.engine.progress import RunProgress

FEWEST_TO_LEARN = 40
"""Conversations that the classifier of answers is learnt from, at least."""
MOST_TO_LEARN = 2000
CHARACTERS = 1000
"""How much of a text the classifier reads."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found.

    facts: for a program
    lines: for a person
    warnings: what asks for a look
    """

    facts: Mapping[str, Any]
    lines: Sequence[str]
    warnings: Sequence[str] = ()


def read_log(path: Path, warn: Callable[[str], None]) -> list[tuple[int, Mapping[str, Any]]]:
    """The rows of a log, each with its line."""
    from factory.data.formats.reference import reference_rows

    return list(reference_rows(path, warn))


def when_to_stop(
    path: Path,
    lines: Iterable[tuple[int, Mapping[str, Any]]],
    metric: str,
    *,
    lower: bool,
    least: float | None,
    window: int,
    target: float | None = None,
) -> Followed:
    """Whether an evaluation still gets better.

    Raises:
        InputError: the log has fewer than three evaluations, or a row of it is damaged.
    """
    from factory.data.training_log import read_curves
    from factory.errors import InputError
    from factory.statistics.interval import number
    from factory.statistics.training.curves import FEWEST, trend

    warnings: list[str] = []
    curves = read_curves(path, lines, metric, warn=warnings.append)
    if "" not in curves:
        raise InputError(f'{path}: "{metric}" names several sets: name one, or ask `factory follow sets`')
    steps, values = curves[""]
    if len(steps) < FEWEST:
        raise InputError(
            f'{path}: {len(steps)} evaluation{"s" * (len(steps) != 1)} of "{metric}": a trend needs {FEWEST} at least'
        )
    bound = 0.01 * abs(min(values) if lower else max(values)) if least is None else least
    found = trend(steps, values, lower=lower, least=bound, window=window)
    said = {
        "improving": "it still gets better: go on",
        "plateau": f"a plateau: by the interval it gains less than {bound:.4g}: stop",
        "worsening": f"it gets worse: stop, and take step {found.best_step:g}",
        "unknown": "it cannot be told whether it still gets better: evaluate more rows, or more often",
    }[found.state]
    out = [
        f"{metric}: {values[-1]:.4g} at step {steps[-1]:g}; the best was {found.best:.4g} at step {found.best_step:g}",
        f"over the last {found.evaluations} evaluations it gained {number(found.gain, found.interval, '.4g')}",
        said,
    ]
    reached = None
    if target is not None:
        reached = next(
            (step for step, value in zip(steps, values, strict=True) if _as_good(value, target, lower)), None
        )
        out.append(
            f"{target:g} was reached at step {reached:g}"
            if reached is not None
            else f"{target:g} was not reached"
        )
    return Followed(
        {"metric": metric, **found._asdict(), "least": bound, "target_reached": reached}, out, warnings
    )


def _as_good(value: float, target: float, lower: bool) -> bool:
    return value <= target if lower else value >= target


def which_overfits(
    path: Path, lines: Iterable[tuple[int, Mapping[str, Any]]], metric: str, by: str
) -> Followed:
    """Which of several sets' validation losses rises first.

    Raises:
        InputError: the log names fewer than two sets, or a row of it is damaged.
    """
    from factory.data.training_log import read_curves
    from factory.errors import InputError
    from factory.report.plain import visible
    from factory.statistics.interval import number
    from factory.statistics.training.curves import overfit

    warnings: list[str] = []
    curves = read_curves(path, lines, metric, by, warn=warnings.append)
    if len(curves) < 2:
        raise InputError(f'{path}: "{metric}" is of one set: log the validation loss of two sets or more')
    found = {name: overfit(*curve) for name, curve in curves.items()}
    order = sorted(found, key=lambda name: (found[name].overfits is not True, found[name].best_step, name))
    out = []
    for name in order:
        one = found[name]
        if one.rise is None:
            tail = "fewer than three evaluations lie behind, so that nothing can be told"
        else:
            tail = f"it rose by {number(one.rise, one.interval, '.4f')} since"
            tail += ": it overfits" if one.overfits else ": whether it overfits cannot be told"
            if one.interval is not None and one.interval[1] < 0:
                tail = f"it fell by {number(-one.rise, (-one.interval[1], -one.interval[0]), '.4f')} since"
        out.append(f"{visible(name)}: lowest {one.best:.4f} at step {one.best_step:g}; {tail}")
    first = [name for name in order if found[name].overfits]
    if first:
        out.append(
            f"{visible(first[0])} overfits first, from step {found[first[0]].best_step:g}: lower its share, or bring "
            "new rows of it, and go on with the others"
        )
    else:
        out.append("no set is seen to overfit")
    return Followed(
        {"sets": {name: found[name]._asdict() for name in order}, "first": first[:1]}, out, warnings
    )


def next_tasks(path: Path, lines: Iterable[tuple[int, Mapping[str, Any]]]) -> Followed:
    """Which tasks to add next: the most uncertain of their prompts.

    Raises:
        InputError: a row of the log is damaged.
    """
    from factory.data.training_log import read_perturbed
    from factory.report.plain import visible
    from factory.statistics.interval import number
    from factory.statistics.training.uncertainty import INSTANCES, task_uncertainty

    found = task_uncertainty(read_perturbed(path, lines))
    out = [
        f"{visible(one.task)}: uncertainty {number(one.uncertainty, one.interval)}, probability {one.probability:.3f}, "
        f"{one.kind} ({one.instances} instances)"
        for one in found
    ]
    warnings = []
    top = found[0]
    alike = [one.task for one in found[1:] if _overlap(top.interval, one.interval)]
    if len(found) > 1:
        shown = ", ".join(map(visible, alike[:10])) + (
            f" and {len(alike) - 10:,} more" if len(alike) > 10 else ""
        )
        out.append(
            f"add {visible(top.task)} next"
            if not alike
            else f"add {visible(top.task)} next, or one that cannot be told apart from it: {shown}"
        )
    few = [one.task for one in found if one.instances < INSTANCES]
    if few:
        warnings.append(
            f"{len(few):,} tasks have fewer than {INSTANCES} instances: the paper takes that many"
        )
    return Followed(
        {"tasks": [one._asdict() for one in found], "next": top.task, "alike": alike}, out, warnings
    )


def _overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    return one is None or other is None or (one[0] <= other[1] and other[0] <= one[1])


def answer_likeness(
    records: Sequence[Record],
    path: Path,
    lines: Iterable[tuple[int, Mapping[str, Any]]],
    journal: Path | None = None,
    seed: int = 0,
    progress: RunProgress | None = None,
) -> Followed:
    """The Instruction Following Score of a model's outputs at each step: the share that are like answers.

    A classifier of embeddings is learnt from a set of yours: its answers, against continuations of its instructions
    (from their middle on) and such continuations with the answer behind, of other records. Its accuracy on what it has
    not seen is told, since the score is no better than that. A blank output is no answer.

    Source: Becoming self-instruct (arXiv 2307.03692), whose classifier is a fine-tuned BERT.

    Raises:
        InputError: the set is too small, or a row of the outputs lacks a step or an output.
    """
    import numpy as np

    from factory.engine.outside import with_embedder
    from factory.errors import InputError
    from factory.statistics.classify import Classifier, cross_validate
    from factory.statistics.interval import percent, wilson
    from factory.statistics.training.probes import examples

    texts, labels = examples(records, MOST_TO_LEARN, seed)
    if len(texts) < FEWEST_TO_LEARN:
        raise InputError(
            f"{len(texts)} conversations have an instruction of 8 words and an answer: a classifier of answers needs "
            f"{FEWEST_TO_LEARN} at least"
        )
    rows: list[tuple[float, bool | None, str]] = []
    for line, row in lines:
        step, output = row.get("step"), row.get("output")
        if isinstance(step, bool) or not isinstance(step, int | float) or not isinstance(output, str):
            lacking = '"step" is no number' if isinstance(output, str) else '"output" is no text'
            raise InputError(
                f'{path}:{line}: {lacking}: write {{"step": 100, "prompt": ..., "output": ...}}, and an output that '
                'is empty as ""'
            )
        rows.append((float(step), row.get("fragment"), output))
    written = [at for at, (_, _, output) in enumerate(rows) if output.strip()]
    known = [text[:CHARACTERS] for text in texts]
    asked = [rows[at][2][:CHARACTERS] for at in written]
    vectors = with_embedder({}, journal, lambda embedder: embedder.embed([*known, *asked]), progress)
    of_set = vectors[: len(known)]
    sure = cross_validate(of_set, labels, seed=seed)
    like = np.zeros(len(rows), np.bool_)
    if written:
        found = Classifier(of_set, labels).predict(vectors[len(known) :]).labels
        like[written] = [label == "answer" for label in found]
    out = [
        f"the classifier is right for {percent(sure.accuracy, (sure.low, sure.high))} of {sure.examples:,} texts that "
        f"it has not seen; always saying one {sure.majority:.1%}"
    ]
    table = []
    for step in sorted({step for step, _, _ in rows}):
        here = np.array([one == step for one, _, _ in rows])
        counted = {"ifs": here}
        for name, wanted in (("ifs_partial", True), ("ifs_full", False)):
            flags = here & np.array([fragment is wanted for _, fragment, _ in rows])
            if flags.any():
                counted[name] = flags
        facts: dict[str, Any] = {"step": step, "outputs": int(here.sum())}
        for name, flags in counted.items():
            successes, draws = int(like[flags].sum()), int(flags.sum())
            facts[name] = successes / draws
            facts[f"{name}_interval"] = list(wilson(successes, draws))
        table.append(facts)
        out.append(
            f"step {step:g}: IFS {percent(facts['ifs'], tuple(facts['ifs_interval']))} of {facts['outputs']:,} outputs"
        )
    blank = len(rows) - len(written)
    warnings = [f"{blank:,} of {len(rows):,} outputs are blank, and no answers"] if blank else []
    if sure.low <= sure.majority:
        warnings.append(
            "the classifier does no better than always saying one: the scores say nothing; bring more rows"
        )
    return Followed({"steps": table, "classifier": sure._asdict()}, out, warnings)
