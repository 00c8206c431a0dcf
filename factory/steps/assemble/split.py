"""The step that splits a set into train, validation and test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.table import Table
from factory.data.text import shorten
from factory.data.user_columns import SPLIT, SPLITS, column_names, has_column, labels_of, with_columns
from factory.errors import RunStopped, nearest
from factory.statistics.arrays import Ints
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.assemble.mixing.groups import too_many
from factory.steps.assemble.scheduling.stages import AGAIN
from factory.steps.assemble.splitting.families import ancestors, join_families, same_value
from factory.steps.assemble.splitting.parts import assign, counts_by, drawn_by_id, wanted_rows
from factory.steps.dedup.close.pairs import MEASURES, THRESHOLDS, Close, close_by
from factory.steps.dedup.joins.compared import texts_and_inputs
from factory.steps.dedup.joins.forms import exact_form
from factory.steps.option_types import OneOrSeveral

DOCUMENT = ("document", "document_id", "doc_id", "source_document")
"""Columns that name the document a record was made from, where `together` names none."""
SHOWN = 8


class Split(WholeSet):
    """Split the set into train, validation and test by families, so that nothing held out is known from training.

    A family stays in one part. Records are of one where one was made from the other or both from a third (its whole
    history counts), where they have the same document or the same value of a column in `together`, where their
    prompts are the same but for case, space and punctuation, and where their prompts are near: by `near` rouge
    (ROUGE-L above 0.7, exact), minhash (Jaccard of passages above 0.8, for long texts), semantic (cosine above 0.95),
    or none. Nearness is handed on: of a chain, each near to the next, all are one family.

    Then the result is checked: each held-out record is compared with every record of the other parts, exactly, and
    history, documents and prompts are looked up across the parts. Where something crosses, the two families are
    joined and the set is split anew, until nothing does. What was compared, and that nothing was found, is told; with
    `near: none` it is told that near duplicates were not looked for.

    `validation` and `test` are shares below 1 or numbers of rows; with `stratify` each value of that column is split
    alike. Families are not cut, so that a part may have a few rows more or fewer: what it has is told.

    Each record carries its part as the column `split`, and `export` writes a file for each part. The order of the set
    stays. Chance goes by the records' ids: the order of the input does not matter, and where some rows come or go most
    others stay in their part. A set of a million takes seconds by `near: none`; by rouge the time grows as rows to the
    power of 1.7.

    Example:
        - split: {test: 0.05, stratify: task}
        - split: {validation: 500, test: 500, near: semantic, together: [url]}
    """

    name: ClassVar[str] = "split"

    validation: float = Field(0.0, ge=0, description="share (below 1) or number of rows to validate on")
    test: float = Field(0.05, ge=0, description="share (below 1) or number of rows to test on")
    stratify: str = Field(
        "", description="a column whose values are split alike: task, lang, source, or one of your own"
    )
    together: OneOrSeveral[str] = Field(
        (),
        description="columns whose equal values stay in one part, such as a url; empty: that of the document "
        "(document, document_id, doc_id, source_document) where there is one",
    )
    near: Literal["rouge", "minhash", "semantic", "none"] = Field(
        "rouge", description="by what records are near to each other: words, passages, meaning, or not at all"
    )
    threshold: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="above it two records are near; none: that of the dedup step of the measure",
    )
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt", description="the text compared: instruction, prompt, output, or both"
    )
    model: EmbeddingModelName = Field(
        "",
        description="the embedding model of `near: semantic`; by default the only one, else the embedded one",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("validation", "test"):
            size = getattr(self, name)
            if size >= 1 and size != int(size):
                raise ValueError(f"`{name}: {size:g}` is neither a share below 1 nor a whole number of rows")
        if not self.validation and not self.test:
            raise ValueError("nothing is held out: give `test` or `validation` a size")
        shares = [size for size in (self.validation, self.test) if size < 1]
        if sum(shares) >= 1:
            raise ValueError(
                f"`validation` and `test` are {sum(shares):.0%} of the set together: leave some to train on"
            )
        return self

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: by meaning alone something is embedded."""
        return super().models_of(kind) if self.near == "semantic" else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            RunStopped: a column is unknown, or a part would be empty.
        """
        if not len(table):
            return table
        links = await asyncio.to_thread(self._links, table, context)
        close = None
        if self.near != "none":
            threshold = THRESHOLDS[self.near] if self.threshold is None else self.threshold
            close = await close_by(self.near, table, self.field, threshold, self.model, context)
        part_of, told = await asyncio.to_thread(self._split, table, links, close, context)
        self._tell(table, part_of, told, context)
        return with_columns(table, {SPLIT: [SPLITS[part] for part in part_of.tolist()]})

    def _links(self, table: Table, context: Context) -> dict[str, tuple[Ints, Ints]]:
        """What joins rows whatever their words: history, documents, the same prompt."""
        names = column_names(table) if self.together or self.stratify else []
        for name in (*self.together, *([self.stratify] if self.stratify else [])):
            if name not in names:
                raise RunStopped(f"{context.step}: no record has a column {name!r}{nearest(name, names)}")
        if has_column(table, SPLIT):
            context.warn(
                f"{context.step}: records had a column `split` already, which is replaced: what it held "
                "out may be trained on now"
            )
        together = self.together or tuple(name for name in DOCUMENT if has_column(table, name))
        links = {"history": ancestors(table)}
        links |= {f"column {name}": same_value(labels_of(table, name)) for name in together}
        texts, inputs = texts_and_inputs(table, self.field)
        forms = [
            f"{exact_form(text)}\0{exact_form(own) if own else ''}" if text.strip() else ""
            for text, own in zip(texts, inputs, strict=True)
        ]
        return {**links, "prompt": same_value(forms)}

    def _split(
        self, table: Table, links: dict[str, tuple[Ints, Ints]], close: Close | None, context: Context
    ) -> tuple[Ints, Checked]:
        """The part of each row, and what the check of the result found."""
        joined = list(links.values())
        if close is not None:
            found = close.within()
            joined.append((found.one, found.other))
        names, strata = np.unique(
            np.array(labels_of(table, self.stratify) if self.stratify else [""] * len(table)),
            return_inverse=True,
        )
        if many := too_many(len(names), len(table), self.stratify):
            context.warn(f"{context.step}: {many}")
        keys = drawn_by_id(table.ids(), context.random("split").getrandbits(64))
        wanted = self._wanted(strata, len(table), context)
        rounds, repaired = 0, 0
        while True:
            families = join_families(len(table), joined)
            part_of = assign(families, strata, wanted, keys)
            self._check_parts(part_of, families, context)
            rounds += 1
            crossing = _crossing(part_of, links, close)
            number = sum(len(one) for one, _ in crossing.values())
            if not number:
                compared = close is not None
                return part_of, Checked(families, names.tolist(), strata, rounds, repaired, compared)
            repaired += number
            joined += crossing.values()

    def _wanted(self, strata: Ints, rows: int, context: Context) -> Ints:
        held = [size if size >= 1 else size * rows for size in (self.validation, self.test)]
        if sum(held) >= rows:
            raise RunStopped(
                f"{context.step}: {sum(held):,.0f} rows are to be held out of {rows:,}: nothing is left to train on"
            )
        random = np.random.default_rng(context.random("strata").getrandbits(64))
        return wanted_rows(strata, {"train": 0, "validation": self.validation, "test": self.test}, random)

    def _check_parts(self, part_of: Ints, families: Ints, context: Context) -> None:
        counts = np.bincount(part_of, minlength=len(SPLITS))
        for part, size in ((0, 1.0), (1, self.validation), (2, self.test)):
            if size and not counts[part]:
                sizes = np.bincount(families)
                number, largest = int((sizes > 0).sum()), int(sizes.max())
                if number <= int(self.validation > 0) + int(self.test > 0):
                    mend = "a family is not cut: bring records of other families"
                else:
                    mend = (
                        f"none fits; raise `{SPLITS[part] if part else 'threshold'}`, or bring more records"
                    )
                raise RunStopped(
                    f"{context.step}: {SPLITS[part]} would be empty: the records ({len(families):,}) are of "
                    f"{number:,} famil{'y' if number == 1 else 'ies'}, the largest of {largest:,}: {mend}"
                )

    def _tell(self, table: Table, part_of: Ints, told: Checked, context: Context) -> None:
        counts = np.bincount(part_of, minlength=len(SPLITS)).tolist()
        sizes = np.bincount(told.families)
        sizes = sizes[sizes > 0]
        context.facts["parts"] = dict(zip(SPLITS, counts, strict=True))
        context.facts["families"] = {
            "families": len(sizes),
            "of_several_records": int((sizes > 1).sum()),
            "largest": int(sizes.max()),
        }
        if self.stratify:
            context.facts["strata"] = counts_by(part_of, told.strata, told.names)
        held = counts[1] + counts[2]
        check: dict[str, Any] = {
            "held_out": held,
            "compared_with": len(table) - min(counts[1:]) if all(counts[1:]) else counts[0],
            "near_by": self.near,
            "crossing": 0,
            "rounds": told.rounds,
            "families_joined_by_the_check": told.repaired,
        }
        context.facts["leak_check"] = check
        asked = {"validation": self.validation, "test": self.test}
        said = ", ".join(
            f"{name} {count:,} ({count / len(table):.1%})"
            for name, count in zip(SPLITS, counts, strict=True)
            if count or asked.get(name)
        )
        context.tell(
            f"{context.step}: {said}; {len(sizes):,} families, {int((sizes > 1).sum()):,} of several records, the "
            f"largest of {int(sizes.max()):,}"
        )
        for part, size in ((1, self.validation), (2, self.test)):
            wanted = round(size if size >= 1 else size * len(table))
            if size and abs(counts[part] - wanted) > max(1, 0.1 * wanted):
                context.warn(
                    f"{context.step}: {SPLITS[part]} has {counts[part]:,} records, not {wanted:,}: families are not cut"
                )
        histories = table.take(np.flatnonzero(part_of)).values("events")
        again = sum(bool(events) and events[-1]["operation"] == AGAIN for events in histories)
        if again:
            context.warn(
                f"{context.step}: {again:,} of the {held:,} records held out are repeats that a step before made, and "
                "count more than once: put `split` before `schedule` and `mixture`"
            )
        self._tell_large(sizes, len(table), context)
        self._tell_strata(part_of, told, context)
        if told.compared and self.near != "none":
            context.tell(
                f"{context.step}: leak check: no history, document, prompt or near duplicate "
                f"({MEASURES[self.near]}) crosses a border: each of the {held:,} records held out was compared with "
                "all of the other parts"
                + (f"; {told.repaired:,} that did were joined first" if told.repaired else "")
            )
        else:
            context.warn(
                f"{context.step}: leak check: no history, document or same prompt crosses a border; near duplicates "
                "were not looked for (`near: none`)"
            )

    def _tell_large(self, sizes: Ints, rows: int, context: Context) -> None:
        """Families that no part held out has room for: what is held out says nothing of them."""
        held = [size if size >= 1 else size * rows for size in (self.validation, self.test) if size]
        large = sizes[sizes > max(held)]
        context.count("records_of_families_too_large_to_hold_out", int(large.sum()))
        if len(large):
            context.warn(
                f"{context.step}: {len(large):,} famil{'y is' if len(large) == 1 else 'ies are'} larger than what is "
                f"held out ({int(large.sum()):,} records, {large.sum() / rows:.1%}) and stay in train whole: what is "
                "held out says nothing of them. Where they are one template with other values, compare more strictly "
                "(a higher `threshold`, `near: minhash`), drop near duplicates before, or hold out more"
            )

    def _tell_strata(self, part_of: Ints, told: Checked, context: Context) -> None:
        counts = counts_by(part_of, told.strata, told.names) if self.stratify else {}
        for part, size in ((1, self.validation), (2, self.test)):
            lacking = [name for name, own in counts.items() if size and (len(own) <= part or not own[part])]
            if lacking:
                some = ", ".join(shorten(name, 30) or "(none)" for name in lacking[:SHOWN])
                more = f" and {len(lacking) - SHOWN:,} more" if len(lacking) > SHOWN else ""
                context.warn(f"{context.step}: {SPLITS[part]} has no record of {self.stratify} {some}{more}")


class Checked(NamedTuple):
    """What a split came to.

    families: the first row of each row's family
    names, strata: the strata, and each row's
    rounds: how often the set was split until nothing crossed
    repaired: pairs that crossed a border, whose families were joined
    compared: whether near duplicates were looked for
    """

    families: Ints
    names: list[str]
    strata: Ints
    rounds: int
    repaired: int
    compared: bool


def _crossing(
    part_of: Ints, links: dict[str, tuple[Ints, Ints]], close: Close | None
) -> dict[str, tuple[Ints, Ints]]:
    """Pairs of rows of different parts that one of the links, or their nearness, joins."""
    found: dict[str, tuple[Ints, Ints]] = {}
    for name, (one, other) in links.items():
        # What is no row itself, such as a seed that is not in the set, stands for the first row that names it.
        known = _as_rows(one, other, len(part_of))
        across = part_of[one] != part_of[known]
        found[name] = one[across], known[across]
    if close is not None:
        for part in range(1, len(SPLITS)):
            held, others = np.flatnonzero(part_of == part), np.flatnonzero(part_of < part)
            if len(held) and len(others):
                near = close.across(held, others)
                found[f"near {SPLITS[part]}"] = near.one, near.other
    return found


def _as_rows(one: Ints, other: Ints, rows: int) -> Ints:
    outside = other >= rows
    if not outside.any():
        return other
    keys, first = np.unique(other[outside], return_index=True)
    stand_in = one[outside][first]
    known = other.copy()
    known[outside] = stand_in[np.searchsorted(keys, other[outside])]
    return known


__all__: Sequence[str] = ("Split",)
