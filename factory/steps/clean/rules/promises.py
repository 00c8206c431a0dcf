"""Rules about what is promised and not given: passages that are not there, files that nobody attached."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import word_count
from factory.steps.clean.rules.gates import Gated, Topic
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_LINK = re.compile(r"(?:https?://|www\.)[^\s，。）)】]+", re.IGNORECASE)
_PASSAGE = (
    r"(?:passages?|paragraphs?|articles?|texts?|excerpts?|documents?|contexts?|essays?|story|stories|poems?|sentences?"
    r"|extracts?|transcripts?|e-?mails?|reviews?|tweets?|quotes?|dialogues?|conversations?|snippets?|descriptions?"
    r"|statements?|tables?|data|lists?|code)"
)
_POINTS = Gated(
    r"\b(?:according\s+to|based\s+(?:solely\s+|only\s+)?on|as\s+(?:stated|mentioned|described|noted)\s+in"
    r"|mentioned\s+in)\s+(?:the|this)"
    r"\s+(?:given\s+|above\s+|following\s+|provided\s+)?(?:passage|paragraph|excerpt|article|author's\s+text"
    r"|(?:provided|given)\s+(?:text|context|information)|text)\b(?!\s+of\b)"
    r"|\bin\s+the\s+(?:passage|excerpt|given\s+passage|passage\s+above|text\s+above|provided\s+(?:text|context"
    r"|passage))\b(?!\s+of\b)"
    r"|\bthe\s+(?:passage|excerpt|provided\s+(?:text|context|passage)|given\s+(?:text|context|passage)"
    r"|above\s+(?:text|passage|article)"
    r"|text\s+above|passage\s+above)\s+(?:says|states|mentions|describes|suggests|does\s+not|doesn't|discusses"
    r"|explains|implies"
    r"|indicates|provides|argues|notes|is\s+about|talks)\b"
    r"|根据(?:上文|上述|以上|给定的?|所给的?|提供的?|这篇|该|本)?(?:文章|短文|段落|材料|文本|上下文|原文|文中内容|文中)(?:的?内容|所述|可知|，|,|中)"
    r"|文中(?:提到|指出|说|讲|提及|描述|写道)|(?:上文|原文|该文|短文|这篇文章|该段落|这段文字|该文章)(?:中)?(?:提到|指出|说|讲|没有提|提及|描述|主要)",
    re.IGNORECASE,
)
_ASKS_ABOUT = Gated(
    rf"\b(?:the\s+)?(?:following|given(?!\s+(?:me|you)\b)|below|above|provided)\s+(?:\w+\s+){{0,2}}{_PASSAGE}\b(?!\s+(?:structure"
    rf"|type|format)s?\b)|\b(?:this|the)\s+(?:passage|paragraph|excerpt|article|text\s+below"
    rf"|text\s+above)\b(?!\s+(?:on|about|should|must|needs|will))"
    r"|(?:(?:以下|下面|下列|上述|给定|所给)的?|(?:给出|提供)的)(?:这)?[篇段首句则个]?(?:文章|短文|段落|文本|材料|句子|文字|新闻|诗|诗歌|对话|故事|邮件|评论|内容|数据"
    r"|列表|代码|引文|摘录)"
    r"|(?:这|该)[篇段首句则](?:文章|短文|段落|文本|材料|句子|文字|新闻|诗|诗歌|话|内容)",
    re.IGNORECASE,
)
_SPEAKS_OF_TEXT = Topic(
    r"\b(?:texts?|passages?|articles?|paragraphs?|context|documents?|excerpts?|essays?|story|poem)\b|文章|短文|材料"
    r"|原文|上文|段落|文本|课文|文中"
)
_WRITES_IT = re.compile(
    r"\b(?:write|compose|create|generate|draft|produce|use|using|with|includ\w+|containing|about|topics?"
    r"|words?|themes?|prompts?|keywords?|starts?|begins?|complete|continue|format|structure|questions?)\b"
    r"|写|创作|生成|续写|主题|开头|关键词|题目|以.{1,20}为",
    re.IGNORECASE,
)
SHORT = 45
"""A prompt of fewer words (or Chinese characters) holds no passage beside what is asked about it."""


def _passages(part: Part) -> Iterator[Found]:
    view = part.view
    if view.has_media or view.about_code:
        return
    text = part.prose
    if part.role == "user":
        if part.turn != 0 and not (part.turn == 1 and view.record.system):
            return  # what is pointed at may stand in an earlier turn
        found = _ASKS_ABOUT.find(part)
        if found is None or view.record.input_chars or word_count(view.record.system) > SHORT:
            return
        behind = text[found.end() :]
        head = text[: found.start()]
        if len(head) >= 8 and found[0].startswith(("这", "该")):
            return  # it stands before
        if re.match(r"(?i)\s*(?:me|you|that|i)\b", behind):
            return  # "the passage you wrote", "given me"
        if head.lower().rstrip().endswith((" a", " any", "每", "一")) or re.search(
            r"[.?!。？！]\s*\S", behind
        ):
            return  # any one, not this one; or it follows
        if (
            word_count(text) > SHORT
            or re.search(r"[\"“”「『《'‘:：\n]", behind)
            or re.search(r"[\"“「『]", text)
        ):
            return
        if word_count(behind) <= 8 and _LINK.search(text) is None and not _WRITES_IT.search(text):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")
        return
    found = _POINTS.find(part)
    if found is None or _SPEAKS_OF_TEXT.found(part.asked):
        return
    if (
        word_count(part.asked) <= SHORT
        and not any(turn.role == "tool" for turn in view.record.messages)
        and part.turn <= 2
    ):
        before = text[: found.start()]
        if word_count(before) < 60 and not re.search(r"[\"“「]", before):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")


_PROMISE = Gated(
    r"\b(?:here\s+(?:is|are|'s|’s)|i(?:'ve|’ve|\s+have)\s+(?:attached|uploaded|enclosed|included|created"
    r"|prepared|sent|emailed|saved))\s+(?:you\s+)?(?:the|a|an|your|it|this|them"
    r"|to)\s+(?:\w+\s+){0,3}?(?:attached|(?:pdf|excel|word|zip|audio|video|powerpoint|csv)(?:\s+(?:file"
    r"|document|sheet))?|file|attachment|download(?:\s+link)?|spreadsheet|to\s+your|as\s+an?\s+attachment)\b"
    r"|\b(?:please\s+)?(?:find|see|check)\s+(?:the\s+)?(?:attached|enclosed|attachment)\b|\bi(?:'ve|’ve"
    r"|\s+have)\s+(?:attached|uploaded|emailed|sent\s+you)\b"
    r"|\b(?:click|tap)\s+(?:here|(?:on\s+)?the\s+link\s+below)\s+to\s+(?:download|view|see|open|access)\b"
    r"|\byou\s+can\s+download\s+(?:it|the\s+\w+|this\s+\w+)\s+(?:here|below|from\s+(?:the\s+link"
    r"|this\s+link))\b"
    r"|\[(?:download|click\s+here)[^\]\n]{0,60}\]\((?:sandbox:|#|attachment|file:|\s*\))"
    r"|\bi(?:'ll|’ll|\s+will|\s+am\s+going\s+to|'m\s+going\s+to)\s+(?:get\s+back\s+to\s+you|email\s+(?:it|you)"
    r"|send\s+(?:it|you|them|the\s+\w+)\s+(?:to\s+you\b|shortly|soon|later|when|as\s+soon)"
    r"|let\s+you\s+know\s+(?:when|once|as\s+soon)|have\s+(?:it|this)\s+ready|upload\s+(?:it|the)"
    r"|work\s+on\s+(?:it|this)\s+and)"
    r"|\b(?:give\s+me|please\s+wait|hold\s+on|one)\s+(?:a\s+)?(?:few\s+)?(?:moments?|minutes?|seconds?"
    r"|while)\s+(?:while|and)\s+i\b"
    r"|(?:我)?已(?:经)?(?:为[您你])?(?:将)?[^，。\n]{0,14}(?:发送至|发到|发给|上传|附上|保存为|打包)(?:了)?[^，。\n]{0,10}(?:您|你|邮箱|附件|文件"
    r"|网盘|链接)|请(?:查收|查看|见|下载)(?:附件|附上的)|(?:点击|点此)(?:此处|这里|下方链接|以下链接)?(?:下载|查看|获取)"
    r"|(?:文件|附件|文档|表格|图片)(?:已|我已)(?:生成|附上|上传|发送|准备好)|(?:我)?(?:稍后|稍候|回头|随后|马上)(?:会|将|就)?(?:给|为"
    r"|把)?[^，。\n]{0,8}(?:发给[您你]|发送给[您你]|回复[您你]|联系[您你]|上传)|请(?:稍等|稍候)[^。\n]{0,10}(?:我|正在)",
    re.IGNORECASE,
)


def _promises(part: Part) -> Iterator[Found]:
    view = part.view
    if view.has_media or view.voiced or view.about_markup or part.is_code:
        return
    if any(turn.role == "tool" or turn.calls for turn in view.record.messages):
        return  # a tool may have done it
    if (found := _PROMISE.find(part)) is not None:
        yield Found(*found.span(), found[0].strip()[:60])


RULES = (
    Rule(
        "missing_passage",
        "voice",
        'A passage, a list or a text that is spoken of ("the passage says", 文中提到) and is not there.',
        _passages,
        examples=(
            Example("According to the passage, bees dance.", True, asked="How do bees talk?"),
            Example("文中提到，蜜蜂会跳舞。", True, asked="蜜蜂怎样交流？"),
            Example("Bees dance, according to Karl von Frisch.", False, asked="How do bees talk?"),
            Example("蜜蜂跳舞，冯·弗里希这样认为。", False, asked="蜜蜂怎样交流？"),
        ),
    ),
    Rule(
        "empty_promise",
        "voice",
        "Promises that no text keeps: files attached, links to download, an answer later.",
        _promises,
        roles=("assistant",),
        examples=(
            Example("I have attached the report as a PDF file.", True, asked="Report on bees."),
            Example("文件已生成，请查收附件。", True, asked="写一份报告。"),
            Example("You can attach a file with the paper clip.", False, asked="How do I attach a file?"),
            Example("点击左上角的菜单即可保存。", False, asked="怎样保存？"),
        ),
    ),
)
