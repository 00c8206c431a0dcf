"""Each pair format goes through the trainer that it is for: TRL's own processing, and a step of training.

Needs torch, trl and datasets (`make test-vllm` has them); a tiny model with random weights is trained on the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factory.data.formats.write import write_dataset
from factory.data.record import Candidate, Message, Record, new_record

pytest.importorskip("torch")
pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

TEMPLATE = (
    "{% for turn in messages %}<{{ turn['role'] }}>{{ turn['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
QUESTIONS = ("Name a river of France.", "法国的首都是哪里？", "2 + 2?", "Say hello.")
GOOD = ("The Seine.", "巴黎。", "4", "Hello!")
BAD = ("The Rhine is one, and so is a very long answer.", "柏林。", "5", "No.")


def records(*, thoughts: bool = False) -> list[Record]:
    """Pairs, as the step `pair` marks them; the third has a turn before and a system turn."""
    made = []
    for at, (question, good, bad) in enumerate(zip(QUESTIONS, GOOD, BAD, strict=True)):
        turns = [Message("assistant", text, "Let me think." if thoughts else "") for text in (good, bad)]
        answers = (
            Candidate((turns[0],), "a", {"judge.quality": 5.0}, {"pair": "chosen"}),
            Candidate((turns[1],), "b", {"judge.quality": 1.0}, {"pair": "rejected"}),
        )
        before = [Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hi!")]
        record = new_record(question, history=before if at == 2 else ())
        made.append(
            replace(record, messages=(*record.messages, turns[0]), answers=answers, chosen=0, id=f"{at}")
        )
    return made


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of two layers, and a byte-level tokenizer with a chat template."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("student")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {letter: at for at, letter in enumerate([*alphabet, "<end>"])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=258,
        max_position_embeddings=512, bos_token_id=256, eos_token_id=256, pad_token_id=256,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def loaded(folder: Path, layout: str, made: list[Record]) -> Any:
    write_dataset(made, folder, [layout])
    return datasets.load_dataset(str(folder), layout, split="train")


def trained(trainer: str, student: Path, folder: Path, rows: Any, **options: Any) -> Any:
    """The trainer after two steps on these rows."""
    import trl
    from transformers import AutoTokenizer

    config = getattr(trl, f"{trainer}Config")(
        output_dir=str(folder / "run"), max_steps=2, per_device_train_batch_size=2, use_cpu=True, bf16=False,
        report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, **options,
    )  # fmt: skip
    made = getattr(trl, f"{trainer}Trainer")(
        model=str(student),
        args=config,
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(student),
    )
    made.train()
    return made


def texts(trainer: Any, *columns: str) -> Iterator[str]:
    """What the trainer reads of each row: the tokens of these columns together."""
    for row in trainer.train_dataset:
        yield trainer.processing_class.decode([token for column in columns for token in row[column]])


def losses(trainer: Any) -> list[float]:
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.slow
def test_dpo_trains_on_preference_and_reads_both_answers_behind_the_template(
    student: Path, tmp_path: Path
) -> None:
    rows = loaded(tmp_path / "set", "preference", records())
    trainer = trained("DPO", student, tmp_path, rows)
    chosen = list(texts(trainer, "prompt_ids", "chosen_ids"))
    assert chosen[1] == f"<user>{QUESTIONS[1]}<end>\n<assistant>巴黎。<end>\n"
    assert chosen[2].startswith("<system>Be brief.<end>\n<user>Hi<end>\n<assistant>Hi!<end>\n<user>2 + 2?")
    assert next(texts(trainer, "rejected_ids")) == f"{BAD[0]}<end>\n"
    assert len(losses(trainer)) == 2
    # At first policy and reference are the same: -log sigmoid(0).
    assert losses(trainer)[0] == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.slow
def test_kto_trains_on_kto_with_a_label_for_each_answer(student: Path, tmp_path: Path) -> None:
    rows = loaded(tmp_path / "set", "kto", records())
    assert rows["label"] == [True, False] * 4
    trainer = trained("KTO", student, tmp_path, rows)
    assert len(losses(trainer)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["messages", "prompt_completion"])
def test_sft_trains_on_what_was_chosen(student: Path, tmp_path: Path, layout: str) -> None:
    trainer = trained("SFT", student, tmp_path, loaded(tmp_path / "set", layout, records()))
    assert next(texts(trainer, "input_ids")) == f"<user>{QUESTIONS[0]}<end>\n<assistant>{GOOD[0]}<end>\n"
    assert len(losses(trainer)) == 2


@pytest.mark.slow
def test_a_reward_model_trains_on_preference(student: Path, tmp_path: Path) -> None:
    trainer = trained("Reward", student, tmp_path, loaded(tmp_path / "set", "preference", records()))
    assert len(losses(trainer)) == 2
