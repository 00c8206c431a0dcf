"""What a model is asked for methods that learn from a target: losses before and after, and gradients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.data.text import turn_text
from factory.errors import InputError, RecordFailed, RunStopped
from factory.models.base import ChatModel
from factory.models.learning import LearningModel
from factory.statistics.arrays import Floats, Rows
from factory.step import Context
from factory.steps.assemble.select.gather import Gathered
from factory.steps.assemble.select.gradients import along, target_directions
from factory.steps.assemble.select.target_path import Losses

Pair = tuple[str, str]
Found = TypeVar("Found")

WARM_UP, FEWEST = 0.05, 32
"""Of the pool, so large a share of its rows, or so many, a model learns from before its gradients are read."""
MOST = 512
"""Rows that a model is trained on, at most: what they teach is a direction, not a skill."""


class Gradients(NamedTuple):
    """In the directions of the target, of length 1: of the pool's rows, and of the target's items."""

    rows: Rows
    target: Rows


def pair_of(record: Record) -> Pair:
    """A record's prompt, the turns before it included, a line each, and its answer."""
    return "".join(f"{turn_text(turn)}\n" for turn in record.conversation), record.output


def answered_target(paths: Sequence[Path], context: Context) -> list[Pair]:
    """The prompts and answers of the target's rows.

    Raises:
        InputError: none of them has an answer.
    """
    pairs, bare = [], 0
    for path in paths:
        for record in context.read_records(path):
            if record.dropped is None and record.output.strip() and record.prompt.strip():
                pairs.append(pair_of(record))
            else:
                bare += 1
    context.count("rows_of_the_target_without_an_answer", bare)
    if not pairs:
        raise InputError(
            f"{', '.join(map(str, paths))}: no row has a prompt and an answer, and a model is to learn from them: "
            "name a file of answered rows as `target`, or take `method: nearest`, which needs questions alone"
        )
    if bare:
        context.warn(f"{context.step}: {bare:,} rows of `target` have no answer, and are left out")
    return pairs


async def read_losses(
    table: Table, gathered: Gathered, target: Sequence[Pair], model: ChatModel, context: Context
) -> Losses:
    """The losses of the pool's rows before and after a model learnt from the target; rows without are set aside.

    Raises:
        RunStopped: the model cannot learn, has no loss for any row, or learns nothing from the target.
    """
    learnt = _drawn(target, MOST, context, "items of the target")
    student = _learner(model, context)
    trained = student.after_training(learnt)
    context.count("items_that_the_model_learnt_from", len(learnt))
    pairs = _pairs(table, gathered)
    both = [await _each(model_of, [*target, *pairs]) for model_of in (_losses(student), _losses(trained))]
    lost = {
        row: next(one[len(target) + row] for one in both if isinstance(one[len(target) + row], Missing))
        for row in range(len(pairs))
        if any(isinstance(one[len(target) + row], Missing) for one in both)
    }
    _set_aside(gathered, lost, "loss", context)
    kept = [row for row in range(len(pairs)) if row not in lost]
    items = [at for at in range(len(target)) if not any(isinstance(one[at], Missing) for one in both)]
    if not items:
        raise RunStopped(
            f"{context.step}: the model has no loss for any of the {len(target):,} items of the target"
        )
    before, after = (_numbers(one, [len(target) + row for row in kept]) for one in both)
    return Losses(before, after, _numbers(both[0], items), _numbers(both[1], items))


async def read_gradients(
    table: Table, gathered: Gathered, target: Sequence[Pair], model: ChatModel, context: Context
) -> Gradients:
    """The gradients of the pool's rows in the target's directions; rows that have none are set aside.

    Before, the model learns for a moment from rows of the pool that chance draws, as in LESS: an adapter that has
    learnt nothing has half of its gradients at 0.

    Raises:
        RunStopped: the model tells no gradients, or none of the target's items has one.
    """
    pairs = _pairs(table, gathered)
    size = min(MOST, max(FEWEST, round(WARM_UP * len(pairs))))
    learnt = _drawn([pair for pair in pairs if all(part.strip() for part in pair)], size, context, "rows")
    trained = _learner(model, context).after_training(learnt)
    context.count("rows_that_the_model_learnt_from", len(learnt))

    async def gradient(pair: Pair) -> Rows:
        return await trained.answer_gradient(*pair)

    wanted = [one for one in await _each(gradient, target) if not isinstance(one, Missing) and one.any()]
    context.count("items_of_the_target_without_gradient", len(target) - len(wanted))
    if not wanted:
        raise RunStopped(f"{context.step}: none of the {len(target):,} items of the target has a gradient")
    directions = target_directions(np.stack(wanted))

    async def inside(pair: Pair) -> Rows:
        found: Rows = along((await trained.answer_gradient(*pair))[None], directions)[0]
        return found

    found = await _each(inside, pairs)
    _set_aside(
        gathered, {row: one for row, one in enumerate(found) if isinstance(one, Missing)}, "gradient", context
    )
    rows = [one for one in found if not isinstance(one, Missing)]
    return Gradients(np.stack(rows), along(np.stack(wanted), directions))


def _pairs(table: Table, gathered: Gathered) -> list[Pair]:
    return [pair_of(record) for record in table.take(gathered.at).records()]


def _learner(model: ChatModel, context: Context) -> LearningModel:
    if not isinstance(model, LearningModel):
        raise RunStopped(
            f"{context.step}: model `{model.name}` cannot learn: name one of `provider: transformers`"
        )
    return model


def _drawn(pairs: Sequence[Pair], size: int, context: Context, what: str) -> list[Pair]:
    if len(pairs) <= size:
        return list(pairs)
    context.tell(f"{context.step}: the model learns from {size:,} of {len(pairs):,} {what}, drawn at random")
    return context.random("learn").sample(list(pairs), size)


def _losses(model: LearningModel) -> Callable[[Pair], Awaitable[float]]:
    async def loss(pair: Pair) -> float:
        read = await model.score_answer(*pair)
        known = [value for value in read.logprobs if value is not None]
        if not known:
            raise RecordFailed("unscored", "the answer has no token of its own that anything comes before")
        return -sum(known) / len(known)

    return loss


async def _each(ask: Callable[[Pair], Awaitable[Found]], pairs: Sequence[Pair]) -> list[Found | Missing]:
    """What is asked of each pair, or why it could not be had; the same pair is asked once."""

    async def one(pair: Pair) -> Found | Missing:
        if not pair[1].strip():
            return Missing("no_answer", "there is no answer to learn from")
        try:
            return await ask(pair)
        except RecordFailed as error:
            return Missing(error.kind, str(error))

    unique = list(dict.fromkeys(pairs))
    known = dict(zip(unique, await asyncio.gather(*map(one, unique)), strict=True))
    return [known[pair] for pair in pairs]


def _set_aside(gathered: Gathered, lost: dict[int, Any], what: str, context: Context) -> None:
    for row, why in lost.items():
        gathered.aside[int(gathered.at[row])] = context.drop(why.kind, why.reason, failed=True)
    context.count(f"set_aside_without_{what}", len(lost))
    total = len(gathered.at)
    if len(lost) == total:
        why = next(iter(lost.values())).reason
        raise RunStopped(f"{context.step}: the model has no {what} for any of the {total:,} records: {why}")
    if lost:
        context.warn(f"{context.step}: {len(lost):,} of {total:,} records have no {what}, and are set aside")
    gathered.keep(np.array([row for row in range(total) if row not in lost], np.int64))


def _numbers(found: Sequence[float | Missing], places: Sequence[int]) -> Floats:
    return np.array([found[place] for place in places], np.float64)
