"""A switch's P4Runtime pipeline and entities on disk: what it holds across restarts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finsy.proto import p4r
from google.protobuf.message import DecodeError

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class P4Store:
    """One file: the length of the pipeline in 8 bytes, the ForwardingPipelineConfig, and a ReadResponse with
    all entities."""

    path: Path

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
        except OSError:
            draft.unlink(missing_ok=True)
            raise
