"""Checkpoints: a run is written to a file now and then, and goes on from there after a kill.

The file is a NumPy archive (.npz): `format`, `of` with a digest of each thing that makes the run what it is,
and the columns of `Timeline.saved`. It takes its name when it is whole and on disk.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raddle.errors import InputError
from raddle.lab.run.fingerprint import fingerprint
from raddle.sim.engine import engine_digest
from raddle.sim.simulation import Columns

if TYPE_CHECKING:
    from raddle.lab.run.settings import RunSettings
    from raddle.lab.run.work import Work
    from raddle.lab.switches.prepared import PreparedSwitches
    from raddle.workload import Demand

_FORMAT = 1
_NOT_OF_THE_RESULT = ("threads", "capture", "checkpoints", "names_flows_of_links")
"""Settings that change no result."""

_OPTIONS = {
    "faults": "--fail or --faults",
    "detection_ps": "--detection",
    "series_ps": "--series",
    "until_ps": "--until",
    "traced": "--trace",
    "needs_packets": "its need of packets",
    "watches_progress": "its watch for standstills",
    "watches_rates": "its record of rates",
}
"""What users call a setting that is not called as its option."""

_SEVERAL = ("switches", "flows")

_LAST_RECORD = 22
"""Bytes of a ZIP archive's last record, which has no comment (PKWARE APPNOTE 6.3.10, 4.3.16)."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where a run is written and how often, in seconds of the clock; whether it begins with what is there."""

    path: Path
    every_s: float = 60.0
    resumes: bool = False

    def check(self) -> None:
        """Refuse a file that cannot be written, or one that would be lost.

        Raises:
            InputError: `checkpoint-exists`, `cannot-write`.
        """
        if self.path.is_dir():
            raise InputError.of("cannot-write", f"{self.path} is a directory", "give a file for checkpoints")
        if self.path.exists() and not self.resumes:
            raise InputError.of(
                "checkpoint-exists",
                f"{self.path} is there already, and a run that begins would replace it",
                "give --resume to go on from it, or another file",
            )
        try:
            self._part.write_bytes(b"")
            self._part.unlink()
        except OSError as error:
            raise self._cannot_write(error) from None

    def write(self, saved: Columns, of: Mapping[str, str]) -> None:
        """Replace the file, or leave it as it was.

        Raises:
            InputError: `cannot-write`.
        """
        try:
            with self._part.open("wb") as file:
                columns: dict[str, Any] = {
                    "format": np.array(_FORMAT),
                    "of": np.array(json.dumps(of)),
                    **saved,
                }
                np.savez(file, **columns)
                file.flush()
                os.fsync(file.fileno())
            self._part.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._cannot_write(error) from None

    def read(self, of: Mapping[str, str]) -> Columns:
        """What the file holds.

        Raises:
            InputError: `bad-checkpoint`, it is torn or none; `other-checkpoint`, it is of another run.
        """
        try:
            if not zipfile.is_zipfile(self.path):
                raise ValueError("its end is missing, or it is another file")
            if not self._ends_as_written():
                raise ValueError("something is behind its end")
            with self.path.open("rb") as whole, np.load(whole, allow_pickle=False) as file:
                if int(file["format"]) != _FORMAT:
                    raise ValueError(f"its format is {file['format']}, this raddle has {_FORMAT}")
                there = json.loads(str(file["of"]))
                other = [name for name, digest in of.items() if there.get(name) != digest]
                if not other:
                    return {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            raise InputError.of(
                "bad-checkpoint",
                f"{self.path} is no whole checkpoint: {error}",
                "remove it, and the run begins anew",
            ) from None
        raise InputError.of(
            "other-checkpoint",
            f"{self.path} is of another run: {_differ(other)}",
            "give what that run was given, or another file",
        )

    def discard(self) -> None:
        """Remove the file: the run is over and its result is written."""
        self.path.unlink(missing_ok=True)

    def _ends_as_written(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-_LAST_RECORD, os.SEEK_END)
            return file.read(4) == b"PK\5\6"

    @property
    def _part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def _cannot_write(self, error: OSError) -> InputError:
        return InputError.of("cannot-write", f"{self.path}: {error.strerror}")


class CheckpointedRun:
    """A run and its checkpoints: none where `checkpoints` are None.

    Args:
        demand: the flows that the plan pins.
        notice: told from where the run goes on, and of a checkpoint that could not be written.
    """

    def __init__(
        self,
        work: Work,
        switches: PreparedSwitches,
        demand: Demand | None,
        notice: Callable[[str], None],
    ) -> None:
        self._checkpoints = checkpoints = work.settings.checkpoints
        self._notice = notice
        self._due_s = time.monotonic() + checkpoints.every_s if checkpoints else 0.0
        self._of = _run_of(work, switches, demand) if checkpoints else {}

    def begin(self) -> Columns | None:
        """What the run goes on from; None where it begins.

        Raises:
            InputError: those of `Checkpoints.read`.
        """
        checkpoints = self._checkpoints
        if checkpoints is None or not checkpoints.resumes:
            return None
        if not checkpoints.path.exists():
            self._notice(f"{checkpoints.path} is not there: the run begins anew")
            return None
        return checkpoints.read(self._of)

    def look(self, saved: Callable[[], Columns]) -> None:
        """Write the run if it is time. A full disk does not end it: the file stays as it was."""
        if self._checkpoints and time.monotonic() >= self._due_s:
            try:
                self._checkpoints.write(saved(), self._of)
            except InputError as error:
                self._notice(f"the run goes on without a new checkpoint: {error.diagnostics[0].message}")
            self._due_s = time.monotonic() + self._checkpoints.every_s


def _run_of(work: Work, switches: PreparedSwitches, demand: Demand | None) -> dict[str, str]:
    """A digest of each thing that the run follows from, by a name for users."""
    settings = work.settings
    options = {
        _OPTIONS.get(each.name, f"--{each.name}"): fingerprint(getattr(settings, each.name))
        for each in fields(settings)
        if each.name not in _NOT_OF_THE_RESULT
    }
    planned: tuple[Any, ...] = (switches.plan, demand) if settings.controller else ()
    return {
        "raddle": fingerprint(version("raddle"), engine_digest()),
        "fabric": fingerprint(work.fabric),
        "switches": fingerprint(work.states, *planned),
        "flows": fingerprint(work.workload, work.ports),
        **options,
    }


def _differ(names: list[str]) -> str:
    """`seed differs`, `fabric, switches and flows differ`."""
    if len(names) == 1:
        return f"{names[0]} differs" if names[0] not in _SEVERAL else f"{names[0]} differ"
    return f"{', '.join(names[:-1])} and {names[-1]} differ"


def check_checkpoints(settings: RunSettings) -> None:
    """Refuse checkpoints of what cannot be written to them, before anything is programmed.

    Raises:
        InputError: `bad-option`; those of `Checkpoints.check`.
    """
    if settings.checkpoints is None:
        return
    if settings.fidelity == "fluid":
        raise InputError.of(
            "bad-option", "--checkpoint has packets, and messages that flow have none", "leave it out"
        )
    if settings.traced:
        raise InputError.of(
            "bad-option", "--checkpoint has no frames that --trace has recorded", "leave one of them out"
        )
    settings.checkpoints.check()
