"""A dry run: the plan, the prompts of one record, and what a run would ask at the most. Calls nobody."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from factory.data.formats.reference import reference_records, reference_rows
from factory.data.prompt import in_place_of_shipped
from factory.data.record import Message, Record
from factory.data.text import estimate_tokens, turn_text
from factory.engine.calls.chat import SCHEMA_TRIES
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Answer, ChatModel, Sampling, ScoredAnswer, ScoredText, TokenLogprob, Vectors
from factory.models.naming import resolve_model
from factory.models.opening import Opening
from factory.models.wire import estimate_prompt_tokens
from factory.recipe.recipe import Recipe
from factory.step import Context, PerRecord, Source, Step, WholeSet

SAMPLE = 64
"""Records that are carried through the steps to count calls."""

COMPLAINT = 300
"""Tokens, at the most about, of what a model is told of a reply that did not fit."""

log = logging.getLogger("factory")


@dataclass(slots=True)
class Asked:
    """What one model would be asked; `reply_tokens` at the most.

    again: what comes on top where no reply fits its schema at first and each is asked for again
    """

    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    again: Asked | None = None


@runtime_checkable
class AsksAboutSome(Protocol):
    """A step that asks about so many of its records at the most, however many come in."""

    def asks_about(self) -> int:
        """How many these are."""
        ...


@dataclass(slots=True)
class DryStep:
    """What one step would ask of each model for the sampled records; `prompts` are those for the first of them.

    once: what it would ask however many records come in, and for the records that steps make of nothing
    most, about: of how many records it asks at the most, None where of all; and of how many of those sampled
    weight: for how many records alike a call is counted that is made now, in `once`; 0 counts it in `asked`
    """

    label: str
    options: Mapping[str, Any]
    asked: dict[str, Asked] = field(default_factory=dict)
    once: dict[str, Asked] = field(default_factory=dict)
    prompts: list[tuple[Message, ...]] = field(default_factory=list)
    showing: bool = True
    most: int | None = None
    about: int = 0
    weight: int = 0

    def scaled(self, scale: float) -> float:
        """What carries its counts to all records, of which there are `scale` times those sampled."""
        return scale if self.most is None else min(scale, self.most / max(1, self.about))

    def note(self, model: str, tokens: int) -> tuple[Asked, int]:
        """Count a call with so many tokens in its prompt; where what else it takes goes, and for how many records."""
        asked = (self.once if self.weight else self.asked).setdefault(model, Asked())
        weight = max(1, self.weight)
        asked.calls += weight
        asked.prompt_tokens += weight * tokens
        return asked, weight

    def weigh(self, calls: int) -> None:
        """Let each call from now on stand for so many, 1 at least, that are made once."""
        self.weight = max(1, calls)

    def show(self, messages: Sequence[Message]) -> None:
        """Keep a prompt of the first record; of calls that are made once, those that are alike show one."""
        if self.showing and not (self.weight and tuple(messages) in self.prompts):
            self.prompts.append(tuple(messages))


@dataclass(slots=True)
class DryRun:
    """The plan of a run. Step counts are for `sampled` records; `scale` carries them to all of them.

    records: how many come in, at the most; None where that is unknown, and all counts are for those sampled alone
    made: how many more steps make of nothing, at the most
    """

    steps: list[DryStep]
    sampled: int
    records: int | None
    made: int = 0

    @property
    def scale(self) -> float:
        """All records over those sampled."""
        return (self.records or self.sampled) / max(1, self.sampled)

    def totals(self, *, again: bool = False) -> tuple[int, int, int]:
        """Calls, prompt tokens and reply tokens at most, for all records; or those that come on top of them."""
        asked = [(one.again if again else one, scale) for _, one, scale in self._asked()]
        known = [(one, scale) for one, scale in asked if one is not None]
        return (
            math.ceil(sum(one.calls * scale for one, scale in known) - 1e-6),
            math.ceil(sum(one.prompt_tokens * scale for one, scale in known) - 1e-6),
            math.ceil(sum(one.reply_tokens * scale for one, scale in known) - 1e-6),
        )

    def most_cost(self, recipe: Recipe, *, again: bool = False) -> float | None:
        """The most that the calls could cost, None where the recipe gives no prices; or those on top of them."""
        total, known = 0.0, False
        for name, one, scale in self._asked():
            price = getattr(recipe.models.get(name), "price", None)
            asked = one.again if again else one
            if price is not None and asked is not None:
                known = True
                total += scale * (asked.prompt_tokens * price.input + asked.reply_tokens * price.output)
        return total / 1e6 if known else None

    def _asked(self) -> Iterator[tuple[str, Asked, float]]:
        """Each model's name, what it would be asked, and what carries that to all records."""
        for step in self.steps:
            scale = step.scaled(self.scale)
            yield from ((name, one, scale) for name, one in step.asked.items())
            yield from ((name, one, 1.0) for name, one in step.once.items())


