"""What is looked for in a set: the items of benchmarks, and the prompts of records that are held out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from factory.data.benchmark import Item, benchmark_items
from factory.data.references import references
from factory.data.text import rouge_tokens
from factory.errors import InputError
from factory.step import Context

FEWEST = 3
"""Words of an item that is looked for by its words."""


def named(names: str | Sequence[str]) -> list[str]:
    """The names of an option that takes one or several."""
    return [names] if isinstance(names, str) else list(names)


def read_items(against: Mapping[str, str], reference: str | Sequence[str], context: Context) -> list[Item]:
    """The items of all benchmarks, and behind them the prompts of the reference's records.

    Raises:
        InputError: a file cannot be read, or holds no question.
    """
    items: list[Item] = []
    for name, asked in (*_benchmarks(against, context), *_held_out(reference, context)):
        short = sum(len(rouge_tokens(item.text)) < FEWEST for item in asked)
        context.count("items_of_too_few_words", short)
        if short:
            context.warn(
                f"{name}: {short:,} of its {len(asked):,} items, of fewer than {FEWEST} words, cannot be "
                "looked for by their words"
            )
        items += asked
    return items


def _benchmarks(against: Mapping[str, str], context: Context) -> Iterator[tuple[str, list[Item]]]:
    for name, path in ((name, one.path) for name, files in against.items() for one in references(files)):
        read = list(benchmark_items(name, context.read_rows(path)))
        wrong = [sentence for sentence in read if isinstance(sentence, str)]
        if len(wrong) == len(read):
            raise InputError(f"{path} is no benchmark that can be read: its {wrong[0]}")
        context.count("rows_without_a_question", len(wrong))
        if wrong:
            context.warn(f"{path}: {len(wrong)} of its rows are not looked for: its {wrong[0]}")
        yield name, [item for item in read if isinstance(item, Item)]


def _held_out(reference: str | Sequence[str], context: Context) -> Iterator[tuple[str, list[Item]]]:
    for name, path in references(reference):
        records = [record for record in context.read_records(path) if record.dropped is None]
        yield name, [Item(name, record.id, record.prompt) for record in records if record.prompt.strip()]
