"""What a row means: Alpaca, ShareGPT and messages rows, and their many spellings, as one conversation.

Alpaca       instruction, input, output (also prompt/response, question/answer, query/response; Dolly's
             context/response; Self-Instruct's instances), with optional history and system
ShareGPT     conversations of {"from", "value"}
messages     messages of {"role", "content"}

The last two are read alike: either list may hold either spelling.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed
from factory.data.formats.values import loads, plain, well_formed
from factory.data.record import Message, Tag, join_input
from factory.data.text import detect_language, shorten

SHAPES = ("alpaca", "sharegpt", "messages")

_INSTRUCTION = ("instruction", "prompt", "question", "query")
_OUTPUT = ("output", "response", "answer", "completion")
_SYSTEM = ("system", "system_prompt")
_TURNS = {
    "sharegpt": ("conversations", "conversation", "messages", "items"),
    "messages": ("messages", "conversations", "conversation", "items"),
}
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "observation", "function_response", "function"), "tool"),
}
_CALLS = ("function_call", "function-call", "tool_call")


def recognise(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The shape that most of `rows` have, None where no row has a known one; the first row decides a tie."""
    found = [shape for row in rows if (shape := _shape(row))]
    return max(found, key=found.count) if found else None


def _shape(row: Mapping[str, Any]) -> str | None:
    for name in _TURNS["messages"]:
        turns = _decoded(row.get(name))
        if isinstance(turns, list) and (not turns or isinstance(turns[0], Mapping)):
            return "sharegpt" if turns and "from" in turns[0] else "messages"
    return "alpaca" if any(name in row for name in _INSTRUCTION) else None


def parse_row(row: Mapping[str, Any], shape: str) -> Parsed:
    """Read one row of `shape`, one of `SHAPES`.

    Columns that are not part of the shape go to `meta`, but for lang/language, task/category, source and tags. A
    conversation's instruction, input and output columns, where they repeat its last exchange, say how that
    splits. Per-message keys other than role and content are left out.

    Raises:
        BadShape: the row cannot be a record.
    """
    try:
        values = plain(row)
    except (ValueError, RecursionError) as error:
        raise BadShape(str(error)) from error
    if shape == "alpaca":
        messages, input_chars = _alpaca(values)
    else:
        messages = _conversation(values, shape)
        input_chars = _split(values, messages)
    lang = _label(values, "lang", "language")
    if not lang:
        texts = {
            turn.role: turn.content for turn in messages if turn.role != "system"
        }  # the last of each role
        lang = detect_language(texts["user"]) or detect_language(texts.get("assistant", ""))
    return Parsed(
        messages,
        input_chars,
        _label(values, "source"),
        lang,
        _label(values, "task", "category"),
        _tags(values),
        values,
    )


def _alpaca(row: dict[str, Any]) -> tuple[tuple[Message, ...], int]:
    key = next((name for name in _INSTRUCTION if row.get(name) is not None), "instruction")
    if key not in row:
        raise BadShape("it has no 'instruction': name the column so, or give the shape of the file")
    instruction = _text(row, key)
    if not instruction.strip():
        raise BadShape(f"its {key} is empty: fill it in, or remove the row")
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        row |= {name: instances[0].get(name) for name in ("input", "output")}
        if len(instances) == 1:
            del row["instances"]
    answer = next((name for name in _OUTPUT if row.get(name) is not None), "output")
    # Dolly calls the input "context", and nobody's context is an input where there is an "input" too.
    material = "context" if "input" not in row and "response" in row and "context" in row else "input"
    output, input = _text(row, answer), _text(row, material)
    if not input.strip():
        input = ""
    history = _history(row.pop("history", None))
    system = _system(row)
    turns = [Message("user", join_input(instruction, input))]
    if output.strip():
        turns.append(Message("assistant", output))
    messages = (*([Message("system", system)] if system else []), *history, *turns)
    return messages, len(input)


def _history(value: Any) -> list[Message]:
    pairs = _decoded(value)
    if not pairs:
        return []
    turns: list[Message] = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        if isinstance(pair, dict):
            turns.append(_turn(pair, len(turns) + 1))
        elif isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair):
            turns += [Message("user", pair[0]), Message("assistant", pair[1])]
        else:
            raise BadShape("its history is not a list of [question, answer] pairs of text: rewrite it so")
    _check_order(turns)
    if turns[-1].role != "assistant":
        raise BadShape("its history ends with a question that nobody answers: complete or remove it")
    return turns


def _conversation(row: dict[str, Any], shape: str) -> tuple[Message, ...]:
    lists = {name: _decoded(row[name]) for name in _TURNS[shape] if name in row}
    key = next((name for name, turns in lists.items() if isinstance(turns, list)), None)
    if key is None:
        raise BadShape(f"it has no list of turns: name the column '{_TURNS[shape][0]}'")
    turns = [_turn(turn, number) for number, turn in enumerate(lists[key], 1)]
    del row[key]
    if turns and turns[0].role == "system":
        system, turns = turns[0].content, turns[1:]
    else:
        system = _system(row)
    if turns and turns[-1].role == "assistant" and not turns[-1].content.strip():
        turns.pop()  # a place kept for an answer that is not there yet
    _check_order(turns)
    return (*([Message("system", system)] if system.strip() else []), *turns)


