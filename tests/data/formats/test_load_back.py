"""What is exported, loaded back by the libraries that train on it, and compared row by row with what was written.

`datasets` reads every format; TRL prepares the rows of its own trainers. What is not installed skips its tests.
The other trainers have their documented schemas, which the written rows are held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from factory.data.formats.layouts import LAYOUTS
from factory.data.formats.parquet_files import ONE_FILE, Shards
from factory.data.formats.write import write_dataset
from factory.data.record import Candidate, Message, Record, ToolCall, new_record

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "the sum",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def conversations() -> list[Record]:
    """A record of each thing that formats differ in, beside plain ones in two languages."""
    plain = new_record("Name a river.", output="The Danube.")
    chinese = new_record("把这句话译成英文：今天天气很好。", output="The weather is fine today.", lang="zh")
    dates = new_record("2024-01-01", output="2024-01-02")
    system = Message("system", "Be brief.")
    earlier = replace(
        plain,
        id="earlier",
        messages=(system, Message("user", "Hi"), Message("assistant", "Hello!", weight=0), *plain.messages),
    )
    thought = replace(
        plain,
        id="thought",
        messages=(plain.messages[0], Message("assistant", "The Rhine.", "It is long.")),
        template_arguments={"enable_thinking": True},
    )
    called = replace(
        plain,
        id="called",
        tools=(ADD, LOOK),
        messages=(
            Message("user", "2 plus 2?"),
            Message("assistant", "", calls=(ToolCall("add", '{"a":2}', "c1"),)),
            Message("tool", "4", call_id="c1", name="add"),
            Message("assistant", "Four."),
        ),
    )
    return [plain, chinese, dates, earlier, thought, called]


def pairs() -> list[Record]:
    """Records of which an answer was chosen and others lost."""

    def answered(text: str, *answers: str) -> Record:
        turns = [
            Candidate((Message("assistant", one),), scores={"quality": float(-at)})
            for at, one in enumerate(answers)
        ]
        record = new_record(text, output=answers[0])
        labelled = [one._replace(verdicts={"label": str(not at).lower()}) for at, one in enumerate(turns)]
        return replace(record, answers=tuple(labelled), chosen=0)

    return [answered("Name a river.", "The Danube.", "Paris."), answered("说一个数。", "三", "红色")]


PAIRED = ("preference", "dpo", "openai_preference", "kto")
CASES = [(name, pairs if name in PAIRED else conversations) for name in LAYOUTS if name != "source"]


def told_alike(value: Any) -> Any:
    """A value without what is empty, and JSON texts as what they say: no format tells these from what is absent."""
    if isinstance(value, dict):
        kept = {key: told_alike(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, {}, [])}
    if isinstance(value, list):
        return [told_alike(one) for one in value]
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return told_alike(orjson.loads(value))
        except ValueError:
            return value
    return value


@pytest.mark.slow
@pytest.mark.parametrize("shards", [ONE_FILE, Shards(rows=2)], ids=["one file", "shards"])
@pytest.mark.parametrize(("name", "made"), CASES, ids=[name for name, _ in CASES])
def test_datasets_gives_back_every_row_of_every_format(
    tmp_path: Path, name: str, made: Callable[[], list[Record]], shards: Shards
) -> None:
    datasets = pytest.importorskip("datasets")
    formats = [name] if name == "parquet" else [name, "parquet"]
    write_dataset(made(), tmp_path / "set", formats, shards=shards)
    loaded = datasets.load_dataset(
        str(tmp_path / "set"), name, split="train", cache_dir=str(tmp_path / "cache")
    )
    if name == "parquet":
        assert [row["id"] for row in loaded] == [record.id for record in made()]
        assert [row["output"] for row in loaded] == [record.output for record in made()]
        return
    lines = (tmp_path / "set" / name / "train.jsonl").read_bytes().splitlines()
    assert len(loaded) == len(lines)
    for row, line in zip(loaded, lines, strict=True):
        assert told_alike(row) == told_alike(orjson.loads(line))


TEMPLATE = (
    "{%- if tools %}TOOLS {{ tools | tojson }}\n{% endif -%}"
    "{%- if enable_thinking %}THINKING\n{% endif -%}"
    "{%- for m in messages -%}<{{ m.role }}>{{ m.content or '' }}"
    "{%- for c in m.tool_calls or [] %} CALL {{ c.function.name }}{% endfor %}</{{ m.role }}>\n{% endfor -%}"
    "{%- if add_generation_prompt %}<assistant>{% endif -%}"
)


def rendered(turns: Sequence[Message], record: Record, *, tools: bool = True) -> str:
    """What `TEMPLATE` makes of turns."""
    text = "TOOLS " + orjson.dumps(list(record.tools)).decode() + "\n" if record.tools and tools else ""
    text += "THINKING\n" if record.template_arguments.get("enable_thinking") else ""
    for turn in turns:
        calls = "".join(f" CALL {call.name}" for call in turn.calls)
        text += f"<{turn.role}>{turn.content}{calls}</{turn.role}>\n"
    return text


def squeezed(text: str) -> str:
    """JSON is spelled with and without spaces."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A tokenizer of single bytes, with a chat template that shows all that it is given."""
    pytest.importorskip("trl")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<eos>": 1, **{one: at for at, one in enumerate(bytes_, 2)}}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", chat_template=TEMPLATE
    )


