"""Conversations of Open Assistant: trees of messages, the same as one row a message, and single threads."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row
from factory.data.formats.shapes.document import Document, count_lost
from factory.data.formats.shapes.many import LINES, ManyRows
from factory.data.formats.shapes.taken import Path, Taking, text_of
from factory.data.record import Candidate, Message, Record
from factory.data.text import shorten

_ROLES = {"prompter": "user", "assistant": "assistant"}
_BACK = {"user": "prompter", "assistant": "assistant"}
_KEYS = frozenset(("message_id", "text", "role"))


class OasstThreads(Document):
    """{"thread_id", "thread": [messages]}."""

    name = "oasst_threads"
    columns = ("thread",)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        thread = row.get("thread")
        return isinstance(thread, list) and all(
            isinstance(one, dict) and one.keys() >= _KEYS for one in thread
        )

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        thread = taking.get(("thread",))
        if not isinstance(thread, list) or not all(isinstance(one, dict) for one in thread):
            raise BadShape("it has no list of messages: name the column 'thread'")
        for number, message in enumerate(thread):
            _take_message(taking, message, ("thread", number))

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`."""
        thread = _messages(record, lost)
        if record.answers:
            lost["answers"] += 1
        return {"thread_id": thread[-1]["message_id"], "thread": thread}

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """See `Document.put_tools`."""
        if record.tools:
            lost["tools"] += 1


