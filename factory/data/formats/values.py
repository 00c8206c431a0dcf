"""Values as JSON can hold them: well-formed text, plain numbers, lists and objects, nothing else."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson

DEEPEST = 64
"""Levels of nesting allowed in a row; JSON writers give up not far above."""

_INT64 = 1 << 63
_NOT_STRICT = re.compile(r"\\u[dD][89a-fA-F]|NaN|Infinity")


def loads(text: str | bytes) -> Any:
    r"""JSON as `orjson` reads it, and what Python's own writer makes beyond the standard.

    Lone surrogates (`\ud83d`) are let through here and mended later; NaN and infinities are None.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        lenient = text.decode() if isinstance(text, bytes) else text
        if not _NOT_STRICT.search(lenient):
            raise
        try:
            return json.loads(lenient, parse_constant=lambda _: None)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def well_formed(text: str) -> str:
    """`text` with lone surrogates replaced by U+FFFD, and surrogate pairs joined to the character they mean.

    A lone surrogate is half of a character pair: what a cut in the middle of an emoji leaves. No UTF-8 file
    can hold one.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class NoText(str):
    """Bytes that are not text, spelled in base64: a column may hold them, an instruction or an answer may not."""

    __slots__ = ()


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON can hold it: str, bool, int of 64 bits, finite float, None, list, dict with str keys.

    Dates and times become ISO strings, decimals and larger integers their digits, bytes their UTF-8 text
    (base64 where they are not UTF-8), NaN, infinities and other missing values None, arrays lists.

    Raises:
        ValueError: the value is nested more than `DEEPEST` levels deep.
    """
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str and value.isascii():  # nearly every value
        return value
    if isinstance(value, NoText):
        return value
    if isinstance(value, str):
        return well_formed(str(value))
    if isinstance(value, int):
        return int(value) if -_INT64 <= value < 2 * _INT64 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep: flatten it")
    if isinstance(value, Mapping):
        return {well_formed(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return _foreign(value, depth)


def _foreign(value: Any, depth: int) -> Any:
    """Values of libraries that are not imported here, told by what they can do."""
    if type(value).__name__ in ("NaTType", "NAType"):  # pandas' missing time and missing value
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return NoText(base64.b64encode(data).decode())
    if hasattr(value, "tolist"):  # numpy arrays and scalars, Arrow and polars series
        listed = value.tolist()
        return plain(listed, depth + 1) if type(listed) is not type(value) else str(value)
    return well_formed(str(value))
