"""Words of one gender for those of the other, in English and Chinese."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORDS = (
    "he she,himself herself,man woman,men women,boy girl,boys girls,father mother,fathers mothers,dad mom,son daughter"
    ",sons daughters,brother sister,brothers sisters,husband wife,husbands wives,boyfriend girlfriend,uncle aunt"
    ",uncles aunts,nephew niece,grandfather grandmother,grandpa grandma,grandson granddaughter,prince princess"
    ",actor actress,waiter waitress,gentleman lady,gentlemen ladies,male female,males females,sir madam,widower widow"
    ",businessman businesswoman,policeman policewoman,landlord landlady,hero heroine,stepfather stepmother"
    ",godfather godmother"
)
# These count with a capital alone: "ms" is a time, too.
_NAMES = (
    "Mr Ms,James Mary,John Linda,Robert Patricia,Michael Jennifer,William Elizabeth,David Barbara,Richard Susan"
    ",Joseph Jessica,Thomas Sarah,Charles Karen,Daniel Lisa,Matthew Nancy,Anthony Betty,Steven Ashley,Paul Emily"
    ",Andrew Kimberly,Kevin Donna,Brian Michelle,George Carol,Tom Anna,Peter Laura,Jack Amy,Ryan Rachel"
)
_TO_FEMALE = dict(pair.split() for pair in f"{_WORDS},{_NAMES}".split(","))
_TO_MALE = {female: male for male, female in _TO_FEMALE.items()} | {"Mrs": "Mr", "hers": "his"}
_ENGLISH = re.compile(
    r"(?<![\w'-])((?i:"
    + "|".join(sorted({word for word in {*_TO_FEMALE, *_TO_MALE} if word.islower()}, key=len, reverse=True))
    + "|his|him|her)|"
    + "|".join(
        sorted({word for word in {*_TO_FEMALE, *_TO_MALE} if not word.islower()}, key=len, reverse=True)
    )
    + r")(?![\w-])"
)
# What follows "her" where it is no possessive ("saw her at"), and "his" where it stands alone ("is his and").
_NO_NOUN = re.compile(
    r"\s*(?:[^\sA-Za-z'\"(]|$)|\s+(?:a|an|the|and|or|but|to|at|in|on|for|with|from|by|of|as|is|was|are|were|be|been|will|would"
    r"|can|could|may|might|should|must|has|had|have|did|does|do|if|when|while|because|before|after|since|until|that|which|who"
    r"|what|how|why|where|into|out|up|down|off|over|about|again|too|so|then|than|there|here|not|it|they|we|you|i|he|she|this"
    r"|these|those|very|just|also|more|during|through|without|instead|alone|away|back|home|yesterday|today|tomorrow)\b",
    re.IGNORECASE,
)

# Longest first. What stands for itself holds a sign of the others and is no word of one gender.
_CHINESE_PAIRS = (
    "他 她,先生 女士,爸爸 妈妈,父亲 母亲,儿子 女儿,哥哥 姐姐,弟弟 妹妹,丈夫 妻子"
    ",老公 老婆,叔叔 阿姨,爷爷 奶奶,外公 外婆,国王 女王,王子 公主,小伙子 小姑娘,男 女"
    ",孙子 孙女,帅哥 美女,新郎 新娘,王伟 王芳,李强 李娜,张磊 张敏,刘洋 刘静,陈勇 陈丽"
    ",小明 小红,小刚 小丽,小军 小芳,李明 李梅,张伟 张丽,赵军 赵敏,王建国 王秀英"
)
_FIXED = frozenset(
    {
        "其他", "吉他", "他人", "他乡", "他国", "他日", "他处", "排他", "利他", "维他命", "他汀", "男女", "儿女",
        "子女", "妇女", "少女", "处女", "仙女", "织女", "女娲", "女真", "孙子兵法",
    }
)  # fmt: skip
_CHINESE_TO_FEMALE = dict(pair.split() for pair in _CHINESE_PAIRS.split(","))
_CHINESE_TO_MALE = {female: male for male, female in _CHINESE_TO_FEMALE.items()}
_CHINESE = re.compile(
    "|".join(sorted({*_CHINESE_TO_FEMALE, *_CHINESE_TO_MALE, *_FIXED}, key=lambda word: (-len(word), word)))
)


class Swapped(NamedTuple):
    """A text of the other gender.

    male, female: how many words of each were swapped in what it was made of
    """

    text: str
    male: int
    female: int


def swap_gender(text: str) -> Swapped:
    """The text with each word and given name of one gender in place of the other's, in English and Chinese."""
    counts = [0, 0]

    def english(match: re.Match[str]) -> str:
        word = match[1]
        plain = word if word in _TO_FEMALE or word in _TO_MALE else word.lower()
        other, female = _english(plain, text[match.end() : match.end() + 20])
        counts[female] += 1
        return _cased(other, word)

    def chinese(match: re.Match[str]) -> str:
        word = match[0]
        if word in _CHINESE_TO_FEMALE:
            counts[0] += 1
            return _CHINESE_TO_FEMALE[word]
        if word in _CHINESE_TO_MALE:
            counts[1] += 1
            return _CHINESE_TO_MALE[word]
        return word

    result = _ENGLISH.sub(english, text)
    if not text.isascii():
        result = _CHINESE.sub(chinese, result)
    return Swapped(result, *counts)


def _english(word: str, after: str) -> tuple[str, bool]:
    """The other word, and whether this one is female."""
    if word == "her":
        return ("him" if _NO_NOUN.match(after) else "his"), True
    if word == "his":
        return ("hers" if _NO_NOUN.match(after) else "her"), False
    if word == "him":
        return "her", False
    return (_TO_FEMALE[word], False) if word in _TO_FEMALE else (_TO_MALE[word], True)


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word
