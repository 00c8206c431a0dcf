"""Layouts of a prompt and what was answered to it, as TRL reads them: preference, prompt_completion, kto.

preference          id, prompt, chosen, rejected: lists of turns; a row for each answer that the chosen one won against
prompt_completion   id, prompt, completion: lists of turns
kto                 id, prompt, completion, label (true or false); a row for each answer that was judged

Turns are those of messages, and tools and chat_template_kwargs stand beside them where any record has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from factory.data.answers import PAIR
from factory.data.formats.layout_base import (
    Asked,
    Columns,
    Held,
    Layout,
    Row,
    lose,
    losers,
    prompt_and_answer,
)
from factory.data.formats.turn_rows import beside, beside_columns, turn_rows, turn_type
from factory.data.record import Candidate, Message, Record


class _Answers(Layout):
    """Rows of a prompt and answers."""

    wants_answer = False
    parts: tuple[str, ...]
    label = False

    def _row(
        self,
        record: Record,
        parts: Sequence[Sequence[Message]],
        held: Held,
        asked: Asked,
        lost: Counter[str],
    ) -> Row:
        turns = [turn_rows(part, {*held.needs, "turns"}, asked, lost) for part in parts]
        return {**dict(zip(self.parts, turns, strict=True)), **beside(record, held)}

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        turns = pa.list_(turn_type(held.needs, asked))
        columns: Columns = [(name, turns) for name in self.parts]
        columns += beside_columns(held)
        return columns + ([("label", pa.bool_())] if self.label else [])


class Preference(_Answers):
    """Pairs of answers, the better one and a worse one."""

    name = "preference"
    about = "`prompt`, `chosen` and `rejected`: lists of turns; a row for each answer that lost against the chosen one"
    parts = ("prompt", "chosen", "rejected")

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        return "" if losers(record) else "no answer that lost against a chosen one"

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        prompt, chosen = prompt_and_answer(record)
        worse = losers(record)
        lose(lost, other_answers=len(record.answers) - 1 - len(worse))
        return [self._row(record, (prompt, chosen, one.turns), held, asked, lost) for one in worse]


class PromptCompletion(_Answers):
    """A prompt and its answer, of which the answer alone is learned."""

    name = "prompt_completion"
    about = "`prompt` and `completion`: lists of turns"
    parts = ("prompt", "completion")

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        return "" if record.answered else "no answer"

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        lose(lost, other_answers=len(record.answers) - (record.chosen >= 0) if record.answers else 0)
        return [self._row(record, prompt_and_answer(record), held, asked, lost)]


class KTO(_Answers):
    """Answers that were judged good or bad, one by one."""

    name = "kto"
    about = "`prompt` and `completion`: lists of turns; `label`: whether the answer is a good one"
    parts = ("prompt", "completion")
    label = True

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        return (
            "" if any(_label(answer) is not None for answer in record.answers) else "no answer with a label"
        )

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        prompt, _ = prompt_and_answer(record)
        rows = []
        for answer in record.answers:
            label = _label(answer)
            if label is None:
                lose(lost, other_answers=1)
            else:
                row = self._row(record, (prompt, answer.turns), held, asked, lost)
                rows.append({**row, "label": label})
        return rows


def _label(answer: Candidate) -> bool | None:
    """Whether an answer was judged good: its verdict `label`, else which of a pair it is."""
    label = {"true": True, "false": False}.get(answer.verdicts.get("label", "").lower())
    return {"chosen": True, "rejected": False}.get(answer.verdicts.get(PAIR, "")) if label is None else label
