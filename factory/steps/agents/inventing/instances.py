"""An invented task's instance: the input that it works on and the output, and what is wrong with one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from factory.data.prompt import Prompt
from factory.data.text import normal_form, rouge_tokens
from factory.statistics.flaws.flaw import Flaw
from factory.steps.agents.flaws.eliminate import answer_flaw
from factory.steps.agents.inventing.single import leak_flaw

_COLONS = (":", "：")


class Kind(BaseModel):
    """What the model replies when it is asked what kind of task one is."""

    model_config = ConfigDict(extra="forbid")

    classification: bool


class InputFirst(BaseModel):
    """An instance of a task that is no classification."""

    model_config = ConfigDict(extra="forbid")

    input: str
    output: str


class OutputFirst(BaseModel):
    """An instance of a classification: the label comes first, else most inputs would be of one label."""

    model_config = ConfigDict(extra="forbid")

    output: str
    input: str


def instance_flaw(instruction: str, input: str, output: str, prompt: Prompt) -> Flaw | None:
    """What is wrong with an instance by its text: the paper's rules, a refusal, an answer of nothing, a copied example.

    The paper's are: an empty output, an output that is the input, an input or output that ends in a colon.
    """
    if not output.strip():
        return Flaw("empty_answer", "the output is empty")
    if rouge_tokens(input) and normal_form(input) == normal_form(output):
        return Flaw("same_as_input", "the output is the input")
    for name, text in (("input", input), ("output", output)):
        if text.rstrip().endswith(_COLONS):
            return Flaw("unfinished", f"the {name} ends in a colon")
    if leak := leak_flaw(f"{input}\n{output}", instruction, prompt, "instance"):
        return leak
    return answer_flaw(output.strip(), f"{instruction}\n{input}".strip())
