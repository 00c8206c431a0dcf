"""A person's own prompts: a folder of files that stand in place of the shipped ones of the same name.

    my-prompts/en/evolve/deepen.md      in place of en/evolve/deepen
    my-prompts/zh/judge/absolute.md     in place of zh/judge/absolute

A file has the form of a shipped prompt (`prompt.py`), and its inputs. A prompt that has no file is the shipped one.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from factory.data.prompt import Prompt, parse_prompt, shipped_prompt, shipped_prompts
from factory.errors import RecipeError

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class OwnPrompts:
    """What a folder holds.

    prompts: by language and name
    texts: the files as they are, by their path within the folder, such as "en/evolve/deepen.md"
    """

    prompts: Mapping[tuple[str, str], Prompt] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file, by its path within the folder."""
        return {path: hashlib.sha256(text).hexdigest() for path, text in sorted(self.texts.items())}


NO_PROMPTS = OwnPrompts()


def read_own_prompts(folder: Path) -> OwnPrompts:
    """The prompts in this folder.

    Raises:
        RecipeError: there is no such folder, it holds none, a file is no prompt or stands in place of none, or its
            inputs are not those of the shipped one; one sentence that names the file.
    """
    if not folder.is_dir():
        raise RecipeError(f"there is no folder of prompts {folder}")
    prompts: dict[tuple[str, str], Prompt] = {}
    texts: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts) or not path.is_file():
            continue
        if place.parts == ("README.md",):
            continue
        language, name = _place(path, place)
        try:
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise RecipeError(f"{path}: cannot be read: {reason}") from None
        prompts[language, name] = replace(
            _fitting(parse_prompt(text, path, language), shipped_prompt(name, language), path),
            own=hashlib.sha256(data).hexdigest()[:8],
        )
        texts[place.as_posix()] = data
    if not prompts:
        raise RecipeError(
            f"the folder of prompts {folder} holds none: put one at {folder / 'en' / 'evolve' / 'deepen.md'}, say "
            "(factory prompts lists the names)"
        )
    return OwnPrompts(prompts, texts)


def _place(path: Path, place: Path) -> tuple[str, str]:
    """The language and the name of the shipped prompt that a file stands in place of."""
    if place.parts[0] not in LANGUAGES or len(place.parts) == 1:
        raise RecipeError(f"{path}: a prompt lies in a folder en or zh, such as en/evolve/deepen.md")
    name = Path(*place.parts[1:]).with_suffix("").as_posix()
    known = shipped_prompts()
    if place.suffix != ".md" or name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        meant = f"; did you mean {place.parts[0]}/{close[0]}.md?" if close else ""
        raise RecipeError(
            f"{path}: it stands in place of no shipped prompt{meant} (factory prompts lists the names)"
        )
    return place.parts[0], name


def _fitting(own: Prompt, shipped: Prompt, path: Path) -> Prompt:
    """The prompt of a person, where it can do what the shipped one does."""
    if own.name != shipped.name:
        raise RecipeError(f"{path}: its header says `name: {own.name}`: write `name: {shipped.name}`")
    lacking = [name for name in shipped.inputs if name not in own.inputs]
    unknown = [name for name in own.inputs if name not in shipped.inputs]
    if lacking:
        said = " and ".join("{{{" + name + "}}}" for name in lacking)
        raise RecipeError(f"{path}: it lacks {said}, which the shipped prompt {shipped.name} inserts")
    if unknown:
        takes = ", ".join(shipped.inputs) or "none"
        raise RecipeError(f"{path}: {shipped.name} has no input {unknown[0]!r}; its inputs are {takes}")
    if own.turns[-1][0] != shipped.turns[-1][0]:
        raise RecipeError(
            f"{path}: its last turn is [{own.turns[-1][0]}]; that of {shipped.name} is [{shipped.turns[-1][0]}]"
        )
    roles = [role for role, _ in own.turns if role != "system"]
    if any(role != ("user", "assistant")[at % 2] for at, role in enumerate(roles)):
        raise RecipeError(f"{path}: after [system] the turns go [user], [assistant], [user] and so on")
    return own