class Oasst(OasstThreads):
    """{"message_tree_id", "prompt": {..., "replies": [...]}}: a tree, of which the best thread is the conversation.

    At each turn the reply with the lowest rank is the best, the first of those without a rank where none has one;
    deleted ones do not count. Questions at the end that nobody answered are left out. The other answers to the last
    question are the record's `answers`, with their rank as a score.
    """

    name = "oasst"
    columns = ("prompt",)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        prompt = row.get("prompt")
        if "message_tree_id" not in row or "text" in row:
            return False
        return prompt is None or (isinstance(prompt, dict) and prompt.keys() >= _KEYS)

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        prompt = taking.get(("prompt",))
        if not isinstance(prompt, dict):
            raise BadShape("its prompt is no message, so nothing was asked: remove the row")
        nodes: dict[int, Path] = {}

        def replies(at: int) -> list[int]:
            here = nodes[at]
            listed = taking.get((*here, "replies"))
            found = []
            for number, reply in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(reply, dict):
                    found.append(len(nodes))
                    nodes[len(nodes)] = (*here, "replies", number)
            return found

        nodes[0] = ("prompt",)
        _take_best(taking, 0, replies, lambda at: nodes[at])

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`. Ids are made of the record's."""
        chain = _messages(record, lost)
        tree: list[Row] = []
        for message, parent in zip(chain, [None, *chain], strict=False):
            tree.append({**message, "parent_id": parent["message_id"] if parent else None, "replies": []})
        for parent, message in itertools.pairwise(tree):
            parent["replies"].append(message)
        asked = tree[-2] if record.answered and len(tree) > 1 else tree[-1]
        for number, answer in enumerate(record.answers):
            if number == record.chosen and record.answered:
                if "rank" in answer.scores:
                    tree[-1]["rank"] = int(answer.scores["rank"])
                continue
            if [turn.role for turn in answer.turns] != ["assistant"]:
                raise BadShape(
                    "one of its answers calls tools, which this shape cannot hold: write it as messages"
                )
            count_lost(answer.turns, lost, "reasoning", "media", "name", "weight", "extra")
            reply: Row = {
                "message_id": f"{record.id}-answer-{number + 1}",
                "text": answer.text,
                "role": "assistant",
                **({"lang": record.lang} if record.lang else {}),
                "parent_id": asked["message_id"],
                "replies": [],
            }
            if "rank" in answer.scores:
                reply["rank"] = int(answer.scores["rank"])
            if answer.model:
                reply |= {"model_name": answer.model, "synthetic": True}
            asked["replies"].append(reply)
        kept = record.meta.get("message_tree_id")
        return {
            "message_tree_id": kept if isinstance(kept, str) else tree[0]["message_id"],
            "prompt": tree[0],
        }


class OasstMessages(OasstThreads, ManyRows):
    """One row a message, with parent_id and message_tree_id; the rows of a tree are one conversation, as in a tree."""

    name = "oasst_messages"
    columns = (LINES,)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return row.keys() >= _KEYS and text_of(row["role"]) in _ROLES and "replies" not in row

    def key(self, row: Mapping[str, Any]) -> str:
        """See `ManyRows.key`."""
        tree, id = row.get("message_tree_id"), row.get("message_id")
        if isinstance(tree, str):
            return tree
        return id if isinstance(id, str) and row.get("parent_id") is None else ""

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        self.lines(row)
        return super().read(row)

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        lines: list[Row] = taking.get((LINES,))
        ids: dict[str, int] = {}
        below: dict[int, list[int]] = {}
        roots: list[int] = []
        for number, line in enumerate(lines):
            id = line.get("message_id")
            if isinstance(id, str) and ids.setdefault(id, number) != number:
                taking.told.append("two messages with one id (the first is taken)")
            elif line.get("parent_id") is None:
                roots.append(number)
        if not roots:
            raise BadShape("its tree has no message without a parent: the rows of a tree must stand together")
        for number, line in enumerate(lines):
            parent = line.get("parent_id")
            if (
                isinstance(parent, str)
                and parent in ids
                and ids.get(text_of(line.get("message_id"))) == number
            ):
                below.setdefault(ids[parent], []).append(number)
        reached, edge = set(), [roots[0]]
        while edge:
            reached.add(edge[-1])
            edge += [one for one in below.get(edge.pop(), ()) if one not in reached]
        if len(reached) < len(ids):
            taking.told.append("messages that hang on none of their tree, left out of the turns")
        _take_best(taking, roots[0], lambda at: below.get(at, []), lambda at: (LINES, at))

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`."""
        tree = Oasst().anew(record, lost)
        rows: list[Row] = []
        edge = [tree["prompt"]]
        while edge:
            message = edge.pop(0)
            edge += message["replies"]
            rows.append(
                {
                    **{key: message[key] for key in message if key != "replies"},
                    "message_tree_id": tree["message_tree_id"],
                }
            )
        return {LINES: rows}


def _take_message(taking: Taking, message: Mapping[str, Any], here: Path) -> None:
    role = _ROLES.get(text_of(message.get("role")))
    if role is None or not isinstance(message.get("text"), str):
        id = shorten(str(message.get("message_id")), 40)
        raise BadShape(
            f"its message {id} has no text, or no role 'prompter' or 'assistant': mend or remove it"
        )
    taking.take(taking.begin(role), "content", (*here, "text"))
    if not taking.lang and isinstance(message.get("lang"), str):
        taking.lang = message["lang"]


def _rank(message: Any) -> float:
    rank = message.get("rank")
    return float(rank) if isinstance(rank, int | float) and not isinstance(rank, bool) else float("inf")


def _take_best(taking: Taking, root: int, replies: Any, path: Any) -> None:
    """Takes the best thread from the root down, and the other answers to its last question."""
    thread, siblings = [root], [[root]]
    while True:
        alive = [one for one in replies(thread[-1]) if taking.get(path(one)).get("deleted") is not True]
        if not alive:
            break
        thread.append(min(alive, key=lambda one: _rank(taking.get(path(one)))))
        siblings.append(alive)
    while len(thread) > 2 and taking.get(path(thread[-1])).get("role") == "prompter":
        taking.told.append("a question at the end that nobody answered, left out of the turns")
        thread.pop(), siblings.pop()
    for one in thread:
        _take_message(taking, taking.get(path(one)), path(one))
    if taking.turns[-1].role == "assistant" and len(siblings[-1]) > 1:
        _take_answers(taking, thread[-1], siblings[-1], path)


def _take_answers(taking: Taking, best: int, siblings: Sequence[int], path: Any) -> None:
    others = [one for one in siblings if taking.get(path(one)).get("role") == "assistant"]
    for number, one in enumerate(others):
        message = taking.get(path(one))
        if one == best:
            taking.chosen, text = number, taking.turns[-1].content
        else:
            text = taking.other_answer(number, (*path(one), "text"))
        rank, model = _rank(message), message.get("model_name")
        scores = {} if rank == float("inf") else {"rank": rank}
        turns = (Message("assistant", text),)
        taking.answers.append(Candidate(turns, model if isinstance(model, str) else "", scores))


def _messages(record: Record, lost: Counter[str]) -> list[Row]:
    """The turns of a record, one after the other."""
    count_lost(record.messages, lost, "reasoning", "media", "name", "weight", "extra")
    turns = record.messages
    if turns and turns[0].role == "system":
        lost["system"] += 1
        turns = turns[1:]
    if any(turn.role not in _BACK or turn.calls for turn in turns):
        raise BadShape("it calls tools, or has a system turn in the middle, which this shape cannot hold")
    return [
        {
            "message_id": f"{record.id}-{number}",
            "text": turn.content,
            "role": _BACK[turn.role],
            **({"lang": record.lang} if record.lang else {}),
        }
        for number, turn in enumerate(turns, 1)
    ]
