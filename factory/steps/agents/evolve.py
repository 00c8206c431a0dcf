"""Evol-Instruct: rewrite instructions, round by round, into harder and rarer ones, and answer them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar, Literal, TypeAlias, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field

from factory.data.record import Record
from factory.data.text import is_blank, word_count
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.agents.flaws.comments import without_comment
from factory.steps.agents.flaws.eliminate import (
    Flaw,
    answer_flaw,
    instruction_flaw,
    truncation_flaw,
)
from factory.steps.agents.respond import answered

Operation: TypeAlias = Literal[
    "add_constraints", "deepen", "concretize", "increase_reasoning", "complicate_input", "breadth"
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""Five operations of in-depth evolving, and in-breadth evolving."""


class Evolve(PerRecord):
    """Evolve each instruction over several rounds into harder or rarer ones, and answer them (Evol-Instruct).

    Each round picks one of `operations` at random. In-depth evolving (add_constraints, deepen, concretize,
    increase_reasoning, complicate_input) rewrites the instruction; in-breadth evolving (breadth) writes a
    rarer one of the same domain. All words of the last user turn are evolved, so a child has no separate
    input; its pictures and the record's tools stay. The same model answers the child, which goes on to the
    next step at once and is what the next round evolves.

    The eliminator lets a child go, marked with its reason, where

    - it brings no information gain over its parent, as the model judges ("no_information_gain");
    - its answer, of fewer than 80 words or Chinese characters, opens with a refusal ("I'm sorry, but I can't",
      "As an AI language model, I cannot", 抱歉，我无法) and it did not ask for an apology or refusal ("refusal");
    - its answer holds nothing but punctuation and stop words, and is no option, yes or no, or sign that was asked
      for ("empty_answer");
    - the model refuses to write it ("refusal"); a comment on its own rewriting at the end is taken off;
    - it copies words of the evolving prompt, or an example in it ("template_leak");
    - it is empty, the same as its parent, or was cut by the token limit, as its answer may be ("empty",
      "unchanged", "truncated").

    What can be told without a model is told first, and the gain before the answer is paid for. The parent
    of a failed child stays and is tried again in the next round, with a fresh choice of operation. A round
    whose call failed, or whose reply is no answer (see `respond`), gives a child marked as failed, and the next
    round goes on.

    The score "evolve.added_words" of a child of in-depth evolving is its growth in words over its parent (the
    prompts ask for 10 to 20); it is told, not enforced.

    Source: WizardLM (arXiv 2304.12244), section 3; its published code lacks the eliminator, the later
    rounds and complicate_input.

    Example:
        - evolve: {model: teacher, rounds: 4}
        - evolve: {model: teacher, rounds: 1, operations: [deepen, increase_reasoning], keep_parents: false}
    """

    name: ClassVar[str] = "evolve"

    model: ChatModelName = ""
    """The chat model that evolves, answers and judges the gain."""
    rounds: int = Field(4, ge=1)
    """Rounds of evolution; each gives one child, kept or dropped."""
    operations: tuple[Operation, ...] = Field(OPERATIONS, min_length=1)
    """The operations to choose from, each as likely as the others."""
    check_gain: bool = True
    """Have the model judge whether a child brings an information gain over its parent."""
    keep_parents: bool = True
    """Give the original record on too, before its children, as the paper merges the seeds and all rounds."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of evolving and answering; the gain is judged at 0."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus of evolving and answering: the most likely tokens that have this probability together."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of an evolved instruction."""
    answer_max_tokens: int = Field(2048, ge=1)
    """Most tokens of an answer."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if is_blank(_words(record)):
            raise RecordFailed("no_instruction", "there is no user turn to evolve")
        if self.keep_parents:
            yield record
        current = record
        for round in range(1, self.rounds + 1):
            operation = context.random(record.id, round).choice(self.operations)
            child = await self._round(current, operation, round, context)
            yield child
            if child.dropped is None:
                current = child

    async def _round(self, parent: Record, operation: Operation, round: int, context: Context) -> Record:
        """The child of one round, kept or dropped."""
        name = f"evolve/{operation}"
        prompt = context.prompt(name, parent)
        child = parent.child("", context.event(operation, prompt=prompt, round=round))
        try:
            # The round numbers the sample: a parent that is tried again by the same operation is asked anew.
            reply, event = await context.ask(
                self.model,
                name,
                parent,
                Sampling(self.temperature, self.max_tokens, self.top_p),
                operation=operation,
                sample=round,
                round=round,
                instruction=_words(parent),
            )
            evolved = without_comment(clean_instruction(reply.text), _words(parent))
            child = parent.child(evolved, event)
            if operation != "breadth":
                added = word_count(_words(child)) - word_count(_words(parent))
                child = replace(child, scores={"evolve.added_words": float(added)})
            flaw = truncation_flaw(reply, "the evolved instruction")
            flaw = flaw or instruction_flaw(_words(child), _words(parent), prompt)
            if flaw is None and self.check_gain:
                child, flaw = await self._compare(child, parent, round, context)
            if flaw is None:
                child, flaw = await self._answer(child, round, context)
        except RecordFailed as error:
            return child.drop(context.step, error.kind, str(error), failed=True)
        return child if flaw is None else child.drop(context.step, *flaw)

    async def _compare(
        self, child: Record, parent: Record, round: int, context: Context
    ) -> tuple[Record, Flaw | None]:
        """Rule (a) of the eliminator, as the paper decides it: a model says whether the two are equal."""
        answer, event = await context.ask(
            self.model,
            "evolve/no_information_gain",
            parent,
            Sampling(0.0, self.max_tokens),
            schema=Comparison,
            operation="check_gain",
            round=round,
            first=_words(parent),
            second=_words(child),
        )
        child = child.with_event(event)
        if not answer.data.equal:
            return child, None
        return child, Flaw(
            "no_information_gain", "the model judged it equal to the instruction it was made from"
        )

    async def _answer(self, child: Record, round: int, context: Context) -> tuple[Record, Flaw | None]:
        sampling = Sampling(self.temperature, self.answer_max_tokens, self.top_p)
        child, answer = await answered(
            child, self.model, sampling, context, operation="answer", sample=round, round=round
        )
        flaw = truncation_flaw(answer, "the answer")
        return child, flaw or (None if answer.calls else answer_flaw(answer.text.strip(), _asked(child)))


class Comparison(BaseModel):
    """What the model replies when two instructions are compared."""

    model_config = ConfigDict(extra="forbid")

    equal: bool


def _words(record: Record) -> str:
    """What is evolved: the words of the last user turn; its pictures stay with the child as they are."""
    return record.asked.content if record.asked is not None else ""


def _asked(record: Record) -> str:
    """What an answer goes by: the system turn and the last user turn."""
    return f"{record.system}\n{_words(record)}".strip()


_WHOLE_FENCE = re.compile(
    r"(`{3,}|~{3,})[ \t]*(?:text|txt|plaintext|plain|markdown|md|prompt)?[ \t]*\n(.*)\n[ \t]*\1",
    re.DOTALL,
)
_JSON_FENCE = re.compile(r"```json[ \t]*\n(\{.*\})\s*```", re.DOTALL)
_TAG = r"(?:instruction(?:-[0-9a-f]+)?|(?:(?:rewritten|new|revised|evolved)[ _-]?)?(?:prompt|instruction))"
_TAGS = re.compile(rf"\A<{_TAG}>|</{_TAG}>\Z", re.IGNORECASE)
_RULES = re.compile(r"\A(?:-{3,}|\*{3,}|_{3,})[ \t]*\n|\n[ \t]*(?:-{3,}|\*{3,}|_{3,})\Z")
_BULLET = re.compile(r"\A(?:[*•-]|1[.)])[ \t]+(?=[^\n]*\Z)")
_KEYS = re.compile(rf"(?:{_TAG}|指令|(?:改写|重写)后的指令)", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "«": "»"}
_KIND = r"(?:new|rewritten|revised|evolved|created|modified|updated|improved|more\ complex)"
_LABEL = re.compile(
    rf"""
    \A[\s#*_>]*                                      # what makes a label a heading or bold
    (?:(?:sure|certainly|of\ course)[!,.:]?\s+)?
    (?:here(?:'s|’s|\ is)\s+)?
    (?:(?:the|a|an|my|your)\s+)?
    (?:(?:{_KIND}\s+){{0,2}}(?:prompt|instruction)   # "New prompt:"
    |(?:好的[，,。！!]?\s*)?(?:以下是|这是|下面是)?
     (?:(?:改写|重写|修改|演化|进化|更新|创建|新建|新|全新)(?:后|过)?的?)*
     (?:提示词|提示|指令))                            # "改写后的指令："
    (?:[\s#*_]*[:：][*_]*|[ \t#*_]*(?=\n))          # a label ends in a colon, or is a line of its own
    \s*
    """,
    re.IGNORECASE | re.VERBOSE,
)


def clean_instruction(reply: str) -> str:
    """An instruction without what models put around one: a code fence, tags, quotes, a label ("New prompt:"), JSON.

    Each is taken away only where it is about the whole reply; cleaning again changes nothing.
    """
    text = reply.strip()
    while True:
        bare = _BULLET.sub("", _RULES.sub("", _TAGS.sub("", text)))
        cleaned = _unkey(_unquote(_unfence(_LABEL.sub("", bare)))).strip()
        if cleaned == text:
            return text
        text = cleaned


def _unkey(text: str) -> str:
    """The value of {"prompt": ...}, where a model answers in JSON that nobody asked for."""
    inside = _JSON_FENCE.fullmatch(text)
    if inside is None and not text.startswith("{"):
        return text
    try:
        held = orjson.loads(text if inside is None else inside[1])
    except orjson.JSONDecodeError:
        return text
    (key, value), *others = held.items() if held else [("", "")]
    return value if not others and isinstance(value, str) and _KEYS.fullmatch(key) else text


def _unfence(text: str) -> str:
    match = _WHOLE_FENCE.fullmatch(text)
    return match[2] if match and match[1] not in match[2] else text


def _unquote(text: str) -> str:
    closing = _QUOTES.get(text[:1])
    inner = text[1:-1]
    if closing and len(text) > 1 and text.endswith(closing) and text[0] not in inner and closing not in inner:
        return inner
    return text
