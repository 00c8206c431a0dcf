"""Pictures, films and sounds that a row lists in columns, and the places in its turns where they belong."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from factory.data.formats.shapes.base import Row
from factory.data.record import Media, Message

_COLUMNS = {"image": ("images", "image"), "video": ("videos", "video"), "audio": ("audios", "audio")}
_MARK = re.compile("<(image|video|audio)>")


def take_media(row: Row, turns: list[Message], form: dict[str, Any], told: list[str]) -> list[Message]:
    """Takes the columns of media out of a row and puts them where the turns say: the first at the first place, and on.

    A place is a part {"type": "image"} without an address, or a mark `<image>` in a text, which is taken out of it; a
    row without either shows its media before its first user turn. `form` remembers the columns under "media". Where
    there are more places than media or fewer, both stay as they are, and that is told.
    """
    found: dict[str, list[str]] = {}
    marked: set[str] = set()
    for kind, names in _COLUMNS.items():
        name = next((name for name in names if name in row), None)
        if name is None:
            continue
        value = row[name]
        uris = value if isinstance(value, list) else [value]
        if value in (None, "", []):
            continue
        if not all(isinstance(uri, str) and uri for uri in uris) or isinstance(value, str) != (name == kind):
            told.append(f"{name} that are no list of addresses")
            continue
        open_parts = sum(_open(media, kind) for turn in turns for media in turn.media)
        marks = sum(turn.content.count(f"<{kind}>") for turn in turns)
        mixed = any(turn.media and f"<{kind}>" in turn.content for turn in turns)
        if mixed or (open_parts or marks or len(uris)) != len(uris) or (open_parts and marks):
            told.append(f"{name} that are more or fewer than their places in the turns")
            continue
        if marks:
            marked.add(kind)
        form.setdefault("media", {})[kind] = name
        found[kind] = list(uris)
        del row[name]
    return _placed(turns, found, marked) if found else turns


def _open(media: Media, kind: str) -> bool:
    return media.kind == kind and media.extra.get("slot") == "part" and not media.uri


def _placed(turns: list[Message], found: Mapping[str, list[str]], marked: set[str]) -> list[Message]:
    left = {kind: iter(uris) for kind, uris in found.items()}
    placed = []
    for turn in turns:
        if turn.media:
            media = tuple(
                one._replace(uri=next(left[one.kind])) if one.kind in left and _open(one, one.kind) else one
                for one in turn.media
            )
            placed.append(turn._replace(media=media))
            continue
        text, shown, done = "", [], 0
        for mark in _MARK.finditer(turn.content):
            if mark[1] in marked:
                text += turn.content[done : mark.start()]
                shown.append(Media(mark[1], next(left[mark[1]]), len(text), {"slot": "mark"}))
                done = mark.end()
        placed.append(
            turn._replace(content=text + turn.content[done:], media=tuple(shown)) if shown else turn
        )
    first = next((at for at, turn in enumerate(placed) if turn.role == "user"), -1)
    rest = tuple(Media(kind, uri, 0, {"slot": "before"}) for kind in found for uri in left[kind])
    if rest and first >= 0:
        placed[first] = placed[first]._replace(media=(*rest, *placed[first].media))
    return placed


def put_media(row: Row, messages: Sequence[Message], form: Mapping[str, Any]) -> tuple[Message, ...]:
    """Puts the addresses of media that have a place in the turns into the row's columns, and the marks into the texts.

    Gives the messages with no more than the media that are parts of theirs.
    """
    columns: dict[str, list[str]] = {}
    put = []
    for message in messages:
        if not message.media:
            put.append(message)
            continue
        text, done, left = "", 0, []
        for media in message.media:
            slot = media.extra.get("slot")
            if slot not in ("mark", "before", "part"):
                left.append(media)
                continue
            columns.setdefault(media.kind, []).append(media.uri)
            if slot == "part":
                left.append(media._replace(uri=""))
            elif slot == "mark":
                text += message.content[done : media.at] + f"<{media.kind}>"
                done = media.at
        put.append(message._replace(content=text + message.content[done:], media=tuple(left)))
    for kind, uris in columns.items():
        name = form.get("media", {}).get(kind, _COLUMNS.get(kind, (f"{kind}s",))[0])
        row[name] = uris[0] if name == kind and len(uris) == 1 else uris
    return tuple(put)


def absent_media(messages: Sequence[Message], folder: Path) -> set[str]:
    """What to tell of media whose relative path leads to nothing below `folder`.

    Nothing is opened, and nothing outside the folder is looked at: not an address, not an absolute path, none with
    "..", none that leads through a symbolic link out of it.
    """
    return {
        f"an address of {_one(media.kind)} that leads to nothing beside the file"
        for message in messages
        for media in message.media
        if _is_absent(media.uri, folder)
    }


def _is_absent(uri: str, folder: Path) -> bool:
    path = PurePath(uri)
    if (
        not uri
        or len(uri) > 4096
        or ":" in uri
        or "\0" in uri
        or "\\" in uri
        or path.is_absolute()
        or ".." in path.parts
    ):
        return False
    whole = folder / path
    home = os.path.realpath(folder)
    if os.path.commonpath([home, os.path.realpath(whole.parent)]) != home:
        return False
    return not os.path.lexists(whole)


def _one(kind: str) -> str:
    return {"image": "an image", "audio": "a sound", "video": "a film"}.get(kind, "a file")
