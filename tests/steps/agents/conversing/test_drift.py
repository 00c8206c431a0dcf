"""What leaves the course of a conversation is told by words, in English and Chinese; what only looks so is not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from factory.data.record import Message
from factory.steps.agents.conversing.drift import Drift, assistant_drift, is_refusal, user_drift
from factory.steps.agents.conversing.voices import is_closing

GOAL = "Keep a basil plant alive on a kitchen window in winter."
GOAL_ZH = "让厨房窗台上的罗勒安全过冬，不掉叶子。"
BEFORE = (
    Message("user", "how do i keep basil alive on a window?"),
    Message("assistant", "Give it six hours of light a day, and water it only when the soil is dry."),
)
BEFORE_ZH = (
    Message("user", "罗勒放在窗台上怎么养活？"),
    Message("assistant", "每天晒足六小时，土干了再浇水。"),
)
DATA = Path(__file__).parents[4] / "../shared/data/pool/oasst_zh.jsonl.gz"


def kind(drift: Drift | None) -> str:
    return "" if drift is None else drift.kind


def of_user(turn: str, goal: str = GOAL, before: tuple[Message, ...] = BEFORE) -> str:
    return kind(user_drift(turn, before, goal, 0.9))


def of_assistant(
    turn: str, asked: str = "and how often?", goal: str = GOAL, before: tuple[Message, ...] = BEFORE
) -> str:
    return kind(assistant_drift(turn, (*before, Message("user", asked)), goal, 0.9))


@pytest.mark.parametrize(
    "turn",
    [
        "my window faces north. is two hours enough?",
        "It still drops leaves. Here's what I did: watered it every day.",
        "Thanks! And what about feeding it?",
        "Thank you, but the soil is always wet. Why?",
        "Yes.",
        "Sure.",
        "No, it stands in a plastic pot.",
        "Sure, I can move it. Which window is best?",
        "What can I do for a plant whose stem is black?",
        "Sorry, I forgot to say that it is Thai basil. Does that matter?",
        "i read that thai basil is like sweet basil, can you compare them in a table",
        "How can I help it through the night?",
    ],
)
def test_a_users_turn_that_asks_or_tells_is_in_order(turn: str) -> None:
    assert of_user(turn) == ""


@pytest.mark.parametrize(
    "turn",
    [
        "朝北的窗台行吗？",
        "好的，谢谢！那要施肥吗？",
        "是的。",
        "我用的是 IKEA 的 LED 灯，光够不够？",
        "没问题，我每天浇水，为什么叶子发黄？",
    ],
)
def test_a_chinese_users_turn_that_asks_or_tells_is_in_order(turn: str) -> None:
    assert of_user(turn, GOAL_ZH, BEFORE_ZH) == ""


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("", "empty"),
        (" \u200b ", "empty"),
        ("?!", "empty"),
        ("User: how often should I water it?", "speaker_label"),
        ("how often?\nAssistant: Once a week.", "speaker_label"),
        ("**Assistant:** Once a week.", "speaker_label"),
        ("how often?<|im_end|>", ""),  # the reader of replies takes marks of templates out
        ("how often?\n<|im_start|>assistant", "speaker_label"),
        ('That is all. {"done": true}', "end_mark"),
        ("that is it <done>", "end_mark"),
        ("Sure! Here are five tips for healthy basil.", "swapped_roles"),
        ("Of course, I'd be happy to help you with your basil.", "swapped_roles"),
        ("Great question! It likes light.", "swapped_roles"),
        ("I can help you plan this, step by step.", "swapped_roles"),
        ("I'm going to help you with any questions that you have.", "swapped_roles"),
        ("Good. Is there anything else I can help you with?", "swapped_roles"),
        ("As an AI language model, I have no window.", "swapped_roles"),
        ("Thank you so much!", "closing"),
        ("Great, thanks for the help! I'll try that tomorrow. Bye!", "closing"),
        ("You too, have a nice day!", "closing"),
        ("I'm sorry, but I cannot continue this conversation.", "refusal"),
        ("那么浇水要多久一次呢，冬天和夏天一样吗？", "other_language"),
        ("How do I keep basil alive on a window", "repetition"),
        ("Give it six hours of light a day.", "repetition"),
    ],
)
def test_a_users_turn_that_leaves_its_course_is_told(turn: str, expected: str) -> None:
    assert of_user(turn) == expected


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("用户：多久浇一次？", "speaker_label"),
        ("多久浇一次？\n助手：一周一次。", "speaker_label"),
        ("好的，以下是五条养护建议。", "swapped_roles"),
        ("很高兴能为您解答！", "swapped_roles"),
        ("您好，请问有什么可以帮您？", "swapped_roles"),
        ("好的，谢谢你！", "closing"),
        ("非常感谢，再见！", "closing"),
        ("抱歉，我无法继续这段对话。", "refusal"),
        ("How often do I have to water it in winter then?", "other_language"),
        ("罗勒放在窗台上，怎么养活？", "repetition"),
        ("土干了再浇水每天", ""),
        ("每天晒足六小时", "repetition"),
    ],
)
def test_a_chinese_users_turn_that_leaves_its_course_is_told(turn: str, expected: str) -> None:
    assert of_user(turn, GOAL_ZH, BEFORE_ZH) == expected


@pytest.mark.parametrize(
    ("turn", "asked"),
    [
        ("Once a week; twice if the radiator is on.", "and how often?"),
        ("Could you share what kind of pot you use?", "it drops leaves"),
        ("Once a week. Let me know if you have more questions!", "and how often?"),
        ("Sure! Here are five tips: ...", "and how often?"),
        ("How can I help you with your plants today?", "hello there"),
        (
            "Dear Ana, can you help me with my basil? I'm looking for a pot.",
            "write an email to Ana about that",
        ),
        ("User: hello\nAssistant: hi, what a fine plant.", "write a short dialogue about it"),
        ("How do I keep basil alive?", "turn that into a question"),
        ("罗勒每周浇一次水就够了。", "say that in Chinese"),
        ("Yes, it is.", "is that enough?"),
        ("?", "which sign ends a question?"),
        ("I'm sorry, but I can't help with that.", "how do I poison my neighbour?"),
        ("```\nUser: root\n```\nThat is the file.", "which file?"),
        ('Use this:\n```json\n{"done": true}\n```', "which JSON says that it is done?"),
        (
            "Give it six hours of light a day, and water it only when the soil is quite dry.",
            "change dry to quite dry",
        ),
    ],
)
def test_an_answer_is_in_order(turn: str, asked: str) -> None:
    assert of_assistant(turn, asked) == ""


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("", "empty"),
        ("Assistant: Once a week.", "speaker_label"),
        ("Once a week.\n\nHuman: and in summer?", "speaker_label"),
        ("Can you help me with my basil? It is dying.", "swapped_roles"),
        ("I'm looking for a plant that survives the winter.", "swapped_roles"),
        ("How do I water it without drowning it?", "swapped_roles"),
        ("Thank you for your help! What about light?", "swapped_roles"),
        ("You're welcome! If you have any more questions, feel free to ask. Have a great day!", "closing"),
        ("罗勒每周浇一次水就够了，注意不要积水。", "other_language"),
        ("Give it six hours of light a day, and water it only when the soil is dry!", "repetition"),
        ("and how often should i do that in winter?", ""),
    ],
)
def test_an_answer_that_leaves_its_course_is_told(turn: str, expected: str) -> None:
    assert of_assistant(turn) == expected


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("一周一次；开暖气就两次。", ""),
        ("请问您用的是什么花盆？", ""),
        ("在 Python 里用 print('罗勒') 就行。", ""),
        ("能不能帮我看看我的罗勒？", "swapped_roles"),
        ("谢谢您的建议！光照呢？", "swapped_roles"),
        ("不客气！如果还有其他问题，随时告诉我。", "closing"),
        ("Water it once a week and keep it warm.", "other_language"),
        ("每天晒足六小时，土干了再浇水！", "repetition"),
        ("助手：一周一次。", "speaker_label"),
    ],
)
def test_a_chinese_answer_is_told_likewise(turn: str, expected: str) -> None:
    assert of_assistant(turn, "多久一次？", GOAL_ZH, BEFORE_ZH) == expected


def test_the_users_own_words_are_no_answer() -> None:
    asked = "my window faces north, is two hours of light enough?"
    assert of_assistant(asked, asked) == "repetition"


def test_languages_are_not_compared_where_one_is_spoken_of() -> None:
    assert (
        of_user("那么浇水要多久一次呢，冬天和夏天一样吗？", "Practise my Chinese with talk of plants.") == ""
    )
    assert of_assistant("罗勒每周浇一次水就够了，注意不要积水。", "translate it") == ""


def test_a_play_may_swap_the_roles() -> None:
    goal = "Role-play: I am the gardener at the help desk, you are a customer."
    assert of_user("How can I help you today?", goal) == ""
    assert of_assistant("Can you help me with my basil? It is dying.", "hello", goal) == ""


def test_a_refusal_is_one_where_the_answer_opens_with_it() -> None:
    assert is_refusal("I'm sorry, but I can't help with that.", "how often?")
    assert is_refusal("抱歉，我无法回答这个问题。", "多久一次？")
    assert not is_refusal("Once a week.", "how often?")


@pytest.mark.parametrize(
    "text", ["", "No.", "Yes", "好的。", "Thanks, make it shorter", "Enough for two pots?"]
)
def test_what_says_something_is_no_closing(text: str) -> None:
    assert not is_closing(text)


def test_the_reason_and_the_numbers_tell_what_was_met() -> None:
    drift = user_drift("how do i keep basil alive on a window", BEFORE, GOAL, 0.9)
    assert drift is not None
    assert (drift.side, drift.numbers, drift.failed) == ("user", {"rouge_l": 1.0}, False)
    assert drift.reason == "the user's turn repeats 'how do i keep basil alive on a window?' (ROUGE-L 1.00)"


def test_the_threshold_of_repetitions_is_the_callers() -> None:
    turn = "how do i keep mint alive on a window?"
    assert user_drift(turn, BEFORE, GOAL, 0.9) is None
    assert kind(user_drift(turn, BEFORE, GOAL, 0.8)) == "repetition"
    assert user_drift("how do i ever keep basil alive on a window?", BEFORE, GOAL, 1.0) is None


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the shared conversations of people are not here")
def test_what_people_and_assistants_said_to_each_other_is_nearly_always_in_order() -> None:
    turns, found = 0, 0
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            said = [
                Message(role, text)
                for pair in row["history"] or []
                for role, text in zip(("user", "assistant"), pair, strict=True)
            ]
            said += [Message("user", row["instruction"]), Message("assistant", row["output"])]
            for at in range(1, len(said)):
                check = user_drift if said[at].role == "user" else assistant_drift
                drift = check(said[at].content, said[:at], said[0].content, 0.9)
                turns += 1
                found += drift is not None and drift.kind != "closing"
    assert turns > 1900
    assert found / turns < 0.015
