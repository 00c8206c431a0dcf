"""Rules about what a text points at and is not there: pictures, files, links that nobody can open."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import word_count
from factory.steps.clean.rules.gates import Gated, Topic
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_PICTURE = (
    r"(?:image|picture|photo(?:graph)?|screenshot|illustration|painting|drawing|figure|diagram|chart|graph|map|meme|video"
    r"|audio(?: clip| file)?|recording|clip|pdf|file|document|attachment|spreadsheet|gif)"
)
_SHOWN = Gated(
    rf"\b(?:(?:the|this|that|these|those|an?)\s+)?(?:attached|accompanying|enclosed|uploaded"
    rf"|embedded)\s+(?:\w+\s+){{0,2}}{_PICTURE}s?\b"
    rf"|\b(?:the|this|these|following|given|provided|above)\s+(?:\w+\s+)?{_PICTURE}s?\s+(?:below|above"
    rf"|attached|provided|given|shown|here)\b"
    rf"|\b(?:the\s+)?(?:following|given|provided)\s+{_PICTURE}s?\b(?!\s+(?:of\s+speech|path|name|format|type"
    rf"|system|extension))"
    rf"|\b(?:in|from|at|of|about|describe|analy[sz]e|caption|identify|with|edit|see)\s+(?:this|the\s+(?:given"
    rf"|following))\s+(?:image|picture|photo(?:graph)?|screenshot|painting|chart|video|diagram)\b"
    rf"|\b(?:as|is|are)\s+(?:shown|seen|depicted|pictured|illustrated)\s+(?:in\s+the\s+)?(?:(?:image|picture"
    rf"|photo|figure|diagram|chart|screenshot)(?:\s+(?:below|above))?|below\s+in\s+the\s+{_PICTURE})\b"
    r"|(?:描述|分析|解释|观察|参考|根据|看看?)(?:一下)?[上下]图|如[上下左右]?图(?:所示|中|$|[，,。：:])|[下上左右]图(?:中|所示|是|为|展示|显示|的|里)|(?:这|此"
    r"|该)(?:张|幅|个)(?:图|照片|图片|图像|截图|画|视频|图表)"
    r"|(?:给定|提供|所给|下面|以下|上传|附上)的(?:这[张幅个])?(?:图片|图像|照片|截图|视频|音频|图表|附件|文件|录音)|(?:^|(?<=[，。：；:\s在从]))图中|图片中(?:的"
    r"|显示|有|是)|见(?:附图|附件"
    r"|下图|上图)|附件(?:中的|所示|里的)",
    re.IGNORECASE,
)
_DRAWN = Gated(
    r"!\[[^\]\n]{0,200}\]\((?!data:)[^)\n]{0,500}\)|\[(?:image|picture|photo|img|图片|图像|照片"
    r"|插图)(?:\s?[:：][^\]\n]{0,200}|\s+(?:of|here)[^\]\n]{0,200}|\d{0,2})\](?!\()"
    r"|[【（(](?:图片|此处为图片|图像|插图|图略|见图)(?:[:：][^】）)\n]{0,100})?[】）)]|<img\s[^<>\n]{1,300}>"
    r"|\b(?:here|this|above|below)\s+(?:is|are|'s)\s+(?:an?|the|your|some)\s+(?:\w+\s+){0,3}(?:image|picture"
    r"|photo|drawing|illustration|logo|screenshot|gif)s?\b"
    r"|\b(?:the\s+)?(?:image|picture|photo|drawing|illustration|logo|gif)\s+(?:above|below|attached|shows"
    r"|depicts|features|is\s+attached)\b"
    r"|(?:下面|以下|这)是(?:一|您|你|为|我)[^。，\n]{0,12}(?:图片|图像|照片|画作|插图|标志图)(?=[：:。！\n]|\Z)",
    re.IGNORECASE,
)
_ASKS_TO_DRAW = Gated(
    r"\A\W*(?:please\s+)?(?:draw|sketch|paint|render|photoshop)\b(?!\s+(?:up|from|on|attention"
    r"|conclusions?|inferences?|parallels?|a\s+(?:conclusion|parallel|comparison|distinction|inference"
    r"|contrast)|the\s+(?:conclusion|line|following\s+conclusion)))"
    r"|\b(?:generate|create|make|design|produce|draw|compose|show|find|provide|insert|upload"
    r"|send)\s+(?:me\s+)?(?:an?|the|some|two|three|\d)?\s*(?:\w+\s+){0,2}(?:image|picture|photo(?:graph)?"
    r"|gif|drawing|painting|(?<!character )sketch|meme|infographic|photo\s+collage)s?\b"
    r"(?!\s*(?:[-–]?\s*(?:classif|recogni|process|caption|edit|descri|gallery|prompt|search|book|frame)))"
    r"|(?:画|绘制|画出|生成|创建|制作|设计|拍)(?:一)?(?:[张幅个份])?[^，。\n的]{0,10}(?:图片|图像|照片|(?<![动计规笔漫绘])画(?![面家廊展])|插图|海报|动图|表情包|草图)(?!处理|识别|分类"
    r"|库|编辑|描述|搜索|的(?:文案|标题|描述|方法))"
    r"|\A[请帮我]*(?:画|绘制)(?!面|家|廊)",
    re.IGNORECASE,
)
_CAN_WRITE_IT = Topic(
    r"\b(?:ascii|svg|html|css|code|python|matplotlib|tikz|latex|mermaid|graphviz|javascript|canvas|turtle"
    r"|word picture|describe|description"
    r"|prompt|program|script|function|algorithm|text[- ]based|emoji|caption|idea|concept|how (?:to|do|can"
    r"|would)|what|why|steps|tips|story|write|explain)\b"
    r"|代码|程序|字符|描述|提示词|如何|怎么|怎样|步骤|函数|脚本|文案|说明|写|思路|创意|想法|为什么|什么",
)


def _media(part: Part) -> Iterator[Found]:
    view = part.view
    if (
        part.role != "user"
        and not _DRAWN.may_hold(part.prose_bytes)
        and not _SHOWN.may_hold(part.prose_bytes)
    ):
        return  # as most do
    if view.has_media or view.about_code or part.is_code:
        return
    text = part.prose
    if part.role == "user":
        if (found := _SHOWN.find(part)) and not _table_follows(part, found):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")
        elif (asked := _ASKS_TO_DRAW.search(_instruction(part)[:300])) and not _CAN_WRITE_IT.found(
            text[:1000]
        ):
            yield Found(*asked.span(), f"asks for a picture: {asked[0].strip()!r}")
        return
    drawn, shown = _DRAWN.find(part), _SHOWN.find(part)
    if (drawn is None and shown is None) or _SHOWN.search(view.said_before(part.turn)):
        return  # told of the prompt
    if drawn is not None and not view.about_markup:
        yield Found(*drawn.span(), f"{drawn[0].strip()[:60]!r}, and none is there")
    elif (found := shown) is not None:
        said = found[0].lower()
        if not view.voiced and any(
            word in said
            for word in ("attach", "enclosed", "uploaded", "shown", "above", "below", "图", "附件")
        ):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")


def _instruction(part: Part) -> str:
    """A user's turn without its input."""
    chars = part.view.record.input_chars if part.turn == part.view.record.last_user else 0
    return part.prose[: len(part.prose) - chars] if chars else part.prose


