"""Different pairs of a verb and its object: what English instructions ask to be done, and to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from factory.errors import MissingDependency

PARSER = "en_core_web_sm"
CHARACTERS = 10_000
"""How much of a text is parsed: what is asked stands near its beginning, and spaCy refuses a million."""
DOWNLOAD = f"python -m spacy download {PARSER}"


class Word(Protocol):
    """A word as spaCy parses it."""

    @property
    def pos_(self) -> str: ...
    @property
    def dep_(self) -> str: ...
    @property
    def lemma_(self) -> str: ...
    @property
    def children(self) -> Iterable[Word]: ...


Parse = Callable[[Iterable[str]], Iterable[Sequence[Word]]]
"""Texts to their words, in order."""


def verb_noun(words: Iterable[Word]) -> tuple[str, str] | None:
    """The verb of the first sentence and the noun that is its object, as lemmas; None where there is none.

    The rule of Self-Instruct's own code: at the root of the first sentence stands a verb, or else at its first
    child, that one's first child, and so on; the pair is that verb with its first direct object that is a common
    noun. A later sentence does not count, nor a name or pronoun.

    Source: Self-Instruct (arXiv 2212.10560), section 3 and its instruction_visualize.ipynb, with spaCy's small
    model in place of the Berkeley parser behind spaCy's medium one.
    """
    at: Word | None = next((word for word in words if word.dep_ == "ROOT"), None)
    while at is not None and at.pos_ != "VERB":
        at = next(iter(at.children), None)
    if at is None:
        return None
    for child in at.children:
        if child.dep_ in ("dobj", "obj") and child.pos_ == "NOUN":
            return at.lemma_.lower(), child.lemma_.lower()
    return None


def verb_noun_pairs(texts: Iterable[str], parse: Parse | None = None) -> Counter[tuple[str, str]]:
    """How many texts have each pair of verb and noun; its length is the number of different pairs.

    Args:
        texts: English; a text of another language has no pair.
        parse: the parser; by default spaCy with its small English model.

    Raises:
        MissingDependency: spaCy or its English model is not installed.
    """
    texts = [text[:CHARACTERS] for text in texts]
    if not texts:
        return Counter()
    parse = parse or spacy_parser()
    return Counter(pair for words in parse(texts) if (pair := verb_noun(words)) is not None)


def spacy_parser() -> Parse:
    """spaCy's small English model as a parser.

    Raises:
        MissingDependency: spaCy or the model is not installed.
    """
    try:
        import spacy
    except (ImportError, ValueError) as error:  # ValueError: compiled for another numpy
        raise MissingDependency(
            f"spaCy is not installed or does not load, and verb-noun pairs need it: pip install spacy && {DOWNLOAD}"
        ) from error
    try:
        model: Any = spacy.load(PARSER, disable=["ner"])
    except (OSError, ValueError) as error:  # ValueError: made for another spaCy
        raise MissingDependency(
            f"spaCy's small English model is not installed or does not load, and verb-noun pairs need it: {DOWNLOAD}"
        ) from error

    def parse(texts: Iterable[str]) -> Iterable[Sequence[Word]]:
        parsed: Iterable[Sequence[Word]] = model.pipe(texts, batch_size=256)
        return parsed

    return parse
