"""What a pool lacks, by its tags: a plan that raises the rarest of them to one level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from factory.data.text import is_blank, normal_form
from factory.errors import InputError
from factory.steps.agents.exploring.plan_file import NAME_CHARACTERS
from factory.steps.agents.exploring.tree import Plan, Task

DOMAIN = {"en": "what people ask an AI assistant", "zh": "人们向 AI 助手提出的要求"}
"""The domain of a plan from tags where none is named."""


def mapped_counts(rows: Iterable[tuple[int, Mapping[str, Any]]], file: str) -> Counter[str]:
    """How many records have each tag, by the rows of a tag map (`raw`, `final`, `records`) with their lines.

    A record that has several raw tags of one final counts for each of them.

    Raises:
        InputError: a row is no row of a tag map with its records.
    """
    counts: Counter[str] = Counter()
    for line, row in rows:
        final, records = row.get("final"), row.get("records")
        if (
            not isinstance(final, str)
            or not isinstance(records, int)
            or isinstance(records, bool)
            or records < 0
        ):
            raise InputError(
                f'{file}:{line}: a row of a tag map says {{"raw": "a tag", "final": "the tag that stays", '
                '"records": 3}: name the map that `normalize_tags` wrote'
            )
        if final.strip():
            counts[" ".join(final.split())] += records
    return counts


def tag_counts(tag_lists: Iterable[Sequence[str]]) -> Counter[str]:
    """How many records have each tag."""
    return Counter(tag for tags in tag_lists for tag in {" ".join(name.split()) for name in tags})


def gap_plan(counts: Mapping[str, int], size: int, domain: str, language: str) -> tuple[Plan, int, int]:
    """A plan of `size` records for the tags that fewest records have, so that the rarest of them become alike.

    Gives the plan, the number of records that each of its tags has after it at least, and how many tags cannot be
    tasks (their names are blank, too long, or that of the domain). Spellings that differ in case alone are one.
    Water filling: as many tags as can be are raised to one level, and none above it by more than one.
    """
    domain = domain or DOMAIN["zh" if language == "zh" else "en"]
    merged: dict[str, tuple[str, int]] = {}
    unusable = 0
    for tag, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if is_blank(tag) or len(tag) > NAME_CHARACTERS or normal_form(tag) == normal_form(domain):
            unusable += 1
            continue
        name, before = merged.get(normal_form(tag), (tag, 0))
        merged[normal_form(tag)] = name, before + number
    rarest = sorted(merged.values(), key=lambda item: (item[1], item[0]))
    level, over, raised = _level([number for _, number in rarest], size)
    tasks = []
    for at, (name, number) in enumerate(rarest[:raised]):
        wanted = level - number + (at < over)
        if wanted:
            tasks.append(Task(name, wanted, f"{number:,} records of the pool have it"))
    return Plan(Task(domain, 0, tasks=tasks), language), level, unusable


def _level(ascending: Sequence[int], size: int) -> tuple[int, int, int]:
    """The level to which `size` raises the first of these numbers, how many get one more, and how many are raised."""
    spent = 0
    for raised in range(1, len(ascending) + 1):
        following = ascending[raised] if raised < len(ascending) else None
        left = size - spent
        if following is None or left < raised * (following - ascending[raised - 1]):
            return ascending[raised - 1] + left // raised, left % raised, raised
        spent += raised * (following - ascending[raised - 1])
    return 0, 0, 0
