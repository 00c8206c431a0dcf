"""Publishing a release on the Hugging Face hub: one commit, and a tag that names the run.

A release is what `export` wrote. Its tag is a hash of the run and of its rows, so that the same run is published once.
`huggingface_hub` is imported where it is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from factory.data.formats.card import MARK
from factory.data.formats.card_body import THIS_FOLDER
from factory.data.formats.exported import BESIDE, exported_files
from factory.data.hub import HubName, endpoint, reason, require_hub, token
from factory.data.references import finished_run, is_run
from factory.data.run_manifest import Manifest
from factory.data.text import shorten
from factory.errors import FactoryError, InputError, MissingSecret, OutputError, RunStopped

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FACTS = ".factory/release.json"
"""What a release says of itself, in a folder that loaders pass over."""
CARD = "README.md"
_OF_THE_HUB = (".gitattributes",)


class Release(NamedTuple):
    """What is published.

    files: by their path on the hub, each with the SHA-256 of its bytes
    facts: what the release says of itself: tag, run, rows; no path of this machine is among them
    others: files that lie in the folder, are no part of the set and stay here
    """

    folder: Path
    files: Mapping[str, str]
    facts: Mapping[str, Any]
    others: Sequence[str] = ()

    @property
    def tag(self) -> str:
        """The name of this version: the same for the same run and rows."""
        return str(self.facts["tag"])


class Published(NamedTuple):
    """What came of publishing.

    how: "new", "new version", "tagged" (the rows were there, the tag was not), "there already"
    """

    name: str
    tag: str
    commit: str
    how: str
    private: bool
    url: str


def release_of(folder: Path) -> Release:
    """What is to be published of a run, or of an export's folder.

    Raises:
        InputError: there is neither, the run has not finished, or a file was changed since.
    """
    manifest: Manifest | None = None
    if is_run(folder):
        manifest = finished_run(folder)
        if not manifest.kept:
            raise InputError(f"the run in {folder} kept no record: there is nothing to publish")
    place = folder / "dataset" if manifest is not None else folder
    if not _is_export(place):
        raise InputError(
            f"{folder} holds no set that could be published: name the folder of a run, or one that `factory export` "
            "wrote"
        )
    ours, others = exported_files(place)
    if manifest is not None:
        told = {one.path.removeprefix("dataset/"): one.sha256 for one in manifest.outputs}
        others += [name for name in ours if name not in told]
        ours = [name for name in ours if name in told]
    files = {name: _sha256(place / name) for name in ours}
    for name, digest in files.items():
        if manifest is not None and told[name] != digest:
            raise InputError(
                f"{place / name} is not as the run left it: run its recipe again, or export to a folder of its own and "
                "publish that"
            )
    data = {name: digest for name, digest in files.items() if name not in BESIDE}
    if not data:
        raise InputError(f"{place} holds no rows that its card names: export the set again")
    identity = manifest.identity if manifest is not None else None
    run = [identity.recipe, identity.limit, [one.sha256 for one in identity.inputs]] if identity else []
    digest = hashlib.sha256(orjson.dumps([run, sorted(data.items())])).hexdigest()
    facts: dict[str, Any] = {"tag": f"run-{digest[:12]}", "files": data}
    if manifest is not None:
        facts |= {"recipe": manifest.recipe, "recipe_hash": identity.recipe if identity else ""}
        facts |= {"seed": manifest.seed, "rows": manifest.kept, "libraries": dict(manifest.libraries)}
    return Release(place, files, facts, sorted(others))


def publish(
    release: Release,
    name: str,
    *,
    private: bool = True,
    new_version: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Published:
    """Put a release on the hub: all files in one commit, so that none or all are seen, and a tag of its own on it.

    A repository that is not there is made. One that holds these rows under this tag is left as it is.

    Args:
        name: hf://org/name
        private: whether a new repository is private; that of an older one is never changed, and what is to be private
            is not put into one that is public
        new_version: put the release in the place of other rows of this repository; those stay in its history
        tell: is told what a person should know

    Raises:
        InputError: the name is none.
        MissingSecret: no token is in the environment, or the hub refuses it.
        MissingDependency: huggingface_hub is not installed.
        OutputError: the repository holds other rows or is public unasked, or this user may not write to it.
        RunStopped: the hub cannot be reached, or broke off.
    """
    hub = HubName.read(name)
    if hub.revision or "/" not in hub.repository:
        raise InputError(
            f"{name} cannot be published to: write hf://org/name, with your user or organisation as org and without a "
            "tag, which the run gives"
        )
    if not (secret := token()):
        raise MissingSecret(
            "no token of the hub is in the environment: make one with write access in your settings there, and set "
            "HF_TOKEN to it"
        )
    require_hub("publishing")
    from huggingface_hub import HfApi

    return _Publishing(HfApi(endpoint=endpoint(), token=secret), hub.repository, release, tell).run(
        private, new_version
    )


class _Publishing:
    """One release on its way to one repository."""

    def __init__(self, api: HfApi, repository: str, release: Release, tell: Callable[[str], None]) -> None:
        self.api, self.repository, self.release, self.tell = api, repository, release, tell
        self.url = f"{api.endpoint}/datasets/{repository}"

    def run(self, private: bool, new_version: bool) -> Published:
        tag = self.release.tag
        if self.release.others:
            self.tell(
                f"not sent, as they are no part of the set: {_named(self.release.others)} in {self.release.folder}"
            )
        with self._told("nothing was sent"):
            self.api.whoami()
            info = self._info()
        head, there, how = "", [], "new"
        if info is not None:
            with self._told("nothing was sent"):
                head = info.sha or ""
                tags = {one.name: one.target_commit for one in self._refs()}
                there = self._files("main") if head else []
            held = self._facts(head) if FACTS in there else {}
            if tag in tags:
                return self._published(tags[tag], "there already", bool(info.private))
            if held.get("tag") == tag:  # the commit was made, and what came after it was not
                return self._tag(head, "tagged", bool(info.private))
            if set(there) - {*_OF_THE_HUB, "README.md"}:
                how = "new version"
                if not new_version:
                    raise OutputError(self._occupied(there, held, tags, head))
            if private and not info.private:
                raise OutputError(
                    f"{self.repository} is public on the hub: give --public to let everybody read this set, or make "
                    "the repository private in its settings there (nothing was sent)"
                )
            if info.private and not private:
                self.tell(
                    f"{self.repository} is private on the hub and stays so: change that in its settings there"
                )
            private = bool(info.private)
            self._tell_replaced(there, held, head)
        else:
            with self._told("nothing was sent"):
                self.api.create_repo(self.repository, repo_type="dataset", private=private)
                made = self._info()
                head = (made.sha or "") if made is not None else ""
        with self._told(
            "all of its files are to be seen there or none, as they come by one commit; run the same command again, "
            "which goes on from there"
        ):
            commit = self._commit(there, head)
        return self._tag(commit, how, private)

    def _info(self) -> Any:
        """What the hub knows of the repository; None where there is none."""
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            return self.api.repo_info(self.repository, repo_type="dataset")
        except RepositoryNotFoundError:
            return None

    def _refs(self) -> Any:
        return self.api.list_repo_refs(self.repository, repo_type="dataset").tags

    def _files(self, revision: str) -> list[str]:
        return list(self.api.list_repo_files(self.repository, repo_type="dataset", revision=revision))

    def _facts(self, revision: str) -> dict[str, Any]:
        """What the release at this commit says of itself; empty where that cannot be read."""
        with tempfile.TemporaryDirectory(prefix="factory-") as folder, self._told("nothing was sent"):
            path = self.api.hf_hub_download(
                self.repository, FACTS, repo_type="dataset", revision=revision, local_dir=folder
            )
            try:
                facts = orjson.loads(Path(path).read_bytes())
            except ValueError:
                return {}
        return facts if isinstance(facts, dict) else {}

    def _occupied(self, there: list[str], held: Mapping[str, Any], tags: Mapping[str, str], head: str) -> str:
        named = next((tag for tag, commit in tags.items() if commit == head), "")
        rows = f"{held['rows']:,} rows" if isinstance(held.get("rows"), int) else f"{len(there):,} files"
        stay = f"under their tag {named}" if named else f"in its history, as commit {head[:12]}"
        return (
            f"{self.repository} holds other rows already ({rows}{f', {named}' if named else ''}): give --new-version "
            f"to put these in their place (the others stay {stay}), or publish under another name"
        )

    def _tell_replaced(self, there: list[str], held: Mapping[str, Any], head: str) -> None:
        """Name the files of the repository that no release put there, and that this one replaces or removes."""
        released = held.get("files")
        ours = {*_OF_THE_HUB, FACTS, *((*BESIDE, *released) if isinstance(released, dict) else ())}
        if theirs := sorted(set(there) - ours):
            self.tell(
                f"replaced or removed in {self.repository}, though no release put them there: {_named(theirs)} (they "
                f"stay in its history, as commit {head[:12]})"
            )

    def _commit(self, there: list[str], head: str) -> str:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        facts = orjson.dumps(self.release.facts, option=orjson.OPT_INDENT_2) + b"\n"
        add = [
            CommitOperationAdd(name, str(self.release.folder / name))
            for name in sorted(self.release.files)
            if name != CARD
        ]
        add.append(CommitOperationAdd(CARD, self._card()))
        add.append(CommitOperationAdd(FACTS, facts))
        new = {one.path_in_repo for one in add}
        remove = [
            CommitOperationDelete(name) for name in there if name not in new and name not in _OF_THE_HUB
        ]
        made = self.api.create_commit(
            self.repository,
            [*add, *remove],
            commit_message=f"Release {self.release.tag}",
            repo_type="dataset",
            parent_commit=head or None,
        )
        return str(made.oid)

    def _card(self) -> bytes:
        """The card, whose lines for loading the set have its name on the hub in them."""
        text = (self.release.folder / CARD).read_text(encoding="utf-8")
        for place in THIS_FOLDER:
            text = text.replace(f'load_dataset("{place}"', f'load_dataset("{self.repository}"')
        return text.encode()

    def _tag(self, commit: str, how: str, private: bool) -> Published:
        with self._told(
            "the rows are there, their tag is not yet: run the same command again, which sets it and sends nothing "
            "twice"
        ):
            self.api.create_tag(
                self.repository, tag=self.release.tag, revision=commit, repo_type="dataset", exist_ok=True
            )
        return self._published(commit, how, private)

    def _published(self, commit: str, how: str, private: bool) -> Published:
        return Published(f"hf://{self.repository}", self.release.tag, commit, how, private, self.url)

    @contextlib.contextmanager
    def _told(self, state: str) -> Iterator[None]:
        """Errors of the hub's client as a sentence; `state` says what is there now, and what to do."""
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            yield
        except FactoryError:
            raise
        except HFValidationError as error:
            raise InputError(f"{self.repository} is no name that the hub takes: {reason(error)}") from error
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", 0)
            if status == 401:
                raise MissingSecret(
                    "the hub refuses the token in HF_TOKEN: make a new one with write access in your settings there"
                ) from error
            if status == 403:
                raise OutputError(
                    f"the token in HF_TOKEN may not write to {self.repository}: take one with write access, or another "
                    f"name ({state})"
                ) from error
            if status in (409, 412):
                raise OutputError(
                    f"{self.repository} was changed by another at the same time: run the same command again ({state})"
                ) from error
            raise RunStopped(
                f"the hub answered {self.repository} with an error ({reason(error)}): {state}"
            ) from error
        except (
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:  # its client took the reply for a hub's
            raise RunStopped(
                f"what answers at {self.api.endpoint} does not answer as the hub does ({reason(error)}): check "
                f"HF_ENDPOINT, or try again later; {state}"
            ) from error
        except Exception as error:  # its transport's own errors come through
            if "/xet-" in str(error):
                raise RunStopped(
                    f"what answers at {self.api.endpoint} does not take files by the protocol Xet "
                    f"({reason(error)}): set HF_HUB_DISABLE_XET=1, which sends them by LFS; {state}"
                ) from error
            raise RunStopped(
                f"the hub cannot be reached at {self.api.endpoint} ({reason(error)}): check the network and "
                f"HF_ENDPOINT; {state}"
            ) from error


def _named(files: Sequence[str]) -> str:
    """Some files by name, and how many others there are."""
    more = f" and {len(files) - 5:,} others" if len(files) > 5 else ""
    return f"{', '.join(shorten(name, 60) for name in files[:5])}{more}"


def _is_export(folder: Path) -> bool:
    try:
        with (folder / "README.md").open("rb") as file:
            return MARK.encode() in file.read(1000)
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
