"""Rules about a prompt and an answer that run into one another: copied, repeated, several instructions in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import normal_form, word_count
from factory.steps.clean.rules.gates import Gated
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_MAY_COPY = re.compile(
    r"\b(?:re-?write|re-?phrase|paraphras\w+|edit|correct|fix|proofread|revis\w+|improv\w+|repeat|copy"
    r"|continue|complet\w+|fill|translat\w+"
    r"|convert|format|punctuat\w+|capitali[sz]\w*|add|insert|remov\w+|delet\w+|replac\w+|chang\w+|quot\w+"
    r"|extract|identif\w+|find|highlight|label"
    r"|annotat\w+|classif\w+|sort|order|arrange|rearrang\w+|organi[sz]\w+|combin\w+|underline|select|choose"
    r"|which|pick|split|separat\w+|refactor|debug"
    r"|optimi[sz]\w+|modif\w+|shorten|expand|transform|output|print|cloze|blank|tag|spell\w*|grammar"
    r"|sentences?|make|turn|update|adapt|merge|title|restate)\b"
    r"|改写|改寫|修改|改成|润色|纠正|更正|校对|重复|复述|抄|续写|继续|补全|完成|填|翻译|翻譯|转换|转成|加上|添加|插入|删除|去掉|替换|引用|提取|找出|标出|标注|分类"
    r"|排序|排列|整理|合并|选|哪|拆分|缩写|扩写|句|造|题目|标题|默写|改",
    re.IGNORECASE,
)
FEWEST = 8
"""Words of an instruction (Chinese: characters and half as many more) that count as copied; fewer are met by chance."""


def _long_enough(text: str) -> bool:
    words = word_count(text)
    return words >= FEWEST * 3 // 2 if not text.isascii() else words >= FEWEST


def _copied(part: Part) -> Iterator[Found]:
    asked = _asked_turn(part)
    if not asked:
        return
    text = part.text.strip()
    if text == asked.strip() or (
        len(text) < 4000 and len(text) == len(asked) and normal_form(text) == normal_form(asked)
    ):
        if (
            not _MAY_COPY.search(asked)
            and not re.search(r"(?i)\brepeat|\becho\b|\bcopy", asked)
            and word_count(text) >= (4 if text.isascii() else 6)
        ):
            yield Found(0, len(part.text), "the answer is the prompt again")
        return
    record = part.view.record
    instruction = record.instruction if part.turn > record.last_user >= 0 else asked
    whole = instruction.strip()
    if (len(whole) < 30 and whole.isascii()) or not _long_enough(whole) or len(whole) > 20_000:
        return
    at = part.text.find(whole)
    if at < 0 or _MAY_COPY.search(asked[:3000]) or part.view.about_code:
        return
    if (at == 0 and _is_question(whole)) or (at and part.text[at - 1] in '"“「『《'):
        return  # told by `repeats_question`; quoted
    yield Found(at, at + len(whole), "the instruction stands in the answer")


def _asked_turn(part: Part) -> str:
    messages = part.view.record.messages
    before = messages[part.turn - 1] if part.turn else None
    return before.content if before is not None and before.role == "user" else ""


def _is_question(text: str) -> bool:
    return text.rstrip().endswith(("?", "？"))


_FIRST = re.compile(
    r"[\s*#>\"“「\-]*(?:(?:question|q|answer|问题|问|提问)\s?[:：.]\s*)?([^\n?？]{6,400}[?？])", re.IGNORECASE
)


def _repeats(part: Part) -> Iterator[Found]:
    asked = _asked_turn(part)
    if not asked or not _is_question(asked) or len(asked) > 600:
        return
    found = _FIRST.match(part.text)
    if found is None or not part.text[found.end() :].strip(' \n*"”」'):
        return
    first = normal_form(found[1]).rstrip("?？ ")
    last = normal_form(asked).rstrip("?？ ")
    if (len(last) < 12 and last.isascii()) or len(last) < 6 or _MAY_COPY.search(_imperative(asked)):
        return
    if first == last or (
        len(last) >= 20 and (first.endswith(last) or (last.endswith(first) and len(first) >= 0.7 * len(last)))
    ):
        yield Found(*found.span(1), "the answer begins with the question")


def _imperative(asked: str) -> str:
    """The words before the question: what is to be done with it."""
    end = max(asked.rfind(mark, 0, len(asked.rstrip()) - 1) for mark in ".!:：。！\n")
    return asked[: end + 1] if end > 0 else ""


_LABEL = Gated(
    r"(?m)^[ \t#*\-\d.]{0,8}(?:(?:new |next |second |另一个)?(?:instruction|task|input|output|prompt|response"
    r"|question|answer|指令|任务|输入|输出|问题|回答|答案)s?)[ \t]?\d{0,2}[*]{0,2}\s?[:：]",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?m)(?:^|\n)[ \t]*(?:task |q(?:uestion)? ?|任务|问题|第)?(\d{1,3})\s?[.)、:：题]\s*(\S[^\n]{10,300})",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:please\s+)?(?:write|generate|create|explain|describe|give|list|name|find|translate|summari[sz]e"
    r"|classify|identify|compare|rewrite|design"
    r"|suggest|provide|calculate|convert|tell|make|construct|develop|analy[sz]e|compose|outline|discuss|edit"
    r"|determine|what|how|why|who|when|where|which)\b"
    r"|请|写|说|讲|画|做|生成|解释|描述|给出|列出|翻译|总结|分类|比较|设计|计算|什么|如何|为什么|谁|创建|编写|找出|介绍|说明",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\n\s*(?:#{3,}|={3,}|-{3,}|\*{3,})\s*\n?\s*(?=\S)")
_PARTS_WANTED = re.compile(
    r"\b(?:steps?|following (?:questions?|tasks?|steps?|instructions?|prompts?)|answer (?:the|these|all|each)"
    r"|questions|(?:two|three|four|five|several|multiple) (?:tasks|parts|things)|as follows"
    r"|example|format|template|fill|input|output|given|complete)\b|以下|下列|下面|步骤|分别|依次|几个问题|格式|模板|例如|示例|给定|要求",
    re.IGNORECASE,
)


def _several(part: Part) -> Iterator[Found]:
    text = part.uncoded
    view = part.view
    if part.role == "assistant":
        if part.turn != len(view.record.messages) - 1 or view.about_code:
            return
        # An answer that goes on with a next instruction.
        for match in _LABEL.all_in(text):
            name = match[0].strip(" \t#*:：-.0123456789").lower()
            if (
                (
                    name.startswith(("instruction", "指令", "new instruction", "next instruction"))
                    and text[: match.start()].strip()
                )
                and "instruction" not in view.said.lower()
                and "指令" not in view.said
                and not view.voiced
            ):
                behind = text[match.end() : match.end() + 120].strip()
                if _VERB.match(behind):
                    yield Found(*match.span(), "a next instruction in the answer")
                    return
        return
    chars = view.record.input_chars if part.turn == view.record.last_user else 0
    instruction = text[: len(text) - chars] if chars else text
    labels = [match for match in _LABEL.all_in(instruction) if instruction[: match.start()].strip()]
    if labels and not part.is_code:
        names = {match[0].strip(" \t#*:：-.0123456789").lower() for match in labels}
        wanted = names & {
            "instruction",
            "instructions",
            "指令",
            "output",
            "输出",
            "response",
            "answer",
            "回答",
            "task",
            "任务",
        }
        if (
            wanted
            and not _PARTS_WANTED.search(instruction[: labels[0].start()])
            and word_count(instruction) < 200
        ):
            yield Found(*labels[0].span(), f"{labels[0][0].strip()!r} in the midst of the instruction")
            return
    items = [(int(match[1]), match) for match in _NUMBERED.finditer(instruction)]
    asks = [(number, match) for number, match in items if _VERB.match(match[2])]
    if not asks:
        return
    first_at = asks[0][1].start()
    head = instruction[:first_at].strip()
    if _PARTS_WANTED.search(head):
        return
    jump = asks[0][0]
    if jump >= 2 and head and _VERB.search(head) and not any(number == jump - 1 for number, _ in items):
        yield Found(*asks[0][1].span(), f"number {jump} of a list of instructions behind another one")
    elif (len(asks) >= 2 and not head and len(asks) == len(items)) or (
        _SEPARATOR.search(instruction) and len(asks) >= 2
    ):
        yield Found(*asks[1][1].span(), f"{len(asks)} instructions in one")


RULES = (
    Rule(
        "copied_prompt",
        "text",
        "An answer that is the prompt again, or holds all of a long one, where nothing was to be copied.",
        _copied,
        roles=("assistant",),
        examples=(
            Example(
                "Tell me why the wide sea is so very salty. Rivers bring salt.",
                True,
                asked="Tell me why the wide sea is so very salty.",
            ),
            Example(
                "请告诉我为什么海水总是那么咸呢。河流带来盐。", True, asked="请告诉我为什么海水总是那么咸呢。"
            ),
            Example(
                "The sea is salty as rivers bring salt.",
                False,
                asked="Tell me why the wide sea is so very salty.",
            ),
            Example("Tell me why the sea is salty!", False, asked="Rewrite: Tell me why the sea is salty."),
        ),
    ),
    Rule(
        "repeats_question",
        "text",
        "An answer that begins with the question, word for word.",
        _repeats,
        roles=("assistant",),
        triggers=("?", "？"),
        examples=(
            Example("Why is the sea salty? Rivers bring salt.", True, asked="Why is the sea salty?"),
            Example("海水为什么是咸的？因为河流带来盐。", True, asked="海水为什么是咸的？"),
            Example(
                "The sea is salty as rivers bring salt. Why? They wear down rocks.",
                False,
                asked="Why is the sea salty?",
            ),
            Example("为什么？因为河流带来盐。", False, asked="海水为什么是咸的？"),
        ),
    ),
    Rule(
        "several_instructions",
        "text",
        "Several instructions that ran into one, with marks or numbers of a list between them.",
        _several,
        roles=("user", "assistant"),
        triggers=("\n",),
        examples=(
            Example("Name a fruit.\n\n12. Write a poem about the sea.", True),
            Example("说出一种水果。\n指令：写一首关于大海的诗。", True),
            Example("Do this:\n1. Peel an apple.\n2. Eat it.", False),
            Example("请比较以下两项：\n1. 苹果\n2. 梨", False),
        ),
    ),
)
