"""The files of a repository as they were at another commit."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import InputError
from raddle.lab.check.files import Found, find_files


@dataclass(frozen=True, slots=True)
class Base:
    """A commit's files in a folder. `top` is that of the repository."""

    commit: str
    top: Path
    folder: Path

    def file(self, path: Path) -> Path | None:
        """Where a file of the repository is as it was; None if it was not there."""
        try:
            then = self.folder / path.resolve().relative_to(self.top)
        except ValueError:
            return None
        return then if then.is_file() else None

    def files(self, paths: Sequence[Path]) -> dict[Path, Found]:
        """The files that were raddle's, of those that are named or lay below named folders: by their paths
        as they would be told today."""
        found = {}
        for path in paths:
            try:
                then = self.folder / path.resolve().relative_to(self.top)
            except ValueError:
                continue
            for each in find_files([then]) if then.exists() else ():
                if each.kind not in ("other", "broken"):
                    found[path / each.path.relative_to(then)] = each
        return found


@contextmanager
def files_at(commit: str) -> Iterator[Base]:
    """The files of the repository that holds the present folder, as they were at a commit or branch.

    Raises:
        InputError: `bad-base`, git knows no such commit or there is no repository.
    """
    top = Path(_git("rev-parse", "--show-toplevel").decode().strip()).resolve()
    found = _git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="raddle-base-") as name:
        folder, index = Path(name) / "files", str(Path(name) / "index")
        folder.mkdir()
        _git("-C", str(top), "read-tree", found, index=index)
        _git("-C", str(top), "checkout-index", "--all", f"--prefix={folder}/", index=index)
        yield Base(commit, top, folder)


def _git(*words: str, index: str | None = None) -> bytes:
    """What git prints; with an index of its own, nothing of the checkout is touched."""
    environment = {**os.environ, "GIT_INDEX_FILE": index} if index else None
    try:
        return subprocess.run(["git", *words], check=True, capture_output=True, env=environment).stdout
    except FileNotFoundError:
        raise InputError.of("bad-base", "--base needs git, which is not here", "install git") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        message = f"git finds no base: {said[-1] if said else f'exit code {error.returncode}'}"
        raise InputError.of("bad-base", message, "name a commit or branch of this repository") from None
