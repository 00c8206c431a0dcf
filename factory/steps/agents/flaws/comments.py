"""What a model says about its rewriting behind the new instruction: no part of it, and to nobody who reads it later."""

from __future__ import annotations

import re

_DID = (
    "(?:added|rewrote|rewritten|made|increased|deepened|changed|kept|included|extended|expanded|modified|replaced"
    "|revised)"
)
_NEW = r"(?:rewritten|new|revised|evolved|original|updated|modified|reworded)"
_COMMENT = re.compile(
    rf"""
    \n\s*+[*_(（\[>\-]*+\s*+                                # a paragraph or a line of its own, often in brackets
    (?:
      (?:(?:note|explanation|rationale|reasoning|changes|comment)\b[\s*_]*[:：][\s*_]*)?
      (?:(?:i|we)(?:['’]ve|\s+have)?\s+(?:\w+\s+)?{_DID}\b
      |(?:the|this|my)\s+{_NEW}\s+(?:prompt|instruction|version|question)\b
      |(?:this|the\s+above)\s+(?:prompt|instruction|version|rewrite)\s+(?:now\s+)?(?:adds|asks|requires|increases|is|includes|keeps))
    |added\s+(?:constraint|requirement|detail)s?[\s*_]*[:：]
    |新增的?(?:约束|限制)(?:条件)?\s*[:：]
    |would\s+you\s+like\s+me\s+to\b
    |let\s+me\s+know\s+if\s+you(?:['’]d|\s+would)\s+like\b
    |(?:改写|修改|重写|演化|改动|改編|改寫)(?:的?)(?:说明|解释|理由|思路|要点|說明)\s*[:：]
    |(?:说明|解释|注释|备注|注|說明)\s*[:：]\s*(?:我|在?原(?:指令|问题|提示)|(?:本次|此次|这次)?(?:改写|修改)|(?:新)?增加了|添加了)
    |(?:以上|上述|这个)?(?:改写|修改|新)(?:后)?的?(?:指令|提示词?|问题|版本)(?:增加|加入|要求|保留)了?
    )[^\n]*(?:\n(?!\s*\n)[^\n]*)*\s*\Z
    """,
    re.IGNORECASE | re.VERBOSE,
)
_COUNT = re.compile(
    r"\s*+[(（\[](?:[^()（）\[\]\n]{0,40}(?:words?|字))(?:[^()（）\[\]\n]{0,20})[)）\]]\s*\Z", re.IGNORECASE
)
_ADDED = re.compile(r"added|新增|增加", re.IGNORECASE)


def without_comment(evolved: str, parent: str) -> str:
    """An evolved instruction without the comment on itself that it ends with; a parent that ends so keeps it."""
    text = evolved
    while True:
        found = _COMMENT.search(text)
        if found is None:
            count = _COUNT.search(text)
            found = count if count is not None and _ADDED.search(count[0]) else None
        if found is None or found[0].strip() in parent or not text[: found.start()].strip():
            return text
        text = text[: found.start()].rstrip()
