"""PINS.csv -> the paths of flows.

The columns are `flow`, an id of the flow file, and `path`, the switches from the source's leaf to the
destination's, separated by blanks. Where a switch has several links to the next one, its port says which:
`leaf0:Ethernet128 spine3 leaf2`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from raddle.errors import Diagnostic, InputError, SourceSpan, why_unreadable
from raddle.lab.workloads.csv_columns import did_you_mean, header_problems, open_csv
from raddle.topology.model import Fabric, PortRef
from raddle.workload import Workload

_HEADER = ["flow", "path"]
_GUESSES = 20


@dataclass(frozen=True, slots=True)
class Pin:
    """A flow (its number in the flow table) and the ports that its data leaves switches by, the last one, to
    its destination, apart."""

    flow: int
    ports: tuple[PortRef, ...]
    span: SourceSpan


class _Reader:
    """Reads row by row and keeps what is wrong."""

    def __init__(self, fabric: Fabric, table: Workload, path: Path) -> None:
        self.fabric, self.table, self.path = fabric, table, path
        self.flows = {name: i for i, name in enumerate(table.names)}
        self.problems: list[Diagnostic] = []
        self.pins: list[Pin] = []
        self.seen: dict[int, SourceSpan] = {}
        self.links: dict[tuple[str, str], list[PortRef]] = {}
        for link in fabric.links:
            for near, far in ((link.a, link.b), (link.b, link.a)):
                if link.is_up:
                    self.links.setdefault((near.device, far.device), []).append(near)

    def problem(self, code: str, message: str, line: int, hint: str = "") -> None:
        self.problems.append(Diagnostic(code, message, SourceSpan(str(self.path), line, 1), hint))

    def row(self, line: int, cells: Sequence[str]) -> None:
        if len(cells) != len(_HEADER):
            self.problem("bad-row", f"{len(cells)} cells, the header has {len(_HEADER)}", line)
            return
        name, words = cells[0].strip(), cells[1].split()
        flow = self.flows.get(name)
        if flow is None:
            guess = did_you_mean(name, self.flows) if len(self.problems) < _GUESSES else ""
            self.problem("unknown-flow", f"flow '{name}' is not in the flow file", line, guess)
            return
        span = SourceSpan(str(self.path), line, 1)
        if flow in self.seen:
            self.problem("duplicate-id", f"flow '{name}' has two paths", line)
            return
        self.seen[flow] = span
        ports = list(self.ports(flow, words, line))
        if len(ports) == len(words) - 1:
            self.pins.append(Pin(flow, tuple(ports), span))

    def ports(self, flow: int, words: Sequence[str], line: int) -> Iterator[PortRef]:
        """The ports between the switches of a path; fewer where something is wrong."""
        fabric, schedule = self.fabric, self.table.schedule
        names = [word.partition(":")[0] for word in words]
        for name in names:
            if name not in fabric.switch_by_name:
                guess = did_you_mean(name, fabric.switch_by_name)
                return self.problem("unknown-switch", f"'{name}' is no switch of {fabric.name}", line, guess)
        ends = [fabric.endpoints[column[flow]] for column in (schedule.src, schedule.dst)]
        first, last = (fabric.switches[end.leaf].name for end in ends)
        if not names or names[0] != first or names[-1] != last or len(set(names)) < len(names):
            what = f"path '{' '.join(words)}' does not lead from {first} to {last}"
            return self.problem(
                "bad-path", what, line, f"it begins with {first}, ends with {last}, no switch twice"
            )
        for word, near, far in zip(words, names, names[1:], strict=False):
            links = self.links.get((near, far), [])
            if ":" in word:
                links = [port for port in links if str(port) == word]
            if len(links) != 1:
                which = "no link" if not links else f"{len(links)} links"
                hint = f"name the port: {' or '.join(map(str, links))}" if links else ""
                return self.problem("bad-path", f"{which} from '{word}' to {far}", line, hint)
            yield links[0]


def read_pins(fabric: Fabric, table: Workload, path: Path) -> tuple[Pin, ...]:
    """Read a pin file for the flows of a flow file.

    Raises:
        InputError: everything that is wrong with it, by line.
    """
    reader = _Reader(fabric, table, path)
    try:
        with open_csv(path) as rows:
            header = next(iter(rows), [])
            reader.problems += header_problems(path, header, _HEADER, _HEADER)
            if not reader.problems and [name.strip() for name in header] != _HEADER:
                reader.problem("bad-header", f"the header is '{','.join(header)}'", 1, "it must be flow,path")
            if not reader.problems:
                for cells in rows:
                    if any(cells):
                        reader.row(rows.line_num, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reader.problem("unreadable-pins", f"cannot read the file: {why_unreadable(error)}", 1)
    if reader.problems:
        raise InputError(reader.problems)
    return tuple(reader.pins)