def _check_order(turns: Sequence[Message]) -> None:
    if not any(turn.role == "user" for turn in turns):
        raise BadShape("it has no user turn: add the request that is answered")
    if turns[0].role != "user":
        raise BadShape(f"it starts with {_a(turns[0].role)} turn, whose request is missing: remove that turn")
    for number, turn in enumerate(turns, 1):
        if turn.role != "tool" and not turn.content.strip():
            raise BadShape(f"turn {number} ({turn.role}) is empty: fill it in, or remove the row")
    for before, turn in itertools.pairwise(turns):
        if (before.role == "assistant") == (turn.role == "assistant") or turn.role == "system":
            raise BadShape(
                f"{_a(turn.role)} turn follows {_a(before.role)} turn: user (or tool) and assistant must "
                "alternate, after one system turn at most"
            )


def _turn(turn: Any, number: int) -> Message:
    if not isinstance(turn, dict):
        raise BadShape(f"turn {number} is not an object with a role and a content: rewrite it so")
    if turn.get("tool_calls") or turn.get("function_call"):
        raise BadShape(f"turn {number} calls a tool, which a record cannot hold: remove the row")
    name = turn.get("from", turn.get("role"))
    role = _ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if isinstance(name, str) and name.strip().lower() in _CALLS:
        raise BadShape(f"turn {number} calls a tool, which a record cannot hold: remove the row")
    if role is None:
        shown = shorten(str(name), 30)
        raise BadShape(f"turn {number} has the unknown role {shown!r}: use system, user, assistant or tool")
    content = turn.get("value", turn.get("content"))
    return Message(role, _content(content, number, may_be_empty=role in ("assistant", "system")))


def _content(content: Any, number: int, *, may_be_empty: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and may_be_empty:
        return ""
    if isinstance(content, list):
        parts = [part if isinstance(part, dict) else {"text": part} for part in content]
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        if len(texts) == len(parts) and all(part.get("type", "text") == "text" for part in parts):
            return "".join(texts)
        raise BadShape(f"turn {number} holds more than text (images, sound, calls): remove the row")
    raise BadShape(f"the content of turn {number} is {_kind(content)}, not text: write it as text")


def _split(row: dict[str, Any], messages: Sequence[Message]) -> int:
    """How many characters of the last user turn its `input` column says are input."""
    at = max(index for index, turn in enumerate(messages) if turn.role == "user")
    instruction, input = row.get("instruction"), row.get("input")
    if not isinstance(instruction, str) or not isinstance(input, str):
        return 0
    if messages[at].content != join_input(instruction, input):
        return 0
    del row["instruction"], row["input"]
    if row.get("output") == (messages[-1].content if messages[-1].role == "assistant" else ""):
        del row["output"]
    return len(input)


def _system(row: dict[str, Any]) -> str:
    for name in _SYSTEM:
        if isinstance(row.get(name), str):
            text: str = row.pop(name)
            return text if text.strip() else ""
        if name in row and row[name] is None:
            del row[name]
    return ""


def _label(row: dict[str, Any], *names: str) -> str:
    """Takes the first of `names` that is a text out of the row; "" where none is."""
    for name in names:
        if isinstance(row.get(name), str):
            text: str = row.pop(name)
            return text.strip()
    return ""


def _tags(row: dict[str, Any]) -> tuple[Tag, ...]:
    """Takes a list of tags out of the row: texts, or objects of a tag (or name) and its explanation.

    A list that holds anything else is no list of tags, and stays where it is.
    """
    values = _decoded(row.get("tags"))
    if not isinstance(values, list):
        return ()
    tags = []
    for value in values:
        fields = value if isinstance(value, dict) else {"tag": value}
        name, explanation = fields.get("tag", fields.get("name")), fields.get("explanation", "")
        if not isinstance(name, str) or not isinstance(explanation, str):
            return ()
        if name.strip():
            tags.append(Tag(" ".join(name.split()), " ".join(explanation.split())))
    del row["tags"]
    return tuple(tags)


def _text(row: dict[str, Any], key: str) -> str:
    value = row.pop(key, None)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadShape(f"its {key} is {_kind(value)}, not text: write it as text")
    return value


def _decoded(value: Any) -> Any:
    """A list that a CSV cell or a text column holds as JSON, or a data frame as an array."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return plain(loads(well_formed(value)))
        except ValueError:
            return value
    return value


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "missing")


def _a(role: str) -> str:
    return "an assistant" if role == "assistant" else f"a {role}"
