"""Sentences and languages, on which several checkers rest."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.constraints import languages
from factory.steps.judging.constraints.constraint import count_words
from factory.steps.judging.constraints.languages import LANGUAGES, language_name, language_of
from factory.steps.judging.constraints.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["The river froze.", "We stayed."],
        ["Dr. Lee met Mr. Ray at 5 p.m. sharp.", "Then he left."],
        ["It costs 3.50 dollars, i.e. not much.", "Good."],
        ["What?!", "Yes."],
        ['He said "Go!"', "Then he left."],
        ["She asked (why?)", "He knew."],
        ["J. K. Rowling wrote it.", "I read it."],
        ["Wait... what is it."],
        ["So it ended...", "The rest is silence."],
        ["Yahoo!, as they say, works."],
        ["See example.com for more.", "Or not."],
        ["We left the U.S. last year.", "The house is empty."],
        ["河面结冰。", "小船停着！", "真的吗？"],
        ["他说：“走！”", "然后走了。"],
        ["真的吗？！", "是的。"],
        ["圆周率约为3.14，不是3。", "Right?", "对。"],
        ["One line\nand another"],
    ],
)
def test_sentences_end_where_a_reader_ends_them(sentences: list[str]) -> None:
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in sentences[0])
    assert split_sentences(("" if chinese else " ").join(sentences)) == sentences
    assert split_sentences("\n\n".join(sentences)) == sentences


@given(st.text())
def test_sentences_hold_all_that_shows_and_nothing_else(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence == sentence.strip() != "" for sentence in sentences)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The river froze and we stayed at home.", "en"),
        ("THIS IS WHAT THEY SAID TO US.", "en"),
        ("Das Haus ist sehr schön und der Garten ist groß.", "de"),
        ("La casa es muy bonita y el jardín es grande.", "es"),
        ("La maison est très belle et le jardin est grand.", "fr"),
        ("A casa é muito bonita e o jardim é grande.", "pt"),
        ("Talo on hyvin kaunis ja puutarha on suuri.", "fi"),
        ("Nyumba ni nzuri sana na bustani ni kubwa.", "sw"),
        ("Ngôi nhà rất đẹp và khu vườn lớn.", "vi"),
        ("Дом очень красивый и большой.", "ru"),
        ("Будинок дуже гарний і великий.", "uk"),
        ("Къщата е много красива и голяма.", "bg"),
        ("यह घर बहुत सुंदर है।", "hi"),
        ("घर खूप सुंदर आहे.", "mr"),
        ("घर धेरै राम्रो छ।", "ne"),
        ("هذا البيت جميل جدا", "ar"),
        ("این خانه بسیار زیبا است", "fa"),
        ("یہ گھر بہت خوبصورت ہے", "ur"),
        ("今天天气很好，我们用 Python 写程序。", "zh"),
        ("これは日本語の文章です。", "ja"),
        ("이 집은 매우 아름답습니다.", "ko"),
        ("บ้านสวยมาก", "th"),
        ("ਇਹ ਘਰ ਬਹੁਤ ਸੁੰਦਰ ਹੈ।", "pa"),
        ("12345 !?", ""),
        ("", ""),
    ],
)
def test_a_sentence_is_known_by_its_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_every_language_of_ifeval_has_a_name_in_both_languages() -> None:
    assert len(LANGUAGES) == 31
    assert language_name("sw", "en") == "Swahili"
    assert language_name("sw", "zh") == "斯瓦希里语"
    assert language_name("xx", "en") == "xx"


@given(st.text(alphabet="ab z_09'’.-\n\x00\x1f\x7fé", max_size=60))
def test_words_are_counted_as_the_patterns_say(text: str) -> None:
    assert count_words(text) == len(re.findall(r"\w+", text))
    assert languages._words(text) == re.findall(r"[a-z]+(?:['’][a-z]+)?", text)
