"""Rules about what a text points at and is not there: pictures, files, passages, links that nobody can open."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import word_count
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_PICTURE = r"(?:image|picture|photo(?:graph)?|screenshot|illustration|painting|drawing|figure|diagram|chart|graph|map|meme|video|audio(?: clip| file)?|recording|clip|pdf|file|document|attachment|spreadsheet|gif)"
_SHOWN = re.compile(
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
    r"|如[上下左右]?图(?:所示|中|$|[，,。：:])|[下上左右]图(?:中|所示|是|为|展示|显示|的|里)|(?:这|此|该)(?:张|幅|个)(?:图|照片|图片|图像|截图|画|视频|图表)"
    r"|(?:给定|提供|所给|下面|以下|上传|附上|附)的?(?:这[张幅个])?(?:图片|图像|照片|截图|视频|音频|图表|附件|文件|录音)|图中|图片中(?:的|显示|有|是)|见(?:附图|附件"
    r"|下图|上图)|附件中?的?",
    re.IGNORECASE,
)
_DRAWN = re.compile(
    r"!\[[^\]\n]{0,200}\]\((?!data:)[^)\n]{0,500}\)|\[(?:image|picture|photo|img|图片|图像|照片"
    r"|插图)(?:\s?[:：][^\]\n]{0,200}|\s+(?:of|here)[^\]\n]{0,200}|\d{0,2})\](?!\()"
    r"|[【（(](?:图片|此处为图片|图像|插图|图略|见图)(?:[:：][^】）)\n]{0,100})?[】）)]|<img\s[^<>\n]{1,300}>"
    r"|\b(?:here|this|above|below)\s+(?:is|are|'s)\s+(?:an?|the|your|some)\s+(?:\w+\s+){0,3}(?:image|picture"
    r"|photo|drawing|illustration|logo|screenshot|gif)s?\b"
    r"|\b(?:the\s+)?(?:image|picture|photo|drawing|illustration|logo|gif)\s+(?:above|below|attached|shows"
    r"|depicts|features|is\s+attached)\b"
    r"|(?:下面|以下|这)是(?:一|您|你|为|我)?[^。\n]{0,12}(?:图片|图像|照片|画作|插图|标志图)",
    re.IGNORECASE,
)
_ASKS_TO_DRAW = re.compile(
    r"\A\W*(?:please\s+)?(?:draw|sketch|paint|illustrate|render|photoshop)\b(?!\s+(?:up|from|on|attention"
    r"|conclusions?|inferences?|parallels?|a\s+(?:conclusion|parallel|comparison|distinction|inference"
    r"|contrast)|the\s+(?:conclusion|line|following\s+conclusion)))"
    r"|\b(?:generate|create|make|design|produce|draw|compose|show|find|provide|insert|upload"
    r"|send)\s+(?:me\s+)?(?:an?|the|some|two|three|\d)?\s*(?:\w+\s+){0,2}(?:image|picture|photo(?:graph)?"
    r"|gif|drawing|painting|sketch|meme|infographic|photo\s+collage)s?\b(?!\s*(?:[-–]?\s*(?:classif|recogni"
    r"|process|caption|edit|descri|gallery|prompt|search|book|frame)))"
    r"|(?:画|绘制|画出|生成|创建|制作|设计|找|提供|拍)(?:一)?(?:[张幅个份])?[^，。\n的]{0,10}(?:图片|图像|照片|画|插图|海报|动图|表情包|草图)(?!处理|识别|分类"
    r"|库|编辑|描述|搜索|的(?:文案|标题|描述|方法))"
    r"|\A[请帮我]*(?:画|绘制)(?!面|家|廊)",
    re.IGNORECASE,
)
_CAN_WRITE_IT = re.compile(
    r"\b(?:ascii|svg|html|css|code|python|matplotlib|tikz|latex|mermaid|graphviz|javascript|canvas|turtle"
    r"|word picture|describe|description"
    r"|prompt|program|script|function|algorithm|text[- ]based|emoji|caption|idea|concept|how (?:to|do|can"
    r"|would)|what|why|steps|tips|story|write|explain)\b"
    r"|代码|程序|字符|描述|提示词|如何|怎么|怎样|步骤|函数|脚本|文案|说明|写|思路|创意|想法|为什么|什么",
    re.IGNORECASE,
)
_HELD = re.compile(
    r"https?://\S+\.(?:png|jpe?g|gif|webp|bmp|svg|mp4|mp3|wav|pdf)\b|data:image/", re.IGNORECASE
)


def _media(part: Part) -> Iterator[Found]:
    view = part.view
    if view.has_media or view.about_code or part.is_code:
        return
    text = part.prose
    if part.role == "user":
        if (found := _SHOWN.search(text)) and not _table_follows(part, found):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")
        elif (asked := _ASKS_TO_DRAW.search(text[:300])) and not _CAN_WRITE_IT.search(text[:1000]):
            yield Found(*asked.span(), f"asks for a picture: {asked[0].strip()!r}")
        return
    if _SHOWN.search(view.said_before(part.turn)):
        return  # told of the prompt
    if (drawn := _DRAWN.search(text)) and not view.about_markup:
        yield Found(*drawn.span(), f"{drawn[0].strip()[:60]!r}, and none is there")
    elif found := _SHOWN.search(text):
        said = found[0].lower()
        if not view.voiced and any(
            word in said
            for word in ("attach", "enclosed", "uploaded", "shown", "above", "below", "图", "附件")
        ):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")


def _table_follows(part: Part, found: re.Match[str]) -> bool:
    """Whether what is pointed at stands there as text: a chart or a file as a table, a list, code."""
    said = found[0].lower()
    behind = part.text[found.end() :]
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


def _links(part: Part) -> Iterator[Found]:
    record, text = part.view.record, part.text
    if part.view.about_code or part.view.has_media:
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


_PASSAGE = r"(?:passages?|paragraphs?|articles?|texts?|excerpts?|documents?|contexts?|essays?|story|stories|poems?|sentences?|extracts?|transcripts?|e-?mails?|reviews?|tweets?|quotes?|dialogues?|conversations?|snippets?|descriptions?|statements?|tables?|data|lists?|code)"
_POINTS = re.compile(
    r"\b(?:according\s+to|based\s+on|as\s+(?:stated|mentioned|described)\s+in|in|from"
    r"|mentioned\s+in)\s+(?:the|this)\s+(?:given\s+|above\s+|following\s+|provided\s+)?(?:passage|paragraph"
    r"|excerpt|article|provided\s+(?:text|context|information)|given\s+(?:text|context|information|passage)"
    r"|text\s+(?:above|provided|given))\b"
    r"|\bthe\s+(?:passage|excerpt|provided\s+(?:text|context)|given\s+(?:text|context)|above\s+(?:text|passage"
    r"|article))\s+(?:says|states|mentions|describes|suggests|does\s+not|doesn't|discusses|explains|implies"
    r"|indicates|provides)\b"
    r"|根据(?:上文|上述|以上|给定的?|所给的?|提供的?|这篇|该|本)?(?:文章|短文|段落|材料|文本|上下文|原文|文中内容|文中)|文中(?:提到|指出|说|讲|提及|描述)|(?:上文|原文"
    r"|该文|短文|本文|这篇文章|该段落|这段文字)(?:中)?(?:提到|指出|说|讲|没有提|提及|描述|主要)",
    re.IGNORECASE,
)
_ASKS_ABOUT = re.compile(
    rf"\b(?:the\s+)?(?:following|given|below|above|provided)\s+(?:\w+\s+){{0,2}}{_PASSAGE}\b(?!\s+(?:structure"
    rf"|type|format)s?\b)|\b(?:this|the)\s+(?:passage|paragraph|excerpt|article|text\s+below"
    rf"|text\s+above)\b(?!\s+(?:on|about|should|must|needs|will))"
    r"|(?:以下|下面|下列|上述|给定|所给|给出|提供)的?(?:这)?[篇段首句则个]?(?:文章|短文|段落|文本|材料|句子|文字|新闻|诗|诗歌|对话|故事|邮件|评论|内容|数据|列表|代码|引文|摘录)"
    r"|(?:这|该)[篇段首句则](?:文章|短文|段落|文本|材料|句子|文字|新闻|诗|诗歌|话|内容)",
    re.IGNORECASE,
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
        found = _ASKS_ABOUT.search(text)
        if found is None or view.record.input_chars or word_count(view.record.system) > SHORT:
            return
        behind = text[found.end() :]
        if (
            word_count(text) > SHORT
            or re.search(r"[\"“”「『《'‘:：\n]", behind)
            or re.search(r"[\"“「『]", text)
        ):
            return
        if word_count(behind) <= 8 and _LINK.search(text) is None and not _WRITES_IT.search(text):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")
        return
    found = _POINTS.search(text)
    if found is None or _ASKS_ABOUT.search(part.asked) or _POINTS.search(part.asked):
        return
    if (
        word_count(part.asked) <= SHORT
        and not any(turn.role == "tool" for turn in view.record.messages)
        and part.turn <= 2
    ):
        before = text[: found.start()]
        if word_count(before) < 60 and not re.search(r"[\"“「]", before):
            yield Found(*found.span(), f"{found[0].strip()!r}, and none is there")


_PROMISE = re.compile(
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
    if (found := _PROMISE.search(part.prose)) is not None:
        yield Found(*found.span(), found[0].strip()[:60])


RULES = (
    Rule(
        "missing_media",
        "text",
        "Pictures, sounds and files that are spoken of or asked for and are not there.",
        _media,
        triggers=(
            "image",
            "picture",
            "photo",
            "screenshot",
            "illustrat",
            "painting",
            "drawing",
            "figure",
            "diagram",
            "chart",
            "graph",
            "video",
            "audio",
            "recording",
            "clip",
            "pdf",
            "file",
            "document",
            "attach",
            "enclosed",
            "draw",
            "sketch",
            "render",
            "paint",
            "gif",
            "logo",
            "meme",
            "map",
            "spreadsheet",
            "![",
            "<img",
            "infographic",
            "图",
            "照片",
            "画",
            "视频",
            "附件",
            "音频",
            "文件",
            "录音",
            "海报",
            "表情包",
        ),
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
    Rule(
        "missing_passage",
        "voice",
        'A passage, a list or a text that is spoken of ("the passage says", 文中提到) and is not there.',
        _passages,
        triggers=(
            "passage",
            "paragraph",
            "excerpt",
            "article",
            "text",
            "context",
            "following",
            "given",
            "below",
            "above",
            "provided",
            "文",
            "段",
            "材料",
            "以下",
            "下面",
            "下列",
            "上述",
            "给定",
            "所给",
            "这首",
            "这句",
            "给出",
            "提供",
        ),
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
        triggers=(
            "attach",
            "upload",
            "enclosed",
            "download",
            "click",
            "tap",
            "file",
            "get back to you",
            "i'll",
            "i’ll",
            "i will",
            "i have",
            "i've",
            "i’ve",
            "wait",
            "hold on",
            "moment",
            "here is",
            "here are",
            "here's",
            "附",
            "下载",
            "上传",
            "稍",
            "点击",
            "发送",
            "发给",
            "发到",
            "查收",
            "点此",
            "马上",
            "随后",
            "回头",
            "保存",
        ),
        examples=(
            Example("I have attached the report as a PDF file.", True, asked="Report on bees."),
            Example("文件已生成，请查收附件。", True, asked="写一份报告。"),
            Example("You can attach a file with the paper clip.", False, asked="How do I attach a file?"),
            Example("点击左上角的菜单即可保存。", False, asked="怎样保存？"),
        ),
    ),
)
