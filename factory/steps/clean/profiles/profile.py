"""A profile of `clean`, as YAML or JSON: what each rule does, the user's own rules, licences and dates."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from yaml.reader import ReaderError

from factory.data.text import shorten
from factory.errors import RecipeError, nearest
from factory.steps.clean.rules.harm.rules import WORDS as HARM_WORDS
from factory.steps.clean.rules.harm.words import word_list
from factory.steps.clean.rules.registry import rules, rules_named
from factory.steps.clean.rules.rule import ACTIONS, Action

SHIPPED = Path(__file__).parent
"""Where the profiles lie that come with the package."""
LONGEST_PATTERN = 2000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OwnRule(_Part):
    """A rule of the user's own: words or a pattern to find, and what stands in their place."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,59}$", description="small letters, digits and _")
    find: str = Field("", max_length=LONGEST_PATTERN, description="the words that are found, as they are")
    regex: str = Field(
        "", max_length=LONGEST_PATTERN, description="in place of words: a pattern, as RE2 reads it"
    )
    replace: str | None = Field(
        None, description=r"what stands there once it is mended; of a pattern, \1 is its first group"
    )
    ignore_case: bool = Field(False, description="small letters and capitals are alike")
    roles: tuple[Literal["system", "user", "assistant", "tool"], ...] = Field(
        ("system", "user", "assistant"), min_length=1, description="whose turns are read"
    )
    action: Action | None = Field(None, description="by default `mend` with `replace`, else `report`")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.find) == bool(self.regex):
            raise ValueError("give one of `find` (words) and `regex` (a pattern)")
        if self.action == "mend" and self.replace is None:
            raise ValueError("`action: mend` needs `replace`, which may be empty")
        return self

    @property
    def does(self) -> Action:
        """Its action."""
        return self.action or ("report" if self.replace is None else "mend")


class Licenses(_Part):
    """Licences by name, in any spelling, or by a pattern such as cc-by-nc*; deny goes before allow."""

    allow: tuple[str, ...] = Field((), description="only these; a row that names none is not allowed then")
    deny: tuple[str, ...] = Field((), description="none of these")


class Dates(_Part):
    """Which dates of a column of the user's own are wanted."""

    column: str = Field(min_length=1, description="the column that holds a row's date")
    after: datetime.date | None = Field(None, description="rows of this day and later")
    before: datetime.date | None = Field(None, description="rows before this day")

    @field_validator("after", "before", mode="before")
    @classmethod
    def _year_alone(cls, value: Any) -> Any:
        return (
            f"{value}-01-01"
            if isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
            else value
        )


