"""What is compared of a record: its text, and by the prompt the input apart."""

from __future__ import annotations

from factory.data.record import INPUT_SEPARATOR
from factory.data.table import Table


def texts_and_inputs(table: Table, field: str) -> tuple[list[str], list[str]]:
    """Of each record the text that is compared, and the input that a duplicate must share; "" where it has none.

    By the prompt the instruction is the text, so that a long instruction does not make two short inputs alike, nor
    a long input two short instructions; where that is blank, the input is. Pictures that the prompt shows count as
    part of the input. By any other field there is the text alone.
    """
    texts, inputs = table.texts("instruction" if field == "prompt" else field, compared=True), []
    if field != "prompt":
        return texts, [""] * len(texts)
    asked = zip(table.texts("prompt"), table.texts("instruction"), table.texts("input"), strict=True)
    for at, (prompt, instruction, own) in enumerate(asked):
        shown = len(prompt) - len(instruction) - (len(own) + len(INPUT_SEPARATOR) if own else 0)
        given = f"{prompt[:shown]}{own}" if own.strip() or shown else ""
        if not texts[at].strip():
            texts[at], given = given, ""
        inputs.append(given)
    return texts, inputs
