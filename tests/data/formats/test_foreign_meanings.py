"""Trees, agents' logs, messages of other APIs and calls in texts: what they mean as records."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from foreign_rows import FILES, SHAPES, canonical, records_in, rows_of, turns, written

from factory.data.formats import BadRow, read_records
from factory.data.formats.grouped import grouped
from factory.data.formats.read import records_of
from factory.data.formats.rows import RawRow
from factory.data.formats.shapes import BadShape, parse_row, shape_named
from factory.data.formats.shapes.many import LINES
from factory.data.record import Event, Media, Record, ToolCall

EVENT = Event("01-answer", "answer")


# Trees


def test_the_best_ranked_thread_of_a_tree_is_the_conversation() -> None:
    for name in ("oasst_trees", "oasst_messages", "oasst_hub"):
        record = records_in(name)[0]
        assert turns(record) == [
            ("user", "Why is the sea salty?"),
            ("assistant", "Rivers bring dissolved minerals, and water leaves by evaporation."),
            ("user", "Do all rivers bring salt?"),
            ("assistant", "Yes, in very small amounts."),
        ]
        assert [(answer.text, answer.scores) for answer in record.answers] == [
            ("Yes, in very small amounts.", {"rank": 0.0}),
            ("Only salty rivers.", {"rank": 1.0}),
        ]
        assert record.chosen == 0
        assert record.lang == "en"


def test_a_deleted_answer_is_kept_but_never_an_answer() -> None:
    record = records_in("oasst_trees")[0]
    assert "(deleted answer)" in canonical(record.meta)
    assert not any("deleted" in answer.text for answer in record.answers)


def test_the_model_of_a_synthetic_answer_is_told() -> None:
    record = records_in("oasst_trees")[1]
    assert [answer.model for answer in record.answers] == ["model-a", ""]


def test_a_prompt_that_nobody_answered_waits_for_an_answer() -> None:
    assert turns(records_in("oasst_trees")[2]) == [("user", "A prompt that nobody answered.")]


def test_a_question_at_the_end_of_a_thread_is_kept_beside_it() -> None:
    row = rows_of("oasst_threads")[0]
    tree = {"message_id": "c", "text": "And?", "role": "prompter", "replies": []}
    for message in reversed(row["thread"][:2]):
        tree = {**message, "replies": [tree]}
    parsed = parse_row({"message_tree_id": "t", "prompt": tree}, "oasst")
    assert [turn.role for turn in parsed.messages] == ["user", "assistant"]
    assert "a question at the end that nobody answered, left out of the turns" in parsed.told


def test_what_hangs_on_no_message_of_its_tree_is_kept_and_told() -> None:
    record, *none = records_in("hostile/messages_orphans")
    assert not none
    assert turns(record) == [("user", "root after its child")]
    assert [canonical(row) for row in written(record)[0]] == list(
        map(canonical, rows_of("hostile/messages_orphans"))
    )
    told = parse_row({LINES: rows_of("hostile/messages_orphans")}, "oasst_messages").told
    assert "two messages with one id (the first is taken)" in told
    assert "messages that hang on none of their tree, left out of the turns" in told


def test_a_tree_with_a_new_answer_is_written_with_it() -> None:
    record = records_in("oasst_trees")[0].with_output("A new answer.", EVENT)
    (row,), lost = written(record)
    back = parse_row(row, "oasst")
    texts = {reply["text"] for reply in row["prompt"]["replies"][0]["replies"][0]["replies"]}
    assert texts == {"A new answer.", "Yes, in very small amounts.", "Only salty rivers."}
    assert back.messages[:3] == record.messages[:3]
    assert lost["details of the source's turns"] == 1


def test_a_text_that_a_step_changed_stands_where_the_old_one_stood() -> None:
    record = records_in("oasst_messages")[0]
    changed = (record.messages[0]._replace(content="Why is the sea so salty?"), *record.messages[1:])
    rows, lost = written(replace(record, messages=changed))
    before = rows_of("oasst_messages")[:7]
    assert rows[0] == {**before[0], "text": "Why is the sea so salty?"}
    assert rows[1:] == before[1:]
    assert not lost


# Rows that are one conversation together


def session(id: str, *texts: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "user" if number % 2 == 0 else "assistant",
            "uuid": f"{id}{number}",
            "parentUuid": f"{id}{number - 1}" if number else None,
            "sessionId": id,
            "message": {"role": "", "content": text},
        }
        for number, text in enumerate(texts)
    ]


def test_each_session_of_a_file_is_a_record() -> None:
    lines = [*session("a", "Hi", "Hello"), *session("b", "Bye", "Goodbye")]
    rows = [RawRow(number, line) for number, line in enumerate(lines, 1)]
    one, two = records_of(rows, "log.jsonl", "log")
    assert isinstance(one, Record)
    assert isinstance(two, Record)
    assert turns(one) == [("user", "Hi"), ("assistant", "Hello")]
    assert turns(two) == [("user", "Bye"), ("assistant", "Goodbye")]


def test_a_broken_line_is_set_aside_and_its_session_goes_on() -> None:
    good = session("a", "Hi", "Hello")
    rows = [RawRow(1, good[0]), RawRow(2, None, "{", "the line is not JSON"), RawRow(3, good[1])]
    bad, record = records_of(rows, "log.jsonl", "log")
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert isinstance(record, Record)
    assert turns(record) == [("user", "Hi"), ("assistant", "Hello")]


def test_a_session_is_given_as_soon_as_the_next_one_begins() -> None:
    """Sessions without end, of which only the one at hand is held."""
    seen = []

    def endless() -> Iterator[RawRow]:
        for number in itertools.count(1):
            seen.append(number)
            yield RawRow(
                number, {"message_id": str(number), "text": "Hi", "role": "prompter", "parent_id": None}
            )

    first = next(iter(grouped(endless(), shape_named("oasst_messages"))))
    assert first.place == 1
    assert len(first.value[LINES]) == 1
    assert seen == [1, 2]


# Logs of agents


def test_a_session_of_claude_code_is_what_its_user_and_the_model_said() -> None:
    (record,) = records_in("claude_code_session")
    roles = [turn.role for turn in record.messages]
    assert roles == ["user", "assistant", "tool", "tool", *["assistant", "tool"] * 2, "user", "assistant"]
    asked, first, *results = record.messages[:4]
    assert asked.content == "How many lines has notes.txt, and fix the typo in it."
    assert first.reasoning == "First count, then read."
    assert first.content == "I count the lines and read the file."
    assert [(call.name, call.id) for call in first.calls] == [("Bash", "toolu_01"), ("Read", "toolu_02")]
    assert json.loads(first.calls[1].arguments) == {"file_path": "/project/notes.txt"}
    assert [(result.call_id, result.content[:12]) for result in results] == [
        ("toolu_01", "12 notes.txt"),
        ("toolu_02", "     1→teh f"),
    ]
    assert record.messages[5].extra == {"is_error": True}
    assert record.messages[-2].media == (Media("image", "data:image/png;base64,iVBORw0KGgo="),)


def test_sidechains_and_what_the_tool_itself_wrote_are_kept_beside_the_conversation() -> None:
    (record,) = records_in("claude_code_session")
    said = canonical([turn.content for turn in record.messages])
    for aside in ("List the typos", "Caveat", "<command-name>", "API Error", "and thanks"):
        assert aside not in said
        assert aside in canonical(record.meta)
    assert "sidechains, left out of the turns" in _told("claude_code_session")


def _told(name: str) -> tuple[str, ...]:
    return parse_row({LINES: rows_of(name)}, FILES[name]).told


def test_the_branch_that_was_gone_on_with_is_the_conversation_across_a_compaction() -> None:
    (record,) = records_in("claude_code_compacted")
    assert turns(record) == [
        ("user", "Rename the function f to g."),
        ("assistant", "Renamed (a second try from the same question)."),
        ("user", "谢谢,再加一条测试。"),
        ("assistant", "加好了。"),
    ]
    assert "other branches of the conversation, left out of the turns" in _told("claude_code_compacted")


def test_a_command_that_was_answered_is_the_question_where_there_is_no_other() -> None:
    parsed = parse_row({LINES: session("a", "<command-name>/init</command-name>", "Done.")}, "claude_code")
    assert [turn.content for turn in parsed.messages] == ["<command-name>/init</command-name>", "Done."]
    assert "a command or a summary that was answered (taken for the user's turn)" in parsed.told


def test_a_session_of_codex_tells_each_thing_once() -> None:
    (record,) = records_in("codex_session")
    roles = [turn.role for turn in record.messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "tool", "assistant"]
    system, asked, first = record.messages[:3]
    assert system.content.startswith("You are a coding agent.\n\n<permissions")
    assert asked.content == "Run the tests, 然后修好。"
    assert [one.kind for one in asked.media] == ["image"]
    assert (first.content, first.reasoning) == ("I run the tests first.", "**Running the tests**")
    assert first.calls[0] == ToolCall("exec_command", '{"cmd":"make test","workdir":"/project"}', "call_1")
    assert [turn.call_id for turn in record.messages[3:5]] == ["call_2", "call_1"]
    assert record.messages[5].calls[0].arguments.startswith("*** Begin Patch")
    assert "<environment_context>" in canonical(record.meta)


def test_a_session_of_pi_is_its_last_branch() -> None:
    (record,) = records_in("pi_session")
    assert turns(record)[-3:] == [
        ("assistant", "有两个文件。"),
        ("user", "Thanks, that is all."),
        ("assistant", "You're welcome."),
    ]
    called = record.messages[1]
    assert (called.reasoning, [call.id for call in called.calls]) == ("Use ls.", ["call_1", "call_2"])
    answered = record.messages[3]
    assert (answered.name, answered.call_id, answered.extra) == ("read", "call_2", {"is_error": True})
    assert "这张图呢?" in canonical(record.meta)


@pytest.mark.parametrize("name", ["claude_code_session", "codex_session", "pi_session"])
def test_a_log_takes_a_changed_text_and_refuses_turns_that_it_never_had(name: str) -> None:
    (record,) = records_in(name)
    at = len(record.messages) - 1
    changed = (*record.messages[:at], record.messages[at]._replace(content="Said otherwise."))
    rows, _ = written(replace(record, messages=changed))
    differ = [(new, old) for new, old in zip(rows, rows_of(name), strict=True) if new != old]
    assert len(differ) == 1
    assert "Said otherwise." in canonical(differ[0][0])
    with pytest.raises(BadShape, match="a log is not made up: write it as messages"):
        written(replace(record, messages=record.messages[:-2]))
    with pytest.raises(BadShape, match="a log is not made up"):
        written(replace(record, messages=(*changed[:at], changed[at]._replace(reasoning="A thought."))))


def test_a_thought_that_changed_loses_its_signature() -> None:
    (record,) = records_in("claude_code_session")
    first = record.messages[1]._replace(reasoning="Other thoughts.")
    rows, lost = written(replace(record, messages=(record.messages[0], first, *record.messages[2:])))
    assert rows[5]["message"]["content"] == [{"type": "thinking", "thinking": "Other thoughts."}]
    assert lost == {"signature": 1}


@pytest.mark.parametrize("name", ["claude_code_broken", "codex_broken"])
def test_a_broken_log_is_read_as_far_as_it_goes_and_comes_back(name: str) -> None:
    found = list(read_records(SHAPES / "hostile" / f"{name}.jsonl"))
    good = [one for one in found if isinstance(one, Record)]
    assert good
    back = [canonical(row) for record in good for row in written(record)[0]]
    lines = [canonical(row) for row in rows_of(f"hostile/{name}")]
    assert back == lines[: len(back)]
    assert all(bad.reason for bad in found if isinstance(bad, BadRow))


# Trajectories


def test_a_trajectory_is_its_steps_and_what_was_observed_in_them() -> None:
    record = records_in("atif")[0]
    assert [turn.role for turn in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    step, answer = record.messages[2:4]
    assert step.calls == (ToolCall("bash", '{"command":"wc -l notes.txt"}', "c1"),)
    assert step.reasoning == "wc -l gives the number of lines."
    assert (answer.call_id, answer.content) == ("c1", "12 notes.txt\n")


def test_nobody_learns_from_a_step_that_no_model_wrote() -> None:
    record = records_in("atif")[2]
    assert [turn.weight for turn in record.messages if turn.role == "assistant"] == [None, 0.0, None]


def test_the_tools_of_a_trajectory_are_those_of_its_agent() -> None:
    record = records_in("atif")[1]
    assert [tool["function"]["name"] for tool in record.tools] == ["tide_at"]


def test_a_trajectory_in_a_file_of_its_own_is_one_record() -> None:
    (record,) = read_records(SHAPES / "atif" / "trajectory.json")
    assert isinstance(record, Record)
    assert turns(record)[-1] == ("assistant", "Northpier 2.1 m, Southpier 1.4 m.")
    assert written(record)[0] == [json.loads((SHAPES / "atif" / "trajectory.json").read_text("utf-8"))]


def test_an_invalid_trajectory_is_refused_with_what_to_mend() -> None:
    found = list(read_records(SHAPES / "hostile" / "atif_invalid.jsonl"))
    assert [bad.reason for bad in found if isinstance(bad, BadRow)] == [
        *["it has no user turn: add the request that is answered"] * 3,
        "step 1 has no source 'system', 'user' or 'agent': give it one",
    ]


# Messages of other APIs


def test_answers_of_tools_are_turns_before_the_words_beside_them() -> None:
    record = records_in("anthropic_messages")[0]
    assert [turn.role for turn in record.messages] == [
        "system", "user", "assistant", "tool", "tool", "user", "assistant",
    ]  # fmt: skip
    assert record.messages[2].reasoning == "Two calls at once."
    assert [(turn.call_id, turn.content) for turn in record.messages[3:5]] == [
        ("toolu_01", "2.1"),
        ("toolu_02", "no gauge"),
    ]
    assert record.tools[0]["input_schema"]["required"] == ["harbour"]
    assert record.meta["max_tokens"] == 1024


def test_an_encrypted_thought_is_kept_and_told() -> None:
    parsed = parse_row(rows_of("anthropic_messages")[3], "anthropic")
    assert "a thought that is encrypted, left out of the turns" in parsed.told
    assert parsed.messages[1].reasoning == ""


def test_functions_of_gemini_are_calls_paired_by_name_and_order() -> None:
    record = records_in("gemini_contents")[0]
    assert [call.name for call in record.messages[2].calls] == ["tide_at", "tide_at"]
    assert [(turn.name, turn.content) for turn in record.messages[3:5]] == [
        ("tide_at", '{"metres":2.1}'),
        ("tide_at", '{"metres":1.4}'),
    ]
    assert [tool["name"] for tool in record.tools] == ["tide_at"]
    thinking = records_in("gemini_contents")[3].messages[1]
    assert (thinking.reasoning, thinking.calls[0].id) == ("Look.", "fc-1")


def test_items_of_one_answer_are_one_turn() -> None:
    one, two, three = records_in("responses_items")
    assert [turn.role for turn in one.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert (two.messages[-1].reasoning, two.messages[-1].content) == ("看图。", "一只猫。")
    assert turns(three) == [("user", "A plain prompt.")]
