"""The report of a run: one page that needs nothing beside it, and runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from factory.data.run_manifest import Manifest, ModelFacts, StepFacts
from factory.report.coverage import FileCoverage, write_coverage
from factory.report.page.charts import bar_list, distribution, length_distribution, stacked_bar
from factory.report.page.cleaning import cleaning_section
from factory.report.page.composition import Composition, compose
from factory.report.page.coverage import coverage_section
from factory.report.page.facts import facts_section
from factory.report.page.families import families_section
from factory.report.page.file import POLICY, write_page
from factory.report.page.markup import Html, h, join
from factory.report.page.samples import dropped_sample, kept_sample, row_card
from factory.report.page.selection import selection_section
from factory.report.page.tags import tags_section
from factory.report.plain import clip, count, duration, lacks, money
from factory.report.run_files.manifest import read_manifest
from factory.report.run_files.rows import dropped_files, kept_files
from factory.report.run_files.state import run_state
from factory.report.terminal.funnel import headline
from factory.statistics.interval import number as with_interval

REPORT = "report.html"
RECIPE_CHARACTERS = 100_000
MOST_KINDS = 12
CAUSES = 3
"""How many kinds of reasons the head of the page names."""


def write_report(folder: Path) -> Path:
    """Write report.html of the run in this folder, from its files alone. The same files give the same page.

    Raises:
        InputError: there is no run, or one of its files cannot be read.
        OutputError: the page cannot be written.
    """
    path = folder / REPORT
    write_page(path, render_report(folder, write_coverage(folder)), "free some space")
    return path


def render_report(folder: Path, documents: Sequence[FileCoverage] = ()) -> str:
    """The page's HTML. documents: what of them is in the set."""
    manifest = read_manifest(folder)
    last = kept_files(folder)[:1]
    composition = compose(last[0]) if last else Composition()
    kept = kept_sample(last[0]) if last else []
    gone = [record for path in dropped_files(folder)[:1] for record in dropped_sample(path)]
    sections = [
        ("funnel", "Funnel", _funnel(manifest)),
        ("facts", "Found on the way", facts_section(manifest.steps)),
        ("coverage", "Coverage of the documents", coverage_section(documents)),
        ("cleaning", "Faults", cleaning_section(manifest.steps)),
        ("selection", "Choices", selection_section(manifest.steps)),
        ("composition", "What is in it", _composition(composition)),
        ("tags", "Tags", tags_section(folder)),
        (
            "kept",
            "Kept",
            _rows(kept, manifest.kept, "Rows of the result, evenly spaced.", "Nothing was kept."),
        ),
        (
            "dropped",
            "Let go",
            _rows(
                gone,
                manifest.dropped + manifest.failed,
                "Rows that are not in the result and why, every kind of reason in turn.",
                "Nothing was let go.",
            ),
        ),
        ("duplicates", "Duplicates", families_section(folder)),
        ("models", "Models", _models(manifest.models)),
        ("warnings", "Warnings", _told(manifest.warnings, "What asks for a look.")),
        ("notices", "Notices", _told(manifest.notices, "What was said while the run went.")),
        ("recipe", "Recipe", _recipe(folder)),
        ("files", "Files", _files(manifest)),
    ]
    sections = [section for section in sections if section[2]]
    links = [h("a", title, href=f"#{name}") for name, title, _ in sections]
    body = [h("section", h("h2", title), content, id=name) for name, title, content in sections]
    title = manifest.recipe or "factory"
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("meta", name="referrer", content="no-referrer"),
        h("title", f"{title}: {headline(manifest).removeprefix(f'{manifest.recipe}: ')}"),
        h("style", Html(_style())),
    )
    page = h(
        "html",
        head,
        h(
            "body",
            _header(title, manifest, run_state(folder, manifest), links),
            h("main", *body),
            _footer(manifest),
        ),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _header(title: str, manifest: Manifest, state: str, links: Sequence[Html]) -> Html:
    started = manifest.started.replace("T", " ").replace("+00:00", " UTC")
    outcome = headline(manifest).removeprefix(f"{manifest.recipe}: ")
    status = h("p", state, class_="outcome alarm") if state else ""
    tokens = manifest.prompt_tokens + manifest.completion_tokens
    facts = [
        _fact(
            "kept" if manifest.finished else "live",
            count(manifest.kept),
            f"of {count(manifest.records)}",
            "is-kept",
        ),
        _fact("dropped", count(manifest.dropped), _causes(manifest), "is-dropped"),
        _fact("failed", count(manifest.failed), "could not be processed", "is-failed"),
        _fact("calls", count(manifest.calls), f"{count(manifest.replayed)} replayed"),
        _fact("tokens", _short(tokens), f"{_short(manifest.completion_tokens)} in replies"),
        *(
            [_fact("cost", money(manifest.cost), "in the prices' currency")]
            if manifest.cost is not None
            else []
        ),
        _fact("time", duration(manifest.seconds)),
    ]
    return h(
        "header",
        h("p", started, class_="soft outcome"),
        h("h1", title, dir="auto"),
        h(
            "p",
            outcome[:1].upper() + outcome[1:] + ".",
            class_="outcome" + ("" if manifest.kept else " alarm"),
        ),
        status,
        h("dl", *facts, class_="facts"),
        h("nav", *links),
    )


def _causes(manifest: Manifest) -> str:
    """Why records were dropped, by the kinds that took most."""
    kinds: Counter[str] = Counter()
    for step in manifest.steps:
        kinds.update(step.dropped)
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    more = f", {len(ordered) - CAUSES:,} kinds more" if len(ordered) > CAUSES else ""
    return ", ".join(f"{kind.replace('_', ' ')} {number:,}" for kind, number in ordered[:CAUSES]) + more


def _fact(name: str, value: str, note: str = "", kind: str | None = None) -> Html:
    return h("div", h("dt", name), h("dd", value, h("small", note) if note else ""), class_=kind)


def _short(number: int) -> str:
    """A large count in thousands or millions: the exact one stands in the table of models."""
    if number < 10_000:
        return count(number)
    return f"{number / 1e3:,.0f} k" if number < 1_000_000 else f"{number / 1e6:,.1f} M"


def _funnel(manifest: Manifest) -> Html:
    if not manifest.steps:
        return h("p", "The run has not come to the end of a step.", class_="soft")
    widest = max(step.passed + step.let_go for step in manifest.steps)
    heads = [h("span", name, class_="head number") for name in ("in", "new", "out")]
    cells = [h("span", class_="head"), h("span", class_="head graph"), *heads]
    for step in manifest.steps:
        dropped, failed = sum(step.dropped.values()), sum(step.failed.values())
        parts = [("kept", step.passed), ("dropped", dropped), ("failed", failed)]
        cells += [
            h("span", step.label, class_="step"),
            h("span", stacked_bar(parts, widest), class_="graph"),
            h("span", count(step.entered), class_="number"),
            h("span", count(step.made) if step.made else "", class_="number soft"),
            h("span", count(step.passed), class_="number out"),
        ]
        if step.let_go or step.lacking:
            cells.append(h("span", *_kinds(step), class_="why"))
    names = (("kept", "goes on"), ("dropped", "dropped"), ("failed", "failed"))
    key = h("p", *(h("span", name, class_=kind) for kind, name in names), class_="key")
    lead = h("p", "What each step let through, and why it let the others go.", class_="lead")
    return join(lead, h("div", key, h("div", *cells, class_="funnel"), class_="card"))


def _kinds(step: StepFacts) -> list[Html]:
    chips = []
    missed = [
        ("missed", {f"{lacks(name)}: {kind}": number for kind, number in kinds.items()})
        for name, kinds in step.lacking.items()
    ]
    for name, kinds in (("dropped", step.dropped), ("failed", step.failed), *missed):
        ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        chips += [
            h("span", f"{kind} ", h("b", count(number)), class_=f"chip {name}")
            for kind, number in ordered[:MOST_KINDS]
        ]
        if rest := ordered[MOST_KINDS:]:
            more = f"{count(len(rest))} more kinds "
            chips.append(h("span", more, h("b", count(sum(n for _, n in rest))), class_=f"chip {name}"))
    return chips


def _composition(composition: Composition) -> Html:
    if not composition.rows:
        return h("p", "The result has no rows.", class_="lead")
    rounds = {f"round {at}" if at else "seeds": number for at, number in sorted(composition.rounds.items())}
    kinds: dict[str, Mapping[str, int]] = {
        "task": composition.tasks,
        "language": composition.languages,
        "source": composition.sources,
        "evolution": rounds,
    }
    # A panel of one bar says no more than a word does.
    alike = [f"{name} {next(iter(counts)) or '(none)'}" for name, counts in kinds.items() if len(counts) == 1]
    cards = [
        _card(name, bar_list(counts, in_order=name == "evolution"))
        for name, counts in kinds.items()
        if len(counts) > 1
    ]
    for name, values in composition.scores.items():
        missing = composition.rows - len(values)
        under = f"mean {values.mean():.3g}, median {np.median(values):.3g}" if len(values) else "no values"
        under += f"; missing for {count(missing)}" if missing else "; none missing"
        # A judge that likes long answers is the best-known fault of judges: shown beside every score.
        with_length = composition.length_correlation.get(name)
        if with_length is not None:
            sure = composition.length_intervals[name]
            under += f"; Spearman with the output's length {with_interval(with_length, sure, '.2f')}"
        cards.append(_card(f"score {name}", distribution(values), under))
    measured = len(composition.instruction_words)
    of = f", {count(measured)} rows measured" if measured < composition.rows else ""
    for name, words in (
        ("instruction", composition.instruction_words),
        ("output", composition.output_words),
    ):
        under = f"median {np.median(words):,.0f}{of}" if len(words) else ""
        cards.append(_card(f"words in the {name}", length_distribution(words), under))
    lead = f"All {count(composition.rows)} rows of the result. A Chinese character counts as a word."
    if alike:
        lead += f" Of all rows: {'; '.join(alike)}."
    return join(h("p", lead, class_="lead"), h("div", *cards, class_="grid"))


def _card(title: str, content: Html, under: str = "") -> Html:
    return h("div", h("h3", title), content, h("p", under, class_="under") if under else "", class_="card")


def _rows(records: Sequence[Any], total: int, lead: str, none: str) -> Html:
    if not records:
        return h("p", none, class_="lead")
    number = f" {count(len(records))} of {count(total)}." if len(records) < total else ""
    return join(h("p", lead + number, class_="lead"), *(row_card(record) for record in records))


def _models(models: Mapping[str, ModelFacts]) -> Html:
    if not models:
        return join()
    columns = ("calls", "replayed", "retries", "asked_again", "prompt_tokens", "completion_tokens")
    heads = [h("th", name.replace("_", " "), class_="number") for name in (*columns, "cost")]
    rows = []
    for name, usage in models.items():
        numbers = [h("td", count(getattr(usage, column)), class_="number") for column in columns]
        rows.append(
            h(
                "tr",
                h("td", name, dir="auto"),
                h("td", usage.model, dir="auto"),
                *numbers,
                h("td", "" if usage.cost is None else money(usage.cost), class_="number"),
            )
        )
    lead = "Calls that were sent and answered; replies replayed from the journal cost nothing."
    table = _table([h("th", "name"), h("th", "model"), *heads], rows)
    return join(h("p", lead, class_="lead"), table)


def _told(sentences: Sequence[str], lead: str) -> Html:
    if not sentences:
        return join()
    lines = [h("li", clip(sentence, 600), dir="auto") for sentence in sentences]
    return join(
        h("p", lead, class_="lead"),
        h("div", h("ul", *lines, class_="plain"), class_="card"),
    )


def _recipe(folder: Path) -> Html:
    try:
        text = (folder / "recipe.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return join()
    lead = h("p", "What ran, exactly, with its overrides.", class_="lead")
    return join(lead, h("div", h("pre", clip(text, RECIPE_CHARACTERS)), class_="card"))


def _files(manifest: Manifest) -> Html:
    rows = []
    for kind, files in (("inputs", manifest.inputs), ("outputs", manifest.outputs)):
        for facts in files:
            path = facts.path
            # An input's path is one of the person's machine; only the run's own files lie beside the page.
            name = h("a", path, href=f"./{quote(path)}", dir="auto") if kind == "outputs" else path
            rows.append(
                h(
                    "tr",
                    h("td", "read" if kind == "inputs" else "written", class_="soft"),
                    h("td", name),
                    h("td", count(facts.bytes), class_="number"),
                    h("td", facts.sha256, class_="mono"),
                )
            )
    if not rows:
        return join()
    heads = [h("th"), h("th", "file"), h("th", "bytes", class_="number"), h("th", "SHA-256")]
    return join(h("p", "Any of them can be checked against these sums.", class_="lead"), _table(heads, rows))


def _table(heads: Sequence[Html], rows: Sequence[Html]) -> Html:
    table = h("table", h("thead", h("tr", *heads)), h("tbody", *rows))
    return h("div", h("div", table, class_="scroll"), class_="card")


def _footer(manifest: Manifest) -> Html:
    libraries = ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    return h(
        "footer",
        h(
            "p",
            f"Seed {'' if manifest.seed is None else manifest.seed}. Python {manifest.python}, {libraries}.",
        ),
    )
