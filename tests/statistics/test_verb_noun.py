"""Verb-noun pairs over spaCy's own objects: a pipeline made here stands in for the English model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factory.errors import MissingDependency
from factory.statistics.verb_noun import spacy_parser, verb_noun_pairs

spacy = pytest.importorskip("spacy")

from spacy.language import Language  # noqa: E402

LEMMAS = {"poems": "poem", "writing": "write"}
KINDS = {
    "VERB": ("write", "writing", "list", "sleep"),
    "DET": ("a", "the", "three"),
    "PRON": ("it",),
    "PUNCT": (".", "!", "?"),
    "INTJ": ("please",),
}


@Language.component("by_hand")
def by_hand(doc: Any) -> Any:
    """Each sentence ends at a full stop; its first verb, else its first word, is the root of the others."""
    start = 0
    for end in [*(token.i + 1 for token in doc if token.text == "."), len(doc)]:
        words = list(doc[start:end])
        for word in words:
            kinds = [kind for kind, names in KINDS.items() if word.lower_ in names]
            word.pos_ = kinds[0] if kinds else "NOUN"
            word.lemma_ = LEMMAS.get(word.lower_, word.text)
        if not words:
            continue
        root = next((word for word in words if word.pos_ == "VERB"), words[0])
        for word in words:
            word.head = root
            word.dep_ = "dobj" if word.pos_ in ("NOUN", "PRON") and word.i > root.i else "dep"
        root.dep_ = "ROOT"
        start = end
    return doc


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline on disk, loaded in place of spaCy's."""
    made = spacy.blank("en")
    made.add_pipe("by_hand")
    made.to_disk(tmp_path / "model")
    monkeypatch.setattr("factory.statistics.verb_noun.PARSER", str(tmp_path / "model"))


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_pairs_are_read_from_spacys_documents() -> None:
    texts = ["Write a Poem", "writing poems", "Please list the rivers .", "sleep", "Write it", "", "诗"]
    assert verb_noun_pairs(texts) == {("write", "poem"): 2, ("list", "rivers"): 1}


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_a_later_sentence_does_not_count_though_the_first_has_no_verb() -> None:
    assert verb_noun_pairs(["A text . Write a poem .", "Write a poem . List rivers ."]) == {
        ("write", "poem"): 1
    }


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_a_text_of_a_million_characters_is_parsed_at_its_beginning() -> None:
    assert verb_noun_pairs(["write a poem . " + "x" * 1_100_000]) == {("write", "poem"): 1}


def test_a_model_that_is_no_model_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.cfg").write_text("[nlp\n")
    (tmp_path / "meta.json").write_text("{}")
    for place in (tmp_path, tmp_path / "not_there"):
        monkeypatch.setattr("factory.statistics.verb_noun.PARSER", str(place))
        with pytest.raises(MissingDependency, match="spacy download en_core_web_sm"):
            spacy_parser()


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_a_thousand_texts_are_parsed_as_a_stream_in_their_order() -> None:
    texts = ("write poems" if at % 2 else f"list thing{at}" for at in range(1000))
    parsed = spacy_parser()(texts)
    assert [words[0].lemma_ for words, _ in zip(parsed, range(4), strict=False)] == [
        "list",
        "write",
        "list",
        "write",
    ]
