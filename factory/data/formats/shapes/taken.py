"""A conversation taken out of a nested document, and put back into it where it stood.

What a message holds is taken out of the document, which keeps all the rest, with null in each place. A place is
written down as [field, turn, number, path]: a field of that turn, which of its calls or media (or, for a text, how
many characters of it stood there), and the keys that lead to it. A turn of -1 - n is the nth other answer.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from factory.data.formats.shapes.order import check_order, says_nothing
from factory.data.formats.shapes.spelled import compact, decoded
from factory.data.record import Candidate, Media, Message, Record, ToolCall

_SIGNATURES = ("signature", "thinkingSignature", "thoughtSignature")
Path = tuple[str | int, ...]
"""The keys and numbers that lead to a value of a document."""


def value_at(document: Any, path: Sequence[str | int]) -> Any:
    """What stands at a path, None where nothing does."""
    for key in path:
        if not _has(document, key):
            return None
        document = document[key]
    return document


def _has(holder: Any, key: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(key, int) and 0 <= key < len(holder)
    return isinstance(holder, dict) and key in holder


def text_of(value: Any) -> str:
    """A value where it is a text, "" where it is anything else."""
    return value if isinstance(value, str) else ""


def put_at(document: Any, path: Sequence[str | int], value: Any) -> bool:
    """Puts a value at a path, in the place of what is there; False where there is no such place."""
    holder: Any = value_at(document, path[:-1])
    if not _has(holder, path[-1]):
        return False
    holder[path[-1]] = value
    return True


class Taking:
    """Builds messages of what it takes out of a document, and writes down where each thing stood.

    document: what is taken from, changed in place
    turns: the messages so far
    places: where what they hold was
    told: what is odd
    answers, chosen, lang: as a record's
    """

    def __init__(self, document: Any) -> None:
        self.document = document
        self.turns: list[Message] = []
        self.places: list[list[Any]] = []
        self.told: list[str] = []
        self.answers: list[Candidate] = []
        self.chosen = -1
        self.lang = ""
        self._values: list[Any] = []

    def begin(self, role: str, **fields: Any) -> int:
        """A new turn; gives its number."""
        self.turns.append(Message(role, "", **fields))
        return len(self.turns) - 1

    def get(self, path: Path) -> Any:
        """What stands at a path."""
        return value_at(self.document, path)

    def take(self, at: int, field: str, path: Path, between: str = "") -> bool:
        """Takes a text at a path into a text field of turn `at`, behind what the field holds; "" is no text."""
        text = self.get(path)
        if not isinstance(text, str) or not text:
            return False
        signed = _signature(self.get(path[:-1])) if field == "reasoning" else ""
        before = getattr(self.turns[at], field)
        text = between + text if before else text
        self._turn(at, **{field: before + text})
        glue = between if before else ""
        self._place(
            field,
            at,
            len(text),
            path,
            *([glue, _digest(text.removeprefix(glue))] if signed else [glue] if glue else []),
        )
        return True

    def take_json(self, at: int, path: Path) -> bool:
        """Takes a value at a path as the content of turn `at`: a text as it is, anything else as its JSON text."""
        value = self.get(path)
        if isinstance(value, str) or value is None:
            return self.take(at, "content", path)
        self._turn(at, content=compact(value))
        self._place("json", at, 0, path)
        return True

    def call(self, at: int, name: Path, arguments: Path, id: Path) -> None:
        """Takes a call of a tool: its name and id where they are texts, its arguments as they are."""
        number = len(self.turns[at].calls)
        found = {"name": self.get(name), "id": self.get(id)}
        said = self.get(arguments)
        call = ToolCall(
            found["name"] if isinstance(found["name"], str) else "",
            said if isinstance(said, str) else "" if said is None else compact(said),
            found["id"] if isinstance(found["id"], str) else "",
        )
        self._turn(at, calls=(*self.turns[at].calls, call))
        for field, path in (("name", name), ("id", id)):
            if isinstance(found[field], str):
                self._place(f"call {field}", at, number, path)
        if said is not None:
            self._place("call arguments" if isinstance(said, str) else "call object", at, number, arguments)

    def media(self, at: int, kind: str, path: Path, prefix: str = "") -> bool:
        """Takes a picture, a sound or a file whose address stands at a path; `prefix` makes data an address."""
        uri = self.get(path)
        if not isinstance(uri, str) or not uri:
            return False
        turn = self.turns[at]
        self._turn(at, media=(*turn.media, Media(kind, prefix + uri, len(turn.content))))
        self._place("media", at, len(turn.media), path, *([prefix] if prefix else []))
        return True

    def other_answer(self, number: int, path: Path) -> str:
        """Takes the text of another answer than the one that ends the turns."""
        text = self.get(path)
        if not isinstance(text, str):
            return ""
        self._place("answer", -1 - number, len(text), path)
        return text

    def finish(self) -> None:
        """Puts turns that say nothing back where they stood, and sees that the others are a conversation.

        Raises:
            BadShape: they are none.
        """
        silent = {at for at, turn in enumerate(self.turns) if turn.role != "tool" and says_nothing(turn)}
        if silent:
            self.told.append("a turn that says nothing, left out of the turns")
            left = [at for at in range(len(self.turns)) if at not in silent]
            number = {at: new for new, at in enumerate(left)}
            places = []
            for place, value in zip(self.places, self._values, strict=True):
                if place[1] in silent:
                    put_at(self.document, place[3], value)
                else:
                    places.append([place[0], number.get(place[1], place[1]), *place[2:]])
            self.turns, self.places = [self.turns[at] for at in left], places
        check_order(self.turns, self.told)
        self.told = list(dict.fromkeys(self.told))

    def _turn(self, at: int, **fields: Any) -> None:
        self.turns[at] = self.turns[at]._replace(**fields)

    def _place(self, field: str, at: int, number: int, path: Path, *more: str) -> None:
        self.places.append([field, at, number, list(path), *more])
        self._values.append(self.get(path))
        put_at(self.document, path, None)


def put_back(document: Any, places: Any, record: Record, lost: Counter[str]) -> Any:
    """The document with what the record says now in its places; None where the places are not those of the record.

    A text that stood in several places and has changed stands in them cut as the old one was, as far as it goes.
    A thought that has changed loses its signature, which is counted in `lost`. Whether the document then reads as the
    record is for the shape to see.
    """
    document = copy.deepcopy(document)
    texts: dict[tuple[int, str], list[list[Any]]] = {}
    try:
        for place in places:
            field, at, path = place[0], place[1], place[3]
            if field in Message._fields and field not in ("calls", "media"):
                texts.setdefault((at, field), []).append(place)
            elif not put_at(document, path, _now(record, place)):
                return None
        for (at, field), several in texts.items():
            text = getattr(record.messages[at], field)
            for place, piece in zip(several, _cut(text, several), strict=True):
                if not put_at(document, place[3], piece):
                    return None
                if len(place) > 5 and place[5] != _digest(piece):
                    holder = value_at(document, place[3][:-1])
                    del holder[_signature(holder)]
                    lost["signature"] += 1
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    return document


def _signature(holder: Any) -> str:
    """The key of the signature of a thought, "" where there is none."""
    return next((key for key in _SIGNATURES if isinstance(holder, dict) and key in holder), "")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _now(record: Record, place: Sequence[Any]) -> Any:
    field, at, number = place[:3]
    if field == "answer":
        return record.answers[-1 - at].turns[-1].content
    turn = record.messages[at]
    if field == "json":
        return decoded(turn.content)
    if field == "media":
        return turn.media[number].uri.removeprefix(place[4] if len(place) > 4 else "")
    call = turn.calls[number]
    if field == "call object":
        return _plain(call.arguments)
    return {"call name": call.name, "call id": call.id, "call arguments": call.arguments}[field]


def _plain(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _cut(text: str, places: Sequence[Sequence[Any]]) -> list[str]:
    """A text cut into pieces of the lengths that the places tell, the last to its end."""
    if len(places) == 1:
        return [text]
    pieces, done = [], 0
    for number, place in enumerate(places):
        end = len(text) if number == len(places) - 1 else done + place[2]
        piece = text[done:end]
        between = place[4] if len(place) > 4 else ""
        if between and piece and not piece.startswith(between):
            return [text, *[""] * (len(places) - 1)]
        pieces.append(piece.removeprefix(between))
        done = end
    return pieces
