"""What every capability is: a Step, its kinds, how steps are found, and the context a step is given.

A step is one class: its fields are options, its docstring the manual, `name` its key in a recipe. Three kinds:

- `Source` brings records in, one by one.
- `PerRecord` sees one record and gives none, one or many: thousands run at once, each record streams on to the next
  step as soon as it is made. A `Filter` is one that only keeps or drops.
- `WholeSet` sees all records as a table and gives a table: a border, the only one.

Steps are found by name through entry points, ours like anyone's, so that only those that a recipe names are imported.
"""

from __future__ import annotations

import functools
import inspect
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, overload

from pydantic import BaseModel, ConfigDict

from factory.data.prompt import Prompt, load_prompt
from factory.data.record import Drop, Event, Record
from factory.data.text import shorten
from factory.errors import FactoryError, RecipeError, nearest
from factory.models.base import (
    Answer,
    ChatModel,
    Data,
    EmbeddingModel,
    Fields,
    Sampling,
    ScoredAnswer,
    ScoredText,
)

if TYPE_CHECKING:
    from factory.data.table import Table

STEP_GROUP = "factory.steps"


@dataclass(frozen=True, slots=True)
class NamesModel:
    """Marks a step's field that holds the name of a model in the recipe, or several.

    kind: "chat" or "embedding"
    scores: the step has it score given texts (`ChatModel.score_text`) rather than answer
    """

    kind: str
    scores: bool = False


ChatModelName = Annotated[str, NamesModel("chat")]
ChatModelNames = Annotated[str | tuple[str, ...], NamesModel("chat")]
"""One model's name or several."""
ScoringModelName = Annotated[str, NamesModel("chat", scores=True)]
"""The name of a model that scores given texts; not every chat model can."""
EmbeddingModelName = Annotated[str, NamesModel("embedding")]


class Step(BaseModel, ABC):
    """Base of all steps: a frozen set of validated options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    """The step's key in a recipe."""

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the step's docstring on one line."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())

    @classmethod
    def model_fields_of(cls, kind: str) -> list[str]:
        """Names of the fields that hold a model's name of this kind ("chat", "embedding")."""
        return [
            name
            for name, info in cls.model_fields.items()
            if any(isinstance(mark, NamesModel) and mark.kind == kind for mark in info.metadata)
        ]

    @classmethod
    def scores_with(cls, field: str) -> bool:
        """Whether the model that this field names is to score given texts rather than to answer."""
        return any(isinstance(mark, NamesModel) and mark.scores for mark in cls.model_fields[field].metadata)

    def inputs(self) -> Sequence[Path]:
        """The files that are read, so that a run can tell whether they changed since."""
        return ()

    def check_ready(self) -> None:
        """Raise a FactoryError where what the step needs is missing, such as a package; asked before a first call."""

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """Each model's name of this kind ("chat", "embedding") that the step will use, behind its field."""
        for field_name in self.model_fields_of(kind):
            value = getattr(self, field_name)
            for model in (value,) if isinstance(value, str) else value:
                yield field_name, model


class Source(Step):
    """A step that brings records in."""

    @abstractmethod
    def records(self, context: Context) -> Iterator[Record]:
        """Yield the records one by one; a row that cannot be read comes as a record marked dropped."""

    def expected(self) -> int | None:
        """About how many records there will be; None where that is not cheap to tell."""
        return None

    def is_slow(self) -> bool:
        """Whether a record may take long, as where documents are converted: steps after it go on meanwhile."""
        return False


class PerRecord(Step):
    """A step that sees one record at a time."""

    @abstractmethod
    def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """Yield what becomes of `record`, each as it is made; one that is let go with its reason (`record.drop`).

        Raises:
            RecordFailed: this record cannot go on; the engine sets it aside and the run continues.
        """

    def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """What `process` gives where it makes every call that replies may lead to, for an estimate with stand-ins."""
        return self.process(record, context)

    def finish(self, context: Context) -> None:
        """Called once all records are through, to tell what the step came to (`Context.tell`, `Context.facts`)."""


