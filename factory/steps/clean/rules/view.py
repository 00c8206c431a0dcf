"""A record as rules read it: its texts, and what several rules want to know of them, worked out once."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from factory.data.record import Record
from factory.data.text import detect_language
from factory.steps.clean.rules.gates import Topic, encoded

LONGEST = 400_000
"""Of a longer text this many characters are read."""
SAMPLE = 1000
"""Characters that a text's language is told by."""
Where = str
"""Which text of a turn: "content", "reasoning", or "call0", "call1", ...: the arguments of a call."""

_FENCE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?)*(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
# Each repetition is bounded: an opening mark that is never closed costs no more than so many characters.
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`\n]{1,300}(?<!`)\1(?!`)")
_MATHS = re.compile(
    r"\$\$[^$]{1,2000}\$\$|\\\[.{1,2000}?\\\]|\\\(.{1,500}?\\\)"
    r"|\\begin\{(equation|align|aligned|matrix|pmatrix|bmatrix|cases|gather)\*?\}.{1,2000}?\\end\{\1\*?\}"
    r"|(?<![\w$\\])\$(?=[^\s$])[^$\n]{1,200}(?<=[^\s\\])\$(?![\w$])",
    re.DOTALL,
)
_CODE_LINE = re.compile(
    r"^[ \t]*(?:(?:def|class)\s+\w+.{0,120}:|(?:from\s+[\w.]+\s+)?import\s+[\w.*{]+|#include\b"
    r"|using\s+namespace\b|package\s+[\w.]+;"
    r"|(?:public|private|protected|static)\s+[\w<>\[\]]+\s+\w+|(?:var|let|const)\s+\w+\s*=|function\s+\w+\s*\("
    r"|<\?php|<!DOCTYPE|</?html"
    r"|SELECT\s.{1,200}\sFROM\s|CREATE\s+TABLE\b|INSERT\s+INTO\b|.{0,200}[;{}]\s*$"
    r"|\w[\w.\[\]]{0,40}\s*(?:[-+*/]?=|==)\s*\S.{0,200}$"
    r"|(?:if|for|while|elif)\b.{1,120}:\s*$|(?:return|print|console\.log|System\.out)\b.{0,200}$"
    r"|\w[\w.]{0,60}\(.{0,120}\)\s*$|</?\w+[^<>\n]{0,200}>)",
    re.IGNORECASE | re.MULTILINE,
)
_MARKUP = Topic(
    r"\b(?:html|xml|xhtml|svg|css|jsx|markup|web ?pages?|web ?sites?|entit(?:y|ies)|escap(?:e|ed|es|ing)|tags?"
    r"|templates?|javascript|php|react|angular|vue|dom|scrap(?:e|er|ing)|rss|url[- ]?encod\w+|anchor"
    r"|hyperlinks?|bootstrap)\b"
    r"|网页|網頁|标签|標籤|转义|實體|实体|前端|超链接|爬虫",
)
_CODE_TOPIC = Topic(
    r"\b(?:code|coding|program(?:s|ming)?|script|function|method|class|algorithm|regex|regular expression|sql|query"
    r"|json|yaml|html|css|python|java|javascript|typescript|c\+\+|c#|rust|golang|php|ruby|bash|shell|command"
    r"|api|compiler?|syntax|variable"
    r"|loop|array|string|debug|implement|latex|markdown|excel|formula|matlab|verilog|assembly)\b"
    r"|代码|代碼|程序|编程|脚本|函数|算法|正则|查询|数据库|数组|变量|循环|接口|命令|公式|编写一个",
)
_VOICED = Topic(
    r"\b(?:dialog\w*|conversations?|chats?|scripts?|scenes?|plays?|screenplay|role-?play\w*|in character|act as"
    r"|pretend\w*|imagine|stor(?:y|ies)|poems?|songs?|lyrics|monolog\w*|interviews?|transcripts?|speech\w*"
    r"|tweets?|e-?mails?|letters?|messages?"
    r"|fiction\w*|novels?|characters?|quotes?|quotations?|captions?|repl(?:y|ies)|respond to|debates?|skits?|jokes?"
    r"|chatbots?|personas?|testimonials?|reviews?|cover letters?|voice)\b"
    r"|对话|對話|剧本|台词|扮演|假装|假设你|假如你|角色|口吻|语气|故事|小说|诗|歌词|独白|演讲|访谈|采访|邮件|郵件|信件|书信|[封写寫]信|短信|留言|回复|回覆"
    r"|笑话|相声|小品|客服|聊天|脚本|机器人|引用|名言",
)


class Part:
    """One text of a record: the content, the reasoning or a call's arguments of a turn.

    turn: index of the message; where: see `Where`; kind: `where` without the number of a call
    whole: it is all of the text, which is not longer than `LONGEST`; what hangs on its end cannot be told of a part
    """

    def __init__(self, view: View, turn: int, role: str, where: Where, text: str) -> None:
        self.view = view
        self.turn = turn
        self.role = role
        self.where = where
        self.kind = where if where in ("content", "reasoning") else "call"
        self.whole = len(text) <= LONGEST
        self.text = text if self.whole else text[:LONGEST]
        self.ascii = self.text.isascii()

    @functools.cached_property
    def lower(self) -> str:
        """Its small letters; a character may have become two, so places in it are none of the text."""
        return self.text.lower()

    def holds(self, words: Iterable[str]) -> bool:
        """Whether any of these small-letter words stands in its small letters."""
        return any(map(self.lower.__contains__, words))

    @functools.cached_property
    def fences(self) -> tuple[tuple[int, int, str, bool], ...]:
        """Its fenced blocks of code: start, end, the words behind the opening marks, whether it is closed."""
        if "```" not in self.text and "~~~" not in self.text:
            return ()
        blocks: list[tuple[int, int, str, bool]] = []
        opened: re.Match[str] | None = None
        for match in _FENCE.finditer(self.text):
            if opened is None:
                if "`" not in match[2]:
                    opened = match
            elif match[1].startswith(opened[1]) and not match[2].strip():
                blocks.append((opened.start(), match.end(), opened[2].strip(), True))
                opened = None
        if opened is not None:
            blocks.append((opened.start(), len(self.text), opened[2].strip(), False))
        return tuple(blocks)

    @functools.cached_property
    def code_spans(self) -> tuple[tuple[int, int], ...]:
        """Where its code stands, in fences and between ticks, in order."""
        spans = [(start, end) for start, end, _, _ in self.fences]
        if "`" in self.text:
            spans += [
                match.span()
                for match in _INLINE.finditer(self.text)
                if not any(start <= match.start() < end for start, end, _, _ in self.fences)
            ]
        return tuple(sorted(spans))

    @functools.cached_property
    def uncoded(self) -> str:
        """The text with its marked code as blanks, line breaks kept: places in it are those of the text."""
        return _masked(self.text, self.code_spans) if self.code_spans else self.text

    @functools.cached_property
    def prose(self) -> str:
        """The text with its marked code and its formulas as blanks: places in it are those of the text."""
        text = self.uncoded
        if "$" not in text and "\\" not in text:
            return text
        return _masked(text, [match.span() for match in _MATHS.finditer(text)])

    @functools.cached_property
    def prose_bytes(self) -> bytes:
        """`prose` in UTF-8, as `Gated` reads it."""
        return encoded(self.prose)

    @functools.cached_property
    def is_code(self) -> bool:
        """Whether most of its lines outside of fences read as code: an answer that is a program without a fence."""
        if not any(mark in self.text for mark in "=;(){}<>:"):
            return False
        lines = [line for line in self.uncoded[:4000].splitlines() if line.strip() and "\\" not in line]
        coded = sum(_CODE_LINE.match(line) is not None for line in lines)
        return coded * 2 >= len(lines) and coded > 0

    @functools.cached_property
    def language(self) -> str:
        """By script: "zh", "ja", "ko", "ru", else "en" for Latin letters; "" where there is no letter."""
        if self.ascii:
            return "en" if _LETTER.search(self.prose) else ""
        return detect_language(self.prose[:SAMPLE])

    @functools.cached_property
    def asked(self) -> str:
        """What was said before it: the user's turns and the system's up to this turn, the nearest last."""
        return self.view.said_before(self.turn)


class View:
    """A record as rules read it.

    memo: what rules keep for one another while one record is read, such as the placeholders that were given
    settings: what a profile says beside actions, by rule ("licence": {"deny": [...]})
    """

    def __init__(self, record: Record, settings: dict[str, Any] | None = None) -> None:
        self.record = record
        self.settings = settings or {}
        self.memo: dict[str, Any] = {}
        self.parts = list(self._parts())
        self.partly = sum(not part.whole for part in self.parts)

    def _parts(self) -> Iterable[Part]:
        for number, turn in enumerate(self.record.messages):
            yield Part(self, number, turn.role, "content", turn.content)
            if turn.reasoning:
                yield Part(self, number, turn.role, "reasoning", turn.reasoning)
            for at, call in enumerate(turn.calls):
                yield Part(self, number, turn.role, f"call{at}", call.arguments)

    def said_before(self, turn: int) -> str:
        """The system's and the users' turns before this one, joined."""
        before = [
            message.content
            for message in self.record.messages[: max(turn, 0)]
            if message.role in ("system", "user")
        ]
        return before[0] if len(before) == 1 else "\n".join(before)

    @functools.cached_property
    def said(self) -> str:
        """All that the system and the users said, joined."""
        return self.said_before(len(self.record.messages))

    @functools.cached_property
    def has_media(self) -> bool:
        """Whether any turn shows a picture, a sound or a file."""
        return any(turn.media for turn in self.record.messages)

    @functools.cached_property
    def about_markup(self) -> bool:
        """Whether what is asked speaks of HTML, pages or escaping, so that tags and entities may be the matter."""
        return _MARKUP.found(self.said[:20_000])

    @functools.cached_property
    def about_code(self) -> bool:
        """Whether what is asked speaks of programs."""
        return _CODE_TOPIC.found(self.said[:20_000])

    @functools.cached_property
    def voiced(self) -> bool:
        """Whether a text in another's voice is asked for: a letter, a story, a part to play."""
        return _VOICED.found(self.said[:20_000])


_LETTER = re.compile("[A-Za-z]")
_NOT_BREAK = re.compile(r"[^\n]")


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with these places as blanks."""
    pieces, at = [], 0
    for start, end in spans:
        if end <= at:
            continue
        start = max(start, at)
        pieces += [text[at:start], _NOT_BREAK.sub(" ", text[start:end])]
        at = end
    return "".join([*pieces, text[at:]])
