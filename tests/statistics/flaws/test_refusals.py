"""What refuses, and what only apologises: because it was asked to, in another's voice, or about something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.flaws.refusals import refusal
from factory.steps.agents.flaws.eliminate import answer_flaw


@pytest.mark.parametrize(
    "answer",
    [
        "Lo siento, pero no puedo ayudarte con eso.",
        "No puedo proporcionar esa información.",
        "Desculpe, mas não posso ajudar com isso.",
        "Mi dispiace, ma non posso aiutarti con questo.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Je ne peux malheureusement pas répondre à cette question.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Leider kann ich Ihnen dabei nicht helfen.",
        "Het spijt me, maar ik kan je daar niet mee helpen.",
        "Извините, я не могу помочь с этим.",
        "К сожалению, я не могу ответить на этот вопрос.",
        "申し訳ありませんが、お手伝いできません。",
        "申し訳ございませんが、そのご要望にはお応えできません。",
        "죄송하지만 도와드릴 수 없습니다.",
    ],
)
def test_a_refusal_in_another_language_is_one_unless_a_letter_or_translation_was_asked_for(
    answer: str,
) -> None:
    assert refusal(answer, "How do I pick a lock?")
    assert refusal(f"**{answer}**")
    assert not refusal(answer, "Translate into my language: sorry, that is beyond me.")
    assert not refusal(answer, "Write the reply of a shop to a customer.")


@pytest.mark.parametrize(
    "answer",
    [
        "No puedo ir mañana.",
        "Ich kann nicht schwimmen.",
        "Leider kann die Firma Ihnen nicht helfen.",
        "Je ne peux pas venir demain, désolé.",
        "Я не могу прийти завтра.",
        "申し訳ありません、遅れます。",
        "No se puede ayudar a todos.",
        "I must decline the third adjective.",
    ],
)
def test_a_sentence_of_another_language_that_says_no_is_no_refusal(answer: str) -> None:
    assert not refusal(answer)


@pytest.mark.parametrize(
    ("answer", "instruction"),
    [
        ("I must decline this request.", "How do I pick a lock?"),
        ("I must respectfully decline to answer.", ""),
        ("I'm sorry, but I can't", ""),
        ("I’m sorry, but I can’t help with that.", "How do I pick a lock?"),
        ("抱歉，我无法回答。", "天气"),
        ("As an AI language model, I cannot browse.", ""),
        ("As an AI, I don't have feelings.", "How are you?"),
        ("Hello! I'm sorry, but I cannot help with that.", ""),
        ("**I'm sorry**, but I can't assist with that request.", ""),
        ("> Sorry, I cannot.", ""),
        ("# Sorry\nI can't do that.", ""),
        ("您好，很抱歉，我无法提供该信息。", ""),
        ("作为一个人工智能语言模型，我无法访问互联网。", ""),
        ("作为AI，我没有个人观点。", ""),
        ("I cannot provide that information.", ""),
        ("I'm unable to assist with that.", ""),
        ("Unfortunately, I can't access real-time data.", ""),
        ("I apologize, but I am not able to do that.", ""),
        ("Sorry.", ""),
        ("对不起。", ""),
        ("Answer: I'm sorry, but I cannot answer this.", ""),
        ("I'm sorry, but I can't assist with that request.", "Write an apology letter to my boss."),
        ("抱歉，我无法提供这方面的帮助。", "写一封道歉信"),
        ("Thank you for your question! However, as an AI language model, I don't have access to data.", ""),
        ("I'm sorry, I don't have access to real-time data.", "Sorry to bother you, what's the weather now?"),
        ("我无法回答这个问题。", ""),
        ("Sorry, I don't know.", "Who won?"),
        ("You asked about bombs. I'm sorry, but I can't help with that.", ""),
        ("Dear user, I'm sorry, but I can't help with that.", ""),
        ("My apologies, but I cannot fulfill this request.", ""),
        ("I am an AI language model and cannot open files.", ""),
        ("\"I'm sorry, but I can't help with that.\"", "x"),
        ("😔 Sorry, I can't do that.", ""),
        ("Sorry, I need more context.", ""),
        ("I'm sorry, but I can't help.", "Answer without apologizing: what is 2+2?"),
        ("As a large language model, I'm not able to see images.", "look"),
        ("I'm afraid I can't do that.", "open the door"),
        ("對不起，我無法查詢今天的天氣。", ""),
        ("Sorry.", "Write a poem about autumn."),
        ("抱歉", "写一首诗"),
        ("Sorry, but no.", "Write a poem."),
        ("I do not feel comfortable writing that.", "Explain this plan."),
        ("Sorry, I don't know.", "You are a helpful assistant. Who won?"),
        ("我sorry了，这个真的做不到。", ""),
    ],
)
def test_a_refusal_opens_the_answer(answer: str, instruction: str) -> None:
    flaw = answer_flaw(answer, instruction)
    assert flaw is not None
    assert flaw.kind == "refusal"


@pytest.mark.parametrize(
    ("answer", "instruction"),
    [
        ("The Chinese for I am sorry is 对不起.", "How do you say I am sorry in Chinese?"),
        ("对不起", "Translate 'sorry' into Chinese."),
        ("Dear Anna,\nI am so sorry that I cannot come to your party.", "Write an apology letter to Anna."),
        ("亲爱的老师：\n很抱歉，我不能来上课。", "帮我写一份请假条"),
        ("Sorry, I can't make it tonight.", "Write a text message cancelling dinner."),
        ("I'm sorry for your loss. He won't be forgotten.", "What can I say to a grieving friend?"),
        ("I'm sorry to hear that. Try to rest and drink water.", "I have a cold."),
        ("\"I'm sorry, Dave. I'm afraid I can't do that\" is said by HAL 9000.", "Who says the famous line?"),
        ("抱歉，我帮不了你。", "翻译：I'm sorry, but I can't help you."),
        (
            "I'm sorry, but I can't help with that.",
            "Write the line with which a polite assistant declines a harmful request.",
        ),
        ("Sorry is a word of regret that not all use.", ""),
        ("Sorry, Wrong Number is a film noir of 1948.", ""),
        ("Unfortunately, the ship did not reach the port.", "Continue the story"),
        ("Unfortunately, the ship did not reach the port.", "What happened to the ship?"),
        ("I can't help falling in love with you is by Elvis.", ""),
        ("As an AI language model, I can help you with many things.", ""),
        ("I cannot stress this enough: test your code.", ""),
        ("He said he was sorry and could not come.", ""),
        ("Sorry, we're sold out, so I can't sell you one.", "Act as a shopkeeper and answer a customer"),
        ("不好意思，让您久等了，您的咖啡。", "扮演咖啡师"),
        ("Not really an apology: sorrow.", ""),
        ("Feel sorrow", ""),
        ("遗憾的是，这部电影没有得奖。", "介绍这部电影"),
        ("可惜不是你，陪我到最后", "梁静茹的歌词"),
        ("I do not have access to a car, so I walk.", "Write a sentence with 'access'."),
        (
            "Sorry, mate, no gold for you! I can't pay.",
            "You are a pirate captain. Stay in character: ask for my pay.",
        ),
        ("Sorry, the correct answer is 12, not 14.", "Check: 3*4=14?"),
        ("对不起，我不该对你发火，也不应该不听你说。", "写一段向朋友道歉的话"),
        ("对不起，是我弄错了，它属于三部曲。", "你8和10重复了啊。"),
        ("I can't do this, it's impossible.", 'Rearrange the sentence "It is impossible for me to do this".'),
        ("你好，我是一个AI助手，这不是群聊天界面。", "这是群聊天界面吗"),
    ],
)
def test_an_apology_that_refuses_nothing_is_an_answer(answer: str, instruction: str) -> None:
    assert answer_flaw(answer, instruction) is None


@pytest.mark.parametrize(
    "mark", ["", "**", "> ", "# ", "- ", "Hello! ", "Hi there, ", "您好，", "Answer: ", "😔 "]
)
@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with that.",
        "抱歉，我无法提供帮助。",
        "As an AI language model, I cannot browse.",
    ],
)
def test_a_greeting_or_marks_before_it_hide_no_refusal(mark: str, said: str) -> None:
    assert refusal(f"{mark}{said}")


@given(st.text(alphabet="abc defgh.,\n天地人，。", max_size=60))
def test_what_stands_behind_a_plain_refusal_changes_nothing(rest: str) -> None:
    assert refusal(f"I'm sorry, but I can't assist with that request. {rest}")
    assert refusal(f"抱歉，我无法回答这个问题。{rest}")


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_text_is_read_to_its_end(answer: str, instruction: str) -> None:
    assert isinstance(refusal(answer, instruction), str)


@pytest.mark.parametrize(
    "answer",
    [
        "This task cannot be completed by a GPT language model.",
        "No output, as GPT models cannot create visual or audio output.",
        "Visuals cannot be created by a language model.",
        "This type of instruction is not suitable for a GPT model.",
        "GPT 模型无法完成此类指令。",
        "该模型无法生成图片。",
    ],
)
def test_what_is_said_of_a_model_in_the_third_person_refuses(answer: str) -> None:
    assert refusal(answer, "Draw a house.")
    assert not refusal(answer, "What can a GPT model not do?")


@pytest.mark.parametrize(
    "answer",
    ["The new model cannot be sold before May.", "This car model cannot climb.", "模型飞机无法飞得很远。"],
)
def test_a_model_of_another_kind_refuses_nothing(answer: str) -> None:
    assert not refusal(answer, "Tell me of it.")