class Filter(PerRecord):
    """A step that keeps a record as it is, or lets it go.

    Example:
        class NoURLs(Filter):
            name = "no_urls"

            async def check(self, record: Record, context: Context) -> Drop | None:
                found = re.search("https?://[^ ]+", record.output)
                return context.drop("url", f"the answer holds {found[0]}") if found else None
    """

    @abstractmethod
    async def check(self, record: Record, context: Context) -> Drop | None:
        """Why `record` is let go (`Context.drop`); None keeps it.

        Raises:
            RecordFailed: this record cannot be checked; it is set aside and the run goes on.
        """

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        drop = await self.check(record, context)
        yield record if drop is None else replace(record, dropped=drop)


class WholeSet(Step):
    """A step that sees all records at once."""

    def begins(self) -> bool:
        """Whether it makes records of nothing: it may stand first then, where `run` gets an empty table."""
        return False

    def expected(self) -> int | None:
        """At most how many records it makes beside those that come in; None where that cannot be told."""
        return 0

    @abstractmethod
    async def run(self, table: Table, context: Context) -> Table:
        """Give the table on, its rows reordered, annotated or marked dropped; never fewer rows."""

    async def rehearse(self, record: Record, context: Context) -> Sequence[Record] | None:
        """As `PerRecord.rehearse`; what goes on in the record's place, None where it does itself."""

    async def rehearse_once(self, context: Context) -> Record | None:
        """Make every call that `run` makes however many records come in; give one like those that it makes, if any."""
        return None


class Asked(NamedTuple, Generic[Data]):
    """What came of one question: the answer, and what a record's history says of it."""

    answer: Answer[Data]
    event: Event


def _no_files(path: Path) -> Iterator[Any]:
    raise FactoryError(f"{path}: no file can be read here")


