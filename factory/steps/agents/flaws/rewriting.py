"""What a model gives in place of one rewritten instruction: several, its working, an answer, half of one."""

from __future__ import annotations

import re

from factory.data.text import shorten
from factory.statistics.flaws.flaw import Flaw

_NUMBERED = r"(?:option|version|variant|alternative|rewrite|instruction|prompt|选项|版本|方案|指令|改写)"
_SEVERAL = re.compile(
    rf"\A\W*{_NUMBERED}\s*(?:1|a|one|一)\b\s*[:：.)*-].*?^\W*{_NUMBERED}\s*(?:2|b|two|二)\b\s*[:：.)*-]",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_WORKING = re.compile(
    r"\A\W*(?:(?:step|步骤)\s*(?:1|one|一)|第一步)\b.*?"
    r"(?:re-?writ|re-?phras|(?:new|final|evolved|improved|updated|original)\s+(?:version|instruction|prompt|question)"
    r"|改写|重写|新的?指令|原指令|最终(?:指令|版本))"
    r"|\A\W*(?:added|新增的?)\s*(?:constraint|requirement|约束|限制|要求)s?\W*[:：]",
    re.IGNORECASE | re.DOTALL,
)
_ANSWERED = re.compile(
    r"^\W*(?:answer|response|solution|a|答案|回答|解答)\W{0,3}[:：]", re.IGNORECASE | re.MULTILINE
)
_LABEL = re.compile(r"\A[\s*#]*(?:question|q|query|问题|题目|提问)[ \t*]*[:：][ \t*]*", re.IGNORECASE)
_HALF = re.compile(
    r"(?:[,，、(（]|\b(?:and|or|the|an|because|such as|including|whether|their|its|your|than|from the|into|as well as)"
    r"|以及|并且|或者|因为|例如|包括|而且)\s*\Z",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"""
    [?？]
    |(?:^|[.!:;\n,(]\s*|\b(?:then|and|please|to|also|you\s+(?:must|should|will|need|have))\s+)[^\w\n]*
     (?:how|what|which|who|whom|whose|when|where|why|is|are|can|could|do|does|did|would|will|should
     |[a-z]{2,}ize|[a-z]{2,}ify|act|add|advise|alter|analy[sz]e|answer|apply|argue|arrange|ask|assess|assign|assume|break|brainstorm|bring
     |build|calculate|categori[sz]e|change|check|choose|cite|code|come|compare|compile|complete|compose|compute|conduct
     |consider|construct|continue|contrast|convert|copy|correct|count|cover|craft|create|debug|decide|decode|deduce|define
     |delete|derive|describe|design|detect|determine|develop|devise|discuss|divide|do|don['’]?t|draft|draw|edit|elaborate
     |elucidate|encode|ensure|enumerate|estimate|evaluate|examine|expand|explain|explore|express|extend|extract|fill|find
     |fix|follow|form|format|formulate|gather|generate|get|give|go|group|guess|help|highlight|illustrate|imagine
     |implement|improve|include|indicate|infer|insert|interpret|introduce|invent|investigate|judge|keep|label|let|list|look
     |make|match|mention|model|name|offer|optimi[sz]e|order|organi[sz]e|outline|output|paraphrase|perform|pick|plan|play|point
     |predict|prepare|present|print|produce|prompt|propose|prove|provide|rank|rate|rearrange|read|recommend|reduce|refer
     |refactor|remove|rephrase|replace|reply|report|request|research|respond|return|reverse|review|revise|rewrite|search
     |select|separate|set|shorten|show|simplify|simulate|solve|sort|speak|specify|split|spot|start|state|suggest|sum
     |summari[sz]e|support|take|talk|teach|tell|test|think|trace|transcribe|transform|translate|try|turn|update|use|verify
     |walk|weigh|work|write)\b
    |\b(?:must|should|need(?:s|ed)?|require[sd]?|want|would\s+like|task|please|wish|looking\s+for|explain|describe)\b
    |[请吗呢]|[说讲]出|讲述|告诉|确定|分类|什么|如何|怎[么样]|为何|为什么|哪|谁|几|多少|是否|能否|需要|要求|必须|应当?|帮|写|给出?|列|说明|解释|比较|分析|描述|介绍
    |设计|计算|翻译|总结|概括|讨论|找|生成|创[建作]|编|改|提供|提出|评[价估]|推荐|判断|回答|使用|用|做|求|证明|实现|制[定作]
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
# How an answer opens: its subject and a verb, or a word that a request does not begin with.
_STATES = re.compile(
    r"\A[^\w\n]*(?:(?:sure|certainly|of course|yes|no|there (?:is|are|was|were)|it (?:is|was))\b"
    r"|(?:(?:the|a|an|this|these|one|most|many|some)\s+)?[\w'’-]+(?:\s+(?!to\b|for\b|with\b|that\b|which\b|who\b|where\b"
    r"|what\b|how\b|why\b)[\w'’-]+){0,5}\s+(?:is|are|was|were|means|refers\sto|occurs?|happens?|arises?|consists?|involves?"
    r"|causes?|caused|comes?\sfrom|has|have|can\sbe)\b"
    r"|(?!将|把|以下|根据|在)[^。！？\n，,：:]{1,20}(?:是指|是由|是一[种个项门]|指的是|通常|主要[是由]|由于|[的]?原因(?:是|有|在于)))",
    re.IGNORECASE,
)


def without_question_label(text: str, parent: str) -> str:
    """An evolved instruction without "Question:" before it, where its parent has none."""
    label = _LABEL.match(text)
    return text if label is None or _LABEL.match(parent) else text[label.end() :].strip() or text


def rewriting_flaw(evolved: str, parent: str) -> Flaw | None:
    """Why `evolved` is not one whole instruction made of `parent`; None where it may be.

    It offers several ("Option 1", "Option 2"), tells how it was made ("Step 3: rewritten version"), has an answer
    behind it or is one (it asks for nothing and states something, by rule, while its parent asks), or breaks off within
    a sentence though the model ended it. What the parent has of that kind is no flaw.
    """
    several = _SEVERAL.search(evolved)
    if several and not _SEVERAL.search(parent):
        return Flaw("several_instructions", f"the model offers several: {shorten(several[0], 40)!r}")
    working = _WORKING.search(evolved)
    if working and not _WORKING.search(parent):
        return Flaw("working", f"the model tells how it rewrites: {shorten(working[0], 40)!r}")
    answered = _ANSWERED.search(evolved)
    if (
        answered
        and evolved[: answered.start()].strip()
        and not _ANSWERED.search(parent)
        and _LABEL.match(evolved)
    ):
        return Flaw(
            "answered",
            f"an answer stands behind the instruction: {shorten(evolved[answered.start() :], 40)!r}",
        )
    # What ends without a full stop may be a sentence to complete.
    stated = _STATES.match(evolved) and evolved.rstrip()[-1:] in frozenset(".!。！")
    if stated and not _ASKS.search(evolved) and _ASKS.search(parent):
        return Flaw("answered", "it asks for nothing: an answer in place of an instruction")
    half = _HALF.search(evolved)
    if (half and not _HALF.search(parent)) or evolved.count("```") % 2 > parent.count("```") % 2:
        return Flaw("truncated", f"it breaks off within a sentence or block: {shorten(evolved[-30:], 30)!r}")
    return None
