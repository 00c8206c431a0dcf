"""Layouts of whole conversations: messages, parquet, openai, sharegpt, alpaca.

messages    id, messages of {"role", "content"} and, where turns have them, reasoning_content, tool_calls, tool_call_id,
            name, weight; tools (JSON text) and chat_template_kwargs where any record has them
parquet     the same, and its last exchange as instruction, input, output, then lang, task, source, tags, score.NAME
openai      OpenAI's fine-tuning rows: messages, tools (objects), parallel_tool_calls, and no other key
sharegpt    id, conversations of {"from", "value"}, with function_call and observation turns; tools as JSON text;
            images, audios, videos with a mark in the text for each
alpaca      id, instruction, input, output; system and history where any record needs them

A system turn leads the conversation in sharegpt: a column of its own would be lost by trainers that read the
turns alone (Axolotl, Unsloth), and LLaMA-Factory takes either.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from factory.data.formats.layout_base import (
    Asked,
    Columns,
    Held,
    Layout,
    Row,
    dialogue,
    in_turn,
    lose,
    lose_beside,
)
from factory.data.formats.turn_rows import beside, beside_columns, said, turn_rows, turn_type, with_call_ids
from factory.data.formats.values import loads, plain
from factory.data.record import Media, Message, Record, ToolCall

if TYPE_CHECKING:
    pass


class Messages(Layout):
    """Turns as chat templates know them."""

    name = "messages"
    about = '`messages`: turns of `{"role": "user" or "assistant" (system, tool), "content"}`'

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        turns = turn_rows(record.messages, held.needs, asked, lost)
        if record.answers:
            lose_beside(record, lost, tools=False, arguments=False)
        return [{"messages": turns, **beside(record, held)}]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        return [("messages", pa.list_(turn_type(held.needs, asked))), *beside_columns(held)]


class Flat(Messages):
    """Turns, and what is known of a record in plain columns."""

    name = "parquet"
    about = (
        "`messages`, its last exchange as `instruction`, `input`, `output`, and what is known of it: "
        "`lang`, `task`, `source`, `tags`"
    )

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        (row,) = super().rows(record, held, asked, lost)
        turns = row.pop("messages")
        return [
            {
                "messages": turns,
                **_exchange(record),
                "lang": record.lang,
                "task": record.task,
                "source": record.source,
                "tags": [tag.name for tag in record.tags],
                **{f"score.{name}": record.scores.get(name) for name in held.scores},
                **row,
            }
        ]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        turns, *more = super().columns(held, asked)
        text = pa.string()
        names = ("instruction", "input", "output", "lang", "task", "source")
        scores = [(f"score.{name}", pa.float64()) for name in held.scores]
        return [turns, *((name, text) for name in names), ("tags", pa.list_(text)), *scores, *more]


class OpenAI(Layout):
    """The rows that OpenAI's fine-tuning takes, and those who follow it."""

    name = "openai"
    about = "`messages` as OpenAI's API takes them, `tools` (objects) and `parallel_tool_calls`"
    has_id = False

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        shown = {one.kind for turn in record.messages for one in turn.media}
        return "sounds, films or files" if shown - {"image"} else ""

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        lose_beside(record, lost, tools=False)
        shape = held.needs & {"media"}
        known = [self._turn(turn, asked, lost) for turn in with_call_ids(record.messages)]
        turns = turn_rows(known, {"turns of any kind", *shape}, asked, lost)
        row: Row = {"messages": turns}
        if record.tools:
            row["tools"] = plain(record.tools)
        if isinstance(parallel := record.meta.get("parallel_tool_calls"), bool):
            row["parallel_tool_calls"] = parallel
        return [row]

    def _turn(self, turn: Message, asked: Asked, lost: Counter[str]) -> Message:
        if turn.is_plain:
            return turn
        learned = turn.role == "assistant" and turn.weight in (0, 1)
        lose(lost, weight=turn.weight is not None and not learned)
        if asked.reasoning == "field" and turn.reasoning:
            lose(lost, reasoning=1)
            turn = turn._replace(reasoning="")
        return turn if learned else turn._replace(weight=None)

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        needs = {*held.needs, *({"call ids"} if "calls" in held.needs else ())} - {"reasoning"}
        turns = turn_type(needs - {"part of a weight"}, asked)
        columns: Columns = [("messages", pa.list_(turns))]
        columns += [("tools", pa.string())] if "tools" in held.needs else []
        return columns + ([("parallel_tool_calls", pa.bool_())] if "parallel calls" in held.needs else [])


