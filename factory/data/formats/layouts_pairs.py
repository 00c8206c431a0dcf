"""Layouts of pairs whose two answers are one turn each: dpo, openai_preference.

dpo                 id, messages (the prompt's turns), chosen and rejected: one turn each, as LLaMA-Factory (`ranking`)
                    and Axolotl (`rl: dpo`, `type: chat_template.default`) read them
openai_preference   OpenAI's preference rows: input (messages, tools, parallel_tool_calls), preferred_output and
                    non_preferred_output: lists of one turn, and no other key

A row for each answer that lost against the chosen one (`layout_base.losers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from factory.data.formats.layout_base import (
    Asked,
    Columns,
    Held,
    Layout,
    Row,
    in_turn,
    lose,
    losers,
    prompt_and_answer,
)
from factory.data.formats.layouts_chat import OpenAI
from factory.data.formats.turn_rows import beside, beside_columns, turn_rows, turn_type, with_call_ids
from factory.data.formats.values import plain
from factory.data.record import Candidate, Message, Record


def _worse(record: Record) -> list[Candidate]:
    """The answers that lost and are one turn without calls."""
    return [one for one in losers(record) if _is_said(one.turns)]


def _is_said(turns: Sequence[Message]) -> bool:
    return len(turns) == 1 and turns[0].role == "assistant" and not turns[0].calls


def _no_pair(record: Record) -> str:
    """Why a record is no pair of answers of one turn each; "" where it is."""
    if not losers(record):
        return "no answer that lost against a chosen one"
    if not _is_said(prompt_and_answer(record)[1]) or not _worse(record):
        return "answers of several turns, or that call tools"
    return ""


class DPO(Layout):
    """Pairs of answers, each one turn beside the turns that ask."""

    name = "dpo"
    about = (
        "`messages`: turns that ask; `chosen` and `rejected`: one turn each; a row for each answer that lost"
    )
    wants_answer = False

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        if why := _no_pair(record):
            return why
        if any(turn.calls or turn.role == "tool" for turn in record.messages):
            return "tools that were called, which LLaMA-Factory cannot read"
        if any(turn.media for turn in record.messages):
            return "pictures, sounds or files"
        return "" if in_turn(record) else "turns other than questions and answers"

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        prompt, chosen = prompt_and_answer(record)
        worse = _worse(record)
        lose(lost, other_answers=len(record.answers) - 1 - len(worse))
        needs = {*held.needs, "turns"} - {"media"}
        asking, good = turn_rows(prompt, needs, asked, lost), turn_rows(chosen, needs, asked, lost)
        return [
            {
                "messages": asking,
                "chosen": good[0],
                "rejected": turn_rows(one.turns, needs, asked, lost)[0],
                **beside(record, held),
            }
            for one in worse
        ]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        turn = turn_type(held.needs - {"media", "calls", "call ids"}, asked)
        columns: Columns = [("messages", pa.list_(turn)), ("chosen", turn), ("rejected", turn)]
        return columns + beside_columns(held)


class OpenAIPreference(OpenAI):
    """The rows that OpenAI's preference fine-tuning takes."""

    name = "openai_preference"
    about = (
        "`input` (messages, tools), `preferred_output` and `non_preferred_output` (a list of one turn each)"
    )
    wants_answer = False

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        if any(turn.media for turn in record.messages):
            return "pictures, sounds or files"
        return _no_pair(record)

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        prompt, chosen = prompt_and_answer(record)
        worse = _worse(record)
        other = len(record.answers) - 1 - len(worse)
        lose(lost, other_answers=other, template_arguments=len(record.template_arguments))
        asking: Row = {"messages": self._turns(with_call_ids(prompt), asked, lost)}
        if record.tools:
            asking["tools"] = plain(record.tools)
        if isinstance(parallel := record.meta.get("parallel_tool_calls"), bool):
            asking["parallel_tool_calls"] = parallel
        good = self._turns(chosen, asked, lost)
        return [
            {
                "input": asking,
                "preferred_output": good,
                "non_preferred_output": self._turns(one.turns, asked, lost),
            }
            for one in worse
        ]

    def _turns(self, turns: Sequence[Message], asked: Asked, lost: Counter[str]) -> list[Row]:
        lose(lost, weight=sum(turn.weight is not None for turn in turns))
        known = [self._turn(turn._replace(weight=None), asked, lost) for turn in turns]
        return turn_rows(known, {"turns of any kind"}, asked, lost)

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        needs = {*held.needs, *({"call ids"} if "calls" in held.needs else ())}
        turns = pa.list_(turn_type(needs - {"reasoning", "media", "weight", "part of a weight"}, asked))
        inner: Columns = [("messages", turns)]
        inner += [("tools", pa.string())] if "tools" in held.needs else []
        inner += [("parallel_tool_calls", pa.bool_())] if "parallel calls" in held.needs else []
        return [("input", pa.struct(inner)), ("preferred_output", turns), ("non_preferred_output", turns)]