def loaded_rows(folder: Path, name: str, records: list[Record]) -> Any:
    datasets = pytest.importorskip("datasets")
    write_dataset(records, folder / "set", (name, "parquet"))
    return datasets.load_dataset(str(folder / "set"), name, split="train", cache_dir=str(folder / "cache"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["messages", "prompt_completion"])
def test_trl_trains_on_the_very_conversations_with_their_tools_and_template_arguments(
    tmp_path: Path, tokenizer: Any, name: str
) -> None:
    torch = pytest.importorskip("torch")
    trl = pytest.importorskip("trl")
    from transformers import LlamaConfig, LlamaForCausalLM

    records = conversations()
    rows = loaded_rows(tmp_path, name, records)
    torch.manual_seed(0)
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **small))
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "out"),
        report_to="none",
        use_cpu=True,
        bf16=False,
        max_length=None,
        max_steps=1,
    )
    trainer = trl.SFTTrainer(model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in trainer.train_dataset["input_ids"]]
    assert [squeezed(text) for text in texts] == [squeezed(rendered(one.messages, one)) for one in records]
    if name == "prompt_completion":
        columns = (trainer.train_dataset["input_ids"], trainer.train_dataset["labels"])
        learned = [
            tokenizer.decode([id for id, label in zip(ids, labels, strict=True) if label != -100])
            for ids, labels in zip(*columns, strict=True)
        ]
        for text, record in zip(learned, records, strict=True):
            assert record.messages[-1].content in text
            assert record.messages[0].content not in text
    trainer.train()


@pytest.mark.slow
def test_trl_takes_pairs_and_labels_as_its_preference_types(tmp_path: Path, tokenizer: Any) -> None:
    trl = pytest.importorskip("trl")
    records = pairs()
    rows = loaded_rows(tmp_path / "a", "preference", records)
    for row, record in zip(rows, records, strict=True):
        said = trl.apply_chat_template({key: row[key] for key in ("prompt", "chosen", "rejected")}, tokenizer)
        good, bad = (one.turns for one in record.answers)
        prompt = record.messages[:-1]
        assert said["prompt"] + said["chosen"] == rendered((*prompt, *good), record)
        assert said["prompt"] + said["rejected"] == rendered((*prompt, *bad), record)
    labelled = list(loaded_rows(tmp_path / "b", "kto", records))
    assert [row["label"] for row in labelled] == [True, False] * 2
    assert [row["completion"][0]["content"] for row in labelled] == [
        one.text for record in records for one in record.answers
    ]
    assert all(trl.is_conversational(row) for row in labelled)


