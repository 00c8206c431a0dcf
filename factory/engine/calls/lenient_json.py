"""JSON as models write it that no grammar holds: found between words, and read where it can mean one thing only.

Read besides strict JSON: comments, trailing commas, raw line breaks and lone backslashes in strings, single and
curly quotation marks, keys without any, Python's and full-width spellings, quotation marks inside a string that
nobody escaped. Nothing is made up: a value that was cut, or that ends nowhere, is no value, and a key that stands twice
with different values has none. A repairing parser (json-repair) was tried and not taken: it closes what was cut.

LaTeX is why strict JSON is read again, too: `"\\frac"` is valid, and means a form feed and "rac".
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from factory.engine.calls.strict_json import Repeated, strict_value, without_repeats

DEEPEST = 40
"""Values within values."""
MOST_FAILURES = 20
"""So many values of one text may be unreadable before the rest of it is not looked at."""

_LATEX = re.compile(
    r"\\(?:[bf](?=[A-Za-z])"
    r"|n(?:abla|e|eg|eq|geq|leq|mid|ot|otin|exists|subseteq|u|ewline|onumber|atural|earrow|warrow|parallel)(?![A-Za-z])"
    r"|t(?:an|anh|au|ext|ext(?:bf|it|rm|sf|tt|normal)|frac|heta|herefore|hinspace|ilde|imes|o|op|riangle|riangleq|ag)"
    r"(?![A-Za-z])"
    r"|r(?:aise|angle|brace|brack|ceil|floor|ho|ight|ightarrow|ightharpoonup|m|oot|Vert|vert)(?![A-Za-z]))"
)
"""An escape of JSON that a command of LaTeX begins with: nobody writes a backspace or a form feed."""
_SPACE = re.compile(r"(?:[\s\ufeff\u200b]+|//[^\n]{0,500}\n?|/\*.{0,500}?\*/|#[^\n]{0,500}\n?)*+", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(?:[.．]\d+)?(?:[eE][+-]?\d+)?(?![\w.．/%])")
_WORD = re.compile(r"[^\W\d]\w*")
_WORDS = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
    "NaN": float("nan"),
}
_CLOSING = {'"': '"＂', "'": "'", "“": '”“"', "”": "”", "＂": '＂"', "‘": "’", "「": "」"}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "'": "'", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BEGINS_VALUE = re.compile(r"""["'“”＂‘「{\[+\-\d]|(?:true|false|null|True|False|None)\b""")
_BEGINS_KEY = re.compile(r"""["'“”＂‘「][^"'“”＂’」\n]{0,100}["'“”＂’」]\s*[:：]|\w{1,100}\s*[:：]""")
_LIKE_OBJECT = re.compile(r"""["'“”＂‘「}]|\w{1,100}\s{0,20}[:：]\s{0,20}["'“{\[\d]""")
_LIKE_LIST = re.compile(r"""["'“{\[]""")
_WITHIN = re.compile(r"""[{}\[\]]|["'”]\s*[:：]""")
"""What a string with bare quotation marks must not hold: it may be JSON within JSON, and end elsewhere."""
_APOSTROPHE = re.compile(r"\w['’]\w")
_COMMAS, _COLONS = ",，", ":："


class NotJson(ValueError):
    """No value can be read here; `cut` where the text ended within it."""

    def __init__(self, problem: str, *, cut: bool = False) -> None:
        super().__init__(problem)
        self.cut = cut


def json_values(text: str) -> tuple[list[Any], str]:
    """Every object and list at the top of a text, in order, and why the first that looks like one cannot be read.

    What stands within a value that cannot be read is not looked at: the text may have ended within it, and an inner
    object would pass for the whole. Braces that do not begin JSON (code, sets, LaTeX) are words.
    """
    if (inner := _written_twice(text)) is not None:
        return json_values(inner)
    values: list[Any] = []
    problem = ""
    at = failures = 0
    while (at := _next_bracket(text, at)) >= 0 and failures < MOST_FAILURES:
        if not _looks_like_json(text, at):
            at += 1
            continue
        try:
            value, at = _read(text, at)
            values.append(value)
        except NotJson as error:
            problem = problem or str(error)
            failures += 1
            end = _end_of(text, at)
            if end < 0:
                break
            at = end
    return values, problem


def _written_twice(text: str) -> str | None:
    """The JSON in a text that is one string of JSON, '"{\\"score\\": 4}"'; None where it is none."""
    whole = text.strip()
    if not (whole.startswith('"') and whole.endswith('"')):
        return None
    try:
        inner = orjson.loads(whole)
    except orjson.JSONDecodeError:
        return None
    return inner if inner.lstrip().startswith(("{", "[")) else None


def _next_bracket(text: str, at: int) -> int:
    places = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
    return min(places, default=-1)


def _looks_like_json(text: str, at: int) -> bool:
    found = _SPACE.match(text, at + 1)
    inside = at + 1 if found is None else found.end()
    return (_LIKE_OBJECT if text[at] == "{" else _LIKE_LIST).match(text, inside) is not None


def _end_of(text: str, start: int) -> int:
    """Where the bracket that opens at `start` is closed, whatever is between; -1 where it is not."""
    depth = 0
    for found in re.compile(r"[{}\[\]]").finditer(text, start):
        depth += 1 if found[0] in "{[" else -1
        if depth == 0:
            return found.end()
    return -1