_EMPTY_HANDED = re.compile(r"[\[<(【（].{0,80}[\]>)】）]|\S+\.\w{2,4}|(?:https?://|www\.)\S+", re.DOTALL)


def _table_follows(part: Part, found: re.Match[str]) -> bool:
    """Whether what is pointed at stands there as text: a chart or a file as a table, a list, code."""
    said = found[0].lower()
    behind = part.text[found.end() :]
    chars = part.view.record.input_chars if part.turn == part.view.record.last_user else 0
    given = part.text[len(part.text) - chars :].strip() if chars else ""
    if given and not _EMPTY_HANDED.fullmatch(given) and not _LINK.search(given) and word_count(given) >= 2:
        return True  # what the picture shows, or which it is, is told in words
    if any(
        word in said
        for word in (
            "image",
            "picture",
            "photo",
            "screenshot",
            "video",
            "图片",
            "图像",
            "照片",
            "截图",
            "视频",
        )
    ):
        return False
    lines = [line for line in behind.splitlines() if line.strip()]
    return word_count(behind) >= 30 or len(lines) >= 3 or part.view.record.input_chars >= 30


_LINK_ALONE = re.compile(
    r"\s*[\"'“<]?\s*(?:(?:link|url|article|website|source|video|链接|网址|文章)\s?[:：]\s?)?(?:https?://"
    r"|www\.)\S+[\"'”>]?\s*",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)[^\s，。）)】]+", re.IGNORECASE)
