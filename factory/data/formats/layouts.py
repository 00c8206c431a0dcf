"""The formats of rows that are written, and what must be known of all records before the first row.

Every row of a file has the same columns, and each column one type. What a format cannot hold is counted: a record that
it has no row for is left out with a reason, and what of a record finds no place in its row is not carried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from factory.data.formats.carried import Carried, Kinds, carried_value
from factory.data.formats.layout_base import Asked, Held, Layout, Row, Written, in_turn, needs_of
from factory.data.formats.layouts_answers import KTO, Preference, PromptCompletion
from factory.data.formats.layouts_chat import Alpaca, Flat, Messages, OpenAI, ShareGPT
from factory.data.formats.layouts_pairs import DPO, OpenAIPreference
from factory.data.formats.layouts_whole import FlatRecords, Records, Source
from factory.data.formats.mended import mended
from factory.data.record import Record
from factory.data.rounds import kept_round
from factory.data.text import is_blank

__all__ = ["FILE_LAYOUTS", "LAYOUTS", "Asked", "Layout", "Row", "Survey", "Written", "mended", "survey"]

_LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Alpaca(),
        ShareGPT(),
        Messages(),
        Flat(),
        OpenAI(),
        Preference(),
        DPO(),
        OpenAIPreference(),
        PromptCompletion(),
        KTO(),
        Source(),
        Records(),
    )
}
LAYOUTS = tuple(name for name in _LAYOUTS if name != "records")
"""The layouts of which a data set folder is made."""
FILE_LAYOUTS = tuple(_LAYOUTS)
"""The layouts that a file of its own can have."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of all records before the first row is written.

    rows: how many records there are
    layouts: for each layout, what it writes
    languages, tasks: how many records each has, sorted by name; "" where it is not known
    models, prompts: how many records each had a hand in
    synthetic: whether a model had a hand in any record
    licenses, sources: how many records each has; "" is a licence that nobody named
    arguments: how many records give the chat template each argument
    out_of_turn: records in which speakers do not take turns
    unknown: names to carry under which no record has anything
    rounds: how many records are of each round of self-training, where their rows tell it
    """

    rows: int
    layouts: Mapping[str, Written]
    languages: Mapping[str, int]
    tasks: Mapping[str, int]
    models: Mapping[str, int]
    prompts: Mapping[str, int]
    synthetic: bool
    licenses: Mapping[str, int]
    sources: Mapping[str, int]
    arguments: Mapping[str, int]
    out_of_turn: int
    unknown: tuple[str, ...]
    rounds: Mapping[int, int] = field(default_factory=dict)


def survey(
    records: Iterable[Record], layouts: Sequence[str], asked: Asked, *, parquet: bool = False
) -> Survey:
    """Look at all records once.

    Args:
        parquet: whether the file is a Parquet file, in which records have columns.

    Raises:
        ValueError: a record has no request or no answer; such records are dropped before an export.
    """
    chosen = {name: FlatRecords() if parquet and name == "records" else _LAYOUTS[name] for name in layouts}
    held = {name: Held() for name in layouts}
    languages: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    models: Counter[str] = Counter()
    prompts: Counter[str] = Counter()
    given: Counter[str] = Counter()
    scores: set[str] = set()
    licenses: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    rounds: Counter[int] = Counter()
    kinds, arguments, columns = Kinds(), Kinds(), dict[str, None]()
    rows = out_of_turn = 0
    everything = parquet and "records" in layouts
    for record in records:
        rows += 1
        _check(record, asked)
        needs = needs_of(record)
        for name, layout in chosen.items():
            if why := layout.why_not(record, asked):
                held[name].left_out[why] += 1
            else:
                held[name].records += 1
                held[name].needs |= needs
        for name in asked.carry:
            kinds.see(name, carried_value(record, name))
        if everything:
            columns |= dict.fromkeys(record.meta)
            for name in ("license", *record.meta):
                kinds.see(name, carried_value(record, name))
        given.update(record.template_arguments.keys())
        for name, value in record.template_arguments.items():
            arguments.see(name, value)
        models.update({event.model for event in record.events if event.model})
        prompts.update({event.prompt for event in record.events if event.prompt})
        out_of_turn += not in_turn(record)
        scores.update(record.scores)
        languages[record.lang] += 1
        tasks[record.task] += 1
        licenses[record.license] += 1
        sources[record.source] += 1
        if (number := kept_round(record)) is not None:
            rounds[number] += 1
    if everything and licenses.keys() - {""}:
        columns |= {"license": None}
    written = {}
    for name, layout in chosen.items():
        held[name].arguments, held[name].scores = arguments, tuple(sorted(scores))
        own = {"id"} if layout.has_id else set()
        own |= {column for column, _ in layout.columns(held[name], asked)} if layout.has_columns else set()
        carried = Carried((*asked.carry, *(columns if everything else ())), own, kinds)
        written[name] = Written(layout, held[name], carried, asked)
    return Survey(
        rows,
        written,
        dict(sorted(languages.items())),
        dict(sorted(tasks.items())),
        models,
        prompts,
        bool(models),
        licenses,
        sources,
        given,
        out_of_turn,
        tuple(name for name in asked.carry if not kinds.filled(name)),
        rounds,
    )


def _check(record: Record, asked: Asked) -> None:
    if is_blank(record.prompt) or not (asked.unanswered or record.answered or record.answers):
        raise ValueError(f"record {record.id} has no request or no answer and cannot be exported")
