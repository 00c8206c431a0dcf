"""How many demands an instruction makes: counted by rule, so the same for everyone, and a proxy."""

from __future__ import annotations

import re

from factory.data.text import word_count

# A sentence or a clause of one; a mark within a number ("3.5") or an abbreviation ends none.
_CLAUSE = re.compile(
    r"[.!?;](?=\s|$)|[。！？；，、\n]|,(?=\s)|\s[-–—]\s|\((?=\w)|（"
    r"|\b(?:and(?:\s+also)?|as\s+well\s+as|but|while|then|which|that\s+(?:must|should))\b|(?:并且|并|同时|以及|且|还要)",
    re.IGNORECASE,
)
# Every repetition of many characters is bounded, so that no text takes time that grows with its square.
_DEMAND = re.compile(
    r"""
    \b(?:must|should|needs?\s+to|has\s+to|have\s+to|ensur\w+|make\s+sure|require\w*|at\s+(?:least|most)|no\s+(?:more|fewer|less)
    |more\s+than|fewer\s+than|less\s+than|not\s+exceed\w*|up\s+to|exactly|only|within|under|over|between|without|avoid\w*
    |never|do\s+not|don['’]?t|exclud\w+|includ\w+|contain\w*|mention\w*|incorporat\w+|using|uses?\b|in\s+the\s+(?:form|style|tone|voice)
    |in\s+(?:an?\s+)?\w+\s+(?:style|tone|words|sentences|lines|steps|paragraphs)|as\s+an?|for\s+(?:an?|each|every|someone|people|readers)
    |each|every|start\w*|begin\w*|end(?:s|ing)?\s+(?:with|on|in)|limit\w*|format\w*|words?|sentences?|lines?|steps?|paragraphs?
    |bullet\w*|tables?|examples?|reasons?|O\([^)]{0,99}\)|time\s+complexity|space\s+complexity|memory
    |explain\w*|describ\w+|list\w*|compar\w+|give|giving|name|naming|discuss\w*|provid\w+|analy[sz]\w+|evaluat\w+|identif\w+
    |suggest\w*|propos\w+|writ(?:e|ing)|add(?:ing)?|show\w*|state|stating|cit(?:e|ing)|justif\w+|summari[sz]\w+|calculat\w+)\b
    |必须|须|应当|应该|应|要|需|请|务必|确保|保证|至少|至多|最多|不超过|不少于|不得|不要|不能|不用|别|禁止|避免|只|仅|恰好|以内|之内|以上|以下
    |分成|分为|分\w{0,2}[点步段条]|每[个条点段句行步]|用\w{0,6}[写说列表格]|以\w{0,8}(?:形式|格式|口吻|语气|风格|身份)|面向|针对|包含|包括|含有|提到|注明|附上|列出|举\w{0,3}例
    |说明|解释|比较|对比|分析|介绍|描述|写出|给出|指出|估计|计算|总结|评价|论证|结尾|开头|字数|[一二两三四五六七八九十\d]{1,9}\s{0,9}[个条点段句行步字种]
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)


def demand_count(instruction: str) -> int:
    """About how many things `instruction` demands; at least 1 where it says anything.

    Counts its clauses that hold a word of demand (must, at least, without, in ... words, explain; 必须, 不超过, 分三点,
    说明); blocks of code are left out. By rule, so a proxy of what a reader would count: good to tell an instruction
    that has grown from round to round, no measure of difficulty.
    """
    prose = _CODE.sub("\n", instruction)
    found = sum(_DEMAND.search(clause) is not None for clause in _CLAUSE.split(prose))
    return max(found, int(word_count(instruction) > 0))