def lines_of(folder: Path, name: str, records: list[Record], **more: Any) -> list[dict[str, Any]]:
    write_dataset(records, folder, (name,), **more)
    return [orjson.loads(line) for line in (folder / name / "train.jsonl").read_bytes().splitlines()]


def test_axolotl_finds_turns_roles_weights_and_json_it_can_decode(tmp_path: Path) -> None:
    """`type: chat_template`, field_messages messages, field_tools tools, message_field_training weight."""
    for row, record in zip(lines_of(tmp_path, "messages", conversations()), conversations(), strict=True):
        assert [turn["role"] for turn in row["messages"]] == [turn.role for turn in record.messages]
        assert all(turn.get("weight") in (None, 0, 1) for turn in row["messages"])
        tools = orjson.loads(row["tools"]) if row.get("tools") else []
        assert [one["function"]["name"] for one in tools] == [one["function"]["name"] for one in record.tools]
        for turn in row["messages"]:
            for call in turn.get("tool_calls") or []:
                assert isinstance(orjson.loads(call["function"]["arguments"]), dict)


def test_llama_factory_finds_turns_in_its_order_and_calls_as_json_texts(tmp_path: Path) -> None:
    rows = lines_of(tmp_path, "sharegpt", conversations())
    for row in rows:
        turns = [turn["from"] for turn in row["conversations"]]
        turns = turns[1:] if turns[0] == "system" else turns
        assert set(turns[::2]) <= {"human", "observation"}
        assert set(turns[1::2]) <= {"gpt", "function_call"}
        assert len(turns) % 2 == 0
        for turn in row["conversations"]:
            if turn["from"] == "function_call":
                assert {"name", "arguments"} <= orjson.loads(turn["value"]).keys()
    tools = [
        one.get("function", one) for one in orjson.loads(rows[-1]["tools"])
    ]  # as its formatter unpacks them
    assert [one["name"] for one in tools] == ["add", "look"]


def test_unsloth_finds_two_texts_in_each_turn(tmp_path: Path) -> None:
    """`standardize_sharegpt` takes turns of exactly two string keys, of the roles that it knows."""
    plain = [record for record in conversations() if not record.tools]
    for row in lines_of(tmp_path, "sharegpt", plain, reasoning="none"):
        for turn in row["conversations"]:
            assert turn.keys() >= {"from", "value"}
            assert {key for key, value in turn.items() if value is not None} == {"from", "value"}
            assert turn["from"] in {"human", "gpt", "system"}


def test_openai_finds_objects_for_tools_texts_for_arguments_and_whole_weights(tmp_path: Path) -> None:
    for row in lines_of(tmp_path, "openai", conversations()):
        assert row.keys() <= {"messages", "tools", "parallel_tool_calls"}
        assert all(isinstance(tool["function"]["parameters"], dict) for tool in row.get("tools", []))
        for turn in row["messages"]:
            assert turn.get("weight") in (None, 0, 1)
            assert all(
                isinstance(call["function"]["arguments"], str) for call in turn.get("tool_calls") or []
            )


def test_megatron_and_nemo_find_messages_that_end_in_an_answer(tmp_path: Path) -> None:
    for row in lines_of(tmp_path, "messages", conversations()[:4]):
        roles = [turn["role"] for turn in row["messages"]]
        assert set(roles) <= {"system", "user", "assistant"}
        assert roles[-1] == "assistant"
        assert all(isinstance(turn["content"], str) for turn in row["messages"])


def test_records_without_an_argument_of_the_chat_template_that_others_have_are_told(tmp_path: Path) -> None:
    told = write_dataset(conversations(), tmp_path / "some", ("messages",)).told
    assert any("5 of 6 records do not say 'enable_thinking'" in sentence for sentence in told)
    same = [replace(record, template_arguments={"enable_thinking": False}) for record in conversations()]
    told = write_dataset(same, tmp_path / "all", ("messages",)).told
    assert not any("enable_thinking" in sentence for sentence in told)
