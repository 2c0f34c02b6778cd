"""What a result was made of: the files of a run, by their digests."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from raddle.report.model import InputFile
from raddle.topology import find
from raddle.topology.catalog import split_network
from raddle.topology.yaml.include import files_of


def digests(fabric: str, *others: Path | None) -> tuple[InputFile, ...]:
    """Of the fabric's file, of those that it includes, and of others that are given.

    What came through a pipe has been read and is gone.
    """
    paths = (*files_of(split_network(find(fabric))[0]), *filter(None, others))
    return tuple(
        InputFile(path.name, sha256(path.read_bytes()).hexdigest()) for path in paths if path.is_file()
    )