class ShareGPT(Layout):
    """Turns of a speaker and a text, as LLaMA-Factory reads them."""

    name = "sharegpt"
    about = '`conversations`: turns of `{"from": "human" or "gpt" (system, observation), "value"}`'

    _FROM: ClassVar = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    LISTS: ClassVar[dict[str, str]] = {"image": "images", "audio": "audios", "video": "videos"}

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        if any(one.kind not in self.LISTS for turn in record.messages for one in turn.media):
            return "files"
        return ""

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        if record.answers or record.template_arguments:
            lose_beside(record, lost, tools=False)
        shown: dict[str, list[str]] = {name: [] for kind, name in self.LISTS.items() if kind in held.needs}
        turns = [self._turn(turn, asked, shown, lost) for turn in record.messages]
        row: Row = {"conversations": turns, **shown}
        if "tools" in held.needs:
            # No null: LLaMA-Factory takes "" for none.
            row["tools"] = beside(record, held)["tools"] or ""
        return [row]

    def _turn(
        self, turn: Message, asked: Asked, shown: dict[str, list[str]], lost: Counter[str]
    ) -> dict[str, str]:
        if turn.is_plain:
            return {"from": self._FROM[turn.role], "value": turn.content}
        in_tags = asked.reasoning == "think" and not turn.calls
        lose(
            lost,
            reasoning=bool(turn.reasoning) and not in_tags,
            weight=turn.weight is not None,
            names=bool(turn.name),
            call_ids=(1 if turn.call_id else 0) + sum(1 for call in turn.calls if call.id),
            other_keys_of_turns=len(turn.extra),
        )
        if turn.calls:
            lose(lost, texts_beside_calls=bool(turn.content.strip()), media=len(turn.media))
            return {"from": "function_call", "value": _calls_text(turn.calls)}
        text = marked(turn)
        for one in sorted(turn.media, key=lambda one: one.at):
            shown[self.LISTS[one.kind]].append(one.uri)
        return {
            "from": self._FROM[turn.role],
            "value": said(turn._replace(content=text), turn.reasoning * in_tags),
        }

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        text = pa.string()
        columns: Columns = [("conversations", pa.list_(pa.struct([("from", text), ("value", text)])))]
        columns += [(name, pa.list_(text)) for kind, name in self.LISTS.items() if kind in held.needs]
        return columns + ([("tools", text)] if "tools" in held.needs else [])


def marked(turn: Message) -> str:
    """A turn's text with a mark such as <image> where it shows something."""
    text = turn.content
    for one in sorted(turn.media, key=lambda one: one.at, reverse=True):
        text = f"{text[: one.at]}{_mark(one)}{text[one.at :]}"
    return text


def _mark(media: Media) -> str:
    return f"<{media.kind}>"


def _calls_text(calls: tuple[ToolCall, ...]) -> str:
    """Calls as JSON text of a name and arguments, a list where there are several."""
    made = [{"name": call.name, "arguments": _arguments(call)} for call in calls]
    return orjson.dumps(made[0] if len(made) == 1 else made).decode()


def _arguments(call: ToolCall) -> Any:
    try:
        return plain(loads(call.arguments))
    except ValueError:
        return call.arguments


class Alpaca(Layout):
    """An instruction, its input and its output."""

    name = "alpaca"
    about = "`instruction`, `input` (may be empty), `output`"

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        if record.tools or any(turn.calls or turn.role == "tool" for turn in record.messages):
            return "tools, which alpaca cannot hold"
        if any(turn.media for turn in record.messages):
            return "pictures, sounds or files, which alpaca cannot hold"
        if not in_turn(record):
            return "turns other than questions and answers, which alpaca cannot hold"
        return ""

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        if record.answers or record.template_arguments:
            lose_beside(record, lost)
        for turn in record.messages:
            if not turn.is_plain:
                lose(
                    lost,
                    reasoning=bool(turn.reasoning) and asked.reasoning != "think",
                    weight=turn.weight is not None,
                    names=bool(turn.name),
                    other_keys_of_turns=len(turn.extra),
                )
        row = _exchange(record)
        answered = record.messages[-1].role == "assistant"
        if asked.reasoning == "think":
            texts = [said(turn, turn.reasoning) for turn in dialogue(record)]
            row["output"] = texts[-1] if answered else ""
        else:
            texts = [turn.content for turn in dialogue(record)]
        before = texts[: -2 if answered else -1]
        if "system" in held.needs:
            row["system"] = record.system
        if "history" in held.needs:
            row["history"] = [before[i : i + 2] for i in range(0, len(before), 2)]
        return [row]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        text = pa.string()
        columns: Columns = [(name, text) for name in ("instruction", "input", "output")]
        columns += [("system", text)] if "system" in held.needs else []
        return columns + ([("history", pa.list_(pa.list_(text)))] if "history" in held.needs else [])


def _exchange(record: Record) -> Row:
    return {"instruction": record.instruction, "input": record.input, "output": record.output}
