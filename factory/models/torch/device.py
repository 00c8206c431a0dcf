"""The device that a model of torch runs on."""

from __future__ import annotations

from factory.errors import RecipeError


def check_device(device: str) -> None:
    """Refuse a device that this machine lacks; torch is loaded only for one that it may lack."""
    if device in ("auto", "cpu"):
        return
    import torch

    kind, _, number = device.partition(":")
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise RecipeError("`device: mps`: this machine has none; use `device: auto`")
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        has = (
            f"its GPUs are numbered from 0 to {count - 1}" if count else "torch finds no GPU on this machine"
        )
        raise RecipeError(f"`device: {device}`: {has}; use `device: auto`")
