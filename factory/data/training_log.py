"""Files that a trainer writes as it goes: read whole and checked, or refused with a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.errors import InputError, nearest

Lines = Iterable[tuple[int, Mapping[str, Any]]]
"""The rows of a file, each with its line."""
STEPS = ("step", "global_step", "current_steps", "train/global_step", "Step", "_step")
"""What trainers call a step: transformers, LLaMA-Factory, and the two of Weights & Biases, the trainer's own first."""
_WRITTEN = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def read_trajectories(path: Path, lines: Lines, column: str) -> dict[str, list[float]]:
    """The numbers of each row's epochs, by the row's id: `{"id": ..., "losses": [1.9, 1.2, 0.8]}`.

    Raises:
        InputError: a row has no id, no numbers, or fewer epochs than the first; an id comes twice; a number is none.
    """
    found: dict[str, list[float]] = {}
    epochs, first = 0, ""
    for line, row in lines:
        id = row.get("id")
        if not isinstance(id, str | int) or isinstance(id, bool) or id == "":
            raise InputError(
                f'{path}:{line}: it has no "id": write {{"id": ..., "{column}": [one number an epoch]}}'
            )
        values = row.get(column)
        if not isinstance(values, list) or not values:
            raise InputError(f'{path}:{line}: {id} has no list "{column}"{nearest(column, sorted(row))}')
        numbers = [_number(value, path, line, f"an epoch of {id}") for value in values]
        if str(id) in found:
            raise InputError(f"{path}:{line}: {id} comes a second time: write one row for each id")
        if epochs and len(numbers) != epochs:
            raise InputError(
                f"{path}:{line}: {id} has {len(numbers)} epochs and {first} has {epochs}: log every row at each "
                "epoch, or take those that lack one out"
            )
        epochs, first = len(numbers), first or str(id)
        found[str(id)] = numbers
    return found


def read_curves(
    path: Path, lines: Lines, metric: str, by: str = "", *, warn: Callable[[str], None]
) -> dict[str, tuple[list[float], list[float]]]:
    """An evaluation's steps and values, by set (`by`; "" where that is not asked for), in the order of the steps.

    `{"step": 100, "eval_loss": 1.2}`, with `by` also `"set": "math"`; or a metric with a star, `eval_*_loss`, that
    stands for the sets' names. A trainer_state.json is read by its `log_history`. A row without the metric, or with an
    empty cell of it, is left out.

    Told by `warn`: values that are NaN are left out. Of two values for one step the first stands where no later step
    was evaluated in between, since trainers evaluate once more at the end, often the best model loaded back; else the
    last, since the run was taken up again from before.

    Raises:
        InputError: a row has no step, no row has the metric, or the last value of a set is NaN.
    """
    found: dict[str, dict[float, float]] = {}
    newest: dict[str, float] = {}
    names: set[str] = set()
    lost = again = 0
    for line, row in _history(lines):
        names |= set(row)
        for name, key in _sets(row, metric):
            if row[key] == "":
                continue
            if by and "*" not in metric:
                name = str(row.get(by) or "")
                if not name:
                    raise InputError(f'{path}:{line}: it has no "{by}" that says which set was evaluated')
            step = _step(row, path, line)
            own = found.setdefault(name, {})
            value = math.nan if _is_nan(row[key]) else _number(row[key], path, line, f'"{key}"')
            if step in own and own[step] != value:
                again += 1
                if step == newest[name] and not math.isnan(own[step]):
                    continue
            own[step] = value
            newest[name] = step
    if not found:
        if "*" in metric and by in names:
            losses = sorted(name for name in names if "loss" in name)
            raise InputError(
                f'{path}: no row has "{metric}", and its rows name their set as "{by}": name the key of the value, '
                f"such as --metric {losses[0] if losses else 'loss'}"
            )
        raise InputError(f'{path}: no row has "{metric}"{nearest(metric, sorted(names))}')
    for name, own in found.items():
        last = max(own)
        known = {step: value for step, value in own.items() if not math.isnan(value)}
        if math.isnan(own[last]):
            raise InputError(
                f'{path}: the last value of "{metric}"{f" of {name}" if name else ""}, at step {last:g}, is NaN: the '
                "run has diverged, or what is evaluated is empty"
                + (f"; the last that is a number is of step {max(known):g}" if known else "")
            )
        lost += len(own) - len(known)
        found[name] = known
    if lost:
        warn(
            f'{lost:,} values of "{metric}" are NaN or null and are left out: look at what was evaluated there'
        )
    if again:
        warn(
            f'{again:,} values of "{metric}" are of a step that had another one: the first stands at the end of a run, '
            "since it may have been evaluated once more with the best model; else the last"
        )
    return {name: (sorted(own), [own[step] for step in sorted(own)]) for name, own in found.items()}


def _step(row: Mapping[str, Any], path: Path, line: int) -> float:
    for name in STEPS:
        if row.get(name) not in (None, ""):
            return _number(row[name], path, line, f'"{name}"')
    raise InputError(
        f'{path}:{line}: it has no "step" (nor {", ".join(STEPS[1:])}): write {{"step": 100, ...}}'
    )


def _is_nan(value: Any) -> bool:
    """Whether it is NaN or infinite, or what a reader of JSON makes of these."""
    if isinstance(value, str):
        return value.strip().lower() in ("nan", "inf", "-inf", "infinity", "-infinity")
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _history(lines: Lines) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows, those in a `log_history` one by one, each with the line of the row that it stands in."""
    for line, row in lines:
        history = row.get("log_history")
        if isinstance(history, list):
            yield from ((line, own) for own in history if isinstance(own, Mapping))
        else:
            yield line, row


def _sets(row: Mapping[str, Any], metric: str) -> list[tuple[str, str]]:
    """The set's name and the key of each value of the metric in a row."""
    if "*" not in metric:
        return [("", metric)] if metric in row else []
    before, after = metric.split("*", 1)
    fits = [
        key
        for key in row
        if key.startswith(before) and key.endswith(after) and len(key) > len(before) + len(after)
    ]
    return [(key[len(before) : len(key) - len(after)], key) for key in fits]


def read_perturbed(path: Path, lines: Lines) -> dict[str, list[tuple[float, Sequence[float]]]]:
    """Each task's instances: `{"task": "math", "id": ..., "loss": 0.9, "perturbed": [1.1, 0.8, ...]}`.

    Raises:
        InputError: a row lacks one of these, or has fewer variants than the first.
    """
    found: dict[str, list[tuple[float, Sequence[float]]]] = {}
    variants = 0
    for line, row in lines:
        task = row.get("task")
        if not isinstance(task, str) or not task.strip():
            raise InputError(f'{path}:{line}: it has no "task"')
        others = row.get("perturbed")
        if not isinstance(others, list) or not others:
            raise InputError(f'{path}:{line}: it has no list "perturbed" of the losses under the variants')
        if variants and len(others) != variants:
            raise InputError(
                f"{path}:{line}: has {len(others)} variants, the rows before it {variants}: score all of them"
            )
        variants = len(others)
        loss = _number(row.get("loss"), path, line, '"loss"')
        found.setdefault(task, []).append(
            (loss, [_number(value, path, line, '"perturbed"') for value in others])
        )
    return found


def _number(value: Any, path: Path, line: int, what: str) -> float:
    if isinstance(value, str) and _WRITTEN.fullmatch(value):
        value = float(value)
    if _is_nan(value):
        raise InputError(f"{path}:{line}: {what} is NaN or null, not a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{path}:{line}: {what} is {value!r}, not a number")
    return float(value)
