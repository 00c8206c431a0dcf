"""Name the intentions of each instruction, by a model."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, create_model, model_validator

from factory.data.record import Missing, Record, Tag
from factory.data.text import shorten, turn_text
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import ChatModelName, Context, EmbeddingModelName, PerRecord

if TYPE_CHECKING:
    from factory.steps.tags.tag_sets.vocabulary import Vocabulary

_OPEN, _CLOSED = "tag/instag", "tag/instag_closed"
TAG_CHARACTERS = 60
"""A longer tag is a sentence or a model that repeats itself, and is not used."""

# What stands for a tag where there is none: a schema's words given back, an empty value.
_NO_TAG = re.compile(
    r"\W*(?:n/?a|none|null|nil|string|str|tags?(?:_?\d+|[ _-]name)?|unknown|undefined|untagged|no tags?"
    r"|placeholder|empty|无|暂无|没有|未知|标签\d*|标签名|字符串|空)?\W*",
    re.IGNORECASE,
)


class TagIntents(PerRecord):
    """Tag each record with the intentions of its instruction, each with an explanation (InsTag).

    Each user turn is a query of its own, as in the paper; the record gets the tags of all of them, in
    order, each once whatever its case. Tags are open: any phrase. They are kept as the model wrote them but
    for white space and the # of a hashtag, and what is no tag ("N/A", "string") is not used; `normalize_tags` brings
    different names of one intention together.

    With `vocabulary`, the tag map of another set or a list of tags, the model chooses among its tags alone, so
    that both sets can be compared. Of a large tag set it is shown the `shown` tags nearest to the query in
    meaning. A name outside the set is not used; how many there were is in the manifest.

    A record that cannot be tagged, or one of whose turns cannot, goes on without tags: its history says
    "untagged", and `missing` says why under "tag". A part of its tags would count as low complexity. With
    `required` it is set aside as failed instead. How many were tagged, how many not and why, and how many single
    tags could not be used (too long, no tag) or came after the first `max_tags`, is in the manifest and the report. So
    is how many queries have `max_tags` tags: theirs are cut, or were where the server decodes by the schema, and so is
    the complexity that is measured by them.

    Source: #InsTag (arXiv 2308.07074), section 3.

    Example:
        - tag: {model: teacher}
    """

    name: ClassVar[str] = "tag"

    model: ChatModelName = ""
    """The chat model that names the tags."""
    vocabulary: Path | None = None
    """A closed tag set: a tag map (JSON lines of raw and final), or JSON lines of {"tag": ...}."""
    shown: int = Field(60, ge=1)
    """Most tags of the vocabulary that one query is shown."""
    embedder: EmbeddingModelName = ""
    """The embedding model that finds the tags to show, where the vocabulary has more than `shown`."""
    max_tags: int = Field(32, ge=1)
    """Most tags of one query; a model that names more has its first ones taken. Complexity is the number of tags:
    a low bound censors it (the 6,000 records that InsTag chose have 16.56 on average)."""
    required: bool = False
    """Set a record aside where it cannot be tagged, instead of letting it go on without tags."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 gives the same tags each time."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the tags of one query with their explanations."""

    _closed: Vocabulary | None = PrivateAttr(default=None)

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return () if self.vocabulary is None else (self.vocabulary,)

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: tags of a vocabulary alone are looked for by an embedding."""
        return super().models_of(kind) if kind == "chat" or self.vocabulary is not None else iter(())

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        prompt = context.prompt(_OPEN if self.vocabulary is None else _CLOSED, record)
        answers: list[Answer[NamedTags]] = []
        for counted in ("tagged", "unusable_tags", "tags_beyond_max_tags", "queries_at_max_tags"):
            context.count(counted, 0)
        try:
            tags = await self._tags(record, answers, context)
        except RecordFailed as error:
            event = context.event("untagged", *answers, prompt=prompt)
            untagged = record.with_tags(Missing(error.kind, str(error)), event)
            yield (
                untagged.drop(context.step, "untagged", str(error), failed=True)
                if self.required
                else untagged
            )
        else:
            context.count("tagged")
            yield record.with_tags(tags, context.event("tag", *answers, prompt=prompt))

    async def _tags(
        self, record: Record, answers: list[Answer[NamedTags]], context: Context
    ) -> tuple[Tag, ...]:
        closed = self._vocabulary(context)
        tags: list[Tag] = []
        for message in record.conversation:
            if message.role != "user" or message.is_empty:
                continue
            answer = await self._ask(record, turn_text(message), closed, context)
            answers.append(answer)
            named = clean_tags(Tag(tag.tag, tag.explanation) for tag in answer.data.tags)
            context.count("unusable_tags", sum(not _usable(tag.tag) for tag in answer.data.tags))
            if closed is not None:
                named, unknown = closed.chosen(named)
                context.count("outside", len(unknown))
                if not named and unknown:
                    raise RecordFailed(
                        "outside_vocabulary",
                        f"none of the tags that the model named is in the vocabulary: {shorten(', '.join(unknown))}",
                    )
            if not named:
                raise RecordFailed("no_tags", "the model named no tag that can be used")
            if len(named) >= self.max_tags:
                context.count("queries_at_max_tags")
                context.warn(
                    f"{context.step}: some queries have the {self.max_tags} tags that `max_tags` allows, or more: "
                    "complexity is censored there, and the count queries_at_max_tags says how often"
                )
            context.count("tags_beyond_max_tags", max(0, len(named) - self.max_tags))
            tags.extend(named[: self.max_tags])
        if not answers:
            raise RecordFailed("no_instruction", "there is no user turn to tag")
        return clean_tags(tags)

    async def _ask(
        self, record: Record, query: str, closed: Vocabulary | None, context: Context
    ) -> Answer[NamedTags]:
        sampling = Sampling(self.temperature, self.max_tokens)
        schema = tags_schema(self.max_tags)
        if closed is None:
            asked = await context.ask(self.model, _OPEN, record, sampling, schema=schema, instruction=query)
        else:
            tags = "\n".join(await self._shown(closed, query, context))
            asked = await context.ask(
                self.model, _CLOSED, record, sampling, schema=schema, instruction=query, tags=tags
            )
        return asked.answer

    def _vocabulary(self, context: Context) -> Vocabulary | None:
        if self.vocabulary is None:  # a private attribute costs more than all else here
            return None
        if self._closed is None:
            from factory.steps.tags.tag_sets.vocabulary import Vocabulary

            self._closed = Vocabulary.read(context.read_rows(self.vocabulary), str(self.vocabulary))
        context.facts["vocabulary"] = len(self._closed.names)
        context.count("outside", 0)
        return self._closed

    async def _shown(self, closed: Vocabulary, query: str, context: Context) -> Sequence[str]:
        if len(closed.names) <= self.shown:
            return closed.names
        return await closed.near(query, self.shown, context.embedder(self.embedder))


