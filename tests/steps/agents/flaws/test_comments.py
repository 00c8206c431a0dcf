"""What a model says about its own rewriting is no part of the instruction that it wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.agents.flaws.comments import without_comment

NEW = "Explain tides, and give two reasons."


@pytest.mark.parametrize(
    "comment",
    [
        "\n\nExplanation: I added a constraint to make it harder.",
        "\n\n(Note: I have added a comparison.)",
        "\n\n*I've deepened the question\nand kept its topic.*",
        "\n\nThe rewritten prompt asks for two reasons.",
        "\nThis version now adds a constraint.",
        "\n\nWould you like me to make it even harder?",
        "\n\nLet me know if you'd like another version!",
        "\n\nAdded constraint: two reasons.",
        "\n**Added requirements:** two reasons.",
        "\n\n新增约束：两个理由。",
        " (9 words added)",
        "\n\n改写说明：增加了限制条件。",
        "\n（注：我增加了两个要求。）",
        "\n\n说明：在原指令的基础上增加了理由。",
        "（新增12个字）",
        "\n\nExplanation: I added a reason.\n\nWould you like me to go on?",
    ],
)
def test_a_comment_behind_the_instruction_is_taken_off(comment: str) -> None:
    assert without_comment(NEW + comment, "Explain tides.") == NEW


@pytest.mark.parametrize(
    "text",
    [
        "Explain tides.\n\nNote: answer in under 100 words.",
        "Write a page.\n\nAdditional requirements: cite two sources.",
        "Write a page.\n\nExplanation: one line each.",
        "Explain tides (in 50 words).",
        "用两句话解释潮汐（50字以内）。",
        "Summarise this:\n\nI rewrote the book twice.\n\nThen it sold.",
        "解释潮汐。\n\n说明：请用表格。",
        "(9 words added)",
    ],
)
def test_what_the_instruction_asks_stays(text: str) -> None:
    assert without_comment(text, "Explain tides.") == text


def test_what_the_parent_ends_with_is_no_comment() -> None:
    parent = "Correct this text:\n\nI have made a error."
    assert without_comment(parent.replace("Correct", "Correct and explain"), parent).endswith("a error.")


@given(
    st.lists(
        st.sampled_from([NEW, "\n", "(", "Note: ", "I added it.", " (2 words added)", "注：我增加了。", " "]),
        max_size=9,
    )
)
def test_it_is_a_beginning_of_the_text_and_taking_off_again_changes_nothing(pieces: list[str]) -> None:
    text = "".join(pieces)
    once = without_comment(text, "")
    assert text.startswith(once)
    assert without_comment(once, "") == once
