"""What a generator reached, and why not more: two sentences at the end of its work, and the counts behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factory.data.record import Drop
from factory.statistics.interval import group_numbers, percent, share_interval
from factory.step import Context
from factory.steps.agents.flaws.doubts import tell_doubts

_MENDS: Mapping[str, str] = {
    "unchanged": "the model gives the instruction back as it was: ask a stronger one, or raise `temperature`",
    "refusal": "the model refuses: ask another one, or leave such seeds out",
    "refused": "the model refuses: ask another one, or leave such seeds out",
    "other_language": "the model does not keep to the language of the seeds: ask one that speaks it",
    "template_leak": "the model gives its prompt back in place of following it: ask a stronger one",
    "truncated": "replies were cut: raise `max_tokens` or `answer_max_tokens`, or ask a model that comes to an end",
    "repetition": "the model repeats itself: ask another one, or raise `temperature`",
    "no_information_gain": "the model rewrites without adding: ask a stronger one",
    "several_instructions": "the model offers several in place of one: ask a stronger one",
    "working": "the model tells how it rewrites in place of doing so: ask a stronger one",
    "answered": "the model answers the instruction in place of rewriting it: ask a stronger one",
    "placeholder": "the model leaves a placeholder where its answer was to stand: ask a stronger one",
    "empty": "the model says nothing: ask another one",
    "echo": "the model answers with the prompt: ask a chat model, with its chat template",
    "empty_answer": "the model answers with nothing: ask another one",
    "too_long": "texts are longer than may be: raise `max_words` where the step has it, or ask for fewer rounds",
    "too_many_demands": "`max_demands` is reached: raise it, or ask for fewer rounds",
    "bad_tree": "the model writes no tree of the instruction: ask a stronger one, or take `method: paper`",
    "wrong_count": "the model adds another number of nodes: ask a stronger one, or for fewer `nodes`",
    "bad_node": "the model adds nodes that bring nothing new: ask a stronger one, or for fewer `nodes`",
    "node_missing": "the model writes instructions that lack their new nodes: ask a stronger one, or for fewer `nodes`",
    "word_lost": "the model leaves out what was asked: ask a stronger one, or lower `min_kept`",
    "low_score": "graded below `keep`: lower it, or give texts that are written as answers",
    "no_score": "the judge states no grade: ask a stronger one, or raise `judge_max_tokens`",
    "too_short": "texts are short: lower `least_words`, or cut larger chunks",
    "call_failed": "the server gave no reply: look at it, and run the same command again",
    "bad_reply": "replies do not fit their schema: ask a server that decodes by a schema, or a stronger model",
}
"""What is behind each kind of drop, and how to mend it."""


def note_yield(context: Context, kept: int, dropped: Sequence[Drop]) -> None:
    """Count what one record's children came to: how many were asked for, kept, and let go for what."""
    asked = kept + len(dropped)
    context.count("children_asked", asked)
    context.count("children_kept", kept)
    for counts, key in [("children_let_go", drop.kind) for drop in dropped] + [
        ("records_by_children", f"{kept} of {asked} kept")
    ]:
        found = context.facts.setdefault(counts, {})
        found[key] = found.get(key, 0) + 1


def tell_yield(context: Context) -> None:
    """Say how many children were kept of those asked for, and what most of the others were let go for.

    The share has Wilson's 95 % interval, in which the children of one record count as one lineage. Answers of theirs
    that are kept and may be none are told too.
    """
    tell_doubts(context)
    facts = context.facts
    asked, kept = facts.get("children_asked", 0), facts.get("children_kept", 0)
    if not asked:
        return
    # In order, so that the facts do not hang on which record came first.
    for name in ("children_let_go", "records_by_children"):
        facts[name] = dict(sorted(facts.get(name, {}).items(), key=lambda item: (-item[1], item[0])))
    flags: list[int] = []
    lineages: list[tuple[str, int]] = []
    for key, records in facts["records_by_children"].items():
        part, whole = int(key.split()[0]), int(key.split()[2])
        for number in range(records):
            flags += [1] * part + [0] * (whole - part)
            lineages += [(key, number)] * whole
    told = percent(kept / asked, share_interval(flags, group_numbers(lineages)))
    context.tell(f"{context.step}: {kept:,} of {asked:,} children were kept, {told}")
    if kept < asked:
        kind, number = next(iter(facts["children_let_go"].items()))
        say = context.tell if kept else context.warn
        mend = _MENDS.get(kind, f"see `factory why` for one that was let go as {kind}")
        say(f"{context.step}: {number:,} of the {asked - kept:,} let go are {kind}: {mend}")
