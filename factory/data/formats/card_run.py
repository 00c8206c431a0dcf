"""What the card of a run's set says beside the set itself: what let rows go, leaks of benchmarks, calls and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from factory.data.formats.card_body import MOST, ZH_TITLE, Say, cell, public_name
from factory.data.run_manifest import StepFacts

HEADINGS = ("## How it was made", "## 制作过程")
"""What the section begins with, in either language; what stands there is replaced."""
_ITEMS = ("items", "found", "in_records")
_GROUP = ("share", "of_the_set", "rows", "repeated_rows")


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
    parts = [
        say(*HEADINGS),
        lead,
        _filters(steps, say),
        *(_shares(step, say) for step in steps),
        *(_held_out(step, say) for step in steps),
        _leaks(steps, say),
        _asked(asked, say),
    ]
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
        [
            cell(one.label),
            f"{one.entered:,}",
            f"{one.made:,}",
            f"{one.passed:,}",
            say(", ", "、").join(_kinds(one, say)),
        ]
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
    found = [row for step in steps for row in _rows(step.facts.get("benchmarks"), _ITEMS)]
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
    rows = [[cell(str(row.get("benchmark", ""))), *(f"{row[key]:,}" for key in _ITEMS)] for row in found]
    return f"{title}\n\n{say.table(heads, rows)}"


def _shares(step: StepFacts, say: Say) -> str:
    """What shares `mixture` was to give, and gave; "" for another step."""
    groups = _rows(step.facts.get("mixture"), _GROUP)
    if not groups:
        return ""
    title = say(f"### Shares that {cell(step.label)} gave", f"### {cell(step.label)} 的配比")
    heads = [
        say("group", "组"),
        say("share asked for", "目标占比"),
        say("share given", "实际占比"),
        say("rows", "行数"),
        say("of these repeats", "其中重复"),
    ]
    shown = [
        [
            cell(str(one.get("group", ""))),
            f"{one['share']:.1%}",
            f"{one['of_the_set']:.1%}",
            f"{one['rows']:,}",
            f"{one['repeated_rows']:,}",
        ]
        for one in groups[:MOST]
    ]
    if rest := groups[MOST:]:
        sums = [sum(one[key] for one in rest) for key in _GROUP]
        name = say(f"{len(rest):,} others", f"其余 {len(rest):,} 项")
        shown.append([name, f"{sums[0]:.1%}", f"{sums[1]:.1%}", f"{sums[2]:,}", f"{sums[3]:,}"])
    return f"{title}\n\n{say.table(heads, shown)}"


def _held_out(step: StepFacts, say: Say) -> str:
    """How `split` made sure that nothing held out is known from training; "" for another step."""
    check = step.facts.get("leak_check")
    if not isinstance(check, Mapping) or not isinstance(held := check.get("held_out"), int):
        return ""
    title = say(f"### Held out by {cell(step.label)}", f"### {cell(step.label)} 留出的数据")
    near = str(check.get("near_by", "none"))
    if near == "none":
        looked = say("near duplicates were not looked for", "未检查近似重复")
    else:
        looked = say(
            f"nor a near duplicate (by {near}): each was compared with all rows of the other parts",
            f"也没有近似重复（按 {near} 衡量）：每一行都与其他部分的所有行作过比较",
        )
    said = say(
        f"{held:,} rows. No history, document or same prompt is on both sides of a border; {looked}.",
        f"共 {held:,} 行。没有同一来历、同一文档或相同提问分处两个部分；{looked}。",
    )
    return f"{title}\n\n{said}"


def _rows(value: Any, keys: Sequence[str]) -> list[Mapping[str, Any]]:
    """Those rows of a step's facts that have a number for each of these keys."""
    rows = value if isinstance(value, list) else []
    return [row for row in rows if isinstance(row, Mapping) and all(_is_number(row.get(key)) for key in keys)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
