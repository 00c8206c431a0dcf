"""What two texts that are close may still differ in so that they ask for different things: numbers, units, a "not"."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from factory.step import Context

Difference: TypeAlias = Literal["numbers", "units", "negation", "opposites", "operators"]
DIFFERENCES: tuple[Difference, ...] = get_args(Difference)

_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_WORDS, 2)}
_NUMBER = re.compile(rf"\d+(?:[.,:/]\d+)*|\b(?:{'|'.join(_WORDS)})\b")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")
_NEGATION = re.compile(
    r"\b(?:not|never|no|without|cannot|neither|nor|none)\b|n['’]t\b"
    r"|(?<!是)(?<!要)(?<!能)(?<!会)不(?![同过仅但断管少错如足良])|没有?|[無无](?!论)|(?<!除)(?<!并)非(?!常)|未(?!来)|勿|请别|不要|不能|不会|不是"
)
_UNITS = {
    "km": "km|kilomet(?:er|re)s?|公里|千米",
    "cm": "cm|centimet(?:er|re)s?|厘米",
    "mm": "mm|millimet(?:er|re)s?|毫米",
    "m": r"(?<=\d )m|(?<=\d)m|met(?:er|re)s?|(?<![千厘毫分])米",
    "mile": "miles?|英里",
    "foot": "feet|foot|ft|英尺",
    "inch": "inch(?:es)?|英寸",
    "kg": "kg|kilograms?|kilos?|公斤|千克",
    "g": r"(?<=\d )g|(?<=\d)g|grams?|(?<!千)克(?!服)",
    "lb": "lbs?|pounds?|英镑|磅",
    "l": "lit(?:er|re)s?|(?<!毫)升(?![序级高])",
    "ml": "ml|millilit(?:er|re)s?|毫升",
    "s": "seconds?|secs?|秒",
    "min": "minutes?|mins?|分钟",
    "h": "hours?|hrs?|小时",
    "day": "days?",
    "week": "weeks?|星期",
    "month": "months?|个月",
    "year": "years?",
    "$": r"\$|usd|dollars?|美元",
    "€": "€|eur|euros?|欧元",
    "£": "£|gbp",
    "¥": "¥|yuan|cny|rmb|人民币",
    "C": "celsius|°c|摄氏",
    "F": "fahrenheit|°f|华氏",
    "%": "%|percent",
    "bit": "bits?",
    "byte": "bytes?|字节",
    "word": "words?|字(?=以内|左右|的)",
    "sentence": "sentences?|句",
    "paragraph": "paragraphs?|段",
}
_OPPOSITES = {
    "max": "max|maxim(?:um|a|al|i[sz]e[sd]?|i[sz]ing)|largest|biggest|highest|greatest|longest|最大|最高|最长",
    "min": "min|minim(?:um|a|al|i[sz]e[sd]?|i[sz]ing)|smallest|lowest|shortest|最小|最低|最短",
    "first": "first|第一个?",
    "last": "last|最后一?个?",
    "up": "ascending|increas(?:e[sd]?|ing)|升序|增加|上升|提高",
    "down": "descending|decreas(?:e[sd]?|ing)|reduc(?:e[sd]?|ing)|降序|减少|下降|降低",
    "add": "add|insert|append|添加|插入",
    "remove": "remove|delete|删除|移除",
    "encode": "encode|encrypt|编码|加密",
    "decode": "decode|decrypt|解码|解密",
    "pro": "advantages?|pros|benefits?|优点|优势|好处",
    "con": "disadvantages?|cons|drawbacks?|缺点|劣势|坏处",
    "before": "before|之前|以前",
    "after": "after|之后|以后",
    "odd": "odd (?=num|int|val|dig|ind)|奇数",
    "even": "even (?=num|int|val|dig|ind)|偶数",
    "upper": "upper ?case|大写",
    "lower": "lower ?case|小写",
    "best": "best|最好|最佳",
    "worst": "worst|最差|最坏",
    "true": "true",
    "false": "false",
    "positive": "positive|正面|积极",
    "negative": "negative|负面|消极",
    "active": "active voice|主动语态",
    "passive": "passive voice|被动语态",
    "synonym": "synonyms?|同义词|近义词",
    "antonym": "antonyms?|反义词",
    "import": "import|进口",
    "export": "export|出口",
    "buy": "buy|购买",
    "sell": "sell|出售",
    "left": "left",
    "right": "right",
    "en": "english|英语|英文",
    "zh": "chinese|mandarin|中文|汉语|普通话",
    "fr": "french|法语|法文",
    "de": "german|德语|德文",
    "es": "spanish|西班牙语",
    "it": "italian|意大利语",
    "pt": "portuguese|葡萄牙语",
    "ja": "japanese|日语|日文",
    "ko": "korean|韩语|韩文",
    "ru": "russian|俄语|俄文",
    "ar": "arabic|阿拉伯语",
}
_OPERATOR = re.compile(r"===|!==|==|!=|<=|>=|≠|≤|≥|<|>|&&|\|\|")
_SAME_OPERATOR = {"≠": "!=", "≤": "<=", "≥": ">=", "===": "==", "!==": "!="}


def _terms(table: dict[str, str]) -> re.Pattern[str]:
    """Each term of a table as a group of its number; English ones as whole words."""
    return re.compile("|".join(f"({_whole(words)})" for words in table.values()))


def _whole(words: str) -> str:
    """Alternatives, those of English bounded as words; a bar outside brackets parts them."""
    parts = re.split(r"\|(?![^()\[\]]*[)\]])", words)
    return "|".join(
        f"(?<![a-z]){part}(?![a-z])" if re.search("[a-z]", part) is not None else part for part in parts
    )


_UNIT_TERMS, _OPPOSITE_TERMS = _terms(_UNITS), _terms(_OPPOSITES)
_UNIT_NAMES, _OPPOSITE_NAMES = tuple(_UNITS), tuple(_OPPOSITES)


def signature(text: str, kinds: Iterable[Difference] = DIFFERENCES) -> tuple[tuple[str, ...], ...]:
    """What `text` has of each kind, so that two texts of one signature do not differ in them.

    numbers: in digits, or two to twelve in English words, in any order; units and opposites (min and max, the languages
    of a translation): in their order; negation: whether there is any; operators: comparisons, in their order. By lists
    of English and Chinese words, so a proxy.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    return tuple(_PARTS[kind](plain) for kind in kinds)


