"""One version of a set, read for a comparison: its rows, and what is known of those that are not in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import orjson

from factory.data.formats.reference import reference_records
from factory.data.named_files import named_file
from factory.data.record import Drop, Message, Record
from factory.data.references import is_run, references
from factory.data.table import Table
from factory.data.text import shorten
from factory.errors import InputError
from factory.report.differences.spool import Spool
from factory.report.run_files.rows import dropped_files

TEXTS = ("system", "earlier turns", "prompt", "output")
"""What a row says, by part; rows whose parts are all the same say the same."""


_DIGEST = 8
"""Bytes of a digest: rows are compared one with one, or by four of these."""
_ABSENT = bytes(_DIGEST)


class Key(NamedTuple):
    """What a row is found again by, and what tells whether it changed; a few bytes, as a set has millions.

    id: the record's; own: the one that the source gave its row, "" where it gave none
    said: digests of what it says, of each part of `TEXTS`
    names: of what else is known of it, sorted: see `known_of`; rows of one kind share them
    known: a digest of each of these
    """

    id: str
    own: str
    said: bytes
    names: tuple[str, ...]
    known: bytes

    def said_otherwise(self, other: Key) -> list[str]:
        """The parts of `TEXTS` in which two rows differ."""
        pairs = zip(TEXTS, _digests(self.said), _digests(other.said), strict=True)
        return [part for part, one, two in pairs if one != two]

    def known_otherwise(self, other: Key, names: Collection[str]) -> list[str]:
        """Those of these names under which not the same is known of two rows."""
        if self.names == other.names and self.known == other.known:
            return []
        one, two = (dict(zip(key.names, _digests(key.known), strict=True)) for key in (self, other))
        differ = (name for name in one | two if one.get(name, _ABSENT) != two.get(name, _ABSENT))
        return sorted(name for name in differ if name in names)


def _digests(joined: bytes) -> Iterator[bytes]:
    return (joined[at : at + _DIGEST] for at in range(0, len(joined), _DIGEST))


class Gone(NamedTuple):
    """A record that a run let go."""

    drop: Drop
    parents: tuple[str, ...]


class Version(NamedTuple):
    """A version of a set.

    name: as it was named
    spool: its rows; keys: of each row
    dropped: by id, what the run that made it let go; empty for a file or a release, which does not tell
    is_run: whether it is a run's, which knows all of its records
    """

    name: str
    spool: Spool
    keys: list[Key]
    dropped: Mapping[str, Gone]
    is_run: bool

    @classmethod
    def read(cls, name: str, warn: Callable[[str], None]) -> Self:
        """The version that a name stands for, as `references` says.

        Raises:
            InputError: it stands for nothing, or for a run that has not finished, or holds no row that can be read.
        """
        found = references(name)
        if not found:
            raise InputError(
                f"{name!r} names no set: give a run's folder, a file, an export or hf:org/name@tag"
            )
        keys: list[Key] = []
        kinds: dict[tuple[str, ...], tuple[str, ...]] = {}

        def rows() -> Iterator[Record]:
            for one in found:
                for record in reference_records(one.path, warn):
                    if record.dropped is None:
                        key = key_of(record)
                        keys.append(key._replace(names=kinds.setdefault(key.names, key.names)))
                        yield record

        spool = Spool(rows())
        folder = named_file(name) if not name.startswith("hf:") else Path()
        run = name[:3] != "hf:" and folder.is_dir() and is_run(folder)
        return cls(name, spool, keys, dict(_dropped(folder)) if run else {}, run)

    def __len__(self) -> int:
        return len(self.spool)

    def records(self, rows: Sequence[int]) -> list[Record]:
        """The records of these rows, in this order."""
        return list(self.spool.records(rows))

    @property
    def carries(self) -> set[str]:
        """The names of what is known of any row."""
        return {name for names in {key.names for key in self.keys} for name in names}


def key_of(record: Record) -> Key:
    """What a record is found again by."""
    own = record.meta.get("id")
    said = b"".join(map(_digest, said_of(record).values()))
    known = known_of(record)
    names = tuple(sorted(known))
    return Key(
        record.id,
        "" if own is None else str(own),
        said,
        names,
        b"".join(_value(known[name]) for name in names),
    )


def _value(value: str | float | None) -> bytes:
    """A digest of what is known: equal numbers have the same, and none is as if it were not there."""
    if value is None:
        return _ABSENT
    if isinstance(value, str):
        return _digest(f"text {value}")
    whole = isinstance(value, int) or value.is_integer()
    return _digest(f"number {int(value) if whole else value!r}")


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def said_of(record: Record) -> dict[str, str]:
    """The parts of a row, `TEXTS`, as text; what it lacks is ""."""
    at = record.last_user
    turns = record.messages[at + 1 :]
    earlier = [turn for turn in record.messages[: max(at, 0)] if turn.role != "system"]
    parts = (
        record.system,
        "\n".join(map(_turn, earlier)),
        record.prompt,
        "\n".join(map(_turn, turns)) if any(map(_more, turns)) else record.output,
    )
    return dict(zip(TEXTS, parts, strict=True))


def known_of(record: Record) -> dict[str, str | float]:
    """What a row has beside its text, by name: scores, task, tags, language, licence, thoughts, tools, other answers,
    and the columns of its source but its id.

    Not every format carries each of them.
    """
    others = [one.turns for number, one in enumerate(record.answers) if number != record.chosen]
    labels = {
        "task": record.task,
        "tags": ", ".join(sorted(tag.name for tag in record.tags)),
        "language": record.lang,
        "licence": record.license,
        "thoughts": "\n".join(turn.reasoning for turn in record.messages if turn.reasoning),
        "tools": _json(record.tools) if record.tools else "",
        "other answers": "\n".join(_turn(turn) for one in others for turn in one),
    }
    scores = {f"score {name}": value for name, value in record.scores.items()}
    columns = {f"column {name}": _plain(value) for name, value in record.meta.items() if name != "id"}
    known = {name: value for name, value in {**labels, **columns}.items() if value != ""}
    return {**known, **scores}


def _plain(value: object) -> str | float:
    """A column's value as a text or a number that equals itself; "" where there is none."""
    if value is None or isinstance(value, str):
        return value or ""
    return value if isinstance(value, (int, float)) and value == value else _json(value)


def _more(turn: Message) -> bool:
    """Whether a turn holds more than words, or is a tool's."""
    return turn.role != "assistant" or not turn._replace(reasoning="", weight=None, extra={}).is_plain


def _turn(turn: Message) -> str:
    calls = "".join(f" {call.name}({call.arguments})" for call in turn.calls)
    media = "".join(f" [{one.kind} {one.uri}]" for one in turn.media)
    return f"{turn.role}: {turn.content}{calls}{media}"


def _dropped(folder: Path) -> Iterator[tuple[str, Gone]]:
    for path in dropped_files(folder):
        for record in Table.read(path).records():
            if record.dropped is not None:
                yield record.id, Gone(record.dropped, parents_of(record))


def parents_of(record: Record) -> tuple[str, ...]:
    """The ids of the records that this one was made from, the nearest last."""
    return tuple(parent for event in record.events for parent in event.parents)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str).decode("utf-8", "replace")


def title(record: Record) -> str:
    """The beginning of what a row asks."""
    return shorten(record.prompt, 70)
