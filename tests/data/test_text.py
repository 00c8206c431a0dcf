"""Words, languages and normal forms mean the same everywhere, in Chinese as in English."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.tokenize import tokenize

from factory.data.record import Message
from factory.data.text import (
    detect_language,
    estimate_tokens,
    is_blank,
    normal_form,
    prompt_language,
    rouge_tokens,
    shorten,
    word_count,
)

ascii_text = st.text(st.characters(max_codepoint=127))


@given(ascii_text)
@example("Don't 3.14 x_y\tA-B\x0bC\x1cd")
def test_pure_ascii_text_has_the_tokens_of_rouge_score(text: str) -> None:
    assert rouge_tokens(text) == tokenize(text, None)


@given(st.text())
def test_the_case_of_a_text_does_not_change_its_tokens(text: str) -> None:
    assert rouge_tokens(text) == rouge_tokens(text.lower())


@given(st.text())
@example("中文a_中文 é½")
@example("cafe\u0301")
def test_every_letter_and_digit_is_in_one_token(text: str) -> None:
    def letters(text: str) -> str:
        return "".join(c for c in text if c.isalnum())

    assert letters("".join(rouge_tokens(text))) == letters(unicodedata.normalize("NFC", text.lower()))


@given(st.text())
@example("Café déjà vu, Ångström, Việt Nam, 한국어, がぎぐ, Ёлка")
def test_an_accent_apart_from_its_letter_gives_the_same_tokens(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert rouge_tokens(unicodedata.normalize("NFD", text)) == rouge_tokens(composed)


@given(st.text())
def test_a_token_holds_no_space_and_no_ascii_sign(text: str) -> None:
    for token in rouge_tokens(text):
        assert token
        assert not any(c.isspace() or (c.isascii() and not c.isalnum()) for c in token)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("?!。，", []),
        ("用Python写一个sort函数。", ["用", "python", "写", "一", "个", "sort", "函", "数"]),
        ("GPT-4的123", ["gpt", "4", "的", "123"]),
        ("Café déjà_vu", ["café", "déjà", "vu"]),
        ("Cafe\u0301 x\u0304y İzmir", ["café", "x\u0304y", "i\u0307zmir"]),
        ("𠮷野家へ行く", ["𠮷", "野", "家", "へ", "行", "く"]),
        ("안녕 하세요", ["안", "녕", "하", "세", "요"]),
        ("Привет, мир", ["привет", "мир"]),
        ("for i in range(10): x[i] += 1", ["for", "i", "in", "range", "10", "x", "i", "1"]),
    ],
)
def test_a_han_character_is_a_word_and_a_run_of_latin_letters_is_one(text: str, tokens: list[str]) -> None:
    assert rouge_tokens(text) == tokens
    assert word_count(text) == len(tokens)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Write a poem about spring.", "en"),
        ("写一首关于春天的诗", "zh"),
        ("请用 Python 的 pandas 库读取 CSV 文件并画图", "zh"),
        ("请解释以下代码：\ndef add(a, b):\n    return a + b", "zh"),
        ("def add(a, b):\n    return a + b  # 加法", "en"),
        ("Translate 你好 into English, please", "en"),
        ("春の詩を書いてください", "ja"),
        ("カタカナ", "ja"),
        ("日本の首都はどこですか", "ja"),
        ("봄에 대한 시를 써 주세요", "ko"),
        ("Напиши стихотворение о весне", "ru"),
        ("", ""),
        ("12 + 34 = ?", ""),
        ("🙂 ...", ""),
    ],
)
def test_the_script_tells_the_language(text: str, language: str) -> None:
    assert detect_language(text) == language


@given(st.text())
def test_any_text_has_a_known_language_or_none(text: str) -> None:
    assert detect_language(text) in {"zh", "ja", "ko", "ru", "en", ""}


@pytest.mark.parametrize("language", ["zh", "ZH", "zh-CN", "zh_TW", "zh-Hant-HK", "cn", "Chinese"])
def test_every_way_to_write_chinese_has_the_chinese_prompts(language: str) -> None:
    assert prompt_language(language) == "zh"


@pytest.mark.parametrize("language", ["en", "en-US", "ja", "fr", "", "zha"])
def test_every_other_language_has_the_english_prompts(language: str) -> None:
    assert prompt_language(language) == "en"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello  World\n", "hello world"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("\ufb01ne", "FINE"),
        ("你好\u3000世界", "你好 世界"),
    ],
)
def test_texts_that_differ_in_width_case_or_space_are_the_same(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), [("你好", "您好"), ("a b", "ab"), ("你好。", "你好"), ("a", "")])
def test_texts_that_differ_in_a_word_or_a_sign_are_not_the_same(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@given(st.text(), st.integers(1, 100))
def test_a_shortened_text_is_one_printable_line_of_the_length_asked_for(text: str, characters: int) -> None:
    line = shorten(text, characters)
    assert len(line) <= characters
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\n two\tthree", "one two three"),
        ("写一首关于春天的诗", "写一首关于春天的诗"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("safe\u202etxt.exe", "safe txt.exe"),
        ("", ""),
    ],
)
def test_a_short_text_is_shown_whole_without_control_characters(text: str, line: str) -> None:
    assert shorten(text) == line


def test_a_cut_text_ends_with_an_ellipsis_in_any_script() -> None:
    assert shorten("one two three", 5) == "one…"
    assert shorten("写一首关于春天的诗", 5) == "写一首关…"


def test_a_chinese_text_takes_more_model_tokens_for_its_characters_than_an_english_one() -> None:
    assert estimate_tokens("abcdefgh") == 2
    assert estimate_tokens("写一首关于春天的诗词") == 7
    assert estimate_tokens("") == 0


@pytest.mark.parametrize(
    "text",
    [
        "", " \n\t\u3000", "\u200b", "\ufeff", "\u200d", "\u200c", "\u2060", "\u00ad", "\u3164", "\u115f\u1160",
        "\u2800",
        "\ufe0f", "\u200e\u200f", "\u202a\u202c", "\u2066\u2069", "\U000e0041\U000e007f", "\u180e", "\uffa0", "\u034f",
        " \u200b\n\ufeff ", "\x00\x08",
    ],
)  # fmt: skip
def test_a_text_that_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert Message("user", text).is_empty


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "\u200ba",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "می\u200cخواهم",
        "क्\u200dष",
        ".",
        "0",
        "\u0301",
        "⠁",
        "ᄀ",
        "是",
    ],
)
def test_a_text_that_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)


@given(st.text())
def test_what_is_blank_has_no_letter_and_no_digit(text: str) -> None:
    if is_blank(text):
        assert not any(letter.isalnum() and letter not in "\u115f\u1160\u3164\uffa0" for letter in text)
    if not text.strip():
        assert is_blank(text)
