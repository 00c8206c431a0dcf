"""The step that finds faults in rows by named rules, and reports, marks, mends or drops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from factory.data.record import Record
from factory.data.run_manifest import CLEANING
from factory.data.user_columns import MARKS
from factory.errors import RecipeError
from factory.statistics.interval import percent
from factory.step import Context, PerRecord
from factory.steps.clean.cleaning.cleaner import Cleaner
from factory.steps.clean.cleaning.mending import ORIGINAL
from factory.steps.clean.cleaning.tally import count, new_tally
from factory.steps.clean.profiles.profile import (
    Dates,
    Licenses,
    OwnRule,
    load_profile,
    once,
    profile_file,
    profile_names,
)
from factory.steps.clean.rules.registry import rules, rules_named
from factory.steps.clean.rules.rule import Action

MOST_TOLD = 3


class Clean(PerRecord):
    """Find faults in rows by named rules: report them, mark or mend the rows, or drop them.

    A rule finds one kind of fault, in English and Chinese: of the text (HTML entities, broken encodings, loops, cut
    sentences and programs, leaked chat templates, "noinput", pictures that are not there, traces of machine
    translation, another language, ...), of the voice (refusals, moralising, "I am ChatGPT", "as of my last update",
    flattery, ...), of the licence. `factory clean --rules` lists them. By default each reports and changes nothing.

    A profile says what each does: `report`, `mend` (mend what is certain), `strict` (and drop what would teach a
    fault), or a YAML file of yours:

        default: report          # what a rule does that is not named; off, report, mark, mend or drop
        rules: {html_entities: mend, refusal: drop, voice: mark}   # a rule, or all of a group
        own:                     # rules of yours: words or a pattern (RE2), and what stands there instead
          - {name: our_footer, find: "(c) Example Ltd", replace: ""}
          - {name: ticket, regex: "TICKET-[0-9]+", action: drop}
        licenses: {deny: ["cc-by-nc*"]}
        dates: {column: created, after: 2023}

    `report` counts, with five examples of each rule; `mark` names the rule in the column `clean`; `mend` changes what
    has one certain form (an entity, a broken encoding, a zero-width character, white space) and keeps the text as it
    was in the column `clean_original`; `drop` lets the row go. A mended row is looked at again before it is dropped.
    Mending twice changes nothing, and a row without a fault stays as it is.

    The report has rows and share of each rule, by language and source, and how much each language, source and task
    would lose, with intervals: rules that find more in one dialect or task than in others filter it away. All turns are
    read, of several answers the chosen one. A rule that fails on a row is counted and told; the others go on. Of a text
    over 400,000 characters the first are read.

    Example:
        - clean: {}
        - clean: {profile: strict, rules: {dated_words: drop, cut_off: report}}
    """

    name: ClassVar[str] = "clean"

    profile: str = Field(
        "report", description="a profile that comes with factory (report, mend, strict), or a file"
    )
    rules: Mapping[str, Action] = Field(
        {}, description="what rules do in place of what the profile says, by their name or their group's"
    )
    only: tuple[str, ...] = Field((), description="these rules alone, or those of these groups")
    own: tuple[OwnRule, ...] | None = Field(None, description="rules of your own in place of the profile's")
    licenses: Licenses | None = Field(None, description="licences to allow or deny in place of the profile's")
    dates: Dates | None = Field(None, description="the wanted dates of a column in place of the profile's")
    harm_words: Path | None = Field(
        None, description="a file of words, one a line, in place of the profile's"
    )

    _cleaner: Cleaner = PrivateAttr()
    _words: Path | None = PrivateAttr(None)

    @field_validator("rules", mode="before")
    @classmethod
    def _off_is_no_truth(cls, value: Any) -> Any:
        """YAML reads `off` as false."""
        if not isinstance(value, Mapping):
            return value
        return {key: "off" if one is False else one for key, one in value.items()}

    @model_validator(mode="after")
    def _known(self) -> Self:
        once(self.only)
        return self

    def model_post_init(self, context: object) -> None:
        """Raises RecipeError: the profile, or what takes the place of parts of it, is wrong."""
        given: dict[str, Any] = {"rules": dict(self.rules)} if self.rules else {}
        for key in ("own", "licenses", "dates"):
            value = getattr(self, key)
            if value is not None:
                given[key] = (
                    [one.model_dump() for one in value] if isinstance(value, tuple) else value.model_dump()
                )
        if self.harm_words is not None:
            given["harm_words"] = str(self.harm_words)
        profile = load_profile(self.profile, given)
        self._words = profile.harm_words
        named: list[str] = []
        for name in self.only:
            own = [rule.name for rule in profile.own]
            named += [name] if name in own else rules_named(name)
        asked = {name: "report" for name in self.only if name in rules() and rules()[name].needs is not None}
        if asked:  # off unless it is named, and here it is
            profile = profile.model_copy(update={"rules": {**asked, **profile.rules}})
        self._cleaner = Cleaner(profile, named)
        if not self._cleaner.rules:
            raise RecipeError("`clean` has no rule to go by: each is off, or lacks its `licenses` or `dates`")

    @property
    def cleaner(self) -> Cleaner:
        """The rules at work."""
        return self._cleaner

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        own = () if self.profile in profile_names() else (profile_file(self.profile),)
        return own if self._words is None else (*own, self._words)

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        for rule in self._cleaner.rules.values():
            if rule.needs is not None:
                rule.needs()

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        if CLEANING not in context.facts:
            context.facts[CLEANING] = new_tally(self._cleaner.rules, self._cleaner.actions, self.profile)
        cleaned = self._cleaner.clean(record, context.event("mend"))
        count(context.facts[CLEANING], record, cleaned)
        for column in (MARKS, ORIGINAL):
            old = record.meta.get(column)
            if old is not None and not isinstance(old, list) and cleaned.record.meta.get(column) != old:
                context.count(f"columns_{column}_written_over")
                context.warn(
                    f"{context.step}: rows have a column {column!r} of their own, and what the step notes takes its "
                    "place: give it another name first"
                )
        found = cleaned.dropped_by
        if found is None:
            yield cleaned.record
            return
        finds = self._cleaner.rules[found.rule].finds.rstrip(".")
        told = f"{finds[:1].lower()}{finds[1:]}" + (f": {found.note}" if found.note else "")
        yield replace(cleaned.record, dropped=context.drop(found.rule, told))

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        tally = context.facts.get(CLEANING)
        if tally is None:
            return
        order = sorted(tally["rules"].items(), key=lambda item: -item[1]["rows"])
        most = [f"{name} {rule['rows']:,}" for name, rule in order[:MOST_TOLD] if rule["rows"]]
        share = percent(tally["faulty"] / tally["rows"])
        context.tell(
            f"{context.step}: {tally['faulty']:,} of {tally['rows']:,} rows, {share}, have a fault by a rule"
            + (f", most of them {', '.join(most)}" if most else "")
        )
        for name, told in sorted(tally["raised"].items()):
            context.warn(
                f"{context.step}: the rule {name} failed on {told['rows']:,} rows, such as {told['id']} "
                f"({told['why']}): they were not looked at by it; the other rules went on"
            )
        if tally["read_in_part"]:
            context.warn(
                f"{context.step}: of {tally['read_in_part']:,} texts the first 400,000 characters were read, and "
                "faults behind them are not found: split them"
            )
