"""The body of a reply, read as leniently as it can be without a guess: packed, marked, nearly JSON, or in pieces."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.formats.values import loads, plain
from factory.models.openai.connection import MOST_BYTES, TooLong
from factory.models.openai.event_stream import is_event_stream, join_events, without_comments

_GZIP = b"\x1f\x8b"
_WHOLE = {"", "identity", "none"}
_GZIPPED = {"gzip", "x-gzip"}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Unreadable(Exception):
    """The body cannot be read, whatever it holds; says why."""


def unpacked(headers: Mapping[str, str], body: bytes, most_bytes: int = MOST_BYTES) -> bytes:
    """The body without gzip or deflate, which some servers use though they were asked for neither.

    A body that begins as gzip does is unpacked, whatever the headers say; one that is not packed, though the
    headers say so, is taken as it stands.

    Raises:
        TooLong: it unpacks to more than `most_bytes`; no more than those are ever held.
        Unreadable: the packing is broken, cut short or of another kind.
    """
    if body.startswith(_GZIP):
        return _inflated(body, 16 + zlib.MAX_WBITS, most_bytes)
    if "content-encoding" not in headers:
        return body
    named = [name.strip().lower() for name in headers["content-encoding"].split(",")]
    coding = ", ".join(name for name in named if name not in _WHOLE)
    if not coding or not body or body.lstrip()[:1] in (b"{", b"["):
        return body
    if coding in _GZIPPED:
        return body
    if coding != "deflate":
        raise Unreadable(
            f"it is packed as {coding!r} though it was asked for as it is: switch packing off in what answers there"
        )
    wrapped = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflated(body, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS, most_bytes)


def _inflated(body: bytes, window: int, most_bytes: int) -> bytes:
    pieces: list[bytes] = []
    left = most_bytes
    while body:
        packer = zlib.decompressobj(window)
        try:
            piece = packer.decompress(body, left + 1)
        except zlib.error as error:
            raise Unreadable(f"its packing is broken: {error}") from None
        left -= len(piece)
        if left < 0:
            raise TooLong(f"it unpacks to more than {most_bytes >> 20} MiB")
        if not packer.eof:
            raise Unreadable("its packing is cut short")
        pieces.append(piece)
        body = (
            packer.unused_data if packer.unused_data.startswith(_GZIP) else b""
        )  # gzip may have several parts
    return b"".join(pieces)


def read_json(raw: bytes) -> tuple[Any, str]:
    """The value that a reply's body holds, and what had to be forgiven to read it ("" for plain JSON).

    Read are: a byte-order mark before the JSON, or comments that keep the line open; NaN and infinities (as null), a
    lone surrogate (as U+FFFD); and an event stream, whose pieces are joined. The parser's error, which would quote the
    reply, is let go.

    Raises:
        Unreadable: it is none of them.
    """
    try:
        return orjson.loads(raw), ""
    except orjson.JSONDecodeError:
        pass
    text = raw
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            text = raw[len(mark) :].decode(encoding, "replace").encode()
    text = without_comments(text)
    if is_event_stream(text):
        joined = join_events(text, _loads)
        if joined is None:
            raise Unreadable("its event stream broke off, or holds no completion")
        return joined, "an event stream, though none was asked for; its pieces are joined"
    try:
        value = _loads(text)
    except ValueError:
        raise Unreadable("it is not JSON") from None
    try:  # where what stood before it was all that was odd
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return value, "JSON with NaN or half a character, which are read as null and U+FFFD"
    return value, ""


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return plain(loads(text))


def is_page(raw: bytes) -> bool:
    """Whether a body holds nothing, or something that was never meant as JSON, such as a page of HTML."""
    raw = raw.removeprefix(codecs.BOM_UTF8).lstrip()
    wide = any(raw.startswith(mark) for mark, _ in _MARKS[1:])
    return not (wide or raw.startswith((b"{", b"[")) or is_event_stream(raw))
