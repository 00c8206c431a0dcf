"""Which records hold an item of a benchmark: word for word, in part, or lightly edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from factory.data.benchmark import Item, without_entities
from factory.data.text import rouge_tokens, shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory.steps.dedup.leaks.kernel import Rules
    from factory.steps.dedup.leaks.tokens import Room

BATCH = 1 << 20  # characters that are looked through in one go
SHORTEST = 7  # words of an item, names apart, for an edited copy to be told from another question
HELD = 1 << 22  # hits that are held before those that repeat are thrown away
SPAN = 120  # characters of the matching words that are told

Rule = Literal["run", "coverage", "edited", "whole"]


class Leak(NamedTuple):
    """An item of a benchmark found in a record.

    record, text: the number of the record, and of the text within it
    rule: "run" (so many words in a row), "coverage" (so large a share of the item's own words), "edited" (few
        edits away), "whole" (a short item, all of it)
    start, end: the characters of the text where it stands: the longest run, or the edited copy
    span: those, shortened to one line
    covered, of: the item's own words that were found, of how many; for "edited" all its words, less the edits
    run: words in a row that the two share at the longest
    edits: words inserted, deleted or replaced, numbers too and names apart; 0 for the other rules
    shared: for "edited", the longest run of words that the two share, shortened to one line
    lineages: for a run that is let pass as a phrase, how many seeds gave the records that have it; else 0
    also: other items with the same text
    """

    record: int
    text: int
    item: Item
    rule: Rule
    start: int
    end: int
    span: str
    covered: int
    of: int
    run: int
    edits: int
    also: tuple[Item, ...] = ()
    shared: str = ""
    lineages: int = 0

    @property
    def coverage(self) -> float:
        """The share of the item that was found."""
        return self.covered / self.of


def find_leaks(
    records: Iterable[Sequence[str]],
    items: Sequence[Item],
    *,
    ngram: int = 13,
    coverage_ngram: int = 8,
    coverage: float = 0.5,
    edits: float = 0.3,
    common: int = 10,
    lineages: Sequence[int] | None = None,
    forgive: Callable[[Leak], None] | None = None,
) -> list[Leak]:
    """The benchmark items that stand in records; a record is its texts, such as its turns.

    Words are lower-case runs of letters and digits, and single characters in scripts without spaces, so that
    case, punctuation and white space do not count, nor do HTML's entities, traditional or simplified characters, and
    Cyrillic letters that look Latin (`index.alphabet`). An n-gram that several items have is no evidence for any of
    them, unless they are near-identical, as those of two versions of one benchmark are
    (`families.families_of`). An item is found in a text that has

    - `ngram` of its words in a row, among them an n-gram of its own. Passages in records of more than `common`
      lineages are phrases, and do not count (GPT-3, arXiv 2005.14165, appendix C, which counts documents: here the
      records that were made from one seed count once);
    - more than the `coverage` share of the item's own words, by `coverage_ngram`-grams (Tulu 3, arXiv
      2411.15124), but no fewer than `ngram` of them;
    - all of it but for the `edits` share of its words: the least number of words to insert, delete or replace,
      where a name may be any other, and another number counts as another word. For items of at least `SHORTEST`
      words beside names;
    - all of it as a line of its own, where it has fewer than `coverage_ngram` words (and more than two).

    For a question of multiple choice, and the docstring of a function, these are tried on that part alone, too,
    where it has 16 words or more; one of 8 to 15 words must be a line of its own.
    Time grows with the number of words in all texts; memory with that of the items' words.

    Args:
        lineages: for each record a number from 0 on, the same for all that were made from one seed; by default
            each record is its own.
        forgive: called with each leak that is let pass as a phrase.

    Returns them in the order of records, for each text the fullest first.

    Raises:
        ValueError: a number that makes no sense.
    """
    if not (ngram >= coverage_ngram >= 4 and 0 < coverage <= 1 and 0 <= edits < 1 and common >= 1):
        raise ValueError(
            "ngram >= coverage_ngram >= 4, 0 < coverage <= 1, 0 <= edits < 1 and common >= 1 are needed"
        )
    if not items:
        return []
    from factory.steps.dedup.leaks.kernel import Rules

    search = _Search(items, coverage_ngram, edits, Rules(ngram, float(coverage)))
    for texts, owners, places in _batches(records):
        search.look(texts, owners, places, owners if lineages is None else [lineages[at] for at in owners])
    return search.leaks(common, forgive)


def _batches(
    records: Iterable[Sequence[str]],
) -> Iterator[tuple[list[str], list[int], list[int]]]:
    """Texts, the record of each and its place there, up to BATCH characters at a time, or one longer text."""
    texts: list[str] = []
    owners: list[int] = []
    places: list[int] = []
    size = 0
    for number, record in enumerate(records):
        for place, written in enumerate(record):
            text = without_entities(written)
            if size + len(text) > BATCH and texts:
                yield texts, owners, places
                texts, owners, places, size = [], [], [], 0
            texts.append(text)
            owners.append(number)
            places.append(place)
            size += len(text)
    if texts:
        yield texts, owners, places


class _Search:
    """Looks through batch after batch; holds what was found, and which lineages have each n-gram."""

    def __init__(self, items: Sequence[Item], ngram: int, edits: float, rules: Rules) -> None:
        from factory.steps.dedup.leaks.index import build_index
        from factory.steps.dedup.leaks.kernel import COLUMNS

        self.items = items
        self.rules = rules
        self._index = build_index(items, ngram, edits, SHORTEST)
        self._room = self._make_room(BATCH)
        self._out = np.zeros((2 * len(self._index.plain.first) + 4096, COLUMNS), np.int64)
        self._stamp = 0
        self._found: list[tuple[Leak, int, int]] = []  # with the place of the run in the items, and its size
        self._hits: list[NDArray[np.int64]] = []
        self._held = 0

    def _make_room(self, longest: int) -> Room:
        from factory.steps.dedup.leaks.index import make_room

        plain, masked = self._index.plain, self._index.masked
        most = int(masked.most.max(initial=0))
        return make_room(longest, len(plain.first), len(plain.tokens), most)

    def look(
        self, texts: Sequence[str], records: Sequence[int], places: Sequence[int], lineages: Sequence[int]
    ) -> None:
        """Look for the items in these texts."""
        from factory.steps.dedup.leaks.index import code_points
        from factory.steps.dedup.leaks.kernel import TEXT, scan

        codes, offsets = code_points(texts)
        room = self._room
        if len(codes) > len(room.tokens):  # one text alone, larger than a batch
            longer = self._make_room(len(codes))
            fresh = ("tokens", "starts", "ends", "lines", "masked", "masked_starts", "masked_ends", "values")
            room = room._replace(**{name: getattr(longer, name) for name in fresh})
        begin = 0
        index = self._index
        numbers = np.asarray(lineages, np.int64)
        while begin < len(texts):
            count, end, hits = scan(
                codes, offsets, numbers, begin, self._stamp, index.alphabet, index.plain, index.masked,
                index.grams, index.seeds, index.whole, self.rules, room, self._out,
            )  # fmt: skip
            self._stamp += 2 * (end - begin)
            begin = end
            self._hold(room.hits[:hits].copy())
            for row in self._out[:count].tolist():
                at = row[TEXT]
                self._keep(records[at], places[at], texts[at], row)

    def _hold(self, hits: NDArray[np.int64]) -> None:
        self._hits.append(hits)
        self._held += len(hits)
        if self._held > HELD:
            different = np.unique(np.concatenate(self._hits))
            self._hits, self._held = [different], 0

    def _keep(self, record: int, place: int, text: str, row: Sequence[int]) -> None:
        from factory.steps.dedup.leaks import kernel as k

        item, *also = (self.items[number] for number in self._index.owners[row[k.ITEM]])
        span, run = text[row[k.START] : row[k.END]], row[k.RUN]
        shared = ""
        rule: Rule = "whole" if row[k.RULE] == k.BY_WHOLE else "run" if run >= self.rules.run else "coverage"
        if row[k.RULE] == k.BY_EDITS:
            rule, (run, shared) = "edited", _longest_run(span, item.text)
        leak = Leak(
            record, place, item, rule, row[k.START], row[k.END], shorten(span, SPAN), row[k.COVERED], row[k.OF],
            run, row[k.EDITS], tuple(also), shared,
        )  # fmt: skip
        self._found.append((leak, row[k.FROM], run if rule == "run" else 0))

    def leaks(self, common: int, forgive: Callable[[Leak], None] | None = None) -> list[Leak]:
        """What was found, without the phrases that records of more than `common` lineages have."""
        different = np.unique(np.concatenate([*self._hits, np.zeros(0, np.int64)]))
        lineages = np.bincount(different >> 32, minlength=len(self._index.plain.tokens))
        size = int(self._index.grams.size[0])
        best: dict[tuple[int, int, Item], Leak] = {}
        phrases: dict[tuple[int, int, Item], Leak] = {}
        for leak, place, run in self._found:
            found = best
            if run and leak.coverage <= self.rules.coverage:
                # Some n-gram of the run must be rarer than a phrase. 0: it is not the item's alone.
                seen = lineages[place : place + run - size + 1]
                seen = seen[seen > 0]
                if not (seen <= common).any():
                    found, leak = phrases, leak._replace(lineages=int(seen.min(initial=len(different))))
            key = (leak.record, leak.text, leak.item)
            if key not in found or _rank(leak) > _rank(found[key]):
                found[key] = leak
        if forgive is not None:
            known = {(record, item) for record, _, item in best}
            for leak in sorted((one for one in phrases.values()), key=_order):
                if (leak.record, leak.item) not in known:
                    forgive(leak)
        return sorted(best.values(), key=_order)


def _longest_run(text: str, item: str) -> tuple[int, str]:
    """How many words in a row both have at the longest, and those words on one line."""
    words, others = rouge_tokens(text), rouge_tokens(item)
    match = SequenceMatcher(None, words, others, autojunk=False).find_longest_match()
    run = words[match.a : match.a + match.size]
    spaced = " " if all(word.isascii() for word in run) else ""
    return match.size, shorten(spaced.join(run), SPAN)


def _order(leak: Leak) -> tuple[float, ...]:
    return (leak.record, leak.text, *(-number for number in _rank(leak)))


def _rank(leak: Leak) -> tuple[float, int]:
    return leak.coverage, leak.run
