"""What a run needs is looked for before it makes its first call, rather than when a step is reached, hours in."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from factory.data.formats.files import check_file
from factory.engine.calls.pool import ModelPool
from factory.engine.calls.probes import Probe
from factory.errors import FactoryError, RecordFailed, RunStopped
from factory.models.base import Contact
from factory.step import Step

CONTACT_SECONDS = 5.0
"""How long a server may take to answer, before a run begins."""


@runtime_checkable
class Reaching(Protocol):
    """A step that will reach servers beside those of models."""

    def contacts(self) -> Iterable[Contact]:
        """Those that are to answer before a first call."""
        ...


@runtime_checkable
class ReadingLevels(Protocol):
    """A step that reads a model's reply from the log-probabilities of what it generates, and from nothing else."""

    def read_from_log_probabilities(self) -> Iterable[str]:
        """The fields that name such models."""
        ...


@runtime_checkable
class GoingOnUnscored(Protocol):
    """A step that goes on, its scores missing, where a model tells no log-probabilities of given texts."""

    def goes_on_unscored(self) -> bool:
        """Whether it does."""
        ...


def preflight(steps: Sequence[Step], labels: Sequence[str], pool: ModelPool) -> None:
    """Look whether all that the steps need is there: files, packages, keys, weights, devices, fitting models.

    Makes each model that a step will use. Sends nothing to a server of a model (see `probes`); a model that is named by
    its place on the Hugging Face hub is looked for there, and a Ray cluster at its address. All that is missing is told
    together.

    Raises:
        FactoryError: something is not there; of the class of the first thing that is missing.
    """
    faults: dict[str, FactoryError] = {}

    def note(label: str, error: FactoryError) -> None:
        if isinstance(error, (RecordFailed, RunStopped)):
            raise error
        if str(error) not in faults:  # of several steps that need the same, the first
            faults[str(error)] = _said(error, f"{label}: {error}") if label else error

    for label, step in zip(labels, steps, strict=True):
        try:
            for path in step.inputs():
                check_file(path)
        except FactoryError as error:  # its sentence begins with the file
            note("", error)
        try:
            step.check_ready()
        except FactoryError as error:
            note(label, error)
        for contact in step.contacts() if isinstance(step, Reaching) else ():
            if why := _silence(contact):
                said = f"{label}: could not {contact.what} ({why}): {contact.mend}"
                faults.setdefault(said, RunStopped(said))
        for kind in ("chat", "embedding"):
            for field, name in step.models_of(kind):
                try:
                    pool.prepare(name, kind, scores=step.scores_with(field))
                except FactoryError as error:
                    note(f"{label}, `{field}`", error)
    if faults:
        first, *others = faults.values()
        raise _said(first, "\n".join(map(str, (first, *others)))) if others else first


def _silence(contact: Contact) -> str:
    """Why nobody answers there; "" where somebody does."""
    try:
        socket.create_connection((contact.host, contact.port), timeout=CONTACT_SECONDS).close()
    except (OSError, OverflowError) as error:  # OverflowError: there is no such port
        return getattr(error, "strerror", None) or str(error)
    return ""


def probes(steps: Sequence[Step], labels: Sequence[str], pool: ModelPool) -> list[Probe]:
    """What is to be asked of servers before the first call goes out: one question for each model and use.

    Raises:
        FactoryError: as `preflight`, which comes first.
    """
    uses: dict[str, set[str]] = {}
    first: dict[tuple[str, str], str] = {}
    needed: set[tuple[str, str]] = set()
    for label, step in zip(labels, steps, strict=True):
        without = isinstance(step, GoingOnUnscored) and step.goes_on_unscored()
        levels = set(step.read_from_log_probabilities()) if isinstance(step, ReadingLevels) else set()
        for kind in ("chat", "embedding"):
            for field, given in step.models_of(kind):
                name = pool.name_of(given, kind)
                use = "score" if step.scores_with(field) else "levels" if field in levels else kind
                uses.setdefault(name, set()).add(use)
                said = f"{label}, `{field}`"
                first.setdefault((name, use), said)
                if not (without and use == "score") and (name, use) not in needed:
                    needed.add((name, use))
                    first[name, use] = said
    found = []
    for (name, use), label in first.items():
        asks = pool.probe_of(name, use)
        if asks is not None:
            found.append(Probe(label, name, len(uses[name]) == 1, asks, (name, use) in needed))
    return found


def _said(error: FactoryError, sentence: str) -> FactoryError:
    """An error of the same kind and cause, in other words."""
    made = type(error)(sentence)
    made.__cause__ = error
    return made
