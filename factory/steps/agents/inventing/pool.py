"""The seeds and the tasks invented from them: what examples are drawn from, and what a new task must differ from."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from factory.data.record import Event, Message, Record, record_id
from factory.data.text import is_blank, shorten
from factory.statistics.rouge.novelty import NoveltyIndex
from factory.step import Context


class Examples(NamedTuple):
    """The tasks that one call shows, in the order shown, and the records they are of, the seeds first."""

    language: str
    texts: tuple[str, ...]
    records: tuple[Record, ...]


class Close(NamedTuple):
    """The task that another is too close to: its record's id, its text, and their ROUGE-L F."""

    id: str
    text: str
    f: float


class Pool:
    """Seeds by language, the tasks kept so far by language, and an index of all tasks.

    seeds: the records that have an instruction, by language, in their order
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.seeds: defaultdict[str, list[Record]] = defaultdict(list)
        self._kept: defaultdict[str, list[Record]] = defaultdict(list)
        self._index = NoveltyIndex()
        self._held: list[tuple[str, str]] = []
        for record in records:
            if not is_blank(record.instruction):
                self.seeds[record.language].append(record)
                self.hold(record)

    def hold(self, record: Record) -> None:
        """Have all tasks that come differ from this one."""
        self._index.add(record.instruction)
        self._held.append((record.id, record.instruction))

    def keep(self, record: Record) -> None:
        """Let examples be drawn from this one too."""
        self._kept[record.language].append(record)

    def closest(self, task: str, threshold: float) -> Close | None:
        """The task held whose ROUGE-L F with this one is highest, where that is `threshold` at least."""
        near = self._index.nearest(task, threshold)
        return None if near is None else Close(*self._held[near.number], near.f)

    def draw(self, chance: random.Random, seeds: int, invented: int) -> Examples:
        """Examples of one language, drawn as often as it has seeds.

        Where fewer than `invented` tasks of it were kept, seeds stand in for them.
        """
        languages = sorted(self.seeds)
        (language,) = chance.choices(languages, [len(self.seeds[name]) for name in languages])
        kept, own = self._kept[language], self.seeds[language]
        made = chance.sample(kept, min(invented, len(kept)))
        human = chance.sample(own, min(seeds + invented - len(made), len(own)))
        records = (*human, *made)
        shown = chance.sample(records, len(records))
        return Examples(language, tuple(" ".join(one.instruction.split()) for one in shown), records)


def made_from(
    parents: Sequence[Record],
    instruction: str,
    event: Event,
    *lineage: str,
    language: str = "",
    source: str = "",
) -> Record:
    """A new record that `event` made of others; the first of them is what it goes back to.

    Its source and licence are theirs, joined where they differ. `lineage` tells apart what is otherwise the same.

    language, source: where it is made of none
    """
    messages = (Message("user", instruction),)
    ids = tuple(parent.id for parent in parents)
    return Record(
        id=record_id(messages, event.step, event.operation, *lineage, *ids),
        messages=messages,
        source=" + ".join(sorted({parent.source for parent in parents if parent.source})) or source,
        lang=language or parents[0].language,
        license=" AND ".join(sorted({parent.license for parent in parents if parent.license})),
        events=(event._replace(parents=ids),),
    )


def drop_close(record: Record, close: Close, context: Context) -> Record:
    """A record marked as too close to a task that was there before."""
    reason = f"ROUGE-L {close.f:.2f} with {close.id} ({shorten(close.text, 60)})"
    return record.drop(context.step, "near_duplicate", reason, {"rouge_l": close.f}, against=close.id)
