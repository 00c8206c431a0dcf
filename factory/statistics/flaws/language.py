"""Whether a text is in the language of another: told by script, so Chinese from English, not French from it."""

from __future__ import annotations

import re

from factory.data.text import detect_language
from factory.statistics.flaws.flaw import Flaw

LEAST_SHARE = 0.1
"""Of a text in another language a smaller share than this is in the one that it should be in."""

# What may be answered in another language, or in no language at all.
_MAY_CHANGE = re.compile(
    r"\b(?:translat\w*|(?:in|into|to|from)\s+(?:chinese|mandarin|english|japanese|korean|russian|french|german|spanish)"
    r"|bilingual|pinyin|code|program\w*|script|function|regex|sql|query|json|html|css|python|java\w*|rust|bash|shell"
    r"|command|names?|words?|list|characters?|loanwords?|idioms?|poems?|titles?)\b"
    r"|翻译|翻譯|译成|译为|譯成|英文|英语|英語|中文|汉语|日语|日文|韩语|俄语|法语|德语|双语|外语|单词|拼音|代码|程序|脚本|函数|正则|查询语句"
    r"|数据库|命令|接口|网页|邮箱|字母|SQL|JSON|HTML|Python|Java|C\+\+",
    re.IGNORECASE,
)


def may_change_language(instruction: str) -> bool:
    """Whether an instruction speaks of languages, code or single words, so that its answer may be in any language."""
    return _MAY_CHANGE.search(instruction) is not None


def language_flaw(text: str, like: str, what: str) -> Flaw | None:
    """`what` (such as "the evolved instruction") is not in the language of `like`.

    Two languages of one script cannot be told apart. A text that holds some of both, such as an instruction to
    translate, is in either.
    """
    wanted, found = detect_language(like), detect_language(text)
    if not wanted or not found or wanted == found or _share(text, wanted) >= LEAST_SHARE:
        return None
    return Flaw("other_language", f"{what} is in another language: {found!r} in place of {wanted!r}")


def answer_language_flaw(answer: str, instruction: str) -> Flaw | None:
    """The answer is not in the language of `instruction`, which does not speak of languages, code or single words."""
    if (answer.isascii() and instruction.isascii()) or may_change_language(instruction):
        return None
    return language_flaw(answer, instruction, "the answer")


_SCRIPTS = {
    "zh": "[\u3400-\u4dbf\u4e00-\u9fff]",
    "ja": "[\u3041-\u30ff]",
    "ko": "[\uac00-\ud7af]",
    "ru": "[\u0400-\u04ff]+",
    "en": "[A-Za-z\u00c0-\u024f]+",
}
_PIECE = re.compile("|".join(f"(?P<{name}>{script})" for name, script in _SCRIPTS.items()))


def _share(text: str, language: str) -> float:
    """The share of a text's words, of Chinese its characters, that are in this language's script."""
    scripts = [match.lastgroup for match in _PIECE.finditer(text)]
    return scripts.count(language) / len(scripts) if scripts else 0.0
