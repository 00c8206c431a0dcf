"""What the card of a run's set says beside the set itself: what let rows go, leaks of benchmarks, calls and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from factory.data.formats.card_body import ZH_TITLE, Say, cell, public_name
from factory.data.run_manifest import StepFacts

HEADINGS = ("## How it was made", "## 制作过程")
"""What the section begins with, in either language; what stands there is replaced."""


class Asked(NamedTuple):
    """What a run asked of models, replies from the journal counted as if they had been asked for.

    models: the models by the names that their servers know, with the recipe's names for them
    cost: in the currency of the recipe's prices; None where none are given
    """

    models: Mapping[str, str]
    calls: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0
    cost: float | None = None


def with_run(card: str, recipe: str, digest: str, seed: int, steps: Sequence[StepFacts], asked: Asked) -> str:
    """A card with a section on the run that made the set. The same run gives the same text, replayed or not.

    Args:
        recipe, digest, seed: the recipe's name and hash, and the run's seed
    """
    say = Say(ZH_TITLE in card)
    for heading in HEADINGS:
        card = card.partition(f"\n{heading}\n")[0].rstrip("\n") + "\n"
    lead = say(
        f"By sft-factory, recipe {cell(recipe)} (hash `{digest}`), seed {seed}.",
        f"由 sft-factory 制作，配方 {cell(recipe)}（哈希 `{digest}`），随机种子 {seed}。",
    )
    parts = [say(*HEADINGS), lead, _filters(steps, say), _leaks(steps, say), _asked(asked, say)]
    return "\n".join([card, "\n\n".join(filter(None, parts)), ""])


def _filters(steps: Sequence[StepFacts], say: Say) -> str:
    heads = [
        say("step", "步骤"),
        say("in", "进入"),
        say("new", "新增"),
        say("out", "通过"),
        say("let go, and why", "剔除及原因"),
    ]
    rows = [
        [cell(one.label), f"{one.entered:,}", f"{one.made:,}", f"{one.passed:,}", ", ".join(_kinds(one, say))]
        for one in steps
    ]
    return say.table(heads, rows)


def _kinds(step: StepFacts, say: Say) -> Iterator[str]:
    for kinds, mark in ((step.dropped, ""), (step.failed, say(" (failed)", "（失败）"))):
        for kind, number in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
            yield f"{cell(kind)} {number:,}{mark}"


def _leaks(steps: Sequence[StepFacts], say: Say) -> str:
    """What was found of benchmarks, or that nobody looked."""
    title = say("### Leaks of benchmarks", "### 基准泄漏检查")
    found = [row for step in steps for row in _rows(step.facts.get("benchmarks"))]
    if not found:
        never = say(
            "Not looked for: the recipe has no step `decontaminate`.",
            "未检查：配方中没有 `decontaminate` 步骤。",
        )
        return f"{title}\n\n{never}"
    heads = [
        say("benchmark", "基准"),
        say("items", "题目数"),
        say("found in the pool", "池中发现"),
        say("rows dropped for them", "因此剔除的行数"),
    ]
    rows = [
        [cell(str(row.get("benchmark", ""))), *(f"{row[key]:,}" for key in ("items", "found", "in_records"))]
        for row in found
    ]
    return f"{title}\n\n{say.table(heads, rows)}"


def _rows(value: Any) -> list[Mapping[str, Any]]:
    keys = ("items", "found", "in_records")
    rows = value if isinstance(value, list) else []
    return [
        row for row in rows if isinstance(row, Mapping) and all(isinstance(row.get(k), int) for k in keys)
    ]


def _asked(asked: Asked, say: Say) -> str:
    title = say("### Models asked", "### 模型调用")
    if not asked.models:
        return f"{title}\n\n{say('None.', '无。')}"
    names = [say("name in the recipe", "配方中的名称"), say("model", "模型")]
    table = say.table(
        names, [[cell(name), cell(public_name(model))] for name, model in sorted(asked.models.items())]
    )
    amount = "" if asked.cost is None else f"{asked.cost:,.2f}" if asked.cost >= 1 else f"{asked.cost:.3g}"
    cost = (
        say("no prices were given", "未给出价格")
        if asked.cost is None
        else say(
            f"cost {amount} in the currency of the recipe's prices",
            f"费用 {amount}（配方价格的货币）",
        )
    )
    spent = say(
        f"{asked.calls:,} calls, {asked.prompt_tokens:,} tokens of prompts and {asked.reply_tokens:,} of replies, "
        f"embeddings left out; {cost}. Energy is not measured.",
        f"共 {asked.calls:,} 次调用，提示 {asked.prompt_tokens:,} 词元，回复 {asked.reply_tokens:,} 词元（不含嵌入）；"
        f"{cost}。未测量能耗。",
    )
    return f"{title}\n\n{table}\n\n{spent}"
