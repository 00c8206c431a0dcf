"""The marks that models and chat templates put into text: of thoughts, of a turn's end, of calls of tools.

Also where a text only speaks of such marks: in code, in quotation marks, or asked about them.
"""

from __future__ import annotations

import bisect
import functools
import re
from typing import TYPE_CHECKING

from factory.models.reply.gate import may_hold_mark

if TYPE_CHECKING:
    from factory.models.base import ChatRequest

# Tags that nobody but a model that thinks writes, and those that may be a document's own.
_OWN_TAGS = (
    "(?:[a-z]{2,12}[:_])?think|thinking|antthinking|think(?:ing)?_process|inner_thoughts?|inner_monologue"
    "|思考|思考过程|推理过程"
)
_LOOSE_TAGS = "thoughts?|thought_process|chain_of_thought|cot|reasoning|reflection|scratchpad|analysis|推理"
# The begin and the end of a thought in the other formats, by their first character.
_PAIRS = (
    (("[", r"THINK\]"), ("[", r"/THINK\]")),
    (("[", r"THOUGHT\]"), ("[", r"/THOUGHT\]")),
    (("◁", "think▷"), ("◁", "/think▷")),
    (("<", r"\|begin_of_thought\|>"), ("<", r"\|end_of_thought\|>")),
    (("<", r"\|START_THINKING\|>"), ("<", r"\|END_THINKING\|>")),
    (("<", r"\|think_start\|>"), ("<", r"\|think_end\|>")),
    (("<", r"\|(?:think|thinking|thought)\|>"), ("<", r"\|/(?:think|thinking|thought)\|>")),
    (("<", r"\|inner_prefix\|>"), ("<", r"\|inner_suffix\|>")),
    (("<", r"\|channel>(?:thought|analysis)?"), ("<", r"channel\|>")),
    (("<", r"unused94>(?:thought)?"), ("<", r"unused95>")),
    (("【", "思考(?:过程)?】"), ("【", "/思考(?:过程)?】")),
    (("[", r"思考(?:过程)?\]"), ("[", r"/思考(?:过程)?\]")),
)
_INSIDE = r"(?:\s[^<>]{0,200})?"
_BAR = "[|｜]"
_END_NAMES = (
    "im_end|im_sep|eot_id|eom_id|eot|eos|eop|endoftext|endofturn|end|return|call|end_of_(?:text|turn|sentence|solution"
    "|response|utterance)|END_OF_TURN_TOKEN|END_RESPONSE|END_TEXT|pad|padding|endofprompt|diff_marker"
    "|end▁of▁sentence|fim_pad|file_sep|endofresponse|role_end"
)
_TURN_NAMES = (
    "im_start|start_header_id|start_of_role|start|user|system|assistant|observation|human|tool|developer|begin"
    "|begin_of_text|START_OF_TURN_TOKEN|begin▁of▁sentence|startoftext"
)
_ENDS = (
    (
        "<",
        rf"{_BAR}(?:{_END_NAMES}){_BAR}>|end_of_turn>|turn\|>|end_of_utterance>|/?eos>|eo[amht]>|pad>|/s>|\[end\]>",
    ),
    ("[", r"EOS\]|e~\[|PAD\]|/INST\]|\|endofturn\|\]|UNUSED_TOKEN_\d+\]"),
)
_TURNS = (
    ("<", rf"{_BAR}(?:{_TURN_NAMES}){_BAR}>|start_of_turn>|\|turn>|bos>|s>(?=\s*\[INST\])|reserved_\d+>"),
    ("[", r"INST\]|\|(?:user|system|assistant)\|\]"),
    ("]", r"~b\]"),
)


def _behind(first: str, rest: str) -> str:
    """A mark as it is looked for when its first character is already met."""
    return rf"(?<={re.escape(first)})(?:{rest})"


def _any_of(*marks: str) -> re.Pattern[str]:
    """Any of some marks whose first character is met: so built, a text without these characters is passed fast."""
    return re.compile(rf"[<\[\]◁【](?:{'|'.join(marks)})", re.IGNORECASE)


THOUGHT = _any_of(
    rf"(?<=<)\s?(?:(?P<own>{_OWN_TAGS})|(?P<loose>{_LOOSE_TAGS})){_INSIDE}\s?>",
    rf"(?<=<)\s?/\s?(?:(?P<own_end>{_OWN_TAGS})|(?P<loose_end>{_LOOSE_TAGS}))\s?>",
    *(rf"(?P<o{n}>{_behind(*begin)})|(?P<c{n}>{_behind(*end)})" for n, (begin, end) in enumerate(_PAIRS)),
)
"""The begin or the end of a thought; see `thought_of`."""
CONTROL = _any_of(
    rf"(?P<end>{'|'.join(_behind(*mark) for mark in _ENDS)})",
    rf"(?P<turn>{'|'.join(_behind(*mark) for mark in _TURNS)})",
    rf"(?P<other>(?<=<){_BAR}[^\s<>|｜]{{1,40}}{_BAR}>)",
)
"""A token of a chat template: one that ends a turn, one that begins the next, or another."""
CALL = _any_of(
    r"(?<=<)(?:(?:seed:|minimax:)?(?:tool_calls?|function_call|start_function_call|longcat_tool_call)>|function=[\w.-]+>"
    r"|\|(?:tool_call|python_tag|tool_calls_section_begin|tool_call_begin|START_ACTION|action_start)\|>|\|tool_call>"
    r"|｜(?:tool▁calls▁begin|tool▁call▁begin|DSML｜function_calls)｜?>|invoke name=)",
    r"(?<=\[)TOOL_CALLS\]",
)
"""A call of a tool as text: where the server has no parser for the model's calls."""
ESCAPED = re.compile(r"(?:&lt;|\\u003c)/think(?:ing)?(?:&gt;|\\u003e)", re.IGNORECASE)
"""The end of a thought in an answer that was escaped, for a page or for JSON: no part of it is as it was said."""
UNDECODED = re.compile(
    r"<0x[0-9A-F]{2}>|(?<=[a-z.,])Ġ[A-Za-z](?=.*?[a-z.,]Ġ[A-Za-z])|(?<=\w)▁\w(?=.*?\w▁\w)", re.DOTALL
)
"""A piece of a tokenizer's vocabulary, where a server did not turn its tokens into text."""

