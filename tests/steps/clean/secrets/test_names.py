"""Names of people, by a recogniser that a test scripts: presidio's models are fetched on their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from factory.errors import MissingDependency
from factory.steps.clean.rules.secrets import names
from factory.steps.clean.rules.secrets.names import find_names, names_by


def known(*people: tuple[str, float]) -> names.Recognise:
    """A recogniser that knows these names, each with how sure it is."""

    def recognise(text: str) -> Iterator[tuple[int, int, float]]:
        for name, sure in people:
            at = text.find(name)
            if at >= 0:
                yield at, at + len(name), sure

    return recognise


def test_names_come_in_the_order_of_the_text() -> None:
    text = "张伟问李娜，Margaret Thornton在哪里"
    found = names_by(known(("Margaret Thornton", 0.85), ("李娜", 0.85), ("张伟", 0.85)), text)
    assert [text[hit.start : hit.end] for hit in found] == ["张伟", "李娜", "Margaret Thornton"]


def test_of_two_that_overlap_the_longer_counts() -> None:
    text = "Ask Margaret Thornton."
    found = names_by(known(("Margaret", 0.85), ("Margaret Thornton", 0.85)), text)
    assert [text[hit.start : hit.end] for hit in found] == ["Margaret Thornton"]


@pytest.mark.parametrize(("name", "sure"), [("Margaret", 0.3), ("M", 0.9), ("12", 0.9)])
def test_what_is_unsure_or_no_name_is_left(name: str, sure: float) -> None:
    assert list(names_by(known((name, sure)), f"{name} is here")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "language", "model"),
    [("Margaret asks.", "English", "en_core_web_sm"), ("张伟问李娜。", "Chinese", "zh_core_web_sm")],
)
def test_without_a_model_it_says_what_to_fetch(
    text: str, language: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("presidio_analyzer", reason="presidio is not installed")
    monkeypatch.setattr(names, "MODELS", {"en": ("en_core_web_sm",), "zh": ("zh_core_web_sm",)})
    monkeypatch.setattr("spacy.util.is_package", lambda name: False)
    names.recogniser.cache_clear()
    with pytest.raises(MissingDependency, match=f"{language}: python -m spacy download {model}"):
        list(find_names(text))


def test_without_presidio_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    names.recogniser.cache_clear()
    with pytest.raises(MissingDependency, match=r"pip install 'sft-factory\[presidio\]'"):
        list(find_names("Margaret asks."))
