"""The content of a turn that is a list of parts: text, pictures, sound and files; nothing is loaded."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from factory.data.formats.shapes.calls import read_call_text, write_call_text
from factory.data.record import Media, Message, ToolCall

_TEXT = ("text", "input_text", "output_text")
_KINDS = {
    **dict.fromkeys(("image", "image_url", "input_image"), "image"),
    **dict.fromkeys(("audio", "audio_url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "video_url", "input_video"), "video"),
    **dict.fromkeys(("file", "input_file", "document"), "file"),
}
_ADDRESS = (
    "url",
    "path",
    "file_data",
    "file_id",
    "file_url",
    "data",
    "base64",
    "value",
    "image",
    "audio",
    "video",
)
_TYPES = {"image": "image_url", "audio": "audio_url", "video": "video_url"}


class Content(NamedTuple):
    """What a list of parts holds.

    style: the key of the text parts, "text" or "value"
    unknown: whether a part is of no known kind; it is in none of the others
    """

    text: str
    media: tuple[Media, ...]
    reasoning: str
    calls: tuple[ToolCall, ...]
    style: str
    unknown: bool


def read_parts(parts: list[Any], form: dict[str, Any]) -> Content:
    """Texts joined without a separator, and what stands between them.

    A media's `extra` keeps its part without the address ("part") and where in the part the address stands ("under"),
    but for {"type": "image_url", "image_url": {"url": ...}}, which needs none. A part {"type": "image"} without an
    address is the next of the row's `images`: its address is "" until it is known, its `extra` has "slot": "part".
    """
    text, reasoning, style, unknown = "", "", "text", False
    media: list[Media] = []
    calls: list[ToolCall] = []
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        words = part.get("text", part.get("value")) if isinstance(part, dict) else None
        if kind in _TEXT and isinstance(words, str):
            text, style = text + words, "text" if "text" in part else "value"
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            text += part["refusal"]
        elif kind == "reasoning" and isinstance(words, str):
            reasoning, style = reasoning + words, "text" if "text" in part else "value"
        elif kind == "tool_call" and (found := read_call_text(words, form)) is not None:
            calls += found
            style = "value"
        elif kind in _KINDS and (one := _read_media(part, _KINDS[kind], len(text))) is not None:
            media.append(one)
        else:
            unknown = True
    return Content(text, tuple(media), reasoning, tuple(calls), style, unknown)


def _read_media(part: dict[str, Any], kind: str, at: int) -> Media | None:
    if set(part) == {"type"}:
        return Media(kind, "", at, {"slot": "part", "part": part})
    under = _address(part)
    if under is None:
        return None
    left = copy.deepcopy(part)
    holder = left
    for key in under[:-1]:
        holder = holder[key]
    uri = holder[under[-1]]
    extra: dict[str, Any] = {"part": left, "under": under}
    if under[-1] in ("data", "base64") and not uri.startswith("data:"):
        sort = holder.get("format", holder.get("media_type", "*"))
        prefix = f"data:{sort if '/' in str(sort) else f'{kind}/{sort}'};base64,"
        uri, extra["prefix"] = prefix + uri, prefix
    if isinstance(holder, dict):
        del holder[under[-1]]
    else:
        holder[under[-1]] = None
    if kind in _TYPES and left == {"type": _TYPES[kind], _TYPES[kind]: {}}:
        extra = {}
    return Media(kind, uri, at, extra)


def _address(part: dict[str, Any]) -> list[Any] | None:
    """The keys that lead to a part's address: in an object under the part's own type, or beside it."""
    named = part.get(part["type"])
    if isinstance(named, dict):
        key = next((key for key in _ADDRESS if isinstance(named.get(key), str) and named[key]), None)
        return None if key is None else [part["type"], key]
    for key in (part["type"], *_ADDRESS):
        value = part.get(key)
        if isinstance(value, str) and value:
            return [key]
        if isinstance(value, list) and value and isinstance(value[0], str):
            return [key, 0]  # the frames of a film, of which the first stands for all
    return None


def write_parts(message: Message, style: str, form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A turn's content as parts: its text cut where media stand; with the style "value", thoughts and calls too."""
    parts: list[dict[str, Any]] = []
    if style == "value" and message.reasoning:
        parts.append({"type": "reasoning", "value": message.reasoning})
    done = 0
    for media in (*message.media, None):
        end = len(message.content) if media is None else min(media.at, len(message.content))
        if end > done:
            parts.append({"type": "text", style: message.content[done:end]})
        done = max(done, end)
        if media is not None:
            parts.append(_write_media(media))
    if style == "value":
        parts += [{"type": "tool_call", "value": write_call_text([call], form)} for call in message.calls]
    return parts


def _write_media(media: Media) -> dict[str, Any]:
    part = media.extra.get("part")
    if not isinstance(part, dict):
        if media.kind == "file":
            return {"type": "file", "file": {"file_data": media.uri}}
        sort = _TYPES.get(media.kind, "image_url")
        return {"type": sort, sort: {"url": media.uri}}
    part = copy.deepcopy(part)
    under = media.extra.get("under")
    if under:
        holder = part
        for key in under[:-1]:
            holder = holder[key]
        holder[under[-1]] = media.uri.removeprefix(media.extra.get("prefix", ""))
    return part
