"""The device that a model of torch runs on."""

from __future__ import annotations

import os

from factory.errors import RecipeError

_SLOTS = 8
"""Most batches computed at the same time on a processor."""


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


def threads_of(device: str) -> int:
    """Batches that a device computes at the same time: on a processor one for each core, with a thread of its own.

    Threads that share a batch wait for each other at every operation, spinning.
    """
    return min(_cores(), _SLOTS) if device in ("auto", "cpu") else 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
