"""The loss of an answer without a table of logits, against torch's own."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("most", [1, 3, 64])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tokens", [1, 10])
def test_the_loss_and_its_gradient_are_those_of_cross_entropy_whatever_is_computed_at_a_time(
    tokens: int, bias: bool, most: int
) -> None:
    from factory.models.torch.mean_loss import mean_loss

    torch.manual_seed(tokens)
    head = torch.nn.Linear(6, 11, bias=bias).requires_grad_(False)
    own = torch.randint(11, (tokens,))
    states = torch.randn((tokens, 6), requires_grad=True)

    def read(loss: Any) -> tuple[float, Any]:
        (slope,) = torch.autograd.grad(3 * loss, states)
        return loss.item(), slope

    found, slope = read(mean_loss(states, head, own, most))
    wanted, expected = read(torch.nn.functional.cross_entropy(head(states), own))
    assert found == pytest.approx(wanted, rel=1e-5)
    assert torch.allclose(slope, expected, atol=1e-6)
