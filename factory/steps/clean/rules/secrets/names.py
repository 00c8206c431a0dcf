"""Names of people, by presidio: a model's guess, and therefore off unless it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from factory.data.text import detect_language
from factory.errors import MissingDependency
from factory.steps.clean.rules.secrets.hit import Hit

MODELS = {
    "en": ("en_core_web_lg", "en_core_web_md", "en_core_web_sm"),
    "zh": ("zh_core_web_lg", "zh_core_web_md", "zh_core_web_sm"),
}
"""The models of spaCy that are looked for, by language, the best first."""
LEAST = 0.6
"""How sure the recogniser has to be."""
Recognise = Callable[[str], Iterator[tuple[int, int, float]]]
"""Gives the places of names in a text, and how sure it is of each."""


def find_names(text: str) -> Iterator[Hit]:
    """Each name of a person, in the language that the text looks like, of two words or characters at least.

    Raises:
        MissingDependency: presidio, or a spaCy model of the text's language, is not installed.
    """
    if not any(map(str.isalpha, text)):
        return
    yield from names_by(recogniser("zh" if detect_language(text) == "zh" else "en"), text)


def names_by(recognise: Recognise, text: str) -> Iterator[Hit]:
    """What a recogniser is sure enough of, the longest first where two overlap, in the order of the text."""
    found: list[Hit] = []
    for start, end, sure in sorted(recognise(text), key=lambda one: (one[0] - one[1], one[0])):
        name = text[start:end]
        if sure < LEAST or len(name) < 2 or not any(map(str.isalpha, name)):
            continue
        if not any(start < hit.end and hit.start < end for hit in found):
            found.append(Hit(start, end, "person"))
    yield from sorted(found)


def require_recogniser() -> None:
    """Raises MissingDependency: presidio is not installed, or no spaCy model is for any language."""
    problem: MissingDependency | None = None
    for language in MODELS:
        try:
            recogniser(language)
        except MissingDependency as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise problem


@functools.cache
def recogniser(language: str) -> Recognise:
    """Presidio's recogniser of names over a spaCy model of this language.

    Raises:
        MissingDependency: presidio or the model is not installed; says how to have it.
    """
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        raise MissingDependency(
            "the rule person_name needs presidio: pip install 'sft-factory[presidio]'"
        ) from None
    model = next((name for name in MODELS[language] if spacy.util.is_package(name)), None)
    if model is None:
        raise MissingDependency(
            f"the rule person_name needs a spaCy model for {'Chinese' if language == 'zh' else 'English'}: "
            f"python -m spacy download {MODELS[language][-1]}"
        )
    setup = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    nlp: Any = NlpEngineProvider(nlp_configuration=setup).create_engine()
    engine: Any = AnalyzerEngine(nlp_engine=nlp, supported_languages=[language])

    def recognise(text: str) -> Iterator[tuple[int, int, float]]:
        for one in engine.analyze(text=text, language=language, entities=["PERSON"]):
            yield one.start, one.end, float(one.score)

    return recognise