def _read(text: str, at: int) -> tuple[Any, int]:
    """The object or list that begins at `at`, and where it ends."""
    try:
        value, end = strict_value(text, at)
    except Repeated as error:
        raise NotJson(str(error)) from None
    except (ValueError, RecursionError):
        pass
    else:
        if "\\" not in text[at:end] or not (_LATEX.search(text, at, end) or "\\ud" in text[at:end].lower()):
            return value, end
    return _Reader(text).value(at, 0)


class _Reader:
    """Reads one value; a place is an index into the text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends."""
        if depth > DEEPEST:
            raise NotJson("it is nested too deep")
        begin = self._peek(at)
        if begin == "{":
            return self._object(at + 1, depth)
        if begin == "[":
            return self._list(at + 1, depth)
        if begin in _CLOSING:
            return self._string(at, key=False, listed=True)
        return self._scalar(at)

    def _scalar(self, at: int) -> tuple[Any, int]:
        if (number := _NUMBER.match(self.text, at)) is not None:
            digits = number[0].replace("．", ".")
            if len(digits) > 400:
                raise NotJson(f"it has a number of {len(digits)} digits")
            whole = digits.lstrip("+-").isdigit()
            return (int(digits) if whole else float(digits)), number.end()
        if (word := _WORD.match(self.text, at)) is not None and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        raise self._missing(at, "a value")

    def _object(self, at: int, depth: int) -> tuple[Any, int]:
        pairs: list[tuple[str, Any]] = []
        while True:
            at = self._skip(at)
            begin = self._peek(at)
            if begin == "}":
                break
            if begin in _CLOSING:
                key, at = self._string(at, key=True, listed=False)
            elif (word := _WORD.match(self.text, at)) is not None:
                key, at = word[0], word.end()
            else:
                raise self._missing(at, "a key")
            at = self._skip(at)
            if self._peek(at) not in _COLONS:
                raise self._missing(at, "a colon")
            at = self._skip(at + 1)
            if self._peek(at) in _CLOSING:
                value, at = self._string(at, key=False, listed=False)
            else:
                value, at = self.value(at, depth + 1)
            pairs.append((key, value))
            at = self._skip(at)
            if self._peek(at) == "}":
                break
            if self._peek(at) not in _COMMAS:
                raise self._missing(at, "a comma")
            at += 1
        try:
            return without_repeats(pairs), at + 1
        except Repeated as error:
            raise NotJson(str(error)) from None

    def _list(self, at: int, depth: int) -> tuple[Any, int]:
        values: list[Any] = []
        while True:
            at = self._skip(at)
            if self._peek(at) == "]":
                return values, at + 1
            value, at = self.value(at, depth + 1)
            values.append(value)
            at = self._skip(at)
            if self._peek(at) == "]":
                return values, at + 1
            if self._peek(at) not in _COMMAS:
                raise self._missing(at, "a comma")
            at += 1

    def _string(self, at: int, *, key: bool, listed: bool) -> tuple[str, int]:
        closing = _CLOSING[self.text[at]]
        special = re.compile(f"[\\\\{re.escape(closing)}]")
        parts: list[str] = []
        bare = 0
        at += 1
        while (found := special.search(self.text, at)) is not None:
            parts.append(self.text[at : found.start()])
            at = found.start()
            if found[0] == "\\":
                piece, at = self._escape(at)
                parts.append(piece)
            elif self._closes(at + 1, key=key, listed=listed):
                said = "".join(parts)
                if bare % 2 or (bare and _WITHIN.search(said) is not None):
                    raise NotJson("a string in it holds quotation marks that are not escaped")
                return said, at + 1
            else:  # a quotation mark that nobody escaped
                apostrophe = _APOSTROPHE.match(self.text, at - 1) is not None
                bare += not apostrophe
                parts.append(found[0])
                at += 1
        raise NotJson("a string in it does not end", cut=True)

    def _closes(self, at: int, *, key: bool, listed: bool) -> bool:
        """Whether what stands behind a quotation mark shows that it ended its string."""
        at = self._skip(at)
        after = self.text[at : at + 1]
        if key:
            return after != "" and after in _COLONS
        if after == ("]" if listed else "}"):
            return True
        if after == "" or after not in _COMMAS:
            return False
        at = self._skip(at + 1)
        if self.text[at : at + 1] in ("]" if listed else "}"):
            return True
        return (_BEGINS_VALUE if listed else _BEGINS_KEY).match(self.text, at) is not None

    def _escape(self, at: int) -> tuple[str, int]:
        """What a backslash and the character behind it stand for."""
        if _LATEX.match(self.text, at) is not None:
            return self.text[at : at + 2], at + 2
        mark = self.text[at + 1 : at + 2]
        if mark == "u":
            return self._code_point(at)
        if mark in _ESCAPES and mark:
            return _ESCAPES[mark], at + 2
        return "\\", at + 1

    def _code_point(self, at: int) -> tuple[str, int]:
        found = re.compile(r"\\u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?").match(self.text, at)
        if found is None:
            return "\\", at + 1
        first = int(found[1], 16)
        if 0xD800 <= first < 0xDC00 and found[2]:
            pair = (first - 0xD800 << 10) + (int(found[2], 16) - 0xDC00) + 0x10000
            return chr(pair), found.end()
        half = 0xD800 <= first < 0xE000
        return ("\ufffd" if half else chr(first)), at + 6

    def _peek(self, at: int) -> str:
        if at >= len(self.text):
            raise NotJson("it does not end", cut=True)
        return self.text[at]

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def _missing(self, at: int, wanted: str) -> NotJson:
        near = self.text[at : at + 20].partition("\n")[0]
        return NotJson(f"{wanted} is missing at {near!r}")
