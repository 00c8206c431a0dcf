"""Answers scored behind a prompt that is read once, against a pass for each: tiny models with random weights."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from factory.data.record import Message
from factory.errors import RecordFailed
from factory.models.base import AnswerLogprobs
from factory.models.options import TransformersOptions
from factory.models.provider import AnswerScorer
from factory.models.providers import chat_provider

CONTEXT = "the capital of France, 法国的首都\n"
ANSWERS = ["Paris", "巴黎。", "the city of Paris, on the Seine", "P", "Paris", "🦉 é"]
OTHER = "b c\n"


def make(folder: Path, kind: str, *, bos: bool = False) -> str:
    """A random model of two layers and a byte-level tokenizer that merges two line breaks; the last caps its logits."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {letter: at for at, letter in enumerate([*alphabet, "ĊĊ", "<s>"])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[("Ċ", "Ċ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokens["<s>"])]
        )
    small: dict[str, Any] = {"vocab_size": 258, "bos_token_id": 257, "eos_token_id": 257}
    llama = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 256,
    }  # fmt: skip
    configs = {
        "gpt2": lambda: transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256, **small),
        "llama": lambda: transformers.LlamaConfig(**llama, **small),
        "gemma2": lambda: transformers.Gemma2Config(
            **llama, head_dim=16, final_logit_softcapping=2.0, **small
        ),
    }
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(configs[kind]())
    for parameter in network.parameters():  # far from uniform, so that a mistake shows
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    network.save_pretrained(folder)
    first = {"bos_token": "<s>"} if bos else {}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **first).save_pretrained(folder)
    return str(folder)