_STAND_IN = re.compile(r"\[reply number [\d,]+ of [^\[\]]*? would get it\]")


class _DryChat:
    """A chat model that writes down what it is asked and answers with a marked stand-in.

    longest: the tokens that each stand-in so far could have been in place of its own
    """

    def __init__(self, name: str, book: DryStep, longest: dict[str, int]) -> None:
        self.name = name
        self._book = book
        self._longest = longest

    async def ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: type[BaseModel] | None = None,
        sample: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> Answer[Any]:
        book = self._book
        tokens = estimate_prompt_tokens((), tools)
        tokens += sum(self._most_tokens(turn_text(message)) for message in messages)
        asked, weight = book.note(self.name, tokens)
        asked.reply_tokens += weight * sampling.max_tokens
        if schema is not None:
            asked.again = asked.again or Asked()
            asked.again.calls += weight * (SCHEMA_TRIES - 1)
            # The error stands behind the prompt: once, then twice.
            errors = sum(range(1, SCHEMA_TRIES)) * COMPLAINT
            asked.again.prompt_tokens += weight * ((SCHEMA_TRIES - 1) * tokens + errors)
            asked.again.reply_tokens += weight * (SCHEMA_TRIES - 1) * sampling.max_tokens
        book.show(messages)
        text = f"[reply number {asked.calls:,} of {self.name}, as the step {book.label} would get it]"
        self._longest[text] = max(0, sampling.max_tokens - estimate_tokens(text))
        data = None if schema is None else schema.model_validate(_stand_in(schema.model_json_schema(), text))
        # A grader that reads the probabilities of digits finds one, and goes on to its next question.
        places = (TokenLogprob("1", 0.0),) if sampling.logprobs is not None else ()
        return Answer(text, self.name, (), data=data, logprobs=places)

    def _most_tokens(self, text: str) -> int:
        """The tokens of a text in which every stand-in is as long as the reply could be."""
        return estimate_tokens(text) + sum(self._longest.get(found, 0) for found in _STAND_IN.findall(text))

    async def ask_many(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        n: int,
        schema: type[BaseModel] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> list[Answer[Any]]:
        # Counted as so many calls, which is what a server that takes one sample at a time is asked.
        return [
            await self.ask(messages, sampling, schema=schema, sample=sample, tools=tools)
            for sample in range(n)
        ]

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        return Opening("".join(map(turn_text, messages)) or "[the beginning of a user's turn]", "")

    async def continue_text(self, opening: str, sampling: Sampling, *, sample: int = 0) -> Answer[Any]:
        return await self.ask((Message("user", opening),), sampling, sample=sample)

    async def score_text(self, text: str) -> ScoredText:
        tokens = estimate_tokens(text)
        if text:  # an empty one is not sent
            self._book.note(self.name, self._most_tokens(text))
        logprobs = (None, *[0.0] * (tokens - 1)) if tokens else ()
        return ScoredText(("...",) * tokens, logprobs, self.name, ())

    async def answer_opening(self, messages: Sequence[Message]) -> str:
        return "".join(map(turn_text, messages))

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
        if not answer:
            return ScoredAnswer((), (), 0, False, self.name, ())
        before, tokens = estimate_tokens(context), max(1, estimate_tokens(answer))
        self._book.note(self.name, self._most_tokens(context + answer))
        return ScoredAnswer((-1.0,) * tokens, (1,) * tokens, before, False, self.name, ())


@dataclass(slots=True)
class _DryEmbedder:
    """An embedding model to which all texts are the same."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        return np.ones((len(texts), 1), np.float32)


def _stand_in(schema: Mapping[str, Any], text: str, root: Mapping[str, Any] | None = None) -> Any:
    """A small instance of a JSON schema: `text`, highest numbers, false, lists as short as may be but not empty."""
    root = schema if root is None else root
    if "$ref" in schema:
        return _stand_in(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], text, root)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _stand_in(schema[key][0], text, root)
    match schema.get("type"):
        case "object":
            return {name: _stand_in(part, text, root) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [_stand_in(schema.get("items", {}), text, root)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("maximum", schema.get("minimum", 1))
        case "boolean":
            return False
        case _:
            return "reply" if "maxLength" in schema else text


async def dry_run(recipe: Recipe, limit: int | None = None) -> DryRun:
    """Carry the first records through the steps with a model that only takes notes.

    A step is rehearsed (see `PerRecord.rehearse`), and nothing that it drops is lost to the steps behind it: a
    stand-in meets no condition. So what is counted is the most that these records can cost.

    Raises:
        FactoryError: the recipe's input cannot be read.
    """
    with in_place_of_shipped(recipe.prompts.prompts):
        return await _dry_run(recipe, limit)


async def _dry_run(recipe: Recipe, limit: int | None) -> DryRun:
    labels = recipe.labels()
    books = [
        DryStep(
            label,
            step.model_dump(exclude_unset=True),
            most=step.asks_about() if isinstance(step, AsksAboutSome) else None,
        )
        for label, step in zip(labels, recipe.steps, strict=True)
    ]
    take = SAMPLE if limit is None else min(SAMPLE, limit)
    rows: list[Record] = []
    expected: int | None = 0
    for step, book in zip(recipe.steps, books, strict=True):
        if isinstance(step, Source):
            live = (r for r in step.records(_context(recipe, book, {})) if r.dropped is None)
            rows += itertools.islice(live, take - len(rows))
            count = step.expected()
            expected = None if expected is None or count is None else expected + count
    if not rows and isinstance(recipe.steps[0], Source):
        raise FactoryError("no row of the input can be read, so there is nothing to plan")
    longest: dict[str, int] = {}
    steps = [(step, _context(recipe, book, longest)) for step, book in zip(recipe.steps, books, strict=True)]
    made = await _begun(steps, books, limit)
    for row in rows:
        await _carried(row, steps, books)
        for book in books:
            book.showing = False
    if len(rows) < take:  # there are no more
        expected = len(rows) if expected is None else min(expected, len(rows))
    if expected is not None and limit is not None:
        expected = min(expected, limit)
    return DryRun(books, len(rows), expected, made)


async def _begun(steps: Sequence[tuple[Step, Context]], books: Sequence[DryStep], limit: int | None) -> int:
    """Count what whole-set steps ask once, and what the steps behind them ask for the records that they make.

    Gives how many records they make.
    """
    total = 0
    for at, (step, context) in enumerate(steps):
        if not isinstance(step, WholeSet):
            continue
        books[at].weigh(1)
        record = await step.rehearse_once(replace(context, limit=limit if at == 0 else None))
        made = step.expected() or 0
        if at == 0 and limit is not None:
            made = min(made, limit)
        if record is not None and made:
            total += made
            for book in books[at + 1 :]:
                book.weight = made if book.most is None else min(made, book.most)
            await _carried(record, steps[at + 1 :], books[at + 1 :])
        for book in books[at:]:
            book.weight = 0
    return total


async def _carried(row: Record, steps: Sequence[tuple[Step, Context]], books: Sequence[DryStep]) -> None:
    """Rehearse all steps with a record and what becomes of it."""
    records = [row]
    for (step, context), book in zip(steps, books, strict=True):
        coming, records = records, []
        for record in coming:
            before = sum(one.calls for one in book.asked.values())
            records += await _rehearsed(step, record, context)
            book.about += sum(one.calls for one in book.asked.values()) > before


async def _rehearsed(step: Step, record: Record, context: Context) -> list[Record]:
    """What goes on to the next step; what a step did not give on, a real reply might make it give."""
    given: list[Record] = []
    try:
        if isinstance(step, PerRecord):
            async for child in step.rehearse(record, context):
                given.append(child)
        elif isinstance(step, WholeSet):
            given += await step.rehearse(record, context) or []
    except FactoryError as error:
        if not isinstance(error, RecordFailed):
            raise
    except Exception as error:  # a step, perhaps a plug-in's, that cannot work with a stand-in
        log.warning(
            "%s cannot be rehearsed, so it may ask more: %s: %s", context.step, type(error).__name__, error
        )
    live = [child for child in given if child.dropped is None]
    return live or [child.but(dropped=None) for child in given[:1]] or [record]


def _context(recipe: Recipe, book: DryStep, longest: dict[str, int]) -> Context:
    def chat(name: str) -> ChatModel:
        return _DryChat(resolve_model(recipe.models, name, "chat"), book, longest)

    def silent(sentence: str) -> None:
        """A run says it when it comes to it."""

    return Context(
        book.label,
        recipe.seed,
        chat,
        _DryEmbedder,
        alike=book.weigh,
        read_records=functools.partial(reference_records, warn=silent),
        read_rows=functools.partial(reference_rows, warn=silent),
    )
