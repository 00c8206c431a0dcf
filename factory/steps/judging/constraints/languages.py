"""Which language a text is in: by script where that tells, else by common words of English, else by py3langid."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LANGUAGES: dict[str, tuple[str, str]] = {
    "ar": ("Arabic", "阿拉伯语"),
    "bg": ("Bulgarian", "保加利亚语"),
    "bn": ("Bengali", "孟加拉语"),
    "de": ("German", "德语"),
    "en": ("English", "英语"),
    "es": ("Spanish", "西班牙语"),
    "fa": ("Persian", "波斯语"),
    "fi": ("Finnish", "芬兰语"),
    "fr": ("French", "法语"),
    "gu": ("Gujarati", "古吉拉特语"),
    "he": ("Hebrew", "希伯来语"),
    "hi": ("Hindi", "印地语"),
    "it": ("Italian", "意大利语"),
    "ja": ("Japanese", "日语"),
    "kn": ("Kannada", "卡纳达语"),
    "ko": ("Korean", "韩语"),
    "ml": ("Malayalam", "马拉雅拉姆语"),
    "mr": ("Marathi", "马拉地语"),
    "ne": ("Nepali", "尼泊尔语"),
    "pa": ("Punjabi", "旁遮普语"),
    "pl": ("Polish", "波兰语"),
    "pt": ("Portuguese", "葡萄牙语"),
    "ru": ("Russian", "俄语"),
    "sw": ("Swahili", "斯瓦希里语"),
    "ta": ("Tamil", "泰米尔语"),
    "te": ("Telugu", "泰卢固语"),
    "th": ("Thai", "泰语"),
    "uk": ("Ukrainian", "乌克兰语"),
    "ur": ("Urdu", "乌尔都语"),
    "vi": ("Vietnamese", "越南语"),
    "zh": ("Chinese", "中文"),
}
"""The 30 languages of IFEval by ISO 639-1 code, and Chinese: their names in English and in Chinese."""

_CODES = """
    af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no
    pa pl pt ro ru sk sl sq sv sw ta te th tl tr uk ur vi zh
"""
_TOLD_APART = _CODES.split()
"""Languages with many speakers: rarer ones are what short texts are mistaken for."""

SAMPLE = 2000
"""Characters that are looked at."""

_LETTERS = re.compile(r"[^\W\d_]+")
_CHARACTERS = {
    "zh": "\u3400-\u9fff\uf900-\ufaff",
    "ja": "\u3041-\u30ff",
    "ko": "\u1100-\u11ff\uac00-\ud7af",
    "th": "\u0e00-\u0e7f",
    "bn": "\u0980-\u09ff",
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "he": "\u0590-\u05ff",
}
_SCRIPTS = {code: re.compile(f"[{characters}]+") for code, characters in _CHARACTERS.items()}
_OWN = re.compile(f"[{''.join(_CHARACTERS.values())}]+")
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_ASCII_LETTERS = "".join(at if "a" <= at <= "z" or at == "'" else " " for at in map(chr, range(128)))
_ENGLISH_WORDS = """
    the of and to in is that it for was on are as with his they at be this have from or had by but not
    what all were we when your can said there an each which she do how their if will up other about out
    many then them these so some her would make like him into time has look more write go see no way could
    people my than who its now did get made may i you a he me us our been should because just also only
    it's don't i'm i'll you're can't
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FEWEST_WORDS, _ENGLISH_SHARE = 4, 0.34


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language that most of a text is in; "" where it has no letter.

    Case does not count. A text of Han characters is Chinese unless kana stand among them.
    """
    sample = text[:SAMPLE]
    if sample.isascii() or not _OWN.search(sample):
        words = _words(sample.lower())
        letters = len("".join(words))
        # Most of what shows is Latin letters, and a third of the words are those that English cannot do without.
        if len(words) >= _FEWEST_WORDS and letters >= 0.6 * len("".join(sample.split())):
            common = sum(map(_ENGLISH.__contains__, words))
            if common >= _ENGLISH_SHARE * len(words):
                return "en"
    else:
        counts = {"zh": _number(_SCRIPTS["zh"], sample)}
        if _number(_OWN, sample) > counts["zh"]:
            counts = {code: _number(pattern, sample) for code, pattern in _SCRIPTS.items()}
            if counts["ja"] * 10 >= counts["zh"]:
                counts["ja"] += counts["zh"] if counts["ja"] else 0
        best = max(counts, key=lambda code: counts[code])
        # A Han character says about as much as two letters.
        weight = 2 if best in ("zh", "ja", "ko") else 1
        others = _number(_LETTERS, sample) - counts[best]
        if counts[best] * weight >= others:
            return best
    if not _LETTERS.search(sample):
        return ""
    code, _ = _identifier().classify(sample.lower())
    return str(code)


def _words(text: str) -> list[str]:
    """The words of Latin letters in a lower-case text, as `_WORD` finds them; in ASCII text in half of its time."""
    if not text.isascii():
        return _WORD.findall(text)
    words = text.translate(_ASCII_LETTERS).split()
    if "'" not in text:
        return words
    return [word for part in words for word in (_WORD.findall(part) if "'" in part else (part,))]


def _number(runs: re.Pattern[str], text: str) -> int:
    """How many characters of a text lie in runs of a kind; a run is found as fast as one character of it."""
    return len("".join(runs.findall(text)))


@functools.cache
def _identifier() -> LanguageIdentifier:
    """py3langid's model, of the languages that answers are in; read once, in about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(_TOLD_APART)
    return identifier


def language_name(code: str, language: str) -> str:
    """The name of a language in English, or in Chinese where `language` is "zh"; the code where it has none here."""
    names = LANGUAGES.get(code)
    return code if names is None else names[language == "zh"]
