"""Causal attention block by block gives what torch's own gives, and leaves alone what it is not made for."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 128, 200])
@pytest.mark.parametrize(("heads", "groups"), [(6, 6), (6, 2), (4, 1)])
def test_it_is_scaled_dot_product_attention(length: int, heads: int, groups: int) -> None:
    from factory.models.torch.causal_attention import causal_attention

    torch.manual_seed(length)
    query = torch.randn(3, heads, length, 16)
    key, value = torch.randn(2, 3, groups, length, 16)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=0.3, enable_gqa=True
    )
    got = causal_attention(query, key, value, 0.3)
    assert torch.allclose(got, wanted.transpose(1, 2), atol=1e-5)


def llama(**options: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    kind = transformers.MistralConfig if "sliding_window" in options else transformers.LlamaConfig
    torch.manual_seed(0)
    config = kind(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        **options,
    )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def hidden(model: Any, length: int = 150) -> Any:
    with torch.inference_mode():
        return model.base_model(input_ids=torch.arange(length)[None] % 99, use_cache=False).last_hidden_state


def test_a_model_computes_what_it_computed() -> None:
    from factory.models.torch import causal_attention

    model = llama()
    before = hidden(model)
    with torch.inference_mode():
        assert causal_attention.use_causal_attention(model)
    calls = []
    own = causal_attention.causal_attention

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return own(*arguments)

    causal_attention.causal_attention = counted
    try:
        after = hidden(model)
    finally:
        causal_attention.causal_attention = own
    assert len(calls) == 2  # one for each layer
    assert torch.allclose(before, after, atol=1e-5)


def test_a_window_stays_a_window() -> None:
    from factory.models.torch.causal_attention import use_causal_attention

    model = llama(sliding_window=100)
    before = hidden(model)
    with torch.inference_mode():
        use_causal_attention(model)
    assert torch.allclose(before, hidden(model), atol=1e-5)
    assert torch.allclose(before[:, :90], hidden(model, 90), atol=1e-5)


def test_a_model_with_another_attention_stays_as_it_is() -> None:
    from factory.models.torch.causal_attention import use_causal_attention

    model = llama(attn_implementation="eager")
    with torch.inference_mode():
        assert not use_causal_attention(model)
    assert model.config._attn_implementation == "eager"


def test_a_model_whose_probe_differs_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.models.torch import causal_attention

    own = causal_attention.causal_attention
    monkeypatch.setattr(causal_attention, "causal_attention", lambda *arguments: 2 * own(*arguments))
    model = llama()
    before = hidden(model)
    with torch.inference_mode():
        assert not causal_attention.use_causal_attention(model)
    assert torch.equal(before, hidden(model))
