"""What a cleaning came to, counted as records go by: plain JSON, small whatever the number of records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from factory.data.record import Record
from factory.steps.clean.cleaning.cleaner import Cleaned
from factory.steps.clean.profiles.profile import load_profile
from factory.steps.clean.rules.registry import rules
from factory.steps.clean.rules.rule import Action, AnyRule, Finding
from factory.steps.clean.rules.secrets.cover import covered, shape

EXAMPLES = 5
AROUND = 60
"""Characters shown on each side of a fault."""
SHOWN = 120
"""Characters of a fault that are shown."""
MOST_NAMES = 200
"""Sources, tasks and languages counted by name; what more there are is counted together."""
OTHERS = "(others)"
Tally = dict[str, Any]


def new_tally(rules: Mapping[str, AnyRule], actions: Mapping[str, Action], profile: str) -> Tally:
    """An empty tally.

    Its keys: profile; rows that were looked at, with a fault, mended, marked, dropped; read_in_part, texts too long to
    be read whole; loses, which says what `lost` counts ("dropped", or where nothing drops "strict": what that profile
    would drop); rules (name -> group, finds, action, costs, rows, found, mended, languages, sources, examples); groups
    ("language", "source", "task" -> name -> [rows, lost]); raised (rule -> rows, why, an id).
    """
    drops = any(action == "drop" for action in actions.values())
    costly = {name for name, action in load_profile("strict").actions().items() if action == "drop"}
    return {
        "profile": profile,
        "rows": 0,
        "faulty": 0,
        "mended": 0,
        "marked": 0,
        "dropped": 0,
        "read_in_part": 0,
        "loses": "dropped" if drops else "strict",
        "rules": {
            name: {
                "group": rule.group,
                "finds": rule.finds,
                "action": actions[name],
                "costs": name in costly,
                "rows": 0,
                "found": 0,
                "mended": 0,
                "languages": {},
                "sources": {},
                "examples": [],
            }
            for name, rule in rules.items()
        },
        "groups": {"language": {}, "source": {}, "task": {}},
        "raised": {},
    }


def count(tally: Tally, record: Record, cleaned: Cleaned) -> None:
    """Count a record as it came, and what became of it. The order of records makes no difference."""
    looked = cleaned.looked
    language, source = record.language or "unknown", record.source or "(none)"
    dropped = cleaned.dropped_by is not None
    tally["rows"] += 1
    tally["faulty"] += bool(looked.findings)
    tally["mended"] += bool(cleaned.mended_by)
    tally["dropped"] += dropped
    tally["read_in_part"] += looked.partly
    first: dict[str, Finding] = {}
    for found in looked.findings:
        rule = tally["rules"][found.rule]
        rule["found"] += 1
        if found.rule not in first:
            first[found.rule] = found
            rule["rows"] += 1
            _add(rule["languages"], language)
            _add(rule["sources"], source)
    tally["marked"] += any(tally["rules"][name]["action"] == "mark" for name in first)
    for name, found in first.items():
        _keep_example(tally["rules"][name]["examples"], record, found)
    for name in cleaned.mended_by:
        tally["rules"][name]["mended"] += 1
    lost = dropped if tally["loses"] == "dropped" else any(tally["rules"][name]["costs"] for name in first)
    for kind, name in (("language", language), ("source", source), ("task", record.task or "(none)")):
        group = _named(tally["groups"][kind], name, [0, 0])
        group[0] += 1
        group[1] += lost
    for name, why in looked.raised.items():
        told = tally["raised"].setdefault(name, {"rows": 0, "why": why, "id": record.id})
        told["rows"] += 1
        if record.id < told["id"]:
            told.update(why=why, id=record.id)


def _named(counts: dict[str, Any], name: str, fresh: Any) -> Any:
    if name not in counts and len(counts) >= MOST_NAMES:
        name = OTHERS
    return counts.setdefault(name, fresh)


def _add(counts: dict[str, int], name: str) -> None:
    if name not in counts and len(counts) >= MOST_NAMES:
        name = OTHERS
    counts[name] = counts.get(name, 0) + 1


def _keep_example(examples: list[dict[str, Any]], record: Record, found: Finding) -> None:
    """Keep the records whose ids' hashes are the smallest: the same five whatever the order."""
    key = hashlib.blake2b(f"{found.rule}\n{record.id}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    if len(examples) == EXAMPLES and key >= examples[-1]["key"]:
        return
    examples.append(example(record, found) | {"key": key})
    examples.sort(key=lambda one: one["key"])
    del examples[EXAMPLES:]


def example(record: Record, found: Finding) -> dict[str, Any]:
    """A fault as it is shown: the record's id and place, the turn's role, and the text around it, secrets covered."""
    shown: dict[str, Any] = {"id": record.id, "place": record.place, "note": found.note}
    if found.turn < 0:
        return shown
    turn = record.messages[found.turn]
    if found.where == "content":
        text = turn.content
    elif found.where == "reasoning":
        text = turn.reasoning
    else:
        text = turn.calls[int(found.where.removeprefix("call"))].arguments
    end = min(found.end, found.start + SHOWN)
    rule = rules().get(found.rule)
    fault = text[found.start : end]
    return shown | {
        "role": turn.role,
        "before": covered(text[max(0, found.start - AROUND) : found.start]),
        "fault": (shape(fault) if rule is not None and rule.hides else covered(fault))
        + ("…" if end < found.end else ""),
        "after": covered(text[end : end + AROUND]) if end == found.end else "",
    }
