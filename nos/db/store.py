"""A switch's config_db.json: what it holds across restarts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from raddle.nos.db.databases import ConfigDb
from raddle.nos.db.patch import PatchError


@dataclass(frozen=True, slots=True)
class ConfigStore:
    """Where a switch saves CONFIG_DB after every accepted change, as `config save` writes it."""

    path: Path

    def load(self) -> dict[str, object] | None:
        """What was saved last; None if nothing was.

        Raises:
            ValueError: the file is not a JSON object.
            OSError: it cannot be read.
        """
        try:
            document = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document

    @property
    def checkpoint(self) -> Path:
        """What CONFIG_DB was before the change that is being saved (SONiC's /etc/sonic/config.cp.json)."""
        return self.path.with_name("config.cp.json")

    def replace(self, before: ConfigDb, after: ConfigDb) -> None:
        """Save a change, with a checkpoint of what was before for as long as it takes.

        Raises:
            PatchError: it cannot be written; the old file is as it was.
        """
        self._write(self.checkpoint, before, is_durable=False)
        try:
            self.save(after)
        finally:
            self.checkpoint.unlink(missing_ok=True)

    def save(self, config: ConfigDb) -> None:
        """Write all of it or nothing: a reader, also after a crash, finds the old file or the new one.

        Raises:
            PatchError: it cannot be written; the old file is as it was.
        """
        self._write(self.path, config, is_durable=True)

    def _write(self, path: Path, config: ConfigDb, is_durable: bool) -> None:
        draft = path.with_name(path.name + ".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w") as file:
                json.dump(config, file, indent=4, sort_keys=True)
                file.flush()
                if is_durable:
                    os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise PatchError(
                f"Error: nothing was changed, as {path} cannot be saved: {error.strerror}; "
                "free space on the disk and try again"
            ) from None