@dataclass(frozen=True, slots=True)
class Context:
    """What a step is handed: the models it names, the files it names, a seeded random source, a logger.

    step: place and name in the recipe, such as "02-evolve"; seed: the run's seed
    folder: where a step that writes files (export) writes them; None where nothing may be written
    warn: tells the person one sentence that asks for a look, once; tell: one that does not, such as what was found
    facts: what the step tells of its work, as plain JSON, and its counts (`count`); kept in the run's manifest
    limit: at most how many records a step that begins is to make, None: all; made: tells how many it has so far
    alike: in `rehearse_once`, says that each call from now on stands for so many
    tables: rows that the step hands out, by name; a whole-set step's are written as NAME.jsonl to its folder in the
        run; files: texts likewise, by the file's name
    earlier: in a round of filling, what the step made before: nothing new is to repeat it
    read_records: the records of a file in any format and shape that `read` takes; read_rows: the rows of such a
        file as they are, each with its place (line or row number from 1)

    The last two leave out a row that cannot be read, with a warning. A step names what it will read in `Step.inputs`:
    a file that is missing or empty is then found before the run begins.
    """

    step: str
    seed: int
    get_chat: Callable[[str], ChatModel]
    get_embedder: Callable[[str], EmbeddingModel]
    folder: Path | None = None
    warn: Callable[[str], None] = field(default=lambda sentence: None)
    tell: Callable[[str], None] = field(default=lambda sentence: None)
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("factory"))
    limit: int | None = None
    alike: Callable[[int], None] = field(default=lambda calls: None)
    made: Callable[[int], None] = field(default=lambda records: None)
    earlier: Table | None = None
    read_records: Callable[[Path], Iterator[Record]] = _no_files
    read_rows: Callable[[Path], Iterator[tuple[int, Mapping[str, Any]]]] = _no_files

    def chat(self, name: str) -> ChatModel:
        """The chat model of this name; "" is the recipe's only chat model, or else the embedded one."""
        return self.get_chat(name)

    def embedder(self, name: str) -> EmbeddingModel:
        """The embedding model of this name; "" is the recipe's only one, or else the embedded one."""
        return self.get_embedder(name)

    def count(self, name: str, number: int = 1) -> None:
        """Count what the step did, cut, or found, for the run's manifest and report (`facts`).

        A count of 0 says that it was looked for. Two meanings never share a name.
        """
        self.facts[name] = self.facts.get(name, 0) + int(number)

    def random(self, *key: str | int) -> random.Random:
        """A generator seeded by (run seed, step, key): the same in every run and any order of arrival."""
        # A step keeps its draws when another is put before it: its place in the recipe does not count.
        return random.Random(repr((self.seed, self.step_name, *key)))

    def prompt(self, name: str, record: Record) -> Prompt:
        """The shipped prompt of this name, such as "evolve/deepen", in the record's language.

        Of a pool of examples it has those that the seed draws for the record.
        """
        prompt = load_prompt(name, record.language)
        # Seeding a generator takes longer than all else here.
        return prompt.drawn(self.random("examples", name, record.id)) if prompt.has_pool else prompt

    @overload
    async def ask(
        self,
        model: str,
        prompt: str,
        record: Record,
        sampling: Sampling,
        /,
        *,
        schema: None = None,
        operation: str = "",
        sample: int = 0,
        round: int = 0,
        **values: str,
    ) -> Asked[None]: ...

    @overload
    async def ask(
        self,
        model: str,
        prompt: str,
        record: Record,
        sampling: Sampling,
        /,
        *,
        schema: type[Fields],
        operation: str = "",
        sample: int = 0,
        round: int = 0,
        **values: str,
    ) -> Asked[Fields]: ...

    async def ask(
        self,
        model: str,
        prompt: str,
        record: Record,
        sampling: Sampling,
        /,
        *,
        schema: type[Fields] | None = None,
        operation: str = "",
        sample: int = 0,
        round: int = 0,
        **values: str,
    ) -> Asked[Any]:
        """Ask the model of this name with a shipped prompt in the record's language.

        Gives the answer and the event that the record's history notes of it, for `operation`, by default the
        step's name. `values` are the prompt's inputs. With `schema`, `answer.data` is an instance of it.

        Raises:
            RecordFailed, RunStopped: as `ChatModel.ask`.
        """
        loaded = self.prompt(prompt, record)
        messages = loaded.render(**values)
        answer = await self.chat(model).ask(messages, sampling, schema=schema, sample=sample)
        return Asked(answer, self.event(operation or self.step_name, answer, prompt=loaded, round=round))

    def drop(
        self,
        kind: str,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        *,
        failed: bool = False,
        against: str = "",
    ) -> Drop:
        """That this step lets a record go, and why; see `Drop`."""
        return Drop(self.step, kind, reason, dict(numbers or {}), failed, against)

    @property
    def step_name(self) -> str:
        """The step's name without its place in the recipe."""
        return self.step.split("-", 1)[-1]

    def event(
        self,
        operation: str,
        *answers: Answer[object] | ScoredText | ScoredAnswer,
        prompt: Prompt | None = None,
        round: int = 0,
    ) -> Event:
        """What a record's history says of an operation: who was asked, with which prompt and calls."""
        return Event(
            step=self.step,
            operation=operation,
            model=answers[0].model if answers else "",
            prompt=prompt.reference if prompt is not None else "",
            calls=tuple(key for answer in answers for key in answer.keys),
            round=round,
        )


@functools.cache
def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=STEP_GROUP), key=lambda e: e.value)}


def step_names() -> list[str]:
    """Names of all installed steps, sorted."""
    return sorted(_entry_points())


@functools.cache
def find_step(name: str) -> type[Step]:
    """The step class of this name.

    Raises:
        RecipeError: there is none (names the nearest), or the plug-in that offers it is broken.
    """
    entry = _entry_points().get(name)
    if entry is None:
        raise RecipeError(f"there is no step {name!r}{nearest(name, step_names())}")
    plug_in = f"the plug-in {entry.value}, which offers the step {name!r},"
    try:
        loaded = entry.load()
    except Exception as error:
        why = shorten(f"{type(error).__name__}: {error}", 200)
        raise RecipeError(f"{plug_in} cannot be loaded ({why}); mend it or take it off") from error
    if not (isinstance(loaded, type) and issubclass(loaded, (Source, PerRecord, WholeSet))):
        raise RecipeError(f"{plug_in} is not a Step class: a Source, a PerRecord or a WholeSet")
    if inspect.isabstract(loaded):
        lacks = ", ".join(sorted(loaded.__abstractmethods__))
        raise RecipeError(f"{plug_in} has not all of its methods: it lacks {lacks}")
    if getattr(loaded, "name", None) != name:
        raise RecipeError(f"{plug_in} has another name: set `name = {name!r}` in the class")
    return loaded
