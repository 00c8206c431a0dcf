"""A model that learns for a moment and tells gradients, against plain torch: a tiny model with random weights."""

from __future__ import annotations

import asyncio
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory.errors import RecipeError, RecordFailed
from factory.models.failures import LetGo
from factory.models.learning import GRADIENT_SIZE
from factory.models.options import TransformersOptions
from factory.models.provider import Learner
from factory.models.providers import chat_provider
from factory.models.torch.training import BATCH, EPOCHS, RANK, RATE, SCALE

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LEARNT = [(f"{a} plus {b}?\n", f"It is {a + b}.") for a, b in ((1, 2), (3, 4), (5, 6), (2, 2), (9, 1))] * 2
OTHERS = [("7 plus 8?\n", "It is 15."), ("河流？\n", "河流流向大海。")]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random model of two layers and a byte-level tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if request.param == "llama":
        config = transformers.LlamaConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=128, vocab_size=256,
        )  # fmt: skip
    else:
        config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=128, vocab_size=256)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    network = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in network.parameters():  # far from uniform, so that a mistake shows
        parameter.data.mul_(4 if parameter.dim() > 1 else 1)
    network.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return str(folder)


class PlainAdapters:
    """LoRA as one would write it down: hooks that add to what the layers of the attention give."""

    def __init__(self, folder: str) -> None:
        self.network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.network.requires_grad_(False)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        draw = torch.Generator().manual_seed(0)
        self.parameters: list[Any] = []
        wanted = ("q_proj", "k_proj", "v_proj", "o_proj", "c_attn", "c_proj")
        for name, layer in self.network.named_modules():
            if name.split(".")[-1] not in wanted:
                continue
            conv = type(layer).__name__ == "Conv1D"
            outputs, inputs = layer.weight.shape[::-1] if conv else layer.weight.shape
            a = ((torch.rand((RANK, inputs), generator=draw) * 2 - 1) / math.sqrt(inputs)).requires_grad_()
            b = torch.zeros((outputs, RANK), requires_grad=True)
            layer.register_forward_hook(lambda _, given, out, a=a, b=b: out + SCALE * (given[0] @ a.T) @ b.T)
            self.parameters += [a, b]

    def loss(self, context: str, answer: str) -> Any:
        ids = self.tokenizer(context + answer, return_tensors="pt").input_ids
        start = len(context.encode())
        logprobs = self.network(ids).logits[0].log_softmax(-1)
        return -logprobs[start - 1 : -1].gather(1, ids[0, start:, None]).mean()

    def train(self, pairs: list[tuple[str, str]]) -> None:
        draw = torch.Generator().manual_seed(0)
        optimizer = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=0.0)
        steps, step = EPOCHS * math.ceil(len(pairs) / BATCH), 0
        for _ in range(EPOCHS):
            order = torch.randperm(len(pairs), generator=draw).tolist()
            for at in range(0, len(order), BATCH):
                for group in optimizer.param_groups:
                    group["lr"] = RATE * (1 - step / steps)
                optimizer.zero_grad()
                some = order[at : at + BATCH]
                (sum(self.loss(*pairs[number]) for number in some) / len(some)).backward()
                torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
                optimizer.step()
                step += 1

    def gradient(self, context: str, answer: str) -> Any:
        parts = torch.autograd.grad(self.loss(context, answer), self.parameters)
        return torch.cat([part.reshape(-1) for part in parts]).numpy()


def loss_of(read: Any) -> float:
    known = [value for value in read.logprobs if value is not None]
    return -sum(known) / len(known)


async def with_provider(folder: str, ask: Any) -> Any:
    provider: Any = chat_provider(TransformersOptions(model=folder, device="cpu"))
    assert isinstance(provider, Learner)
    try:
        return await ask(provider)
    finally:
        await provider.close()


def test_what_is_learnt_is_what_plain_torch_learns_and_the_model_itself_stays(model: str) -> None:
    async def ask(provider: Any) -> Any:
        trained = provider.after_training(LEARNT)
        assert trained.identity != provider.identity
        assert trained.identity != provider.after_training(LEARNT[:3]).identity
        pairs = [*LEARNT, *OTHERS]
        return [[loss_of(await one.score_answer(*pair)) for pair in pairs] for one in (trained, provider)]

    after, before = asyncio.run(with_provider(model, ask))
    plain = PlainAdapters(model)
    assert before == pytest.approx([plain.loss(*pair).item() for pair in [*LEARNT, *OTHERS]], abs=1e-3)
    plain.train(LEARNT)
    assert after == pytest.approx([plain.loss(*pair).item() for pair in [*LEARNT, *OTHERS]], abs=1e-3)
    assert np.mean(after[: len(LEARNT)]) < np.mean(before[: len(LEARNT)])


