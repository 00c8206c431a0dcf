"""Layers laid out for oneDNN give what the layers they stand for give."""

from __future__ import annotations

import pytest


def test_a_packed_model_computes_what_it_computed() -> None:
    torch = pytest.importorskip("torch")
    from factory.models.torch.packed_linear import pack_linear_layers

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(24, 40), torch.nn.ReLU(), torch.nn.Linear(40, 8, bias=False))
    x = torch.randn(5, 7, 24)
    with torch.inference_mode():
        before = model(x)
        packed = pack_linear_layers(model)
        after = model(x)
    if not packed:
        pytest.skip("this torch or this processor lays no weights out for oneDNN")
    assert packed == 2
    assert torch.allclose(before, after, atol=1e-5)


def test_layers_of_other_kinds_and_types_stay() -> None:
    torch = pytest.importorskip("torch")
    from factory.models.torch.packed_linear import pack_linear_layers

    class Own(torch.nn.Linear):  # type: ignore[name-defined,misc]
        pass

    model = torch.nn.Sequential(Own(4, 4), torch.nn.Linear(4, 4).double(), torch.nn.Embedding(4, 4))
    kinds = [type(layer) for layer in model]
    assert pack_linear_layers(model) == 0
    assert [type(layer) for layer in model] == kinds
