"""Texts scored by transformers, against one pass per text: a tiny model with random weights, made here."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from asking import chat_request

from factory.errors import MissingDependency, RecipeError, RecordFailed, RunStopped
from factory.models.base import TokenLogprobs
from factory.models.failures import LetGo
from factory.models.options import TransformersOptions
from factory.models.provider import TextScorer
from factory.models.providers import chat_provider

TEXTS = [
    "the capital of France",
    "法国的首都是巴黎。",
    "a",
    "",
    "b c " * 40,
    "🦉 é",
    "the capital of France is Paris",
]


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"needs torch: pip install 'sft-factory\[torch\]'"):
        chat_provider(TransformersOptions(model="x"))


@pytest.fixture(scope="module", params=["gpt2", "llama", "gemma2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random model of two layers and a byte-level tokenizer; the last caps its logits."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    small: dict[str, Any] = {"vocab_size": 256}
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
    folder = tmp_path_factory.mktemp(request.param)
    network = transformers.AutoModelForCausalLM.from_config(configs[request.param]())
    for parameter in network.parameters():  # far from uniform, so that a mistake shows
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return str(folder)


def one_by_one(model: str, text: str) -> list[float]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(text, return_tensors="pt").input_ids
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)(ids).logits[0, :-1]
    found: list[float] = logits.float().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].tolist()
    return found


async def scored(model: str, texts: list[str], **options: Any) -> list[Any]:
    scorer: Any = chat_provider(TransformersOptions(model=model, **options))
    assert isinstance(scorer, TextScorer)
    try:
        return await asyncio.gather(*(scorer.score_text(text) for text in texts), return_exceptions=True)
    finally:
        await scorer.close()


@pytest.mark.parametrize("batch_tokens", [1, 100, 4096])
def test_a_batch_of_any_size_gives_what_one_pass_for_each_text_gives(model: str, batch_tokens: int) -> None:
    results = asyncio.run(scored(model, TEXTS, batch_tokens=batch_tokens, device="cpu"))
    for text, result in zip(TEXTS, results, strict=True):
        assert len(result.tokens) == len(result.logprobs) == len(text.encode())
        if len(text) > 1:
            assert result.logprobs[0] is None
            assert list(result.logprobs[1:]) == pytest.approx(one_by_one(model, text), abs=1e-4)


def test_a_text_beyond_the_context_fails_its_record_alone(model: str) -> None:
    if "gemma2" in model:
        pytest.skip("one model is enough")
    short, long = asyncio.run(scored(model, ["short", "x" * 257], device="cpu"))
    assert len(short.tokens) == 5
    assert isinstance(long, RecordFailed)
    assert long.kind == "context_length"
    assert "257 tokens" in str(long)


def test_the_event_loop_lives_while_texts_are_scored(model: str) -> None:
    async def count_turns() -> int:
        work = asyncio.create_task(scored(model, ["word " * 50] * 40, device="cpu", batch_tokens=256))
        turns = 0
        while not work.done():
            await asyncio.sleep(0.001)
            turns += 1
        await work
        return turns

    assert asyncio.run(count_turns()) > 3


def test_who_is_cancelled_does_not_stop_the_others(model: str) -> None:
    async def some() -> Any:
        scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu"))
        await scorer.score_text("warm")
        tasks = [asyncio.create_task(scorer.score_text(f"text {n}")) for n in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await scorer.close()
        return done

    first, *others = asyncio.run(some())
    assert isinstance(first, asyncio.CancelledError)
    assert [len(other.tokens) for other in others] == [6] * 5


def test_who_lets_go_ends_the_batch_that_is_computed_and_begins_no_other(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.models.torch import scorer as module

    begun, go_on = threading.Event(), threading.Event()
    compute = module._compute

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return compute(*arguments)

    monkeypatch.setattr(module, "_compute", slow)

    async def some() -> Any:
        scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu", batch_tokens=1))
        tasks = [asyncio.create_task(scorer.score_text(f"text {n}")) for n in range(40)]
        await asyncio.to_thread(begun.wait, 60)
        assert scorer.let_go() == len(tasks)
        go_on.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await scorer.close()
        return done

    done = asyncio.run(some())
    left = sum(isinstance(one, LetGo) for one in done)
    assert 40 - 8 <= left < 40
    assert sum(isinstance(one, TokenLogprobs) for one in done) == 40 - left


def test_it_says_that_it_does_not_chat_and_names_what_does(model: str) -> None:
    provider = chat_provider(TransformersOptions(model=model))
    with pytest.raises(RunStopped, match="is here to score texts"):
        asyncio.run(provider.send(chat_request("hi")))
    asyncio.run(provider.close())


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    with pytest.raises(RecipeError, match=r"holds no config\.json"):  # before the first call
        asyncio.run(scored(str(tmp_path), ["text"]))
    (tmp_path / "config.json").write_text("{}")
    (failed,) = asyncio.run(scored(str(tmp_path), ["text"]))
    assert isinstance(failed, RecipeError)
    assert "cannot be loaded by transformers" in str(failed)


def test_other_weights_or_another_type_are_another_model(model: str, tmp_path: Path) -> None:
    identities = {
        chat_provider(TransformersOptions(model=model, dtype=d)).identity for d in ("auto", "float32")
    }
    assert len(identities) == 2
    import shutil

    copy = tmp_path / Path(model).name
    shutil.copytree(model, copy)
    assert chat_provider(TransformersOptions(model=str(copy))).identity in identities
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert chat_provider(TransformersOptions(model=str(copy))).identity not in identities
