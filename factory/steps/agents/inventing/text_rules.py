"""The rules of Self-Instruct on a task's text (arXiv 2212.10560, appendix and code), in English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from factory.data.text import word_count
from factory.statistics.flaws.flaw import Flaw

Rule: TypeAlias = Literal["length", "not_text", "program", "opening"]
RULES: tuple[Rule, ...] = get_args(Rule)

LENGTHS = {"en": (4, 150), "zh": (5, 250)}
"""The least and the most words of a task, or Chinese characters."""

_NOT_TEXT = {
    "en": re.compile(r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE),
    "zh": re.compile(
        "图片|图像|照片|插图|图表|曲线图|柱状图|折线图|饼图|地图|附件|文件"
        "|绘制|绘图|作图|画图|画出|画一|请画|打开网[页站]|访问网[页站]|前往"
        "|圖片|圖像|圖表|地圖|檔案|繪製|繪圖|畫圖|畫出|畫一|請畫|打開網[頁站]|訪問網[頁站]"
    ),
}
_PROGRAM = {
    "en": re.compile(r"\W*write a program", re.IGNORECASE),
    "zh": re.compile(
        r"\W*(?:请|請)?(?:帮我|幫我)?(?:编写|編寫|编|編|写|寫)(?:一?[个個段])?(?:[A-Za-z+#]+ ?)?(?:程序|程式)"
    ),
}


def text_flaw(task: str, language: str, rules: Iterable[Rule] = RULES) -> Flaw | None:
    """What one of these rules has against a task's text; `language` is that of the prompts, "en" or "zh".

    length: fewer words or more than `LENGTHS`; the paper's code drops up to 3 English words, and more than 150
    not_text: it speaks of images, graphs, files, maps, drawing or going somewhere, which no text can answer
    program: it begins with "Write a program", in which the paper's model saw no end
    opening: it begins with punctuation, or in English with what is no ASCII
    """
    applied = frozenset(rules)
    words, (least, most) = word_count(task), LENGTHS[language]
    if "length" in applied and not least <= words <= most:
        unit = "Chinese characters" if language == "zh" else "words"
        return Flaw("length", f"it has {words} {unit}; {least} to {most} are kept", {"words": words})
    found = _NOT_TEXT[language].search(task)
    if "not_text" in applied and found is not None:
        return Flaw("not_text", f"{found[0]!r} asks for more than a text can do")
    if "program" in applied and _PROGRAM[language].match(task):
        return Flaw("program", "it begins with an order to write a program")
    first = task[:1]
    if "opening" in applied and (
        unicodedata.category(first or " ")[0] in "PSZC" or (language == "en" and not first.isascii())
    ):
        return Flaw("opening", f"it begins with {first!r}")
    return None