def test_a_hashed_gradient_keeps_the_cosines_of_plain_torchs_gradients(model: str) -> None:
    pairs = [*LEARNT[:4], *OTHERS]

    async def ask(provider: Any) -> Any:
        trained = provider.after_training(LEARNT)
        return [(await trained.answer_gradient(*pair)).vector for pair in pairs]

    hashed = np.stack(asyncio.run(with_provider(model, ask)))
    plain = PlainAdapters(model)
    plain.train(LEARNT)
    whole = np.stack([plain.gradient(*pair) for pair in pairs])
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    assert hashed.shape == (len(pairs), GRADIENT_SIZE)
    assert np.linalg.norm(hashed, axis=1) == pytest.approx(np.ones(len(pairs)), abs=1e-2)
    assert hashed @ hashed.T == pytest.approx(whole @ whole.T, abs=0.06)  # some 5 / sqrt(8192)
    assert np.array_equal(hashed, hashed.astype(np.float16).astype(np.float32))


def test_examples_read_beside_each_other_teach_what_they_teach_one_by_one(model: str) -> None:
    from factory.models.torch.adapters import Adapted
    from factory.models.torch.causal_scoring import CausalScorer

    def learnt(at_once: int) -> list[Any]:
        adapted = Adapted(LEARNT, 0, keep=True, at_once=at_once)
        CausalScorer(model, dtype="auto", device="cpu", share_threads=False, prepare=adapted, trainable=True)
        return adapted.adapters

    assert all(map(torch.equal, learnt(1), learnt(3)))


@pytest.mark.parametrize("asked", ["score", "gradient"])
def test_who_lets_go_while_the_model_learns_waits_for_no_more_than_an_example(
    model: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.models.torch import adapters

    read, seen = adapters.answer_gradient, list[Any]()
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        seen.append(arguments)
        begun.set()
        assert go_on.wait(60)
        return read(*arguments)

    monkeypatch.setattr(adapters, "answer_gradient", slow)

    async def ask(provider: Any) -> None:
        trained = provider.after_training(LEARNT)
        call = trained.score_answer if asked == "score" else trained.answer_gradient
        waiting = [asyncio.create_task(call(*pair)) for pair in OTHERS]
        await asyncio.to_thread(begun.wait, 60)
        assert provider.let_go() == len(OTHERS)
        go_on.set()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, LetGo)
        for late in (call(*OTHERS[0]), provider.score_text("no more")):
            with pytest.raises(LetGo):
                await late

    asyncio.run(with_provider(model, ask))
    assert len(seen) <= 8  # those that are read beside each other, of 40


def test_an_answer_without_a_token_fails_its_record_alone(model: str) -> None:
    async def ask(provider: Any) -> None:
        with pytest.raises(RecordFailed, match="no token of its own"):
            await provider.answer_gradient("x" * 200, "beyond the context")
        assert (await provider.answer_gradient("a", "b")).vector.any()

    asyncio.run(with_provider(model, ask))


def test_a_model_without_layers_of_an_attention_is_refused(tmp_path: Path) -> None:
    from factory.models.torch.adapters import attach_adapters

    with pytest.raises(ValueError, match="nothing can be adapted"):
        attach_adapters(torch.nn.Sequential(torch.nn.Linear(3, 3)), 0)
    with pytest.raises(RecipeError, match="holds no config"):
        chat_provider(TransformersOptions(model=str(tmp_path)))


def test_task2vec_is_the_mean_square_of_gradients_and_tells_kinds_of_text_apart(model: str) -> None:
    from factory.models.torch.task2vec import task2vec
    from factory.statistics.diversity_coefficient import diversity_coefficient, task2vec_distance

    network = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    sums = [[list(f"{a} plus {b} is {a + b}.".encode()) for b in range(6)] for a in (1, 2)]
    others = [[list(f"the {word} sang.".encode()) for word in ["owl", "cat", "sea", "sun", "bee", "elf"]]]
    found = [task2vec(network, batch) for batch in (*sums, *others)]
    assert all((one >= 0).all() and one.any() for one in found)
    rows = sum(one.shape[0] for one in network.base_model.parameters() if one.dim() > 1)
    tied = network.get_output_embeddings().weight is network.get_input_embeddings().weight
    assert len(found[0]) == rows - tied * 256
    assert task2vec_distance(found[0], found[1]) < task2vec_distance(found[0], found[2])
    assert 0 < diversity_coefficient(np.stack(found)).value < 1
    assert np.array_equal(task2vec(network, sums[0]), found[0])  # the same for the same seed
    assert all(torch.equal(network.state_dict()[name], value) for name, value in kept.items())
    with pytest.raises(ValueError, match="two tokens"):
        task2vec(network, [[3]])
