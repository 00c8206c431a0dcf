"""Tree-Instruct: make instructions harder by an exact number of nodes in their semantic trees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field, field_validator

from factory.data.record import Drop, Event, Record
from factory.data.text import is_blank, word_count
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.models.reply.read import UNUSABLE
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.language import answer_language_flaw
from factory.step import Asked, ChatModelName, Context, PerRecord
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.flaws.eliminate import truncation_flaw
from factory.steps.agents.flaws.yields import note_yield, tell_yield
from factory.steps.agents.semantic_tree.replies import (
    NewNodes,
    ParsedTree,
    grown,
    missing_nodes,
    new_nodes,
    parsed,
    written_flaw,
)
from factory.steps.agents.semantic_tree.tree import COLUMN, SemanticTree
from factory.steps.agents.semantic_tree.words import new_terms

PAPER_NODES = 3
"""How many nodes one call of the paper's prompt adds, as its released data were made."""
MOST_NODES = 50

Found = TypeVar("Found")


class Tree(PerRecord):
    """Make each instruction harder by exactly so many nodes in its semantic tree, and answer it (Tree-Instruct).

    Three calls, each checked: the instruction is parsed into a tree whose nodes hold its words, with a role and what
    they belong to; `nodes` new nouns or verbs are added in depth or width; the tree becomes one fluent instruction
    again. A reply that does not pass is asked for again, `attempts` times in all, and counted by stage and kind in the
    step's facts. What fails in the end is a dropped child with the reason of the last attempt:

    - the tree is none: no root or several, a level left out, words that the instruction has not, or less than
      `min_parsed` of its content words ("bad_tree");
    - another number of nodes was added ("wrong_count"), or one that is neither noun nor verb, stands nowhere, or
      brings no new content word ("bad_node");
    - the instruction lacks a new node ("node_missing") or old words ("word_lost"), is a copy, empty, cut, a refusal, a
      loop, in another language, or speaks of its making ("unchanged", "empty", "truncated", "refusal", "repetition",
      "other_language", "template_leak");
    - its answer is empty, cut, a refusal, a loop, the prompt again or in another language.

    A record gives a child for each number in `nodes`. The input of an instruction goes along as it is, and so do the
    turns before it: the tree is of the last instruction alone. The prompts ask for 100 words at most; that is told
    ("tree.added_words"), not enforced. The child keeps its tree in `meta` under "semantic_tree", new nodes marked
    (JSON: `words`, `role`, `children`, `added`); `factory why` draws it, and `export: {carry: [semantic_tree]}` writes
    it. Scores are "tree.nodes", "tree.depth" and "tree.added" of the tree, "tree.added_words" (growth in words, or
    Chinese characters) and "tree.new_words" (different content words that are new).

    `method: paper` asks as the paper does: one prompt for all three steps, which adds three nodes, repeated on what it
    gave until there are as many as asked. There is no tree to keep or count then, and only the texts are checked.

    Source: Tree-Instruct (arXiv 2308.05696); the checks are ours.

    Example:
        - tree: {model: teacher, nodes: 3}
        - tree: {model: teacher, nodes: [3, 6, 10], keep_parents: false}
        - tree: {model: teacher, nodes: 6, method: paper}
    """

    name: ClassVar[str] = "tree"

    model: ChatModelName = ""
    """The chat model that parses, adds, writes and answers."""
    nodes: int | tuple[int, ...] = 3
    """How many nodes to add, or a list: a child for each. The paper compares 3, 6 and 10."""
    method: Literal["checked", "paper"] = "checked"
    """Three calls whose results are checked, or the paper's one prompt that adds three nodes, repeated."""
    attempts: int = Field(3, ge=1, le=20)
    """Most replies asked for at each stage."""
    min_parsed: float = Field(0.5, ge=0, le=1)
    """Least share of an instruction's content words that its tree holds."""
    min_kept: float = Field(0.8, ge=0, le=1)
    """Least share of the old instruction's content words that the new one holds."""
    keep_language: bool = True
    """Let a child go whose answer is not in its language, as their scripts tell."""
    keep_parents: bool = True
    """Give the original record on too, before its children."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; a tree is first parsed at 0."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus of sampling: the most likely tokens that have this probability together."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of a tree, of new nodes and of an instruction."""
    answer_max_tokens: int = Field(2048, ge=1)
    """Most tokens of an answer."""

    @field_validator("nodes")
    @classmethod
    def _possible(cls, nodes: int | tuple[int, ...]) -> int | tuple[int, ...]:
        counts = (nodes,) if isinstance(nodes, int) else nodes
        if not counts:
            raise ValueError("name at least one number of nodes")
        if not all(1 <= count <= MOST_NODES for count in counts):
            raise ValueError(f"from 1 to {MOST_NODES} nodes can be added")
        if len(set(counts)) < len(counts):
            raise ValueError("a number of nodes stands twice")
        return nodes

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if is_blank(record.instruction):
            raise RecordFailed("no_instruction", "there is no user turn to make a tree of")
        if self.keep_parents:
            yield record
        if COLUMN in record.meta and not any(event.step.endswith("-tree") for event in record.events):
            context.count("columns_replaced")
            context.warn(
                f"{context.step}: rows have a column {COLUMN} of their own; their children have the tree there"
            )
        tree = _Stage[SemanticTree]()
        if self.method == "checked":
            tree = await self._parse(record, context)
        kept, dropped = 0, list[Drop]()
        for count in self._counts():
            child = await self._child(record, tree, count, context)
            yield child
            if child.dropped is None:
                kept += 1
            else:
                dropped.append(child.dropped)
        note_yield(context, kept, dropped)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        tell_yield(context)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: each stage has all its attempts."""
        if is_blank(record.instruction):
            return
        if self.keep_parents:
            yield record
        tree = SemanticTree(())
        tries = range(self.attempts)
        if self.method == "checked":
            for attempt in tries:
                await self._ask_tree(record, attempt, context)
        for count in self._counts():
            text, event = "", context.event("")
            for attempt in tries:
                if self.method == "checked":
                    await self._ask_nodes(record, tree, count, attempt, context)
                    text, event = _said(await self._ask_text(record, tree, attempt, context))
            for portion in _portions(count) if self.method == "paper" else ():
                before = text or record.instruction
                for attempt in tries:
                    text, event = _said(await self._ask_paper(record, before, portion, attempt, context))
            child, _ = await self._answer(record.child(text, event, input=record.input), context)
            yield child

    def _counts(self) -> tuple[int, ...]:
        return (self.nodes,) if isinstance(self.nodes, int) else self.nodes

    async def _child(
        self, record: Record, tree: _Stage[SemanticTree], count: int, context: Context
    ) -> Record:
        """The child with so many nodes more, kept or dropped."""
        events = list(tree.events)
        grew, text = _Stage[SemanticTree](), _Stage[str]()
        if self.method == "paper":
            text = await self._paper(record, count, context)
        elif tree.found is not None:
            grew = await self._grow(record, tree.found, count, context)
            events += grew.events
            if grew.found is not None:
                text = await self._write(record, grew.found, context)
        events += text.events
        operation = f"add_{count}_nodes"
        # The last call is what made it; one whose first call failed has none.
        *before, made = events or [context.event(operation, round=record.round + 1)]
        child = record.child(text.found or "", made._replace(operation=operation), input=record.input)
        child = replace(child, events=(*record.events, *before, child.events[-1]))
        if grew.found is not None:
            child = replace(child, meta={**child.meta, COLUMN: grew.found.as_json()})
        failed = next((stage for stage in (tree, grew, text) if stage.flaw is not None), None)
        if failed is not None and failed.flaw is not None:
            return child.drop(context.step, *failed.flaw, failed=failed.failed)
        child = replace(child, scores=self._scores(child, record, grew.found))
        try:
            child, flaw = await self._answer(child, context)
        except RecordFailed as error:
            return child.drop(context.step, error.kind, str(error), failed=True)
        return child if flaw is None else child.drop(context.step, *flaw)

    @staticmethod
    def _scores(child: Record, record: Record, tree: SemanticTree | None) -> dict[str, float]:
        scores = {
            "tree.added_words": word_count(child.instruction) - word_count(record.instruction),
            "tree.new_words": len(new_terms(child.instruction, record.instruction)),
        }
        if tree is not None:
            scores |= {"tree.nodes": len(tree), "tree.depth": tree.depth, "tree.added": len(tree.added)}
        return {name: float(value) for name, value in scores.items()}

    async def _parse(self, record: Record, context: Context) -> _Stage[SemanticTree]:
        """Step 1: the instruction's tree."""
        return await self._tried(
            "parse",
            lambda attempt: self._ask_tree(record, attempt, context),
            lambda reply: parsed(reply.data, record.instruction, self.min_parsed),
            context,
        )

    async def _grow(
        self, record: Record, tree: SemanticTree, count: int, context: Context
    ) -> _Stage[SemanticTree]:
        """Step 2: the tree with so many nodes more."""
        return await self._tried(
            "add",
            lambda attempt: self._ask_nodes(record, tree, count, attempt, context),
            lambda reply: grown(tree, reply.data, count, record.instruction),
            context,
        )

    async def _write(self, record: Record, tree: SemanticTree, context: Context) -> _Stage[str]:
        """Step 3: the instruction that the grown tree stands for."""
        prompt = context.prompt("tree/write", record)

        def check(reply: Answer[None]) -> str | Flaw:
            text = clean_instruction(reply.text)
            return (
                truncation_flaw(reply, "the new instruction")
                or written_flaw(text, record.instruction, prompt, self.min_kept)
                or missing_nodes(text, tree.added)
                or text
            )

        return await self._tried(
            "write", lambda attempt: self._ask_text(record, tree, attempt, context), check, context
        )

    async def _paper(self, record: Record, count: int, context: Context) -> _Stage[str]:
        """All steps in one prompt, three nodes at a time."""
        prompt = context.prompt("tree/paper", record)
        whole = _Stage[str]()
        before = record.instruction
        for portion in _portions(count):

            def check(reply: Answer[None], before: str = before) -> str | Flaw:
                text = clean_instruction(reply.text)
                return (
                    truncation_flaw(reply, "the new instruction")
                    or written_flaw(text, before, prompt, least=0.0)
                    or text
                )

            def ask(attempt: int, before: str = before, portion: int = portion) -> Awaitable[Asked[None]]:
                return self._ask_paper(record, before, portion, attempt, context)

            stage = await self._tried("rewrite", ask, check, context)
            stage.events[:0] = whole.events
            whole = stage
            if whole.found is None:
                break
            before = whole.found
        return whole

    async def _tried(
        self,
        stage: str,
        ask: Callable[[int], Awaitable[Asked[Any]]],
        check: Callable[[Answer[Any]], Found | Flaw],
        context: Context,
    ) -> _Stage[Found]:
        """What one stage comes to: asked again as long as the reply does not pass and attempts are left."""
        result = _Stage[Found]()
        for attempt in range(self.attempts):
            try:
                reply, event = await ask(attempt)
            except RecordFailed as error:
                result.flaw, result.failed = Flaw(error.kind, str(error)), True
                context.count(f"rejected_{stage}_{error.kind}")
                if error.kind not in UNUSABLE and error.kind != "bad_reply":
                    return result  # no reply at all: another attempt would fail alike
                continue
            found = check(reply)
            if not isinstance(found, Flaw):
                result.found, result.flaw, result.failed = found, None, False
                result.events.append(event)
                return result
            result.flaw, result.failed = found, False
            result.events.append(event._replace(operation=f"rejected_{stage}"))
            context.count(f"rejected_{stage}_{found.kind}")
        return result

    def _sampling(self, temperature: float) -> Sampling:
        return Sampling(temperature, self.max_tokens, self.top_p if temperature else 1.0)

    async def _ask_tree(self, record: Record, attempt: int, context: Context) -> Asked[ParsedTree]:
        return await context.ask(
            self.model,
            "tree/parse",
            record,
            self._sampling(self.temperature if attempt else 0.0),
            schema=ParsedTree,
            operation="parse",
            sample=attempt,
            round=record.round + 1,
            instruction=record.instruction,
        )

    async def _ask_nodes(
        self, record: Record, tree: SemanticTree, count: int, attempt: int, context: Context
    ) -> Asked[NewNodes]:
        return await context.ask(
            self.model,
            "tree/add",
            record,
            self._sampling(self.temperature),
            schema=new_nodes(count),
            operation="add",
            sample=attempt,
            round=record.round + 1,
            instruction=record.instruction,
            tree=tree.numbered(),
            count=str(count),
        )

    async def _ask_text(
        self, record: Record, tree: SemanticTree, attempt: int, context: Context
    ) -> Asked[None]:
        return await context.ask(
            self.model,
            "tree/write",
            record,
            self._sampling(self.temperature),
            operation="write",
            sample=attempt,
            round=record.round + 1,
            instruction=record.instruction,
            tree="\n".join(tree.lines()),
            new_words="\n".join(node.words for node in tree.added),
        )

    async def _ask_paper(
        self, record: Record, before: str, count: int, attempt: int, context: Context
    ) -> Asked[None]:
        return await context.ask(
            self.model,
            "tree/paper",
            record,
            self._sampling(self.temperature),
            operation="rewrite",
            sample=attempt,
            round=record.round + 1,
            instruction=before,
            count=str(count),
        )

    async def _answer(self, child: Record, context: Context) -> tuple[Record, Flaw | None]:
        sampling = Sampling(self.temperature, self.answer_max_tokens, self.top_p)
        child, flaw = await checked_answer(child, self.model, sampling, context, round=child.round)
        if flaw is None and self.keep_language and not child.messages[-1].calls:
            flaw = answer_language_flaw(child.output, child.instruction)
        return child, flaw


@dataclass(slots=True)
class _Stage(Generic[Found]):
    """What one stage came to: what was found, or the flaw of the last attempt; and all that was asked.

    failed: there was no reply to judge
    """

    found: Found | None = None
    flaw: Flaw | None = None
    failed: bool = False
    events: list[Event] = field(default_factory=list)


def _portions(count: int) -> Iterator[int]:
    """`count` in threes, and what is left."""
    yield from [PAPER_NODES] * (count // PAPER_NODES)
    if count % PAPER_NODES:
        yield count % PAPER_NODES


def _said(asked: Asked[None]) -> tuple[str, Event]:
    return asked.answer.text, asked.event
