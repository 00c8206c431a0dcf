"""What an answer is read after: its prompt as it stands, or in the template that the authors trained with."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from factory.data.record import Record
from factory.data.text import turn_text

Template: TypeAlias = Literal["bare", "alpaca"]
"""bare: instruction and input on lines of their own. alpaca: the prompt of Stanford Alpaca."""

# The texts of Cherry LLM's code (cherry_seletion/data_analysis.py), which are those of Stanford Alpaca.
_ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
_ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
_DIRECT = "### Response:"


class Contexts(NamedTuple):
    """What an answer is read after: once with its prompt, once without."""

    conditioned: str
    direct: str


def superfiltering_contexts(record: Record) -> Contexts:
    """Instruction and input, a line each, after the turns before them; nothing."""
    parts = [turn_text(turn) for turn in record.conversation[:-1]]
    parts.append(record.instruction)
    if record.input:
        parts.append(record.input)
    return Contexts("".join(f"{part}\n" for part in parts), "")


def cherry_contexts(record: Record) -> Contexts:
    """The Alpaca prompt, whose instruction is led by the turns before it; the heading of the answer alone."""
    before = [turn_text(turn) for turn in record.conversation[:-1]]
    instruction = "\n".join([*before, record.instruction])
    template = _ALPACA_WITH_INPUT if record.input else _ALPACA
    # One pass over the template: text of the data that looks like a placeholder stays as it is.
    head, _, rest = template.partition("{instruction}")
    middle, _, tail = rest.partition("{input}")
    filled = head + instruction + middle + (record.input + tail if record.input else "")
    return Contexts(filled, _DIRECT)
