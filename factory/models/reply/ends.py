"""How a reply ended, in one spelling for all providers.

Each server has words of its own (`length`, `MAX_TOKENS`, `model_length`, `done_reason`, ...). They are compared
without case, separators and the name of an enumeration. A word that stands in no table is never taken for a whole
answer. To teach a new one, add it to its table.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

WHOLE: Final = "stop"
CUT: Final = "length"
CALLS: Final = "tool_calls"
FILTERED: Final = "content_filter"
REFUSED: Final = "refusal"
REPEATS: Final = "repetition"
MISHAP: Final = "mishap"
"""What `kind_of_end` says of an end that another try may mend."""
UNKNOWN: Final = "unknown"
"""What `kind_of_end` says of an end that is in no table."""

_EXACT: Mapping[str, str] = {
    word: kind
    for kind, words in {
        WHOLE: "stop null none unspecified endturn endofturn turnend eos eostoken eosfound eosid endid endoftext"
        " endofsequence eom eot eottoken stopsequence stopsequences stopstr stopstring stopstringfound stopword"
        " stopwords stoptoken stoptokens stoptokenid stopcriteria stopcriteriamet complete completed finish finished"
        " done normal success natural word",
        CUT: "length max cut incomplete limit errorlimit modellength tokenlimit contextwindow truncated truncation"
        " maxpredictedtokensreached budgetexhausted exceedlimit outofcontext",
        CALLS: "tool tools toolcall toolcalls tooluse functioncall functioncalls function pauseturn action"
        " unexpectedtoolcall toomanytoolcalls requiresaction",
        FILTERED: "contentfilter contentfiltered filtered filter safety recitation blocklist prohibitedcontent spii"
        " language imagesafety imageprohibitedcontent imagerecitation modelarmor guardrailintervened sensitive"
        " moderation errortoxic blocked censored",
        REFUSED: "refusal refused refuse",
        REPEATS: "repetition repetitiontruncation repetitiondetected repeat loop",
        MISHAP: "error abort aborted cancel cancelled canceled usercancel userstopped failed failure timeout timedout"
        " timelimit ratelimit networkerror insufficientsystemresource malformedfunctioncall malformedtooluse"
        " malformedtoolcall malformedmodeloutput malformedresponse modelerror servererror internalerror other"
        " imageother noimage missingthoughtsignature load unload modelunloaded notfinished interrupted disconnected"
        " preempted evicted shutdown inprogress queued",
    }.items()
    for word in words.split()
}
# For words that are in no table: none of these makes a reply whole. The first that is in the word counts.
_PARTS: tuple[tuple[str, str], ...] = tuple(
    (part, kind)
    for kind, parts in (
        (REPEATS, "repetit repeat"),
        (
            MISHAP,
            "timelimit ratelimit timeout timedout error fail abort cancel malformed network overload unavailable",
        ),
        (MISHAP, "interrupt exception resource disconnect"),
        (FILTERED, "filter safety sensitive prohibit blocked guardrail policy moderat toxic harm violat"),
        (REFUSED, "refus"),
        (
            CUT,
            "length maxtoken maxoutput maxnew maxcompletion maxgen tokenlimit limitreached contextwindow toolong",
        ),
        (CUT, "truncat exceed"),
        (CALLS, "toolcall tooluse functioncall"),
    )
    for part in parts.split()
)
_ENUMERATION = re.compile(r"\A(?:finish|stop|done|end)_?reasons?[._: ]+|\A\w+\.(?=\w+\Z)", re.IGNORECASE)


def told_end(told: object) -> str:
    """The word with which a server says how a reply ended; "" where it says none.

    Some servers (SGLang) give an object with a "type", others an enumeration or a number.
    """
    if isinstance(told, str):
        return told[:60]
    if isinstance(told, Mapping):
        told = told.get("type") or told.get("reason") or ""
    if told is None:
        return ""
    return str(getattr(told, "name", told))[:60]


@functools.lru_cache(maxsize=1024)
def kind_of_end(told: str) -> str:
    """`WHOLE`, `CUT`, `CALLS`, `FILTERED`, `REFUSED`, `REPEATS`, `MISHAP` or `UNKNOWN`."""
    if not told:
        return WHOLE
    word = re.sub(r"[\W_]+", "", _ENUMERATION.sub("", told.strip()).casefold())
    if not word:
        return UNKNOWN if told.strip() else WHOLE
    known = _EXACT.get(word)
    return known or next((kind for part, kind in _PARTS if part in word), UNKNOWN)


def normal_end(told: str) -> str:
    """How a reply ended, as `Reply.finish_reason` has it: a mishap, or what is not known, stays as it was told."""
    kind = kind_of_end(told)
    return told if kind in (MISHAP, UNKNOWN) else kind
