"""Records whose every text a file can hold: lone surrogates become U+FFFD, pairs the character that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from factory.data.formats.values import well_formed
from factory.data.record import Media, Message, Record, ToolCall

_T = TypeVar("_T")


def mended(record: Record) -> tuple[Record, int]:
    """The record with every text well-formed, and how many texts of it were not."""
    mender = _Mender()
    text, anything = mender.text, mender.anything
    made = replace(
        record,
        messages=tuple(map(mender.message, record.messages)),
        # A joined pair is one character where it was two, so the input is measured again.
        input_chars=len(well_formed(record.input)),
        source=text(record.source),
        lang=text(record.lang),
        task=text(record.task),
        tags=tuple(
            tag._replace(name=text(tag.name), explanation=text(tag.explanation)) for tag in record.tags
        ),
        meta=anything(record.meta),
        tools=anything(record.tools),
        template_arguments=anything(record.template_arguments),
        answers=tuple(
            answer._replace(
                turns=tuple(map(mender.message, answer.turns)),
                model=text(answer.model),
                scores=anything(answer.scores),
                verdicts=anything(answer.verdicts),
            )
            for answer in record.answers
        ),
        license=text(record.license),
        form=text(record.form),
    )
    return made, mender.count


class _Mender:
    """Mends texts, wherever they are, and counts those that needed it."""

    def __init__(self) -> None:
        self.count = 0

    def text(self, text: str) -> str:
        if text.isascii():
            return text
        mended = well_formed(text)
        self.count += mended != text
        return mended

    def anything(self, value: _T) -> _T:
        """Plain JSON with its texts mended; what it is of stays: a tuple, a list, a mapping."""
        return self._anything(value) if value else value

    def _anything(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._anything(key): self._anything(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self._anything(item) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def message(self, turn: Message) -> Message:
        if turn.is_plain:
            return turn if turn.content.isascii() else turn._replace(content=self.text(turn.content))
        role, content, reasoning, calls, call_id, name, weight, media, extra = turn
        return Message(
            role,
            self.text(content),
            self.text(reasoning),
            tuple(ToolCall(*map(self.text, call)) for call in calls),
            self.text(call_id),
            self.text(name),
            weight,
            tuple(
                Media(
                    one.kind,
                    self.text(one.uri),
                    len(well_formed(content[: one.at])),
                    self.anything(one.extra),
                )
                for one in media
            ),
            self.anything(extra),
        )
