"""Embeddings from a causal model's last hidden states, against one pass for each text: a tiny model made here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from factory.errors import MissingDependency, RecipeError, RecordFailed
from factory.models.base import Vectors
from factory.models.options import HiddenStatesOptions
from factory.models.provider import LetsGo
from factory.models.providers import embedding_provider

TEXTS = [
    "the capital of France",
    "法国的首都是巴黎。",
    "a",
    "b c " * 40,
    "🦉 é",
    "the capital of France is Paris",
]


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"needs torch: pip install 'sft-factory\[torch\]'"):
        embedding_provider(HiddenStatesOptions(model="x"))


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random model of two layers and a byte-level tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    config = (
        transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=256, vocab_size=256)
        if request.param == "gpt2"
        else transformers.LlamaConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, vocab_size=256,
        )
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    network = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in network.parameters():  # far from uniform, so that a mistake shows
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return str(folder)


def one_by_one(model: str, text: str) -> Vectors:
    """As RDS+ computes it: hidden_states[-1], weights 1, 2, ..., n, over their sum, to length 1."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(text, return_tensors="pt").input_ids
    with torch.inference_mode():
        network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        states = network(ids, output_hidden_states=True).hidden_states[-1][0]
    weights = torch.arange(1, len(states) + 1)
    mean = ((weights / weights.sum())[:, None] * states).sum(0)
    found: Vectors = (mean / mean.norm()).numpy()
    return found


def embedded(model: str, *calls: list[str]) -> list[Vectors]:
    async def embed() -> list[Vectors]:
        provider = embedding_provider(HiddenStatesOptions(model=model, device="cpu"))
        try:
            return [await provider.embed(texts) for texts in calls]
        finally:
            await provider.close()

    return asyncio.run(embed())


def test_a_batch_of_any_size_gives_what_one_pass_for_each_text_gives(model: str) -> None:
    whole, *alone = embedded(model, TEXTS, *([text] for text in TEXTS))
    assert whole.dtype == np.float32
    assert whole.shape == (len(TEXTS), 32)
    for at, text in enumerate(TEXTS):
        expected = one_by_one(model, text)
        assert whole[at] == pytest.approx(expected, abs=1e-4)
        assert alone[at][0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("text", ["", "x" * 257])
def test_a_text_that_the_model_cannot_read_fails_alone(model: str, text: str) -> None:
    with pytest.raises(RecordFailed, match=f"the text has {len(text)} tokens, and the model reads 1 to 256"):
        embedded(model, [text])


def test_other_weights_have_another_name(model: str) -> None:
    plain, cast = (
        embedding_provider(HiddenStatesOptions(model=model, device="cpu", **options)).identity
        for options in ({}, {"dtype": "bfloat16"})
    )
    assert plain.startswith("hidden_states:")
    assert plain != cast


def test_a_folder_without_weights_is_refused(model: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecipeError, match="cannot be loaded by transformers"):
        embedded(str(tmp_path), ["text"])


def test_who_lets_go_has_no_part_of_the_texts_begun_any_more(model: str) -> None:
    from factory.models.failures import LetGo

    async def ask() -> None:
        provider = embedding_provider(HiddenStatesOptions(model=model, device="cpu"))
        await provider.embed(["warm"])
        waiting = asyncio.create_task(provider.embed(["word " * 40] * 50))
        await asyncio.sleep(0)
        assert isinstance(provider, LetsGo)
        assert provider.let_go() == 1
        with pytest.raises(LetGo):
            await waiting
        with pytest.raises(LetGo):
            await provider.embed(["late"])
        await provider.close()

    asyncio.run(ask())
