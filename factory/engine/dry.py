"""A dry run: the plan, the prompts of one record, and what a run would ask at the most. Calls nobody."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from factory.engine.progress import StepProgress
from factory.engine.stream import Stream
from factory.errors import FactoryError
from factory.formats.reference import reference_records, reference_rows
from factory.models.base import Answer, ChatModel, ScoredText, TokenLogprob, Vectors
from factory.models.naming import resolve_model
from factory.recipe import Recipe
from factory.record import Message, Record
from factory.step import Context, PerRecord, Source
from factory.text import estimate_tokens

SAMPLE = 16
"""Records that are carried through the per-record steps to count calls."""


@dataclass(slots=True)
class DryStep:
    """What one step would ask for the sampled records; `prompts` are those for the first of them."""

    label: str
    options: Mapping[str, Any]
    model: str = ""
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    showing: bool = True


@dataclass(slots=True)
class DryRun:
    """The plan of a run. Step counts are for `sampled` records; `scale` carries them to all of them."""

    steps: list[DryStep]
    sampled: int
    records: int | None

    @property
    def scale(self) -> float:
        """All records over those sampled."""
        return (self.records or self.sampled) / max(1, self.sampled)

    def totals(self) -> tuple[int, int, int]:
        """Calls, prompt tokens and reply tokens at most, for all records."""
        return (
            round(sum(step.calls for step in self.steps) * self.scale),
            round(sum(step.prompt_tokens for step in self.steps) * self.scale),
            round(sum(step.reply_tokens for step in self.steps) * self.scale),
        )

    def most_cost(self, recipe: Recipe) -> float | None:
        """The most that the calls could cost, None where the recipe gives no prices."""
        total, known = 0.0, False
        for step in self.steps:
            price = getattr(recipe.models.get(step.model), "price", None)
            if price is not None:
                known = True
                total += (
                    (step.prompt_tokens * price.input + step.reply_tokens * price.output) * self.scale / 1e6
                )
        return total if known else None


class _DryChat:
    """A chat model that writes down what it is asked and answers with a marked stand-in."""

    def __init__(self, name: str, book: DryStep) -> None:
        self.name = name
        self._book = book

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        schema: type[BaseModel] | None = None,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        sample: int = 0,
        logprobs: int | None = None,
    ) -> Answer:
        book = self._book
        book.model = self.name
        book.calls += 1
        book.prompt_tokens += sum(estimate_tokens(message.content) for message in messages)
        book.reply_tokens += max_tokens
        if book.showing:
            book.prompts.append(tuple(messages))
        text = f"[reply number {book.calls} of {self.name}, as the step {book.label} would get it]"
        data = None if schema is None else schema.model_validate(_stand_in(schema.model_json_schema()))
        places = (TokenLogprob("...", 0.0),) if logprobs is not None else ()
        return Answer(text, self.name, (), data=data, logprobs=places)

    async def ask_many(
        self,
        messages: Sequence[Message],
        *,
        n: int,
        temperature: float,
        max_tokens: int,
        schema: type[BaseModel] | None = None,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        logprobs: int | None = None,
    ) -> list[Answer]:
        # Counted as so many calls, which is what a server that takes one sample at a time is asked.
        options: dict[str, Any] = {"schema": schema, "top_p": top_p, "stop": stop, "logprobs": logprobs}
        return [
            await self.ask(messages, temperature=temperature, max_tokens=max_tokens, sample=sample, **options)
            for sample in range(n)
        ]

    async def score_text(self, text: str) -> ScoredText:
        book = self._book
        book.model = self.name
        book.calls += 1
        tokens = estimate_tokens(text)
        book.prompt_tokens += tokens
        logprobs = (None, *[0.0] * (tokens - 1)) if tokens else ()
        return ScoredText(("...",) * tokens, logprobs, self.name, ())


@dataclass(slots=True)
class _DryEmbedder:
    """An embedding model to which all texts are the same."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        return np.ones((len(texts), 1), np.float32)


def _stand_in(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A small instance of a JSON schema: highest numbers, false, one element in each list."""
    root = schema if root is None else root
    if "$ref" in schema:
        return _stand_in(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _stand_in(schema[key][0], root)
    match schema.get("type"):
        case "object":
            return {name: _stand_in(part, root) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_stand_in(schema.get("items", {}), root)]
        case "integer" | "number":
            return schema.get("maximum", schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return "..."


async def dry_run(recipe: Recipe, limit: int | None = None) -> DryRun:
    """Carry a few records through the per-record steps with a model that only takes notes.

    Raises:
        FactoryError: the recipe's input cannot be read.
    """
    labels = recipe.labels()
    books = [
        DryStep(label, step.model_dump(exclude_unset=True))
        for label, step in zip(labels, recipe.steps, strict=True)
    ]
    take = SAMPLE if limit is None else min(SAMPLE, limit)
    rows: list[Record] = []
    expected: int | None = 0
    for step, book in zip(recipe.steps, books, strict=True):
        if isinstance(step, Source):
            live = (r for r in step.records(_context(recipe, book)) if r.dropped is None)
            rows += itertools.islice(live, take - len(rows))
            count = step.expected()
            expected = None if expected is None or count is None else expected + count
    if not rows:
        raise FactoryError("no row of the input can be read, so there is nothing to plan")
    steps = [
        (step, _context(recipe, book))
        for step, book in zip(recipe.steps, books, strict=True)
        if isinstance(step, PerRecord)
    ]
    for row in rows:
        stream = Stream(steps, [StepProgress(context.step) for _, context in steps], window=1)
        await stream.run(iter([row]), lambda record: None)
        for book in books:
            book.showing = False
    if expected is not None and limit is not None:
        expected = min(expected, limit)
    return DryRun(books, len(rows), expected)


def _context(recipe: Recipe, book: DryStep) -> Context:
    def chat(name: str) -> ChatModel:
        return _DryChat(resolve_model(recipe.models, name, "chat"), book)

    def silent(sentence: str) -> None:
        """A run says it when it comes to it."""

    return Context(
        book.label,
        recipe.seed,
        chat,
        _DryEmbedder,
        read_records=functools.partial(reference_records, warn=silent),
        read_rows=functools.partial(reference_rows, warn=silent),
    )
