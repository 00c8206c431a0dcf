"""Rules about text that goes round: words, lines and sentences that come again and again."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from factory.data.text import shorten
from factory.statistics.flaws.repetition import loop_flaw
from factory.steps.clean.rules.gates import Topic
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_ASKED_FOR = Topic(
    r"\brepeat|\btimes\b|\bover and over\b|\bsong|\blyrics|\bpoem|\bchorus|\bverse|\bpattern|\brefrain|\brap\b"
    r"|\bmantra|\bchant"
    r"|\bprint|\bpractice sheet|重复|重複|反复|歌|诗|[遍次]|打印|图案"
)
SENTENCES = 4
"""So many times the same sentence or line, of the length of a sentence, is a loop; so is `RUNS` times in a row."""
RUNS = 3
FEWEST = 4
"""Words of a sentence that counts, or three times as many Chinese characters; a shorter one may come again."""
_WORD = re.compile(r"\w")
_LONGEST = 20_000
ONE = 40
"""So many of one character at the end are a loop, but those that draw a line."""
_RULERS = frozenset("-=_*.~#+|/\\ 0123456789—–─━═…·")
TAIL = 5
"""So many times the same words at the end, however short, are a loop."""


def _loops(part: Part) -> Iterator[Found]:
    text = part.prose
    if len(text) < (40 if part.ascii else 24):
        return
    if (found := _tail(text)) is not None and not _asked(part):
        yield found
        return
    words: Sequence[str] = text[:_LONGEST].split()
    if part.language in ("zh", "ja", "ko"):
        few = _pairs(text) < 0.5 * min(len(text), _LONGEST)
    else:
        few = len(set(words)) < 0.5 * len(words) and len({*itertools.pairwise(words)}) < 0.6 * len(words)
    if few and not part.is_code and not _asked(part):
        flaw = loop_flaw(text[:_LONGEST], part.asked, "the text")
        if flaw is not None:
            yield Found(0, min(len(text), 200), flaw.reason)
            return
    yield from _sentences(part, text[:_LONGEST])


def _pairs(text: str) -> int:
    """How many different pairs of neighbouring characters a text has: each pair is read as one number."""
    data = memoryview(text.encode("utf-32-le", "surrogatepass"))
    even, odd = (data[at : at + (len(data) - at) // 8 * 8].cast("Q") for at in (0, 4))
    return len({*even, *odd})


def _asked(part: Part) -> bool:
    return _ASKED_FOR.found(part.asked[:5000])


def _tail(text: str) -> Found | None:
    """The end of a text where the same words stand there `TAIL` times and more; a rule of dashes is no word."""
    end = text.rstrip()[-600:]
    size = len(end)
    if size >= ONE and len(set(end[-ONE:])) == 1 and end[-1] not in _RULERS:
        return Found(len(text.rstrip()) - ONE, len(text.rstrip()), f"ends in a row of {end[-1]!a}")
    if size < 15:
        return None
    # The last six characters come again one period before; each distance at which they do is tried.
    probe, at = end[-6:], size - 6
    for _ in range(40):
        at = end.rfind(probe, 0, at + 5)
        if at < 0:
            return None
        period = size - 6 - at
        unit = end[size - period :]
        if (
            size >= TAIL * period
            and end.endswith(unit * TAIL)
            and len(unit) * TAIL >= (30 if unit.isascii() else 15)
        ):
            if sum(letter.isalpha() for letter in unit) * 2 >= len(unit.strip()) > 1:
                start = len(text.rstrip()) - TAIL * period
                return Found(max(0, start), len(text.rstrip()), f"ends in a loop of {shorten(unit, 40)!r}")
            return None
    return None


def _sentences(part: Part, text: str) -> Iterator[Found]:
    counts: Counter[str] = Counter()
    again = text.replace("\n", "\n\n")
    for end in ". ", "! ", "? ", "。", "！", "？":
        again = again.replace(end, f"{end}\n")
    said = [line for piece in again.split("\n") if len(line := piece.strip()) >= 8]
    if len(set(said)) == len(said):
        return
    counts.update(said)
    runs: Counter[str] = Counter()
    for first, second, third in zip(said, said[1:], said[2:], strict=False):
        if first == second == third:
            runs[first] += 1
    looped = [
        line
        for line, number in counts.items()
        if (number >= SENTENCES or line in runs) and _long_enough(line)
    ]
    if not looped or part.is_code or _asked(part) or "|" in text:
        return
    # A form's line ("Name: ____") or a refrain may come again; of a loop it is a good part of the text.
    if sum(len(line) * counts[line] for line in looped) < 0.3 * len(text.strip()):
        return
    line = looped[0]
    if line[:60] not in part.asked:
        at = text.find(line)
        yield Found(max(0, at), max(0, at) + len(line), f"{shorten(line, 40)!r} comes {counts[line]} times")


def _long_enough(said: str) -> bool:
    letters = len(_WORD.findall(said))
    return letters * 2 >= len(said) and (
        len(said.split()) >= FEWEST or (not said.isascii() and letters >= 3 * FEWEST)
    )


RULES = (
    Rule(
        "loop",
        "text",
        "Text that goes round in a loop: the same words, lines or sentences again and again.",
        _loops,
        roles=("assistant",),
        where=("content", "reasoning"),
        examples=(
            Example("It is a good day. " + "I like to eat the red apples. " * 6, True),
            Example("今天天气很好。" + "我们一起去公园散步好不好呀。" * 6, True),
            Example(
                "It is a good day. I like apples. You like pears. We go home, and they stay there.", False
            ),
            Example("我喜欢苹果。你喜欢梨。他喜欢香蕉。我们都喜欢水果，也喜欢蔬菜和很多别的东西。", False),
        ),
    ),
)
