"""What surrounds an answer without a mark of its own: headings of thought and answer, a switch, JSON nobody asked for.

Each is taken apart only where the request cannot have wanted it; what makes an answer none is told by `form_left`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from factory.models.base import ChatRequest
from factory.models.reply.gate import may_hold_form

_BRACKETED = re.compile(
    r"\A\s*【(?:思考|思考过程|思考過程)】(?P<body>.*?)\n?[ \t]*【(?:最终|最終)?(?:回答|答案|答复|回复|答覆)】[：:]?\s*"
    r"(?P<final>.*)\Z",
    re.DOTALL,
)
_HEADED = re.compile(
    r"\A[ \t*#]*(?:思考(?:过程|過程)?|Thinking|Thoughts?(?: process)?)[ \t*]*[:：][ \t*]*(?P<body>.*?)"
    r"\n[ \t*#]*(?:(?:最终|最終)?(?:回答|答案|答复|回复)|(?:Final )?(?:Answer|Response))[ \t*]*[:：][ \t*]*\s*"
    r"(?P<final>.*)\Z",
    re.DOTALL,
)
_ASKS_THOUGHT = re.compile(
    r"think|thought|reason|step|answer:|response:|format|思考|推理|步骤|步驟|回答[:：]|格式", re.IGNORECASE
)
_SWITCH = re.compile(r"\s+/(?:no_?)?think\s*\Z")
_NAME = re.compile(r"\A(?:AI|Bot|Chatbot)[ \t]*[:：]\s*(?=\S)")
_ASKS_NAME = re.compile(
    r"\bAI\b|bot\b|artificial|dialog|conversation|chat|transcript|script|人工智能|机器人|對話|对话|聊天",
    re.IGNORECASE,
)
_USER_LINE = r"\n[ \t]*(?:user|User|USER|human|Human|HUMAN|用户|用戶)[ \t]*"
_BARE_TURN = re.compile(
    rf"{_USER_LINE}(?:\s*\Z|\n(?=.*?\n[ \t]*(?:assistant|Assistant|ASSISTANT|model|助手)[ \t]*\n))", re.DOTALL
)
_SENTENCE_END = frozenset('.!?。！？…)）"”`*')
_ASKS_USER = re.compile(
    r"\busers?\b|\bhumans?\b|assistant|dialog|conversation|transcript|roles?\b|用户|用戶|人类|角色|对话|聊天",
    re.IGNORECASE,
)
_JSON_FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\s*\Z", re.DOTALL)
_ASKS_JSON = re.compile(
    r"json|\{|\bdict|\bobjects?\b|\bkeys?\b|\bfields?\b|schema|structured|yaml|字典|对象|字段|结构化|键值",
    re.IGNORECASE,
)
_KEYS = {"answer", "response", "output", "reply", "result", "text", "content", "final_answer"}
_KEYS |= {"回答", "答案", "回复", "输出", "结果", "内容"}
_TRACE = re.compile(
    r"^[ \t*]*Thought[ \t*]*:.*?^[ \t*]*Action(?: Input)?[ \t*]*:[^\n]*", re.DOTALL | re.MULTILINE
)
_ASKS_TRACE = re.compile(r"action|\breact\b|agent|thought|行动|智能体", re.IGNORECASE)
_ARGUMENT = r"[A-Za-z_]\w{0,40}[ ]?=[ ]?(?:\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'|[\w.…-]{1,80})"
_PYTHONIC = re.compile(
    rf"\A\s*\[(?P<name>[A-Za-z_][\w.]{{0,60}})\((?:{_ARGUMENT}(?:, ?{_ARGUMENT}){{0,20}})?\)"
    rf"(?:, ?[A-Za-z_][\w.]{{0,60}}\((?:{_ARGUMENT}(?:, ?{_ARGUMENT}){{0,20}})?\)){{0,20}}\]\s*\Z"
)
_ASKS_CODE = re.compile(
    r"python|\bcode\b|program|function|\blist\b|expression|syntax|\bcall|代码|程序|函数|列表|表达式|调用",
    re.IGNORECASE,
)
_BROKEN = re.compile(r"\ufffd|<unk>", re.IGNORECASE)
_ASKS_BROKEN = re.compile(
    r"\ufffd|<unk>|unicode|utf-?8|encod|decod|mojibake|replacement char|token|vocab|乱码|亂碼|编码|编碼|字符|分词|词表",
    re.IGNORECASE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.DOTALL)


class Form(NamedTuple):
    """An answer without what surrounded it.

    noted: what was taken off, by its kind (see `Reply.noted`); ended: the model's turn had ended before that
    """

    text: str
    reasoning: str = ""
    noted: tuple[str, ...] = ()
    ended: bool = False


def without_form(text: str, request: ChatRequest | None) -> Form:
    """An answer without headings, a switch, a name, a bare user's turn or JSON around it; once, from the outside."""
    plain = Form(text)
    if not may_hold_form(text) or (request is not None and (request.schema is not None or request.opening)):
        return plain
    asked, everything = _said(request)
    if (switch := _SWITCH.search(text)) and "think" not in asked.replace("/no_think", "").replace(
        "/think", ""
    ):
        return Form(text[: switch.start()], "", ("switch",), True) if switch.start() else plain
    for headings in (_BRACKETED, _HEADED):
        headed = headings.match(text)
        if headed and headed["final"].strip() and headed["body"].strip() and not _ASKS_THOUGHT.search(asked):
            return Form(headed["final"], headed["body"].strip(), ("heading",))
    if (name := _NAME.match(text)) and not _ASKS_NAME.search(asked):
        return Form(text[name.end() :], "", ("label",))
    turn = _BARE_TURN.search(text)
    begun = text[: turn.start()].rstrip() if turn else " "
    if begun[-1:] in _SENTENCE_END and begun.count("```") % 2 == 0 and not _ASKS_USER.search(asked):
        return Form(begun, "", ("next_turn",), True)
    if text[:1] in "{`" and (inside := _unwrapped(text)) and not _ASKS_JSON.search(everything):
        return Form(inside, "", ("wrapper",))
    return plain


def form_left(text: str, request: ChatRequest | None) -> tuple[str, str]:
    """What makes an answer none though no mark says so, and its kind: "call", "token" or ""."""
    if not may_hold_form(text) or (request is not None and request.schema is not None):
        return "", ""
    asked, everything = _said(request)
    trace = _TRACE.search(text)
    if trace and not _ASKS_TRACE.search(everything):
        return trace[0].rpartition("\n")[2].strip(), "call"
    call = _PYTHONIC.match(text)
    if call and call["name"] not in everything and not _ASKS_CODE.search(everything):
        return text.strip(), "call"
    if _BROKEN.search(text) and not _ASKS_BROKEN.search(asked):
        broken = _BROKEN.search(_CODE.sub("", text))
        if broken:
            return broken[0], "token"
    return "", ""


def _said(request: ChatRequest | None) -> tuple[str, str]:
    """What the user's turns say, and what all do."""
    turns = () if request is None else request.messages
    asked = "\n".join(turn.content for turn in turns if turn.role == "user")
    return asked, "\n".join(turn.content for turn in turns)


def _unwrapped(text: str) -> str:
    """The value of {"answer": "..."}, about the whole text; "" where it is no such."""
    fenced = _JSON_FENCE.match(text)
    try:
        held = orjson.loads(text if fenced is None else fenced[1])
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(held, dict) or len(held) != 1:
        return ""
    ((key, value),) = held.items()
    return value.strip() if isinstance(value, str) and key.casefold() in _KEYS else ""
