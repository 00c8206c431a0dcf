"""The aim of a choice, out of the files that the step names: what cannot be read is told, never guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from factory.data.benchmark import Item, benchmark_items
from factory.data.named_files import named_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.errors import InputError, RunStopped, nearest
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Rows
from factory.step import Context
from factory.steps.assemble.select.gather import Gathered, unit_rows
from factory.steps.assemble.select.learning import answered_target, read_gradients, read_losses
from factory.steps.assemble.select.pool import Need
from factory.steps.assemble.select.s1 import unsolved
from factory.steps.assemble.select.target import Aim, leaked_rows

LOSS_COLUMNS = ("losses", "loss")
NEEDED_FILES: Mapping[Need, Sequence[str]] = {
    "target": ("target",),
    "target_vectors": ("target",),
    "examples": ("good", "bad"),
    "losses": ("losses",),
    "path": ("target",),
    "gradients": ("target",),
}
"""The options of the step that hold what a method needs."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the step names of its aim: files, and scores."""

    target: Sequence[str] = ()
    good: str = ""
    bad: str = ""
    losses: str = ""
    solved: Sequence[str] = ()
    field: str = "prompt"
    embedder: str = ""
    model: str = ""

    def paths(self) -> list[Path]:
        """All files that are read."""
        return named_files([*self.target, self.good, self.bad, self.losses])


async def aim(
    table: Table, gathered: Gathered, files: Files, needed: frozenset[Need], context: Context
) -> None:
    """Give the pool its aim, and set aside what the aim leaves no place for; before the pool is embedded.

    Raises:
        InputError: a file holds nothing of what it is named for.
        RunStopped: nothing of it can be embedded, or no record is left.
    """
    if "states" in needed:
        _check_states(files.embedder, context)
    if files.solved:
        _set_solved_aside(table, gathered, files.solved, context)
    found = Aim()
    if "losses" in needed:
        found = replace(found, losses=_losses(table, gathered, named_files(files.losses), context))
        found = replace(found, sources=[source or "" for source in table.take(gathered.at).values("source")])
    if needed & {"target", "target_vectors", "path", "gradients"}:
        texts = table.take(gathered.at).texts(files.field, compared=True)
        found = replace(found, texts=texts, target=_target(files.target, context))
        _tell_leaks(texts, found.target, context)
    if "target_vectors" in needed:
        vectors = await _embedded(found.target, "items of the target", files.embedder, context)
        found = replace(found, target_vectors=vectors)
    if "examples" in needed:
        for kind, name in (("good", files.good), ("bad", files.bad)):
            texts = _examples(named_files(name), files.field, context)
            vectors = await _embedded(texts, f"{kind} examples", files.embedder, context)
            found = replace(found, good=vectors) if kind == "good" else replace(found, bad=vectors)
    gathered.pool = replace(gathered.pool, aim=found)
    if needed & {"path", "gradients"}:
        await _learn(table, gathered, files, needed, context)


def _check_states(embedder: str, context: Context) -> None:
    model = context.embedder(embedder)
    identity = str(getattr(model, "identity", ""))
    if not identity.startswith("hidden_states:"):
        raise RunStopped(
            f"{context.step}: rds chooses by the states of a causal model, and `{model.name}` embeds in another way: "
            "name an `embedder` of provider hidden_states, or take `method: nearest`"
        )


async def _learn(
    table: Table, gathered: Gathered, files: Files, needed: frozenset[Need], context: Context
) -> None:
    """Give the aim what a model that learns from the target says of the rows."""
    target, model = answered_target(named_files(files.target), context), context.chat(files.model)
    if "path" in needed:
        losses = await read_losses(table, gathered, target, model, context)
        gathered.pool = replace(gathered.pool, aim=replace(gathered.pool.known_aim, path=losses))
    if "gradients" in needed:
        rows, items = await read_gradients(table, gathered, target, model, context)
        aim = replace(gathered.pool.known_aim, gradients=rows, target_gradients=items)
        gathered.pool = replace(gathered.pool, aim=aim)


def _target(names: Sequence[str], context: Context) -> list[str]:
    texts: list[str] = []
    for path in named_files(names):
        read = list(benchmark_items(path.stem, context.read_rows(path)))
        wrong = [sentence for sentence in read if isinstance(sentence, str)]
        if len(wrong) == len(read):
            raise InputError(f"{path} holds no target: its {wrong[0] if wrong else 'rows are none'}")
        context.count("rows_of_the_target_without_a_question", len(wrong))
        if wrong:
            context.warn(f"{path}: {len(wrong):,} of its rows are no part of the target: its {wrong[0]}")
        texts += [item.text for item in read if isinstance(item, Item)]
    context.count("items_of_the_target", len(texts))
    if len(texts) == 1:
        context.warn(
            f'{context.step}: the target is one item, "{shorten(texts[0], 60)}": what is chosen is like it alone, and '
            "not like what it stands for; give ten items or more"
        )
    return texts