_READS_LINK = re.compile(
    r"\b(?:article|page|website|web ?site|blog|post|link|url|video|paper|document|story|report|source|news)\b"
    r"|文章|网页|网站|链接|视频|新闻|论文|报道|博客",
    re.IGNORECASE,
)
_READS = re.compile(
    r"\b(?:summari[sz]e|summary|analy[sz]e|read|review|visit|open|go to|browse|extract|describe|evaluate"
    r"|critique|watch|outline|find|scan|check)\b"
    r"|总结|概括|摘要|分析|阅读|打开|访问|浏览|提取|描述|评价|观看",
    re.IGNORECASE,
)


_CAN_OPEN = re.compile(r"(?i)\btools?\b|toolformer|search engine|\(url\)|\bbrowser|工具|联网|搜索引擎")


def _links(part: Part) -> Iterator[Found]:
    record, text = part.view.record, part.text
    if part.view.about_code or part.view.has_media or record.tools or _CAN_OPEN.search(part.view.said[:3000]):
        return
    chars = record.input_chars if part.turn == record.last_user else 0
    if chars and _LINK_ALONE.fullmatch(text, len(text) - chars) and _READS.search(text[: len(text) - chars]):
        yield Found(len(text) - chars, len(text), "a link in place of the text that it leads to")
        return
    link = _LINK.search(text)
    if link is None or word_count(text) - word_count(link[0]) > 40:
        return
    around = text[: link.start()] + text[link.end() :]
    if (
        _READS.search(around)
        and _READS_LINK.search(around)
        and not re.search(
            r"(?i)\b(?:shorten|format|domain|parts? of|valid|protocol|cite|citation|reference)|域名|格式|引用",
            around,
        )
    ):
        yield Found(*link.span(), "a link in place of the text that it leads to")


RULES = (
    Rule(
        "missing_media",
        "text",
        "Pictures, sounds and files that are spoken of or asked for and are not there.",
        _media,
        examples=(
            Example("Here is a picture of a cat: ![cat](cat.png)", True, asked="Show me a cat."),
            Example("【图片】", True, asked="给我看一只猫。"),
            Example("A picture of health is one who sleeps well.", False, asked="Who is healthy?"),
            Example("照片会褪色，因为光会分解染料。", False, asked="老照片为什么褪色？"),
        ),
    ),
    Rule(
        "link_for_text",
        "text",
        "A prompt that gives a link in place of the text that is to be read.",
        _links,
        roles=("user",),
        triggers=("http", "www."),
        examples=(
            Example("Summarize this article: https://news.example/a1", True),
            Example("总结这篇文章：https://news.example/a1", True),
            Example("Which part of https://a.example/b is the domain?", False),
            Example("为什么网址以 https:// 开头？", False),
        ),
    ),
)