_ABOUT = re.compile(
    r"(?:special|control|end|stop|eos|bos|thinking|reasoning)[- ](?:of[- ]\w+[- ])?(?:tokens?|tags?|marks?|markers?)\b"
    r"|chat[- ]?templates?|\btokeni[sz]|\breasoning (?:models?|traces?|blocks?|formats?)|chain[- ]of[- ]thought"
    r"|\b(?:deepseek|qwen|llama|mistral|magistral|kimi|gpt-oss|harmony|gemma)|\bLLMs?\b|language models?"
    r"|\bthink (?:tags?|blocks?|tokens?)|大(?:语言)?模型|语言模型|推理模型|思维链|深度求索|通义千问|分词"
    r"|特殊(?:标记|词元|符号|字符|token)|(?:对话|聊天)模板|(?:思考|推理|think)\W{0,3}(?:标签|标记)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^[ \t]{0,3}(?:>[ \t]?)?(?P<fence>`{3,}|~{3,}).*?(?:^[ \t]{0,3}(?:>[ \t]?)?(?P=fence)[`~]*[ \t]*(?=$|<)|\Z)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`)"
    r"|“[^”\n]{0,300}”|「[^」\n]{0,300}」|『[^』\n]{0,300}』|«[^»\n]{0,300}»|‘[^’\n]{0,80}’",
    re.DOTALL | re.MULTILINE,
)
_QUOTES = frozenset("\"'`“”‘’「」『』«»＂＇")


class Doubt:
    """Whether a text may speak of marks: as its request does. Looked at only where a text holds one."""

    def __init__(self, request: ChatRequest | None) -> None:
        self._request = request

    @functools.cached_property
    def _asked(self) -> str:
        turns = () if self._request is None else self._request.messages
        return "\n".join(turn.content for turn in turns if turn.role == "user")

    @functools.cached_property
    def schema(self) -> bool:
        """Whether JSON was asked for: nothing in front of it speaks to anybody."""
        return self._request is not None and self._request.schema is not None

    @functools.cached_property
    def quoted(self) -> bool:
        """Whether a user's turn itself holds a mark."""
        asked = self._asked
        return may_hold_mark(asked) and any(
            mark.search(asked) is not None for mark in (THOUGHT, CONTROL, CALL)
        )

    @functools.cached_property
    def about(self) -> bool:
        """Whether the request holds a mark, or asks about such."""
        return not self.schema and (self.quoted or _ABOUT.search(self._asked) is not None)

    def asks_for(self, tag: str) -> bool:
        """Whether the request itself has this tag, so that the answer may be wanted in it."""
        turns = () if self._request is None else self._request.messages
        return any(f"<{tag.lower()}>" in turn.content.lower() for turn in turns)

    @functools.cached_property
    def calls_in_text(self) -> bool:
        """Whether the request itself shows how a call is written: then calls as text are what was wanted."""
        turns = () if self._request is None else self._request.messages
        return any(CALL.search(turn.content) is not None for turn in turns if turn.role in ("user", "system"))


class Text:
    """A text and where it quotes: in code, or in quotation marks."""

    def __init__(self, text: str) -> None:
        self.text = text
        spans = [match.span() for match in _CODE.finditer(text)]
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._lines = [match.start() for match in re.finditer("\n", text)]
        self._marks = [match.start() for match in re.finditer('"', text)]

    def quotes(self, start: int, end: int) -> bool:
        """Whether what stands from `start` to `end` is quoted."""
        at = bisect.bisect_right(self._starts, start) - 1
        if at >= 0 and start < self._ends[at]:
            return True
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        if before in _QUOTES and after in _QUOTES and before:
            return True
        line = bisect.bisect_left(self._lines, start)
        begins = self._lines[line - 1] if line else -1
        ends = self._lines[line] if line < len(self._lines) else len(self.text)
        here = bisect.bisect_left(self._marks, start)
        odd = (here - bisect.bisect_left(self._marks, begins)) % 2 == 1
        return odd and here < len(self._marks) and self._marks[here] < ends

    def found(self, mark: re.Pattern[str]) -> list[re.Match[str]]:
        """Every place of a mark that is not quoted."""
        return [match for match in mark.finditer(self.text) if not self.quotes(*match.span())]


def thought_of(mark: re.Match[str]) -> tuple[str, bool, bool]:
    """The family of a `THOUGHT`, whether it is the begin, and whether the tag may be a document's own."""
    name = mark.lastgroup or ""
    if name.startswith(("own", "loose")):
        loose = name.startswith("loose")
        # A thought that begins as <think> may end as </thinking>.
        return (
            ("loose:" + mark[name].lower().rstrip("s") if loose else "own"),
            not name.endswith("_end"),
            loose,
        )
    return name[1:], name[0] == "o", False
