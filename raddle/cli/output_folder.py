"""The folder that a command writes its result to: tried before the run, each file whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from raddle.errors import InputError

_PART = ".part"


class OutputFolder:
    """A folder for results. Files get their names when all of them are written.

    Args:
        path: is made if it is not there.
        names: of files that earlier results may have left there; globs.
        may_replace: False refuses a folder that holds some.

    Raises:
        InputError: `cannot-write`, or `result-exists`.
    """

    def __init__(self, path: Path, names: Iterable[str], may_replace: bool = True) -> None:
        self.path = path
        self._parts: list[tuple[Path, IO[bytes]]] = []
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._old = sorted({found for name in names for found in path.glob(name)})
            trial = path / f"raddle-trial{_PART}"
            trial.write_bytes(b"")
            trial.unlink()
        except OSError as error:
            raise self._cannot(error) from None
        if self._old and not may_replace:
            raise InputError.of(
                "result-exists",
                f"{path} holds the result of an earlier run: {', '.join(old.name for old in self._old)}",
                "give another folder, or leave --no-overwrite out",
            )
        if self._old:
            print(f"note: {path} holds an earlier result, which this one will replace", file=sys.stderr)

    def open(self, name: str) -> Callable[[bytes], object]:
        """What takes the pieces of a file while a run goes on."""
        place = self.path / f"{name}{_PART}"
        try:
            file = place.open("wb")
        except OSError as error:
            raise self._cannot(error) from None
        self._parts.append((place, file))

        def write(piece: bytes) -> None:
            try:
                file.write(piece)
            except OSError as error:
                raise self._cannot(error) from None

        return write

    def finish(self, files: Mapping[str, str]) -> None:
        """Write these files, and give all that was written its name; what earlier results left goes."""
        try:
            for name, text in files.items():
                self.open(name)(text.encode())
            for _, file in self._parts:
                file.close()
            for old in self._old:
                old.unlink(missing_ok=True)
            for place, _ in self._parts:
                place.replace(place.with_name(place.name.removesuffix(_PART)))
        except OSError as error:
            raise self._cannot(error) from None
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was begun and has no name yet."""
        for place, file in self._parts:
            file.close()
            if place.exists():
                os.unlink(place)
        self._parts.clear()

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    def _cannot(self, error: OSError) -> InputError:
        return InputError.of("cannot-write", f"{self.path}: {error.strerror}")