@pytest.fixture(
    scope="module",
    params=itertools.product(["gpt2", "llama", "gemma2"], [False, True]),
    ids=lambda kind: "-".join([kind[0], "bos" if kind[1] else "bare"]),
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    kind, bos = request.param
    return make(tmp_path_factory.mktemp(kind), kind, bos=bos)


def plainly(model: str, context: str, answer: str) -> tuple[list[float], list[int]]:
    """One pass of the whole text in float32: log-probability and rank of the tokens that are the answer's."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(model)(context + answer, return_offsets_mapping=True)
    ids = torch.tensor([encoded["input_ids"]])
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)(ids).logits[0].float()
    logprobs, ranks = [], []
    for at, (start, end) in enumerate(encoded["offset_mapping"]):
        if start >= len(context) and end > start:
            own = int(ids[0, at])
            logprobs.append(float(logits[at - 1].log_softmax(-1)[own]))
            ranks.append(1 + int((logits[at - 1] > logits[at - 1, own]).sum()))
    return logprobs, ranks


async def scored(
    model: str, pairs: list[tuple[str, str]], together: bool = True, **options: Any
) -> list[Any]:
    scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu", dtype="float32", **options))
    assert isinstance(scorer, AnswerScorer)
    try:
        asked = [scorer.score_answer(context, answer) for context, answer in pairs]
        if together:
            return await asyncio.gather(*asked, return_exceptions=True)
        return [await one for one in asked]
    finally:
        await scorer.close()


def agree(model: str, pairs: list[tuple[str, str]], found: list[AnswerLogprobs]) -> None:
    for (context, answer), one in zip(pairs, found, strict=True):
        logprobs, ranks = plainly(model, context, answer)
        assert list(one.logprobs) == pytest.approx(logprobs, abs=1e-4)
        assert list(one.ranks) == ranks


@pytest.mark.parametrize("batch_tokens", [1, 64, 4096])
def test_answers_behind_a_prompt_read_once_score_as_in_a_pass_for_each(model: str, batch_tokens: int) -> None:
    pairs = [(CONTEXT, answer) for answer in ANSWERS]
    agree(model, pairs, asyncio.run(scored(model, pairs, batch_tokens=batch_tokens)))


def test_prompts_of_several_lengths_are_padded_and_change_nothing(model: str) -> None:
    pairs = [(context, answer) for context in (CONTEXT, OTHER, "\n", CONTEXT * 3) for answer in ANSWERS[:3]]
    agree(model, pairs, asyncio.run(scored(model, pairs, batch_tokens=100_000)))


def test_an_answer_alone_and_texts_that_wait_beside_it_score_the_same(model: str) -> None:
    pairs = [(CONTEXT, ANSWERS[2]), (OTHER, ANSWERS[1]), (CONTEXT, ANSWERS[0])]
    agree(model, pairs, asyncio.run(scored(model, pairs, together=False)))

    async def mixed() -> list[Any]:
        scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu", dtype="float32"))
        texts = [scorer.score_text(context + answer) for context, answer in pairs]
        found = await asyncio.gather(*texts, *(scorer.score_answer(*pair) for pair in pairs))
        await scorer.close()
        return found

    found = asyncio.run(mixed())
    agree(model, pairs, found[3:])
    for text, answer in zip(found, found[3:], strict=False):
        assert list(text.logprobs[-len(answer.logprobs) :]) == pytest.approx(list(answer.logprobs), abs=1e-4)


def test_a_token_that_prompt_and_answer_share_is_none_of_the_answers(model: str) -> None:
    pairs = [(OTHER, "\nParis"), (OTHER, "Paris"), (OTHER, "\n")]
    merged, plain, nothing = asyncio.run(scored(model, pairs))
    assert (merged.merged, plain.merged, nothing.merged) == (True, False, True)
    assert (len(merged.logprobs), len(plain.logprobs), nothing.logprobs) == (5, 5, ())
    assert merged.before == plain.before
    agree(model, pairs[:2], [merged, plain])


def test_behind_nothing_the_first_token_has_a_probability_only_behind_one_of_the_tokenizers_own(
    model: str, request: pytest.FixtureRequest
) -> None:
    found = asyncio.run(scored(model, [("", "ab"), ("", "abc"), ("", "a")]))
    bos = "bos" in request.node.name
    assert [one.logprobs[0] is None for one in found] == [not bos] * 3
    assert [one.before for one in found] == [int(bos)] * 3
    assert all(len(one.ranks) == (len(one.logprobs) if bos else 0) for one in found)


def test_behind_a_chat_template_answers_score_as_in_a_pass_of_what_the_template_writes(
    model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The template writes the first token itself, so that the tokenizer must put none before it."""
    import shutil

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = shutil.copytree(model, tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "<s>{% for turn in messages %}{{ turn.role[0] }}:{{ turn.content }}\n\n{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    question = [Message("system", "Be brief."), Message("user", "the capital of 法国?")]

    async def read() -> tuple[str, list[AnswerLogprobs]]:
        scorer: Any = chat_provider(TransformersOptions(model=str(folder), device="cpu", dtype="float32"))
        opening = await scorer.answer_opening(question)
        asked = [scorer.score_answer(opening.text, answer, opened=True) for answer in ANSWERS]
        found = await asyncio.gather(*asked)
        await scorer.close()
        return opening.text, found

    opening, found = asyncio.run(read())
    assert opening == "<s>s:Be brief.\n\nu:the capital of 法国?\n\na:"
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    before = tokenizer.encode(opening, add_special_tokens=False)
    assert before.count(257) == int("bos" in request.node.name)
    for answer, one in zip(ANSWERS, found, strict=True):
        ids = torch.tensor([before + tokenizer.encode(answer, add_special_tokens=False)])
        with torch.inference_mode():
            logits = network(ids).logits[0].float()
        own = range(len(before), ids.shape[1])
        logprobs = [float(logits[at - 1].log_softmax(-1)[ids[0, at]]) for at in own]
        ranks = [1 + int((logits[at - 1] > logits[at - 1, ids[0, at]]).sum()) for at in own]
        assert list(one.logprobs) == pytest.approx(logprobs, abs=1e-4)
        assert (list(one.ranks), one.before, one.merged) == (ranks, len(before), False)


def test_a_tokenizer_without_a_template_or_with_one_that_refuses_says_so(model: str, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer

    async def opened(folder: Path | str) -> None:
        scorer: Any = chat_provider(TransformersOptions(model=str(folder), device="cpu", dtype="float32"))
        try:
            await scorer.answer_opening([Message("user", "Hello")])
        finally:
            await scorer.close()

    with pytest.raises(RecordFailed, match="has no chat template") as told:
        asyncio.run(opened(model))
    assert told.value.kind == "no_template"
    folder = shutil.copytree(model, tmp_path / "chat")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    tokenizer.save_pretrained(folder)
    with pytest.raises(RecordFailed, match="does not take this conversation: roles must alternate"):
        asyncio.run(opened(folder))


def test_an_answer_beyond_the_context_fails_alone(model: str) -> None:
    short, long, other = asyncio.run(scored(model, [(OTHER, "a"), (OTHER, "x" * 300), (OTHER, "b")]))
    assert isinstance(long, RecordFailed)
    assert long.kind == "context_length"
    assert (len(short.logprobs), len(other.logprobs)) == (1, 1)


def test_answers_up_to_the_last_position_are_read(model: str) -> None:
    long = "x" * (255 - len(CONTEXT.encode()))
    pairs = [(CONTEXT, long), (CONTEXT, "a"), (OTHER, "b"), (OTHER, "bc")]
    agree(model, pairs, asyncio.run(scored(model, pairs, batch_tokens=100_000)))


def test_a_model_whose_prompt_cannot_be_shared_reads_each_text_whole(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.models.torch import causal_scoring, shared_prefix

    def broken(*arguments: Any) -> Any:
        raise AttributeError("this cache has no rows")

    monkeypatch.setattr(shared_prefix, "_read_behind", broken)
    scorer = causal_scoring.CausalScorer(model, dtype="float32", device="cpu", share_threads=True)
    assert not scorer.shares
    pairs = [(CONTEXT, answer) for answer in ANSWERS]
    agree(model, pairs, asyncio.run(scored(model, pairs)))


def test_the_tiny_models_do_share_their_prompts(model: str) -> None:
    from factory.models.torch import causal_scoring

    assert causal_scoring.CausalScorer(model, dtype="float32", device="cpu", share_threads=True).shares
