"""A switch's P4Runtime pipeline and entities on disk: what it holds across restarts.

A write adds what it has changed to a journal; when that is as large as the tables they are saved whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finsy.proto import p4r
from google.protobuf.message import DecodeError

_LENGTH_BYTES = 8
_DIGEST_BYTES = 32
_JOURNAL_BYTES = 2**20


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class P4Store:
    """One file: the length of the pipeline in 8 bytes, the ForwardingPipelineConfig, and a ReadResponse with
    all entities. Beside it the journal: the SHA-256 of that file, and WriteRequests, each behind its length.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """What was written since the tables were saved whole."""
        return self.path.with_suffix(".journal")

    def load(self) -> tuple[p4r.ForwardingPipelineConfig, list[p4r.Entity]] | None:
        """What was saved last; None if nothing was.

        Raises:
            ValueError: the file is something else.
            OSError: it cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
        if not _LENGTH_BYTES < end <= len(content):
            raise ValueError("not a P4Runtime pipeline with its entities")
        try:
            config = p4r.ForwardingPipelineConfig.FromString(content[_LENGTH_BYTES:end])
            return config, list(p4r.ReadResponse.FromString(content[end:]).entities)
        except DecodeError as error:
            raise ValueError(str(error)) from None

    def written_since(self) -> list[p4r.Update]:
        """The updates of the journal, in their order. One that was cut off by a crash was never confirmed.

        Raises:
            ValueError: it has something else in it.
            OSError: a file cannot be read.
        """
        try:
            content = self.journal.read_bytes()
        except FileNotFoundError:
            return []
        place = _DIGEST_BYTES
        if content[:place] != _digest(self.path.read_bytes()):
            return []  # Of tables that have been saved whole since.
        updates: list[p4r.Update] = []
        while place + _LENGTH_BYTES <= len(content):
            end = place + _LENGTH_BYTES + int.from_bytes(content[place : place + _LENGTH_BYTES], "big")
            if end > len(content):
                break
            try:
                updates += p4r.WriteRequest.FromString(content[place + _LENGTH_BYTES : end]).updates
            except DecodeError as error:
                raise ValueError(f"{self.journal.name}: {error}") from None
            place = end
        return updates

    def append(self, updates: Iterable[p4r.Update]) -> bool:
        """Add updates to the journal. False where it is time to save the tables whole instead.

        Raises:
            OSError: it cannot be written; the journal is as it was.
        """
        if not self.path.exists():
            return False
        data = p4r.WriteRequest(updates=updates).SerializeToString()
        held = self.journal.stat().st_size if self.journal.exists() else 0
        if held + len(data) > max(_JOURNAL_BYTES, self.path.stat().st_size):
            return False
        with self.journal.open("ab") as file:
            try:
                if not held:
                    file.write(_digest(self.path.read_bytes()))
                file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(held)
                raise
        return True

    def save(self, config: p4r.ForwardingPipelineConfig, entities: Iterable[p4r.Entity]) -> None:
        """Write all of it or nothing: a reader, also after a crash, finds the old file or the new one.

        Raises:
            OSError: it cannot be written; the old file is as it was.
        """
        pipeline = config.SerializeToString()
        draft = self.path.with_name(self.path.name + ".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(len(pipeline).to_bytes(_LENGTH_BYTES, "big") + pipeline)
                file.write(p4r.ReadResponse(entities=entities).SerializeToString())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            self.journal.unlink(missing_ok=True)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