class NamedTag(BaseModel):
    """A tag as the model writes it."""

    model_config = ConfigDict(extra="forbid")

    # The bounds are for a server that decodes by the schema, where a small model may repeat itself for
    # ever. They are not enforced on reading: `clean_tags` drops a long tag without asking again for the
    # others. A tag may run past TAG_CHARACTERS, so that one that was cut is told from one that ended.
    tag: str = Field(json_schema_extra={"maxLength": TAG_CHARACTERS + 20})
    explanation: str = Field(json_schema_extra={"maxLength": 160})

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, said: Any) -> Any:
        """A tag without an explanation is a tag, as its bare name is."""
        said = {"tag": said} if isinstance(said, str) else said
        return {"explanation": "", **said} if isinstance(said, dict) and "tag" in said else said


class NamedTags(BaseModel):
    """What the model replies; `tags_schema` adds the number of tags."""

    model_config = ConfigDict(extra="forbid")

    tags: list[NamedTag]


@functools.lru_cache(maxsize=16)
def tags_schema(max_tags: int) -> type[NamedTags]:
    """The schema of a reply: 1 to `max_tags` tags. More are tolerated on reading."""
    bound = Field(min_length=1, json_schema_extra={"maxItems": max_tags})
    return create_model("BoundedTags", __base__=NamedTags, tags=(list[NamedTag], bound))


def clean_tags(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    """The tags with white space collapsed, without empty and overlong ones, each once whatever its case."""
    kept: dict[str, Tag] = {}
    for tag in tags:
        name = _name(tag.name)
        if _usable(name):
            kept.setdefault(name.casefold(), Tag(name, " ".join(tag.explanation.split())))
    return tuple(kept.values())


def _name(said: str) -> str:
    """A tag's name without the # of a hashtag."""
    return " ".join(said.lstrip("#＃ \t\n").split())


def _usable(said: str) -> bool:
    name = _name(said)
    return 0 < len(name) <= TAG_CHARACTERS and not _NO_TAG.fullmatch(name)
