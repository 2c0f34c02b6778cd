"""A switch's config_db.json: what it holds across restarts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from nos.db.databases import ConfigDb
from nos.db.patch import PatchError


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
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document

    def save(self, config: ConfigDb) -> None:
        """Write all of it or nothing: a reader, also after a crash, finds the old file or the new one.

        Raises:
            PatchError: it cannot be written; the old file is as it was.
        """
        draft = self.path.with_name(self.path.name + ".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w") as file:
                json.dump(config, file, indent=4, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise PatchError(
                f"Error: nothing was changed, as {self.path} cannot be saved: {error.strerror}; "
                "free space on the disk and try again"
            ) from None
