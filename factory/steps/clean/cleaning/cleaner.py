"""A profile at work: which faults a record has, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from factory.data.record import Event, Record
from factory.data.text import shorten
from factory.data.user_columns import MARKS
from factory.steps.clean.cleaning.mending import mended
from factory.steps.clean.cleaning.own import as_rule
from factory.steps.clean.profiles.profile import Profile
from factory.steps.clean.rules.registry import rules
from factory.steps.clean.rules.rule import Action, AnyRule, Finding, Rule
from factory.steps.clean.rules.view import View


@dataclass(frozen=True, slots=True)
class Looked:
    """What the rules found in a record.

    findings: in the order of the rules
    raised: for each rule that failed on it, why
    partly: texts that are longer than what rules read
    """

    findings: Sequence[Finding]
    raised: Mapping[str, str] = field(default_factory=dict)
    partly: int = 0

    @property
    def rules(self) -> list[str]:
        """The rules that found something, each once, in their order."""
        return list(dict.fromkeys(found.rule for found in self.findings))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A record as it was looked at and as it goes on.

    record: mended and marked; the rule that lets it go is in `dropped_by`, with its finding
    looked: what was found in it as it came
    mended_by: the rules that changed it
    """

    record: Record
    looked: Looked
    mended_by: Sequence[str] = ()
    dropped_by: Finding | None = None


class Cleaner:
    """The rules of a profile, each with its action; those that are off are left out.

    actions: what each rule does, by name, in the order in which they are told
    """

    def __init__(self, profile: Profile, only: Sequence[str] = ()) -> None:
        own = {rule.name: as_rule(rule) for rule in profile.own}
        self.actions: dict[str, Action] = {
            name: action
            for name, action in profile.actions().items()
            if action != "off" and (not only or name in only)
        }
        self.rules: dict[str, AnyRule] = {name: own.get(name) or rules()[name] for name in self.actions}
        self.settings: dict[str, Any] = profile.settings()
        self._mending = [rule for name, rule in self.rules.items() if self.actions[name] == "mend"]
        self._drops = any(action == "drop" for action in self.actions.values())

    def look(self, record: Record) -> Looked:
        """What the rules find in a record. A rule that fails on it is told, and the others go on."""
        view = View(record, self.settings)
        findings: list[Finding] = []
        raised: dict[str, str] = {}
        for name, rule in self.rules.items():
            try:
                findings += rule.findings(view)
            except Exception as error:  # a rule may be a plug-in's, and the others' work must not be lost
                raised[name] = shorten(f"{type(error).__name__}: {error}", 120)
        return Looked(findings, raised, view.partly)

    def clean(self, record: Record, event: Event) -> Cleaned:
        """What becomes of a record: it is mended, then marked, then let go by the first rule that drops it.

        What a mend does away with is no fault any more: rules that mark and drop look at the mended record.
        """
        looked = self.look(record)
        # The answers that are not chosen are no part of the row's faults, and yet no place for a secret.
        hides = len(record.answers) > 0 and any(
            isinstance(rule, Rule) and rule.hides for rule in self._mending
        )
        if not looked.findings and not hides:
            return Cleaned(record, looked)
        after, names = record, list[str]()
        if hides or any(
            found.replacement is not None and self.actions[found.rule] == "mend" for found in looked.findings
        ):
            able = [rule for rule in self._mending if rule.name not in looked.raised]
            after, names = mended(record, able, self.settings, event)
        now = self.look(after) if names else looked
        marks = [name for name in now.rules if self.actions[name] == "mark"]
        if marks:
            known = record.meta.get(MARKS)
            listed = [one for one in known if isinstance(one, str)] if isinstance(known, list) else []
            after = replace(after, meta={**after.meta, MARKS: list(dict.fromkeys([*listed, *marks]))})
        drop = next((found for found in now.findings if self.actions[found.rule] == "drop"), None)
        return Cleaned(after, looked, names, drop)
