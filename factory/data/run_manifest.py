"""What a run writes of itself, manifest.json, as one typed model: the engine makes it, the report reads it.

A manifest of an older version may lack keys, which then have their defaults; one of a newer version may have
keys that are not known here, which are passed over. What is known must have its type.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

MANIFEST = "manifest.json"
"""The file's name in the run's folder."""
MISSED = {"untagged": "tag", "no_task": "task"}
"""Facts in which older versions counted, by kind, the records that got no tags or no task."""

CLEANING = "cleaning"
"""The fact in which `clean` tells what its rules found; see `factory.report.cleaning`."""
BESIDE, OVERLAPS = "beside_random_draws_and_the_longest", "overlap_of_the_picks"
"""Facts in which `select` tells what its choices are beside others, and what share of their rows they have in common:
tables whose rows begin with "pick", the choice's name."""


class _Part(BaseModel):
    """Frozen, and strict about types; keys that are not known are passed over."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class FileFacts(_Part):
    """A file that was read or written; `path` is as it was named, or within the run's folder."""

    path: str = ""
    bytes: int = 0
    sha256: str = ""


class Identity(_Part):
    """What makes a run the same run: the recipe's hash, --limit, and the files read."""

    recipe: str = ""
    limit: int | None = None
    inputs: tuple[FileFacts, ...] = ()


class StepFacts(_Part):
    """What one step did.

    entered: records that came in; made: new ones that came out; passed: records that went on
    dropped: by kind, records judged not good enough; failed: by kind, those that could not be processed
    facts: what the step told of its work, as plain JSON
    in_flight: records that were inside when the run was last looked at, or stopped
    missing: by score ("tag" and "task" among them) and kind, how many records this step left without it
    reasons: by kind of drop, failure and missing score, what was said of the first record
    """

    label: str = ""
    entered: int = 0
    made: int = 0
    passed: int = 0
    dropped: dict[str, int] = {}
    failed: dict[str, int] = {}
    seconds: float = 0.0
    facts: dict[str, Any] = {}
    missing: dict[str, dict[str, int]] = {}
    in_flight: int = 0
    reasons: dict[str, str] = {}

    @property
    def let_go(self) -> int:
        """Records that did not pass, for whatever reason."""
        return sum(self.dropped.values()) + sum(self.failed.values())

    @property
    def lacking(self) -> dict[str, dict[str, int]]:
        """`missing`; of an older manifest what its facts tell of it."""
        found = dict(self.missing)
        for fact, name in MISSED.items():
            kinds = self.facts.get(fact)
            numbers = kinds if isinstance(kinds, dict) else {}
            if counted := {kind: number for kind, number in numbers.items() if isinstance(number, int)}:
                found.setdefault(name, counted)
        return found


class ModelFacts(_Part):
    """What one model was asked, as `model` names it; money in the currency of the prices given.

    server: the address that its replies came from, "" where it ran in the process itself
    replayed_from: how many replies in the journal came from another server, by its address
    noted: what was taken off the texts of its replies, or taken for granted, and how often, by its kind
    """

    model: str = ""
    calls: int = 0
    replayed: int = 0
    retries: int = 0
    asked_again: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    server: str = ""
    replayed_from: dict[str, int] = {}
    noted: dict[str, int] = {}


class Bound(_Part):
    """What was estimated of a run, at the most, and what it came to; `ratio` is the share that was used."""

    at_most: int | float | None = None
    came_to: int | float | None = None
    ratio: float | None = None


class EstimateFacts(_Part):
    """The estimate of a run beside what it came to; `missing` says why there is none."""

    missing: str = ""
    calls: Bound = Bound()
    prompt_tokens: Bound = Bound()
    reply_tokens: Bound = Bound()
    cost: Bound = Bound()


class Manifest(_Part):
    """A run: what ran, with what, and what came of it.

    recipe: its name; identity has its hash
    status: "running", "finished", or "stopped: " and why
    started, updated: ISO 8601, in UTC; when it began, and when the counts of a run that goes were last written
    cost: in the currency of the prices given, None where none are
    warnings: the first hundred of what the person at the terminal was told and should look at
    notices: the first hundred of what was told besides
    prompts: the person's own that stood in place of shipped ones, in the run's folder `prompts-used`
    """

    recipe: str = ""
    identity: Identity | None = None
    seed: int | None = None
    journal: str = ""
    started: str = ""
    python: str = ""
    libraries: dict[str, str] = {}
    inputs: tuple[FileFacts, ...] = ()
    prompts: tuple[FileFacts, ...] = ()
    seconds: float = 0.0
    cost: float | None = None
    steps: tuple[StepFacts, ...] = ()
    models: dict[str, ModelFacts] = {}
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    status: str = ""
    updated: str = ""
    estimate: EstimateFacts | None = None
    outputs: tuple[FileFacts, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The manifest in this file.

        Raises:
            OSError: there is none, or it cannot be read.
            ValueError: it is not the manifest of a run; says what is wrong with it.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None

    def to_bytes(self) -> bytes:
        """As indented JSON: the keys that were set, in the order of the fields."""
        return orjson.dumps(self.model_dump(exclude_unset=True), option=orjson.OPT_INDENT_2) + b"\n"

    def with_facts(self, **facts: Any) -> Self:
        """This manifest with further keys."""
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set}, **facts)

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.status in ("", "finished")

    @property
    def kept(self) -> int:
        """Records that passed the last step; of a run that goes or was stopped, those that live so far."""
        if self.finished or not self.steps:
            return self.steps[-1].passed if self.steps else 0
        reached = [step for step in self.steps if step.entered or step.passed]
        return (reached[-1].passed if reached else 0) + sum(step.in_flight for step in self.steps)

    @property
    def dropped(self) -> int:
        """Records judged not good enough, by all steps."""
        return sum(sum(step.dropped.values()) for step in self.steps)

    @property
    def failed(self) -> int:
        """Records that could not be processed, by all steps."""
        return sum(sum(step.failed.values()) for step in self.steps)

    @property
    def records(self) -> int:
        """All records the run ever had: read or made."""
        return self.kept + self.dropped + self.failed

    @property
    def calls(self) -> int:
        """Calls sent and answered, those from the journal not counted."""
        return sum(model.calls for model in self.models.values())

    @property
    def replayed(self) -> int:
        """Replies taken from the journal."""
        return sum(model.replayed for model in self.models.values())

    @property
    def retries(self) -> int:
        """Calls that were sent again."""
        return sum(model.retries for model in self.models.values())

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts sent."""
        return sum(model.prompt_tokens for model in self.models.values())

    @property
    def completion_tokens(self) -> int:
        """Tokens of all replies sent for."""
        return sum(model.completion_tokens for model in self.models.values())