def _tell_leaks(texts: Sequence[str], target: Sequence[str], context: Context) -> None:
    leaked = leaked_rows(texts, target)
    context.count("records_that_are_an_item_of_the_target", len(leaked.rows))
    if len(leaked.rows):
        context.warn(
            f"{context.step}: {len(leaked.rows):,} records are one of {leaked.items:,} items of the target, word for "
            f'word, such as "{leaked.example}": they are what is chosen first, and if the target is a test set, they '
            "teach the test; `decontaminate` with `against` drops them before"
        )


async def _embedded(texts: Sequence[str], what: str, embedder: str, context: Context) -> Rows:
    embedded = await embed_texts(context.embedder(embedder), texts)
    usable, unit = unit_rows(embedded.vectors)
    lost = int((~usable).sum())
    context.count(f"{what.replace(' ', '_')}_without_embedding", lost)
    if not len(unit):
        raise RunStopped(f"{context.step}: none of the {len(texts):,} {what} has an embedding")
    if lost:
        context.warn(f"{context.step}: {lost:,} of {len(texts):,} {what} have no embedding, and are left out")
    return unit


def _examples(paths: Sequence[Path], field: str, context: Context) -> list[str]:
    records = [record for path in paths for record in context.read_records(path) if record.dropped is None]
    texts = Table.from_records(records).texts(field, compared=True) if records else []
    written = [text for text in texts if text.strip()]
    if not written:
        raise InputError(f"{', '.join(map(str, paths))}: no row has a {field} to learn from")
    context.count("examples_without_text", len(texts) - len(written))
    return written


def _set_solved_aside(table: Table, gathered: Gathered, names: Sequence[str], context: Context) -> None:
    known = table.score_names()
    for name in names:
        if name not in known:
            raise RunStopped(
                f"{context.step}: no record has the score {name!r} of `solved`{nearest(name, known)}"
            )
    some = table.take(gathered.at)
    found = unsolved([some.scores(name) for name in names])
    unknown = set(found.unknown.tolist())
    kept = set(found.rows.tolist())
    for row, at in enumerate(gathered.at.tolist()):
        if row in unknown:
            gathered.aside[at] = context.drop("no_verdict", f"{' or '.join(names)} is missing", failed=True)
        elif row not in kept:
            gathered.aside[at] = context.drop("solved", f"a reference model solves it ({', '.join(names)})")
    context.count("set_aside_as_solved", found.solved)
    context.count("set_aside_without_verdict", len(unknown))
    if not kept:
        raise RunStopped(
            f"{context.step}: all {len(gathered.at):,} records are solved or without a verdict by `solved`: nothing is "
            "left to choose from; leave it out, or take a weaker reference model"
        )
    context.tell(
        f"{context.step}: {found.solved:,} of {len(gathered.at):,} records are solved by a reference model and set "
        f"aside, {len(unknown):,} have no verdict"
    )
    gathered.keep(found.rows)


def _losses(table: Table, gathered: Gathered, paths: Sequence[Path], context: Context) -> Any:
    """The losses of the rows that have them; the others are set aside."""
    by_id: dict[str, list[float]] = {}
    length, wrong, example = 0, 0, ""
    for path in paths:
        for place, row in context.read_rows(path):
            losses, problem = _trajectory(row, length)
            if losses is None:
                wrong += 1
                example = example or f"{path}:{place}: {problem}"
                continue
            length = len(losses)
            by_id[str(row["id"])] = losses
    context.count("rows_of_losses_not_read", wrong)
    if wrong:
        context.warn(f"{context.step}: {wrong:,} rows of `losses` are not read, the first {example}")
    ids = table.take(gathered.at).ids()
    kept = np.array([row for row, id in enumerate(ids) if id in by_id], np.int64)
    if not len(kept):
        raise InputError(
            f"{', '.join(map(str, paths))}: holds the losses of none of the {len(ids):,} records: its rows are "
            '{"id": a record\'s id, "losses": [one number for each checkpoint]}'
        )
    for id, at in zip(ids, gathered.at.tolist(), strict=True):
        if id not in by_id:
            gathered.aside[at] = context.drop(
                "no_losses", "`losses` holds no trajectory of its id", failed=True
            )
    lost = len(ids) - len(kept)
    context.count("set_aside_without_losses", lost)
    if lost:
        context.warn(f"{context.step}: {lost:,} of {len(ids):,} records have no losses, and are set aside")
    gathered.keep(kept)
    return np.array([by_id[ids[at]] for at in kept.tolist()], np.float64)


def _trajectory(row: Mapping[str, Any], length: int) -> tuple[list[float] | None, str]:
    """A row's losses; else what is wrong with them."""
    if not isinstance(row.get("id"), str | int):
        return None, "it has no id"
    losses = next((row[name] for name in LOSS_COLUMNS if isinstance(row.get(name), Sequence)), None)
    if losses is None or isinstance(losses, str) or not losses:
        return None, f"it has no list of numbers in {' or '.join(LOSS_COLUMNS)}"
    if not all(isinstance(loss, int | float) and math.isfinite(loss) for loss in losses):
        return None, f"a loss is no number: {shorten(str(list(losses)), 60)}"
    if length and len(losses) != length:
        return None, f"it has {len(losses)} losses, and the first row has {length}"
    return [float(loss) for loss in losses], ""
