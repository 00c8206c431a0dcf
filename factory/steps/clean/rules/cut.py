"""The rule about answers that stop in the midst of a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import word_count
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

# Words that no sentence ends in; where one may, the words before it say that it does not.
_DANGLING = re.compile(
    r"(?:^|[\s(])(?:and|or|but|the|a|an|because|than|into|such as|including|their|its|your|my|our|whose|these"
    r"|those|while|although|whether|very|of the|in the|to the|by the|on the|with the|for the|is a|is the|are the"
    r"|during|despite|via|unless|whereas|every|which|if|as well as|in order to|due to|according to|so that"
    r"|(?:has|have|had|can|could|may|might|must|should|will|would) (?:be|been|also|then)|(?:able|likely|about) to"
    r"|(?:which|there) (?:is|are|was|were|has|have|can|will)"
    r"|(?:and|but|because|so that|if|when|while|although|unless|since|until|whether|where|then|that|which)"
    r" (?:it|they|he|she|we|there)|(?:because|if|when|while|although|unless|until|whether|that) (?:you|i|this)"
    r"|(?:number|amount|variety|lot|range|kinds?|types?|sort|part|form|lack|use|series|set|because|instead"
    r"|consists?|consisting|aware|capable) of"
    r"|(?:range|ranging|apart|away|different) from)\Z"
    # A year of which digits are lacking, and a word of which one letter is there.
    r"|(?:[a-z],? in|since|until|\d(?:st|nd|rd|th)?,) (?:19|20)\d?\Z|\b(?:the|an) [B-HJ-Zb-hj-z]\Z"
    # The first word of a sentence.
    r"|[.!?] (?:The|In|It|This|These|However|Additionally|Moreover|Furthermore|For|When|If|As|We|They|He|She|By|With"
    r"|On|At|To|From|There|Another|After|Before|While|Since|Although|Because)\Z",
    re.IGNORECASE,
)
_ENDS = frozenset(".!?。！？…:：\"”'’」』)）]】>》*_`~|}$;；—-–")
_LISTED = re.compile(
    r"\s*(?:[-*•·●▪+>|#]|\d{1,3}[.)、:]|[（(]?[a-zA-Z\d一二三四五六七八九十]{1,3}[)）.、]|[^\w\s]|https?:)"
)
_HAN_ONLY = re.compile(r"[\u3400-\u9fff]")
_VERSE = re.compile(
    r"\b(?:poem|haiku|song|lyrics|verse|rap|limerick|sonnet|tweet|title|headline|slogan|hashtag|list|name"
    r"|continue|complete)\b|诗|歌词|标题|续写|口号|对联",
    re.IGNORECASE,
)
_HAN_DANGLING = re.compile(
    r"(?:[和与及或在被向将而且但则若因]|以及|并且|而且|或者|因为|所以|因此|由于|虽然|但是|然而|如果|为了|例如|比如|包括|关于|对于|根据"
    r"|按照|作为|成为|使得|从而|此外|另外|然后|首先|其次|不仅|不但|既|能够|必须|非常|更加|各种|这种|某种|一系列|(?<![都才就也不即均方])可以"
    r"|(?<![不的有所])需要|(?<!不)应该|可能会|将会|(?:则|而|正|便|或)是|(?:是|成为|作为|有着|提供了?)一[个种]"
    r"|(?:[，；]|可以|能够|并|从而)(?:通过|利用|使用|采用|同时)"
    r"|(?:[，；。]|因此|所以|但是|然后|如果|因为|并且|而且|那么|于是|由于)"
    r"(?:我们|他们|她们|它们|你们|人们|我|你|您|他|她|它|这|这些|那些|这个|那个)(?:就|也|都|还|可能|可以|会|能|要|将|应该|需要|必须)?)\Z"
)
_SENTENCE_END = re.compile(r"[。！？]|(?<=[a-z])[.!?][\"”')]?(?=\s+[\"“(]?[A-Z])")
_NO_SENTENCE = re.compile(r"[#＃@:：|=]|https?|www\.|\w\.\w{2,}\Z|[-\d]{7,}\Z")
FEWEST, FEWEST_WORDS = 3, 4
"""So many sentences with a mark at their end (Chinese: one fewer) say that the last one lacks its own, if it has so
many words (Chinese: twice as many characters)."""


def _cut(part: Part) -> Iterator[Found]:
    text = part.text.rstrip()
    if not text or part.turn != len(part.view.record.messages) - 1:
        return
    last = text[text.rfind("\n") + 1 :]
    end = text[-1]
    # A long open bracket or a comma at the end tells of itself; so does a word that no sentence ends in.
    if end in ",，、":
        if len(last) > 30 - 15 * (not last.isascii()) and not _passed_over(part, text):
            yield Found(len(text) - 1, len(text), "ends in a comma")
        return
    if end in _ENDS or not end.isalnum() or "#" in last or "@" in last or _LISTED.match(last):
        return
    words = _last_words(text, last)
    if words and not _passed_over(part, text):
        yield Found(len(text) - len(words), len(text), f"ends in {words!r}")


def _last_words(text: str, last: str) -> str:
    """The words at the end of a text that say that it was cut; or ""."""
    if last[-1].isascii():
        words = last[-200:].split()
        return words[-1] if len(last) >= 20 and len(words) >= 6 and _DANGLING.search(last[-200:]) else ""
    if len(last) < 12 or not _HAN_ONLY.match(last[-1]) or not re.search("[。！？，]", text):
        return ""
    found = _HAN_DANGLING.search(last, max(0, len(last) - 20))
    return found[0].lstrip("，；。") if found is not None else ""


def _unmarked(part: Part) -> Iterator[Found]:
    text = part.text.rstrip()
    if not text or part.turn != len(part.view.record.messages) - 1 or not text[-1].isalnum():
        return
    last = text[text.rfind("\n") + 1 :]
    if _LISTED.match(last) or _last_words(text, last):
        return  # told by `cut_off`
    others = len(_SENTENCE_END.findall(text))
    if others < (FEWEST if last.isascii() else FEWEST - 1):
        return
    end = max((match.end() for match in _SENTENCE_END.finditer(last)), default=0)
    rest = last[end:].strip()
    # A line by itself may be a heading or a name; it has to be longer.
    least = FEWEST_WORDS * (1 + (not end)) * (1 if rest.isascii() else 2)
    if word_count(rest) >= least and not _NO_SENTENCE.search(rest) and not _passed_over(part, text):
        yield Found(len(text) - len(rest), len(text), "no mark at the end")


def _passed_over(part: Part, text: str) -> bool:
    """Whether the end says nothing: of code, tables, verse and titles, where a fence is told of by another rule."""
    if part.fences and (text.endswith(("`", "~")) or not part.fences[-1][3]):
        return True
    return "|" in text or _VERSE.search(part.view.said[:5000]) is not None or part.is_code


RULES = (
    Rule(
        "cut_off",
        "text",
        "An answer that stops in the midst of a sentence.",
        _cut,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example(
                "There are three reasons for this. First, it is cheap. Second, you can rely on the", True
            ),
            Example("这有三个原因。第一，价格低廉。第二，质量可靠。第三，它可以帮助我们，", True),
            Example("Paris", False),
            Example("- apples\n- pears and plums", False),
        ),
    ),
    Rule(
        "no_end_mark",
        "text",
        "An answer in prose whose last sentence has no mark at its end, as the others have: it was cut, or the mark "
        "forgotten.",
        _unmarked,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example(
                "Salt is old. Rivers bring it. The sea keeps it. Some of it comes from rocks below", True
            ),
            Example("盐很古老。河流带来盐。海把它留下。一部分盐来自海底的岩石和火山", True),
            Example("Salt is old. Rivers bring it. The sea keeps it. Some comes from rocks.", False),
            Example("Salt is old and comes from rivers", False),
        ),
    ),
)
