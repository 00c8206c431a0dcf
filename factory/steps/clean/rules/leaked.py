"""Rules about what leaked into a text: tokens of chat templates, marks of a next turn, parts of thoughts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.models.reply.gate import may_hold_mark
from factory.models.reply.marks import CONTROL, THOUGHT, Text, thought_of
from factory.steps.clean.rules.gates import Gated
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_ABOUT_MARKS = re.compile(
    r"\b(?:special|control|end|stop|eos|bos|thinking)[- ](?:of[- ]\w+[- ])?(?:tokens?|tags?|markers?)\b"
    r"|chat[- ]?templates?"
    r"|\btokeni[sz]|language models?|\bLLMs?\b|prompt (?:format|template)|think(?:ing)? tags?|(?:思考"
    r"|think)\W{0,3}(?:标签|标记)|特殊(?:标记|词元|符号|token)|模板|分词|语言模型",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"<<\s?/?SYS\s?>>|\[/?INST\]|<\|[\w ]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|</?s>(?=\s*(?:\[INST\]|<s>|\Z))|\A<s>"
    r"|<(?:start|end)_of_(?:turn|text)>|<(?:bos|eos|pad|unk)>|\[(?:BOS|EOS|PAD|CLS|SEP|UNK|MASK)\]"
    r"|###\s?(?:Instruction|Input|Response|Human|Assistant|User|System|Output|指令|输入|回答|回复|输出)\s?[:：]"
    r"|Below is an instruction that describes a task|以下是描述任务的指令|\[UNUSED_TOKEN_\d+\]|<\|?end(?:of)?text\|?>"
)


def _tokens(part: Part) -> Iterator[Found]:
    text = part.text
    lower = part.lower
    if may_hold_mark(text) or "###" in text or "below is an instruction" in lower or "以下是描述任务" in text:
        spans: list[tuple[int, int]] = []
        marks = list(_OTHER.finditer(text))
        if may_hold_mark(text):
            marks += CONTROL.finditer(text)
        if not marks or _ABOUT_MARKS.search(part.prose[:20_000]) or _ABOUT_MARKS.search(part.asked[:20_000]):
            return
        quoting = Text(text)
        struck = "<s>" in text and re.search(r"</s>\s*(?!\[INST\]|<s>)\S", text) is not None
        for match in sorted(marks, key=lambda one: one.start()):
            start = match.start()
            if struck and match[0] in ("<s>", "</s>"):
                continue  # of HTML, for what is struck out
            if any(begin <= start < end for begin, end in spans) or quoting.quotes(*match.span()):
                continue
            if part.role == "assistant" and match[0] in part.asked:
                continue  # the answer may speak of what it was asked about
            spans.append(match.span())
            yield Found(*match.span(), match[0])


_ROLE = Gated(
    r"(?m)^[ \t>*#]{0,6}(?:human|user|assistant|ai assistant|ai|bot|chatbot|chatgpt|gpt-?[34]|claude|system"
    r"|用户|用戶"
    r"|人类|助手|助理|机器人|系统|提问者|回答者)[*]{0,2}\s?[:：]",
    re.IGNORECASE,
)


def _roles(part: Part) -> Iterator[Found]:
    text = part.prose
    marks = _ROLE.find_all(part)
    if not marks or part.view.voiced or part.is_code:
        return
    if _ROLE.search(part.asked) or re.search(
        r"(?i)\buser stor|\brequirement|\bprompt|用户故事|提示词", part.asked
    ):
        return
    # A heading of a list ("User: the one who ...") stands beside others; a turn stands alone, or user and assistant.
    asked = part.asked.lower()
    labels = len(_LABEL_LINE.findall(text))
    for match in marks:
        name = match[0].strip(" \t>*#:：").lower()
        if name in asked or labels > 2 * len(marks):
            continue  # a list with "Human:" as one of its heads
        first = text[: match.start()].strip() == ""
        if name in ("system", "ai", "系统", "bot") and not first and len(marks) == 1:
            continue
        if (
            name in ("user", "用户", "human")
            and len(marks) == 1
            and not first
            and not _TURN_BEFORE.search(text[: match.start()])
        ):
            continue
        yield Found(*match.span(), f"a mark of a turn: {match[0].strip()}")


_LABEL_LINE = re.compile(r"(?m)^[ \t>*#-]{0,6}[\w\u4e00-\u9fff][^:：\n]{0,30}[:：]")
_TURN_BEFORE = re.compile(r"[.!?。！？\"”)）]\s*\n\s*\Z")

_THOUGHT_ROLES = ("user", "assistant", "system")


def _thoughts(part: Part) -> Iterator[Found]:
    text = part.text
    if not part.whole or not may_hold_mark(text):
        return
    marks = [mark for mark in Text(text).found(THOUGHT) if not thought_of(mark)[2]]
    if (
        not marks
        or _ABOUT_MARKS.search(part.asked[:20_000])
        or (part.role == "assistant" and any(mark[0].lower() in part.asked.lower() for mark in marks))
    ):
        return
    if part.role != "assistant":
        if part.role == "user":
            yield Found(*marks[0].span(), f"{marks[0][0]} in a user's turn")
        return
    depth, opened = 0, marks[0]
    pairs: list[tuple[re.Match[str], re.Match[str]]] = []
    for mark in marks:
        if thought_of(mark)[1]:
            if depth:
                yield Found(*mark.span(), "a thought opens in a thought")
                return
            depth, opened = 1, mark
        elif depth:
            depth = 0
            pairs.append((opened, mark))
        else:
            yield Found(*mark.span(), "a thought ends that never began")
            return
    if depth:
        yield Found(*opened.span(), "a thought that never ends")
        return
    for number, (begin, end) in enumerate(pairs):
        inside = text[begin.end() : end.start()].strip()
        if not inside:
            yield Found(begin.start(), end.end(), "an empty thought", None)
        elif number or text[: begin.start()].strip():
            yield Found(*begin.span(), "a thought in the midst of the answer")
        elif not text[end.end() :].strip() and not part.view.record.messages[part.turn].calls:
            yield Found(*end.span(), "nothing is said behind the thought")
        elif part.view.record.messages[part.turn].reasoning:
            yield Found(*begin.span(), "a second thought beside the turn's own")


RULES = (
    Rule(
        "template_tokens",
        "text",
        "Tokens and headings of chat templates that leaked into a text (<|im_end|>, [INST], ### Response:).",
        _tokens,
        roles=("system", "user", "assistant"),
        where=("content", "reasoning"),
        triggers=("<", "[", "###", "]~b]", "below is an", "以下是描述"),
        examples=(
            Example("Paris.<|im_end|>", True),
            Example("### Response: 北京。", True),
            Example("### Summary\nParis is large.", False),
            Example("`<|im_end|>` ends a turn.", False),
        ),
    ),
    Rule(
        "role_marks",
        "text",
        "Marks of a turn that leaked into an answer (User:, Assistant:, 助手：), where no dialogue was asked for.",
        _roles,
        roles=("assistant",),
        triggers=(":", "："),
        examples=(
            Example("Paris.\n\nHuman: And Spain?\nAssistant: Madrid.", True, asked="Capital of France?"),
            Example("助手：北京。", True, asked="中国的首都是哪里？"),
            Example("User: Hi!\nBot: Hello!", False, asked="Write a dialogue of a user and a bot."),
            Example("The user: a person who uses it.", False, asked="Who is meant?"),
        ),
    ),
    Rule(
        "think_tags",
        "voice",
        "Thoughts that are wrongly marked: a <think> that never ends or began, empty, in the midst, or nothing "
        "behind it.",
        _thoughts,
        roles=_THOUGHT_ROLES,
        examples=(
            Example("<think>Two and two", True, asked="2 + 2?"),
            Example("因为二加二等于四</think>四", True, asked="二加二？"),
            Example("<think>2 + 2 = 4</think>Four.", False, asked="2 + 2?"),
            Example("`<think>` opens a thought.", False, asked="Marks?"),
        ),
    ),
)
