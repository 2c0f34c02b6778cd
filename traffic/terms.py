"""What is asked of an operation beside its name: type of elements, reduction, root, a matrix of sizes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.traffic.collectives.record import Collective
from raddle.traffic.sizes import DATATYPES, REDOPS, Elements


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """As written; None where nothing is.

    Attributes:
        datatype, redop: by nccl-tests' names.
        root: the rank that a broadcast begins at, a reduce or gather ends at.
        matrix: int64[ranks, ranks], bytes that a row's rank sends a column's; it stands in `matrix_file`.
    """

    datatype: str = "float"
    redop: str | None = None
    root: int | None = None
    matrix: NDArray[np.int64] | None = None
    matrix_file: str = ""

    @property
    def elements(self) -> Elements:
        """What buffers hold.

        Raises:
            InputError: no such datatype or reduction.
        """
        _known("datatype", self.datatype, DATATYPES)
        _known("redop", self.redop or "sum", REDOPS)
        return Elements(self.datatype, self.redop or "sum")

    def of(self, collective: Collective) -> Collective:
        """The collective on these terms.

        Raises:
            InputError: it has no root, reduces nothing or takes no matrix.
        """
        if self.redop and collective.buffer(2, 64).redop == "none":
            raise InputError.of("bad-option", f"{collective.name} reduces nothing", "leave --redop out")
        if self.root is not None:
            if collective.at_root is None:
                raise InputError.of("bad-option", f"{collective.name} has no root", "leave --root out")
            collective = collective.at_root(self.root)
        if self.matrix is not None:
            if collective.of_matrix is None:
                raise InputError.of(
                    "bad-option", f"{collective.name} takes no matrix", "use --collective all_to_all_v"
                )
            collective = collective.of_matrix(self.matrix)
        return collective

    def check(self, ranks: int) -> None:
        """Raise InputError where they are not for so many ranks."""
        if self.root is not None and not 0 <= self.root < ranks:
            raise InputError.of("bad-root", f"there is no rank {self.root}; ranks are 0..{ranks - 1}")
        if self.matrix is not None and len(self.matrix) != ranks:
            rows = f"{len(self.matrix)} rows and columns"
            message = f"a matrix of {rows} is not for {ranks} ranks"
            raise InputError([Diagnostic("bad-matrix", message, SourceSpan(self.matrix_file, 1, 1))])


USUAL = Terms()
"""nccl-tests' defaults."""


def _known(what: str, name: str, names: Iterable[str]) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(name, list(names), n=1)
    hint = "run it once for each" if name == "all" else f"did you mean '{close[0]}'?" if close else ""
    raise InputError.of(f"unknown-{what}", f"no {what} '{name}'; there is {', '.join(names)}", hint)
