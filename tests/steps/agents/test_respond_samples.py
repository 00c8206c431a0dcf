"""Several answers to each record: what is asked, what is kept, and which is chosen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripted_server import Say, ScriptedServer, in_thread
from step_context import Ask, ScriptedChat, process, scripted_context

import factory as sft
from factory.data.record import Candidate, Message, Record, ToolCall, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply, ScoredAnswer
from factory.step import Context
from factory.steps.agents.respond import Respond
from factory.steps.judging.constraints.stated import COLUMN

Said = str | Reply | Exception
QUESTION = new_record("How much is 6 times 7?", lang="en")
NO_COMMA = {"kind": "punctuation:no_comma"}
SHORT = {"kind": "length_constraints:number_words", "arguments": {"relation": "less than", "num_words": 5}}


def replies(*texts: Said) -> Callable[[Ask], Said]:
    return lambda ask: texts[ask.sample]


def respond(
    script: Callable[[Ask], Said], record: Record = QUESTION, **options: Any
) -> tuple[Record, Context, list[Ask]]:
    context, chat = scripted_context(script, step="03-respond")
    (made,) = process(Respond(**options), record, context)
    return made, context, chat.asks


def texts(record: Record) -> list[str]:
    return [answer.text for answer in record.answers]


def test_all_samples_are_kept_in_order_and_the_first_is_the_answer() -> None:
    made, context, asks = respond(replies("42", Reply("It is 42.", reasoning="6 * 7"), "41"), samples=3)
    assert [ask.sample for ask in asks] == [0, 1, 2]
    assert texts(made) == ["42", "It is 42.", "41"]
    assert (made.output, made.chosen) == ("42", 0)
    assert made.answers[1] == Candidate((Message("assistant", "It is 42.", "6 * 7"),), "scripted")
    (event,) = made.events
    assert event.calls == ("call-1", "call-2", "call-3")
    assert context.facts["answers_asked_for"] == context.facts["answers_kept"] == 3


def test_the_first_sample_is_the_call_that_is_made_without_samples() -> None:
    _, _, several = respond(replies("a", "b"), samples=2)
    _, _, one = respond(replies("a"))
    assert several[0] == one[0]


def test_several_models_give_so_many_samples_each() -> None:
    chats = {name: ScriptedChat(lambda ask, name=name: f"{name} {ask.sample}", name) for name in ("a", "b")}
    context = replace(scripted_context(replies())[0], get_chat=chats.__getitem__)
    (made,) = process(Respond(model=("b", "a"), samples=2), QUESTION, context)
    assert [(answer.text, answer.model) for answer in made.answers] == [
        ("b 0", "b"),
        ("b 1", "b"),
        ("a 0", "a"),
        ("a 1", "a"),
    ]
    assert [event.model for event in made.events] == ["b", "a"]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Reply("It i", "length"), "truncated"),
        (" \n", "empty_answer"),
        ("How much is 6 times 7?", "echo"),
        (RecordFailed("refused", "the model refused"), "refused"),
    ],
)
def test_a_sample_that_is_no_answer_is_counted_and_left_out(bad: Said, kind: str) -> None:
    made, context, _ = respond(replies(bad, "42", "43"), samples=3)
    assert texts(made) == ["42", "43"]
    assert made.output == "42"
    assert context.facts[f"answers_left_out_{kind}"] == 1
    assert (context.facts["answers_asked_for"], context.facts["answers_kept"]) == (3, 2)


def test_a_cut_answer_is_whole_where_that_is_allowed() -> None:
    made, _, _ = respond(replies(Reply("It i", "length"), "42"), samples=2, allow_truncated=True)
    assert texts(made) == ["It i", "42"]


def test_where_none_is_an_answer_the_record_is_let_go_as_with_one() -> None:
    bad = (Reply("It i", "length"), " ")
    made, context, _ = respond(replies(*bad), samples=2)
    alone, _, _ = respond(replies(*bad))
    assert made.dropped == alone.dropped
    assert (made.output, made.answers) == ("It i", ())
    assert context.facts["answers_left_out_empty_answer"] == 1
    with pytest.raises(RecordFailed, match="refused"):
        respond(replies(RecordFailed("refused", "it refused"), " "), samples=2)


def test_one_model_that_fails_leaves_the_other() -> None:
    chats = {
        "a": ScriptedChat(lambda ask: RecordFailed("context_length", "too long"), "a"),
        "b": ScriptedChat(lambda ask: "42", "b"),
    }
    context = replace(scripted_context(replies())[0], get_chat=chats.__getitem__)
    (made,) = process(Respond(model=("a", "b")), QUESTION, context)
    assert [answer.model for answer in made.answers] == ["b"]
    assert context.facts["answers_left_out_context_length"] == 1


def test_answers_that_say_the_same_are_kept_and_counted() -> None:
    made, context, _ = respond(replies("Yes.", "yes.", "No."), samples=3)
    assert len(made.answers) == 3
    assert context.facts["answers_equal_to_another"] == 1


def test_the_longest() -> None:
    made, _, _ = respond(replies("42", "It is 42.", "42!"), samples=3, choose="longest")
    assert (made.output, made.chosen) == ("It is 42.", 1)


def test_the_majority() -> None:
    made, context, _ = respond(replies("It is 41.", "42", r"\boxed{42}"), samples=3, choose="majority")
    assert (made.output, made.chosen) == ("42", 1)
    assert made.scores == {"respond.agreement": 2 / 3}
    assert (context.facts["chosen_by_vote"], context.facts["without_final_answer"]) == (1, 0)
    _, context, _ = respond(replies("41", "42"), samples=2, choose="majority")
    assert context.facts["chosen_by_place_among_equal_votes"] == 1
    made, context, _ = respond(replies("Yes.", "No."), samples=2, choose="majority")
    assert (made.output, made.scores) == ("Yes.", {})
    assert context.facts["without_final_answer"] == 1


def test_the_verified_meets_the_most_constraints_and_its_verdicts_are_the_records() -> None:
    record = new_record("Describe rain.", lang="en", meta={COLUMN: [NO_COMMA, SHORT]})
    made, context, _ = respond(
        replies("Rain, rain.", "Rain falls.", "Rain."), record, samples=3, choose="verified"
    )
    assert (made.output, made.chosen) == ("Rain falls.", 1)
    assert made.scores == {"verify.hsr": 1.0, "verify.ssr": 1.0}
    assert [answer.verdicts["constraints"] for answer in made.answers] == ["failed", "met", "met"]
    assert [answer.scores["verify.ssr"] for answer in made.answers] == [0.5, 1.0, 1.0]
    assert all(one["satisfied"] for one in made.meta[COLUMN])
    assert context.facts["verified"] == 1
    assert len([event for event in made.events if event.operation == "verify"]) == 3


def test_where_none_is_verified_the_record_is_dropped_unless_it_is_kept() -> None:
    record = new_record("Describe rain.", lang="en", meta={COLUMN: [NO_COMMA]})
    made, context, _ = respond(replies("a, b", "c, d"), record, samples=2, choose="verified")
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.numbers) == ("constraint_failed", {"share": 0.0, "answers": 2.0})
    assert len(made.answers) == 2
    assert context.facts["not_verified"] == 1
    made, _, _ = respond(replies("a, b", "c, d"), record, samples=2, choose="verified", unverified="keep")
    assert (made.dropped, made.output) == (None, "a, b")


def test_a_record_without_constraints_has_the_first_and_one_with_bad_ones_fails_before_a_call() -> None:
    made, context, _ = respond(replies("a", "b"), samples=2, choose="verified")
    assert made.output == "a"
    assert context.facts["records_without_constraints"] == 1
    bad = new_record("Describe rain.", lang="en", meta={COLUMN: [{"kind": "no_comma"}]})
    with pytest.raises(RecordFailed, match="did you mean"):
        respond(replies(), bad, samples=2, choose="verified")


def grading(grades: dict[str, int | None]) -> Callable[[Ask], Said]:
    """Answers by their place, and grades for an answer by its text."""

    def script(ask: Ask) -> Said:
        if ask.schema is None:
            return list(grades)[ask.sample]
        grade = next(grade for text, grade in grades.items() if f">\n{text}\n<" in ask.text)
        return (
            json.dumps({"reason": "so", "score": grade}) if grade else RecordFailed("bad_reply", "no grade")
        )

    return script


def test_the_best_has_the_judges_highest_grade() -> None:
    made, context, asks = respond(
        grading({"bad": 2, "good": 5, "fine": 5, "odd": None}), samples=4, choose="best"
    )
    assert (made.output, made.chosen) == ("good", 1)
    assert made.scores == {"judge.quality": 5.0}
    assert made.notes == {"judge.quality": "so"}
    assert [answer.scores.get("judge.quality") for answer in made.answers] == [2.0, 5.0, 5.0, None]
    assert context.facts["answers_without_grade"] == 1
    assert context.facts["chosen_by_place_among_equal_grades"] == 1
    assert len(asks) == 8


def test_where_no_answer_has_a_grade_it_is_the_first_and_the_score_is_missing() -> None:
    made, _, _ = respond(grading({"bad": None, "good": None}), samples=2, choose="best")
    assert made.output == "bad"
    assert made.scores == {}
    assert made.missing["judge.quality"].kind == "bad_reply"


def test_old_answers_go_where_they_are_overwritten_and_stay_where_they_are_to() -> None:
    old = new_record("How much is 6 times 7?", output="It is 42, of course.", lang="en")
    same, _, asks = respond(replies(), old, samples=2)
    assert (same, asks) == (old, [])
    made, context, _ = respond(replies("41", "43"), old, samples=2, overwrite=True)
    assert texts(made) == ["41", "43"]
    assert context.facts["old_answers_let_go"] == 1
    made, context, _ = respond(
        replies("41", "43"), old, samples=2, overwrite=True, keep_old=True, choose="longest"
    )
    assert texts(made) == ["41", "43", "It is 42, of course."]
    assert (made.output, made.chosen) == ("It is 42, of course.", 2)
    assert context.facts["old_answers_kept"] == 1


def test_an_old_answer_that_is_kept_stands_in_where_no_new_one_came() -> None:
    old = new_record("How much is 6 times 7?", output="42", lang="en")
    made, _, _ = respond(replies(" "), old, overwrite=True, keep_old=True)
    assert (made.dropped, made.output) == (None, "42")


def test_answers_found_wanting_stay_behind_the_new_ones_and_are_not_chosen() -> None:
    wrong = Candidate((Message("assistant", "It is forty-one, I am sure."),), verdicts={"label": "false"})
    made, _, _ = respond(
        replies("42", "43"), replace(QUESTION, answers=(wrong,)), samples=2, choose="longest"
    )
    assert texts(made) == ["42", "43", "It is forty-one, I am sure."]
    assert made.output == "42"


def test_a_conversation_that_ends_with_a_tools_answer_keeps_it() -> None:
    call = Message("assistant", "", calls=(ToolCall("times", "{}"),))
    record = replace(QUESTION, messages=(*QUESTION.messages, call, Message("tool", "42")))
    made, _, _ = respond(replies("It is 42.", "42"), record, samples=2, choose="longest")
    assert [turn.role for turn in made.messages] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"samples": 2, "temperature": 0}, "temperature 0"),
        ({"model": ()}, "names no model"),
        ({"model": ("a", "a")}, "twice"),
        ({"keep_old": True}, "set `overwrite`"),
        ({"choose": "majority"}, "set `samples`"),
        ({"samples": 2, "until": "verified"}, "choose: verified"),
        ({"samples": 2, "re_answer": "all"}, "one answer"),
        ({"until": "verified", "re_answer": "all"}, "one answer"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Respond(**options)


def test_a_rubric_that_rates_instructions_is_refused() -> None:
    with pytest.raises(sft.FactoryError, match="rates instructions"):
        Respond(samples=2, choose="best", rubric="complexity")


@pytest.mark.parametrize("choose", ["first", "longest", "majority", "verified", "best"])
def test_an_estimate_counts_no_fewer_calls_than_are_made(choose: str) -> None:
    judged = {"kind": "judged:style", "arguments": {"requirement": "Be dry."}}
    record = new_record("Describe rain.", lang="en", meta={COLUMN: [NO_COMMA, judged]})

    def script(ask: Ask) -> str:
        if ask.schema is None:
            return f"Rain {ask.sample}."
        verdicts = [{"constraint": 1, "reason": "so", "satisfied": "yes"}]
        return json.dumps({"verdicts": verdicts} if choose == "verified" else {"reason": "so", "score": 3})

    step = Respond(samples=3, choose=choose)  # type: ignore[arg-type]
    context, chat = scripted_context(script)
    process(step, record, context)
    rehearsing, most = scripted_context(script)

    async def rehearsed() -> list[Record]:
        return [made async for made in step.rehearse(record, rehearsing)]

    asyncio.run(rehearsed())
    assert len(most.asks) == len(chat.asks) == (6 if choose in ("verified", "best") else 3)


SPOKEN = new_record(
    "And 7 times 8?",
    output="55",
    history=(
        Message("system", "Be brief."),
        Message("user", "How much is 6 times 7?"),
        Message("assistant", "41", weight=0),
    ),
    lang="en",
)


def test_every_turn_is_answered_anew_and_sees_the_new_answers_before_it() -> None:
    left = ["42", Reply("56", reasoning="7 * 8")]
    made, context, asks = respond(lambda ask: left.pop(0), SPOKEN, re_answer="all")
    assert [turn.content for turn in asks[1].messages] == [
        "Be brief.",
        "How much is 6 times 7?",
        "42",
        "And 7 times 8?",
    ]
    assert [turn.content for turn in made.messages if turn.role == "assistant"] == ["42", "56"]
    assert [turn.weight for turn in made.messages if turn.role == "assistant"] == [0, None]
    assert made.messages[-1].reasoning == "7 * 8"
    assert len(made.events) == 2
    assert context.facts["turns_answered"] == 2


def test_each_turn_has_the_system_prompt_before_it_which_is_not_stored() -> None:
    record = replace(SPOKEN, messages=SPOKEN.messages[1:])
    made, _, asks = respond(lambda ask: "42", record, re_answer="all")
    assert [ask.messages[0].role for ask in asks] == ["system", "system"]
    assert made.messages[0].role == "user"


def test_a_greeting_stays_and_turns_that_follow_each_other_are_one_answer() -> None:
    greeting = Message("assistant", "Hello!")
    asked, old = Message("user", "Hi"), Message("assistant", "old")
    record = replace(QUESTION, messages=(greeting, asked, old, old, Message("user", "Bye")))
    made, context, _ = respond(lambda ask: "new", record, re_answer="all")
    assert [turn.content for turn in made.messages] == ["Hello!", "Hi", "new", "Bye", "new"]
    assert context.facts["turns_joined"] == 1


def test_a_turn_without_a_whole_answer_lets_the_record_go_and_says_which() -> None:
    left: list[Said] = ["42", Reply("5", "length")]
    made, _, _ = respond(lambda ask: left.pop(0), SPOKEN, re_answer="all")
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.reason) == (
        "truncated",
        "turn 2: the answer was cut at 1024 tokens",
    )
    failed: list[Said] = ["42", RecordFailed("refused", "it refused")]
    with pytest.raises(RecordFailed, match="turn 2: it refused"):
        respond(lambda ask: failed.pop(0), SPOKEN, re_answer="all")


def test_tools_in_a_conversation_set_it_aside_and_a_call_in_its_midst_too() -> None:
    call = Message("assistant", "", calls=(ToolCall("times", "{}"),))
    record = replace(QUESTION, messages=(*QUESTION.messages, call, Message("tool", "42")))
    with pytest.raises(RecordFailed, match="call tools"):
        respond(replies(), record, re_answer="all")
    offered = replace(SPOKEN, tools=({"type": "function", "function": {"name": "times"}},))
    made, _, asks = respond(
        lambda ask: Reply("", "tool_calls", calls=(ToolCall("times", "{}"),)), offered, re_answer="all"
    )
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed, len(asks)) == ("called_a_tool", True, 1)


def recipe(server: ScriptedServer, rows: Path, **options: Any) -> sft.Dataset:
    model = sft.model("openai", base_url=server.base_url, model="scripted")
    return sft.load(rows).respond(model=model, samples=3, **options)


def write(folder: Path, *questions: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"instruction": one}) + "\n" for one in questions))
    return path


def test_samples_of_a_server_are_one_request_and_a_replay_asks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with in_thread(ScriptedServer()) as server:
        rows = write(tmp_path, "Why?", "How?")
        done = recipe(server, rows).run(show_progress=False)
        assert [request["n"] for request in server.requests] == [3, 3]
        assert [len(record.answers) for record in done] == [3, 3]
        again = recipe(server, rows, choose="longest").run(show_progress=False)
        assert len(server.requests) == 2
        assert [texts(record) for record in again] == [texts(record) for record in done]


def test_a_sample_that_fails_touches_its_own_record_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calls = {"Why?": 0, "How?": 0}

    def script(request: dict[str, Any]) -> str | Say:
        asked = request["messages"][-1]["content"]
        calls[asked] += 1
        return (
            Say("", finish_reason="content_filter")
            if asked == "Why?" and calls[asked] in (2, 4)
            else f"{asked} {calls[asked]}"
        )

    with in_thread(ScriptedServer(script)) as server:
        done = recipe(server, write(tmp_path, "Why?", "How?")).run(show_progress=False)
    assert [texts(record) for record in done] == [["Why? 1", "Why? 3"], ["How? 1", "How? 2", "How? 3"]]


class Student(ScriptedChat):
    """Holds a short answer likelier than a long one."""

    async def answer_opening(self, messages: Sequence[Message]) -> str:
        return "".join(turn.content for turn in messages)

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
        assert opened
        return ScoredAnswer((-float(len(answer)),), (len(answer),), 3, False, "student", (f"fit-{answer}",))


def fitting(*texts: Said, **options: Any) -> tuple[Record, Context]:
    context, chat = scripted_context(replies(*texts), step="03-respond")
    student = Student(lambda ask: "")
    context = replace(context, get_chat=lambda name: student if name == "student" else chat)
    step = Respond(samples=len(texts), choose="fit", student="student", **options)
    (made,) = process(step, QUESTION, context)
    step.finish(context)
    return made, context


def test_fit_chooses_what_the_student_holds_likeliest_and_keeps_the_others() -> None:
    made, context = fitting("forty-two", "42", "it is 42")
    assert (made.output, made.chosen, texts(made)) == ("42", 1, ["forty-two", "42", "it is 42"])
    assert [answer.scores["grape"] for answer in made.answers] == [-9.0, -2.0, -8.0]
    assert made.scores == {"grape": -2.0, "rsr": 1.0}
    assert made.events[-1].calls == ("fit-forty-two", "fit-42", "fit-it is 42")
    assert (context.facts["answers_scored"], context.facts["another_answer_chosen"]) == (3, 1)


def test_fit_by_rsr_takes_equals_by_their_place() -> None:
    made, _ = fitting("abc", "42", fit_by="rsr")
    assert (made.output, made.scores["rsr"]) == ("abc", 1.0)


@pytest.mark.parametrize("options", [{"choose": "fit"}, {"student": "small"}])
def test_fit_and_its_student_go_together(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"`choose: fit` and `student`.* go together"):
        Respond(samples=2, **options)


def test_only_a_step_that_chooses_by_fit_names_a_model_that_scores() -> None:
    assert dict(Respond(samples=2, model="a", choose="fit", student="b").models_of("chat")) == {
        "model": "a",
        "student": "b",
    }
    assert dict(Respond(model="a").models_of("chat")) == {"model": "a"}
    assert Respond.scores_with("student")
    assert not Respond.scores_with("model")


def test_several_models_are_asked_at_the_same_time(tmp_path: Path) -> None:
    second_was_asked = asyncio.Event()

    async def script(request: dict[str, Any]) -> str:
        if request["model"] == "slow":
            await asyncio.wait_for(second_was_asked.wait(), 20)
        else:
            second_was_asked.set()
        return f"It is 42, says {request['model']}."

    with in_thread(ScriptedServer(script, models=("slow", "quick"))) as server:
        models = [sft.model("openai", model=name, base_url=server.base_url) for name in ("slow", "quick")]
        (made,) = (
            sft.load([QUESTION])
            .then("respond", model=models, samples=1)
            .run(journal=tmp_path / "journal.db", show_progress=False)
        )
    assert [answer.text for answer in made.answers] == ["It is 42, says slow.", "It is 42, says quick."]
