"""Linear layers whose weights are laid out for oneDNN, torch's own kernels for x86 processors.

torch multiplies float32 matrices on a processor through MKL, which does not use all that processors of another maker
than its own offer, and lays the weights out anew for every call. On an AMD EPYC with AVX-512 (one core, 256 tokens,
576 x 1536) MKL made 98 GFLOP/s and oneDNN with laid out weights 230; in bfloat16 430 and 465.
"""

from __future__ import annotations

import torch

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


class PackedLinear(torch.nn.Module):  # type: ignore[misc]  # torch is not checked
    """x W^T + b with the weight W, shape (outputs, inputs), laid out for oneDNN; for inference alone.

    Raises:
        RuntimeError: this torch or this processor cannot do it.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self._bias = None if bias is None else bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")


def pack_linear_layers(model: torch.nn.Module) -> int:
    """Put a `PackedLinear` in the place of each linear layer that it can stand for; returns how many.

    Each is held against the layer it replaces on a few numbers first. The operators are not part of torch's public
    interface: where they are missing, or differ, the layer stays.
    """
    packed = 0
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer).__name__ == "Conv1D":  # GPT-2's, which holds W^T
                weight = layer.weight.t()
            elif type(layer) is torch.nn.Linear:
                weight = layer.weight
            else:
                continue
            if weight.dtype not in _TOLERANCE:
                continue
            probe = torch.linspace(-1, 1, 3 * weight.shape[1], dtype=weight.dtype).reshape(3, -1)
            try:
                replacement = PackedLinear(weight, layer.bias)
                wanted, got = layer(probe), replacement(probe)
            except (RuntimeError, AttributeError, TypeError):
                return packed
            if (wanted - got).abs().max() <= _TOLERANCE[weight.dtype] * (1 + wanted.abs().max()):
                setattr(parent, name, replacement)
                packed += 1
    return packed