class Profile(_Part):
    """What each rule does."""

    description: str = ""
    default: Action = Field("report", description="what a rule does that is not named")
    rules: Mapping[str, Action] = Field({}, description="what a rule does, or all rules of a group")
    own: tuple[OwnRule, ...] = Field((), description="rules of the user's own")
    licenses: Licenses = Licenses()
    dates: Dates | None = None
    harm_words: Path | None = Field(
        None, description="a file of words and phrases, one a line, for the rule harm_words"
    )

    @field_validator("harm_words")
    @classmethod
    def _words(cls, value: Path | None) -> Path | None:
        if value is not None:
            word_list(value)
        return value

    @field_validator("default", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        return _action(value)

    @field_validator("rules", mode="before")
    @classmethod
    def _offs(cls, value: Any) -> Any:
        return {key: _action(one) for key, one in value.items()} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _known(self) -> Self:
        own = [rule.name for rule in self.own]
        for name in own:
            if own.count(name) > 1:
                raise ValueError(f"the rule {name!r} of your own is given twice: name each once")
            if name in rules():
                raise ValueError(f"there is a rule {name!r} already: give yours another name")
        for name, action in self.rules.items():
            if name in own:
                continue
            named = rules_named(name)
            if action == "mend" and not any(rules()[one].mends for one in named):
                able = ", ".join(one for one, rule in rules().items() if rule.mends)
                raise ValueError(f"{name} has no certain mend: report, mark or drop it; {able} have one")
        return self

    def actions(self) -> dict[str, Action]:
        """What each rule does, the user's own behind the others; a rule's own word goes before its group's."""
        found: dict[str, Action] = {}
        for name, rule in rules().items():
            action = self.rules.get(name, self.rules.get(rule.group, self.rules.get("all", self.default)))
            if rule.needs is not None and name not in self.rules:
                action = "off"
            # Of a group that is mended, what cannot be mended is reported.
            found[name] = "report" if action == "mend" and not rule.mends else action
        if not (self.licenses.allow or self.licenses.deny):
            found.pop("license_denied", None)
        if self.dates is None:
            found.pop("data_age", None)
        if self.harm_words is None:
            found.pop(HARM_WORDS, None)
        return found | {rule.name: self.rules.get(rule.name, rule.does) for rule in self.own}

    def settings(self) -> dict[str, Any]:
        """What rules read of it beside actions; see `View.settings`."""
        told: dict[str, Any] = {}
        if self.licenses.allow or self.licenses.deny:
            told["licenses"] = self.licenses.model_dump()
        if self.dates is not None:
            told["dates"] = self.dates.model_dump()
        if self.harm_words is not None:
            told[HARM_WORDS] = word_list(self.harm_words)
        return told


def _action(value: Any) -> Any:
    """YAML reads `off` as false."""
    if value is False:
        return "off"
    if isinstance(value, str) and value not in ACTIONS:
        raise ValueError(f"there is no action {shorten(value, 40)!r}{nearest(value, ACTIONS)}")
    return value


def profile_names() -> list[str]:
    """The names of the profiles that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def profile_file(name: str) -> Path:
    """The file of a profile: one that comes with the package by its name, else a path.

    Raises:
        RecipeError: there is none.
    """
    if name in profile_names():
        return SHIPPED / f"{name}.yaml"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise RecipeError(
        f"there is no profile {shorten(name, 60)!r}{nearest(name, profile_names())}"
        + ("" if path.suffix else "; a file of your own ends in .yaml")
    )


def load_profile(name: str, changes: Mapping[str, Any] | None = None) -> Profile:
    """A profile by its name or file.

    changes: what takes the place of what it says: `rules` by name, the other keys whole

    Raises:
        RecipeError: there is none, or it is wrong; the sentence names the file and the key.
    """
    path = profile_file(name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error
    data = _read_yaml(text, str(path))
    for key, value in (changes or {}).items():
        data[key] = (
            {**data.get(key, {}), **value}
            if key == "rules" and isinstance(data.get(key), dict | None)
            else value
        )
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_complaint(error)}") from None
    except RecipeError as error:
        # Of a profile that came with the package, what is wrong was said beside it.
        raise RecipeError(f"{error}" if path.parent == SHIPPED else f"{path}: {error}") from None


def _read_yaml(text: str, file: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=_Once)
    except (yaml.YAMLError, ReaderError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise RecipeError(f"{file}{line}: {shorten(str(said), 200)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise RecipeError(f"{file}: a profile has keys such as `rules:`; this is {type(data).__name__}")
    return data


class _Once(yaml.SafeLoader):
    """Takes no key twice, where PyYAML would take the last, and no alias, which can grow without end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(
                None,
                None,
                "aliases (*name) are not read here: write it out",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(getattr(key, "value", key))
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{shorten(name, 60)!r} is given twice: keep one", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _complaint(error: ValidationError) -> str:
    """What is wrong first, and where."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = first["loc"]
    at = ".".join(map(str, where))
    if first["type"] == "extra_forbidden":
        kinds: dict[str, type[_Part]] = {"own": OwnRule, "licenses": Licenses, "dates": Dates}
        kind = kinds.get(str(where[0]), Profile) if len(where) > 1 else Profile
        return f"there is no key {at!r}{nearest(str(where[-1]), list(kind.model_fields))}"
    said = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"`{at}` is missing"
    return f"{at}: {said[:1].lower()}{said[1:]}" if at else said


def once(names: Sequence[str]) -> None:
    """Raise a RecipeError where a name is given twice."""
    for name in names:
        if list(names).count(name) > 1:
            raise RecipeError(f"the rule {name!r} is given twice: name each once")