def _numbers(text: str) -> tuple[str, ...]:
    found = (match[0] for match in _NUMBER.finditer(text))
    return tuple(sorted(_NUMBER_WORDS.get(one, _THOUSANDS.sub("", one)) for one in found))


def _named(terms: re.Pattern[str], names: Sequence[str], text: str) -> tuple[str, ...]:
    return tuple(names[(match.lastindex or 1) - 1] for match in terms.finditer(text))


_PARTS: Mapping[Difference, Callable[[str], tuple[str, ...]]] = {
    "numbers": _numbers,
    "units": lambda text: _named(_UNIT_TERMS, _UNIT_NAMES, text),
    "negation": lambda text: ("not",) if _NEGATION.search(text) else (),
    "opposites": lambda text: _named(_OPPOSITE_TERMS, _OPPOSITE_NAMES, text),
    "operators": lambda text: tuple(_SAME_OPERATOR.get(one, one) for one in _OPERATOR.findall(text)),
}


@functools.lru_cache(maxsize=4096)  # one text is held against several
def _signature(text: str) -> tuple[tuple[str, ...], ...]:
    return signature(text)


def differences(one: str, other: str) -> tuple[Difference, ...]:
    """The kinds in which two texts differ."""
    pairs = zip(DIFFERENCES, _signature(one), _signature(other), strict=True)
    return tuple(kind for kind, mine, theirs in pairs if mine != theirs)


def noted(reason: str, one: str, other: str, context: Context) -> str:
    """`reason` why `one` is dropped for `other`, with what they differ in, which is counted."""
    found = differences(one, other)
    for kind in found:
        context.count(f"dropped_that_differ_in_{kind}")
    context.count("dropped_that_differ", bool(found))
    return f"{reason}; they differ in {', '.join(found)}" if found else reason


def tell_differences(context: Context, dropped: int) -> None:
    """Say how many records were dropped for others that they differ from in what may matter."""
    counts = {kind: context.facts.get(f"dropped_that_differ_in_{kind}", 0) for kind in DIFFERENCES}
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in counts.items() if number)
    if kinds:
        differ = context.facts["dropped_that_differ"]
        guard = ", ".join(kind for kind, number in counts.items() if number)
        context.tell(
            f"{context.step}: of the {dropped:,} dropped, {differ:,} differ from what they lost against in what may "
            f"matter ({kinds}): `guard: [{guard}]` keeps such records"
        )
