"""Checkpoints of CONFIG_DB by name, as `config checkpoint` keeps them in /etc/sonic/checkpoints.

Source: sonic-utilities generic_config_updater/generic_updater.py (FileSystemConfigRollbacker).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.patch import PatchError
from raddle.nos.db.store import ConfigStore

MAX_CHECKPOINTS = 100
_SUFFIX = ".cp.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a switch: in `folder`, or in memory, where they end with the process."""

    folder: Path | None = None
    _kept: dict[str, ConfigDb] = field(default_factory=dict)

    def names(self) -> list[str]:
        """All there are."""
        if self.folder is None:
            return sorted(self._kept)
        return sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}"))

    def save(self, name: str, config: ConfigDb) -> None:
        """Keep a configuration under a name, in place of what was kept under it.

        Raises:
            PatchError: the name is none, there are too many, or the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise PatchError(f"Error: '{name}' is no name of a checkpoint: letters, digits, '_', '.' and '-'")
        names = self.names()
        if name not in names and len(names) >= MAX_CHECKPOINTS:
            raise PatchError(f"Error: there are {len(names)} checkpoints; delete one first")
        if self.folder is None:
            self._kept[name] = config
        else:
            ConfigStore(self.folder / f"{name}{_SUFFIX}").save(config)

    def load(self, name: str) -> object:
        """What is kept under a name.

        Raises:
            PatchError: nothing is, or the file cannot be read.
        """
        self._require(name)
        if self.folder is None:
            return self._kept[name]
        try:
            return ConfigStore(self.folder / f"{name}{_SUFFIX}").load()
        except (OSError, ValueError) as error:
            raise PatchError(f"Error: Checkpoint '{name}' cannot be read: {error}") from None

    def delete(self, name: str) -> None:
        """Forget a checkpoint.

        Raises:
            PatchError: there is none of this name, or its file cannot be removed.
        """
        self._require(name)
        if self.folder is None:
            del self._kept[name]
            return
        try:
            (self.folder / f"{name}{_SUFFIX}").unlink()
        except OSError as error:
            raise PatchError(f"Error: Checkpoint '{name}' cannot be deleted: {error.strerror}") from None

    def _require(self, name: str) -> None:
        if name not in self.names():
            raise PatchError(f"Error: Checkpoint '{name}' does not exist")
