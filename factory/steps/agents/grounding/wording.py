"""Questions that only a reader of the passage understands, by their words: "the passage", 该设备, "it"."""

from __future__ import annotations

import re

from factory.data.text import normal_form
from factory.statistics.flaws.flaw import Flaw
from factory.steps.agents.flaws.stop_words import has_content

_THIS = r"(?:the|this|that|these|those)"
_GIVEN = r"(?:above|given|provided|following|preceding|aforementioned|attached)"
_TEXT = (
    r"(?:text|document|article|(?:sub)?section|chapter|paragraph|page|context|material|source|report|manual|guide|table"
    r"|figure|list|author|writer|information)s?"
)
_SAID = (
    r"(?:stated|mentioned|described|noted|listed|shown|given|explained|discussed|provided|specified|defined)"
)
_POINTS = re.compile(
    rf"\b(?:{_THIS}|{_GIVEN})\s+(?:{_GIVEN}\s+)?(?:passage|excerpt|snippet|extract|chunk)s?\b"
    rf"|\b(?:according\s+to|based\s+on|{_SAID}\s+(?:in|by)|as\s+per)\s+{_THIS}\s+(?:{_GIVEN}\s+)?{_TEXT}\b"
    rf"|\bthis\s+(?:text|document|article|(?:sub)?section|chapter|paragraph|page)\b"
    rf"|\b{_THIS}\s+{_GIVEN}\s+{_TEXT}\b|\b{_SAID}\s+(?:above|below|earlier|previously)\b",
    re.IGNORECASE,
)
# What may be spoken of for its own sake, where the passage speaks of it too: a printer prints "the document".
_MAY_POINT = re.compile(
    r"\bthe\s+(?:text|document|article|section|chapter|paragraph|page|author|report|manual|guide)\b(?!\s+(?:of|for)\b)"
    r"|(?:文章|文本|文档|资料)[中里]|[该此](?:文档|文件|手册|材料|资料|内容|信息)",
    re.IGNORECASE,
)
_ZH_TEXT = r"(?:文本|材料|段落|内容|资料|文档|文件|文章|手册|信息|段|篇|节|章|页)"
_ZH_BY = r"(?:根据|依据|按照|依照|结合|基于|参照|參照)"
_NO_WORD = r"[件化明档学书本字章案艺]"  # 文 and one of these are a word of their own
_ZH_POINTS = re.compile(
    rf"{_ZH_BY}(?:上文|文中|本文|原文|该文|前文|[这该本此上]{_ZH_TEXT}|以上|上述|(?:给定|所给|提供)的?{_ZH_TEXT}"
    rf"|{_ZH_TEXT}(?:[,，]|内容|可|回|说))"
    rf"|(?<![\u4e00-\u9fff])文中|原文[中里]|上文(?!{_NO_WORD})|上述|前述|如[上下]所[述示]|(?<!的)作者(?:认为|提到|指出|说|写)"
    rf"|(?<![基日根成样标资版文书课剧原])本(?:文(?!{_NO_WORD})|段|节(?![约能省日])|章(?![鱼程])|篇)"
    rf"|这(?:段|篇)|(?:给定|所给|以上|下列)的?{_ZH_TEXT}"
)
_PRONOUN = re.compile(r"\b(?:[Ii]ts?|[Tt]he(?:y|m|irs?)|[Hh](?:e|im|is|ers?)|[Ss]he)\b")  # IT is a trade
_STANDS_FOR_NOTHING = re.compile(
    r"\bit(?:\s+\w+){0,3}\s+(?:to|that|for)\b|\bit\s+(?:\w+\s+)?(?:takes?|costs?|rains?|snows?)\b"
    r"|\bit\s+(?:like\b|(?:un)?(?:clear|known|likely|certain|possible|true))",
    re.IGNORECASE,
)
_ZH_PRONOUN = re.compile(r"(?<![其吉])[它他她](?![人国乡])")
_ZH_DEFINITE = re.compile(
    r"(?:该|此|本|[这那][款台个种套项座位家])"
    r"(产品|设备|公司|系统|机器|装置|仪器|型号|项目|功能|部件|软件|程序|平台|机构|组织|方法|部门|企业|单位|地区|国家|城市|人物|药物|药品)"
)
_ASKS = re.compile(
    r"\b(?:much|many|often|long|explain|describe|tell|list|name|give|summari[sz]e|compare|please)\b"
    r"|请问|请|如何|何时|怎么|怎样|介绍|说明|解释|描述|总结|列出|比较|需要",
    re.IGNORECASE,
)


def wording_flaw(question: str, passage: str) -> Flaw | None:
    """That a question points at a text that its reader does not have, or at something that nobody introduced."""
    if said := speaks_of_text(question, passage):
        return Flaw("speaks_of_the_text", f"it says {said!r}, and its reader has no such text")
    if said := nobody_introduced(question):
        return Flaw("not_understood_alone", f"it says {said!r}, and nothing before tells what that is")
    return None


def speaks_of_text(text: str, passage: str) -> str:
    """The words that point at the passage as a text; "" where there are none."""
    found = _POINTS.search(text) or _ZH_POINTS.search(text)
    if found is not None:
        # A standard may say 上述 or "this section" itself; a question about it may not.
        return found[0]
    known = normal_form(passage)
    return next((m[0] for m in _MAY_POINT.finditer(text) if normal_form(m[0]) not in known), "")


def nobody_introduced(question: str) -> str:
    """The first pronoun, or 该设备 and the like, where nothing is named before it; "" where there is none."""
    nothing = [match.span() for match in _STANDS_FOR_NOTHING.finditer(question)]
    pronouns = (
        match
        for match in (*_PRONOUN.finditer(question), *_ZH_PRONOUN.finditer(question))
        if not any(start <= match.start() < end for start, end in nothing)
    )
    definite = (
        match for match in _ZH_DEFINITE.finditer(question) if match[1] not in question[: match.start()]
    )
    for match in (next(pronouns, None), next(definite, None)):
        if match is not None and not has_content(_ASKS.sub(" ", question[: match.start()])):
            return match[0]
    return ""
