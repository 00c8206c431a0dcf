"""What the labels of pairs mean: which of them name the first answer, the second, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from factory.data.text import shorten
from factory.errors import InputError

Winner: TypeAlias = Literal[0, 1, 2]
"""0 neither, 1 the first answer, 2 the second."""

NAMES: Mapping[str, Winner] = {"first": 1, "second": 2, "tie": 0}

_WORDS: Mapping[str, Winner] = {
    **dict.fromkeys(
        (
            "tie",
            "tied",
            "c",
            "both",
            "equal",
            "draw",
            "tie (bothbad)",
            "平",
            "平局",
            "平手",
            "一样",
            "不分胜负",
        ),
        0,
    ),
    **dict.fromkeys(("a", "first", "output_1", "response1", "model_a", "answer_a"), 1),
    **dict.fromkeys(("第一个", "前者", "回答一", "回答a", "答案一", "答案a", "a更好"), 1),
    **dict.fromkeys(("b", "second", "output_2", "response2", "model_b", "answer_b"), 2),
    **dict.fromkeys(("第二个", "后者", "回答二", "回答b", "答案二", "答案b", "b更好"), 2),
}
_NUMBERS: Mapping[str, Mapping[str, Winner]] = {
    "0.5": {"1": 1, "0.5": 0, "0": 2},
    "2": {"1": 1, "2": 2, "0": 0},
    "-1": {"1": 1, "0": 0, "-1": 2},
}
"""What a set of numbers means by the custom of the field, by the one of them that tells it from the others."""


def spelled(value: Any) -> str:
    """A label as it is compared: 1, 1.0, "1" and "1.0" are one label; "" where there is none."""
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, str):
        text = value.strip().strip("[]").lower()
        try:
            value = float(text)
        except ValueError:
            return text
    number = float(value)
    return "" if number != number else f"{number:g}"


def parse_meaning(text: str, option: str) -> dict[str, Winner]:
    """What "first=1,second=0,tie=0.5" says: the winner of each label.

    Raises:
        InputError: it is not written so.
    """
    meaning: dict[str, Winner] = {}
    for part in text.split(","):
        name, equals, label = part.partition("=")
        winner = NAMES.get(name.strip().lower())
        if winner is None or not equals or not spelled(label):
            raise InputError(f"{option} {text}: write first=1,second=0,tie=0.5 with your own labels")
        if meaning.setdefault(spelled(label), winner) != winner:
            raise InputError(f"{option} {text}: the label {label.strip()!r} has two meanings")
    if not {1, 2} <= set(meaning.values()):
        raise InputError(f"{option} {text}: say which label is `first` and which is `second`")
    return meaning


def meaning_of(values: Sequence[Any], column: str, option: str, fractions: bool = False) -> dict[str, Winner]:
    """The winner of each label that is there, where that is plain: by words, or by a full set of numbers.

    fractions: whether they are scores of `judge_pair`: 1 the first answer, 0 the second

    Raises:
        InputError: they are numbers that may mean several things; it says which option tells.
    """
    there = {spelled(value) for value in values} - {""}
    numbers = sorted((label for label in there if _is_number(label)), key=float)
    if fractions:
        return dict(_NUMBERS["0.5"])
    words = {label: _WORDS[label] for label in there if label in _WORDS}
    if not numbers:
        return words
    known = next(
        (of for sign, of in _NUMBERS.items() if sign in numbers and set(numbers) <= of.keys()),
        _NUMBERS["2"] if {1, 2} & set(words.values()) and set(numbers) <= _NUMBERS["2"].keys() else None,
    )
    if known is None:
        shown = ", ".join(shorten(label, 12) for label in numbers[:6])
        raise InputError(
            f"the values of {column!r} are {shown}, and nothing tells which names the first answer: say so with "
            f"{option}, such as first=1,second=0 or first=0,second=1,tie=2"
        )
    return {**words, **{label: of for label, of in known.items() if label in there}}


def _is_number(label: str) -> bool:
    try:
        return float(label) == float(label)
    except ValueError:
        return False


def say(meaning: Mapping[str, Winner], column: str) -> str:
    """What the labels of a column are read as, in words."""
    parts = []
    for winner, words in ((1, "the first answer"), (2, "the second"), (0, "a tie")):
        labels = [label for label, of in meaning.items() if of == winner]
        if labels:
            parts.append(f"{' or '.join(sorted(labels))} {words}")
    return f"{column}: {', '.join(parts)}"
