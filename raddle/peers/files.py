"""What the files of other simulators say, and the readers for ns-3 (HPCC) and SimAI.

Sources: the readers in scratch/third.cc of alibaba-edu/High-Precision-Congestion-Control (topology, flows)
and the six-number first line of SimAI's fork of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raddle.errors import Diagnostic, InputError, SourceSpan
from raddle.peers.text import CODE, PeerText, Row, Word, counted, has_words

MOST_NODES = 10**6
MOST_FLOWS = 10**8
MOST_DELAY_PS = 500_000_000
"""Of a cable: 100 km, the longest that a fabric file takes."""
_MOST_BYTES = 10**15


@dataclass(frozen=True, slots=True)
class PeerLink:
    """A cable between nodes `a` and `b`, which loses a share of packets; the `line` of its file, 0: none."""

    a: int
    b: int
    speed_bps: int
    delay_ps: int
    loss: float = 0.0
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PeerTopology:
    """Nodes 0..nodes-1, of which `switches` forward and the others send and receive.

    Attributes:
        gpus_per_server: SimAI's number of nodes to a server, 0 where nothing says.
        latency_ps: of every switch, in the order of `switches`; empty: none has any.
        nvswitches: nodes that join the accelerators of servers and forward nothing else.
        gpu: what SimAI calls the accelerators; empty: nothing says.
        path, switch_line: the file that it is from, and its line with the switches.
        notes: what is to be told of the file.
    """

    nodes: int
    switches: tuple[int, ...]
    links: tuple[PeerLink, ...]
    gpus_per_server: int = 0
    latency_ps: tuple[int, ...] = ()
    nvswitches: tuple[int, ...] = ()
    gpu: str = ""
    path: str = field(default="", compare=False)
    switch_line: int = field(default=0, compare=False)
    notes: tuple[str, ...] = ()

    def not_in_tiers(self, message: str, hint: str = "", line: int = 0) -> InputError:
        """What to raise of a network that raddle has no form for, at a line of the file."""
        span = SourceSpan(self.path, line or self.switch_line or 1, 1) if self.path else None
        return InputError([Diagnostic("not-in-tiers", message, span, hint)])

    def line_of(self, node: int) -> int:
        """The line of the first link of a node; 0: it has none."""
        return next((link.line for link in self.links if node in (link.a, link.b)), 0)

    @property
    def network(self) -> tuple[PeerLink, ...]:
        """The links between servers and switches, those to NVSwitches apart."""
        inside = set(self.nvswitches)
        return tuple(link for link in self.links if link.a not in inside and link.b not in inside)


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """The file of flows, the line of each, and what is to be told of it; empty where they are from none."""

    path: str = ""
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerFlows:
    """One entry per flow: nodes, payload, start from the earliest one. Flow i waits for the flows
    `dep_ids[dep_offsets[i]:dep_offsets[i + 1]]`: their last acknowledgements must have arrived."""

    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    start_ps: NDArray[np.int64]
    dep_offsets: NDArray[np.int64]
    dep_ids: NDArray[np.int64]
    src_port: NDArray[np.int64]
    dst_port: NDArray[np.int64]
    place: PeerPlace = PeerPlace()

    def problem(self, flow: int, message: str, hint: str = "") -> InputError:
        """What to raise of a flow, at its line."""
        line = self.place.lines[flow] if flow < len(self.place.lines) else 0
        span = SourceSpan(self.place.path, line, 1) if line else None
        return InputError([Diagnostic(CODE, f"flow {flow + 1}: {message}", span, hint)])


def read_ns3_topology(path: Path) -> PeerTopology:
    """Read a topology of ns3-hpcc (`nodes switches links`) or SimAI (`nodes gpus_per_server nvswitches
    switches links gpu`); then the switches' numbers, then lines `node node rate delay error_rate`.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    text = PeerText(path)
    rows = list(text.rows())
    if not rows:
        raise text.end("the file is empty; the first line is 'nodes switches links'")
    head, rest = rows[0], rows[1:]
    is_simai, counts = _counts(text, head)
    nodes, switch_count, link_count = (text.whole(word, 0, MOST_NODES) for word in counts)
    servers = text.whole(head[1], 1, MOST_NODES) if is_simai else 0
    nvswitch_count = text.whole(head[2], 0, MOST_NODES) if is_simai else 0
    switch_line = 0
    switches: tuple[int, ...] = ()
    if switch_count + nvswitch_count:
        if not rest:
            raise text.end("the file ends before the list of switches")
        row, rest = rest[0], rest[1:]
        switch_line = row[0].line
        if len(row) != switch_count + nvswitch_count:
            said = f"{nvswitch_count} and {switch_count}" if nvswitch_count else f"{switch_count}"
            text.problem(row[0], f"{len(row)} switches, but the first line says {said}")
        switches = tuple(text.whole(word, 0, max(nodes - 1, 0), "node") for word in row)
        if len(set(switches)) < len(switches):
            text.problem(row[0], "a switch is listed twice")
    links = tuple(_link(text, row, nodes) for row in counted(text, rest, link_count, counts[2], "links"))
    text.check()
    gpu = head[5].text if is_simai and head[5].text.upper() != "NONE" else ""
    # SimAI lists NVSwitches first.
    inside, outside = switches[:nvswitch_count], switches[nvswitch_count:]
    return PeerTopology(
        nodes,
        outside,
        links,
        servers,
        nvswitches=inside,
        gpu=gpu,
        path=str(path),
        switch_line=switch_line,
        notes=tuple(text.notes),
    )


def _counts(text: PeerText, head: Row) -> tuple[bool, tuple[Word, Word, Word]]:
    """Whether the first line is SimAI's, whose last word is the name of a GPU; nodes, switches and links.

    `nodes switches tors links`, with the rates of hosts and ToRs behind them or not, is ns3-datacenter's: its
    third and further words are said again by the links.
    """
    if len(head) == 6 and not _is_number(head[5]):
        return True, (head[0], head[3], head[4])
    if len(head) in (4, 6):
        return False, (head[0], head[1], head[3])
    if len(head) != 3:
        text.problem(
            head[0],
            f"{len(head)} words",
            "'nodes switches links' has 3, 'nodes switches tors links' 4, SimAI's first line 6",
        )
        text.check()
    return False, (head[0], head[1], head[2])


def _is_number(word: Word) -> bool:
    try:
        float(word.text)
    except ValueError:
        return False
    return True


def _link(text: PeerText, row: Row, nodes: int) -> PeerLink:
    what = "a link has 5 words: node, node, rate, delay and error rate"
    if not has_words(text, row, 4, what, most=5):
        return PeerLink(0, 0, 1, 0)
    a, b = (text.whole(word, 0, max(nodes - 1, 0), "node") for word in row[:2])
    if a == b:
        text.problem(row[1], f"node {a} is cabled to itself")
    loss = text.loss(row[4], "error rate") if len(row) > 4 else 0.0
    delay = text.delay_ps(row[3])
    if not 0 < delay <= MOST_DELAY_PS:
        text.problem(row[3], f"delay '{row[3].text}' is not above 0 and at most 500us, 100 km of cable")
    return PeerLink(a, b, text.speed_bps(row[2]), delay, loss, row[0].line)


def read_ns3_flows(path: Path, nodes: int = MOST_NODES) -> PeerFlows:
    """Read flows of ns3-hpcc: a count, then `src dst pg dport bytes start_s`.

    If any flow's last word is -1, they all are the number of the flow to wait for (-1: none) instead.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    text = PeerText(path)
    rows = list(text.rows())
    if not rows:
        raise text.end("the file is empty; the first line is the number of flows")
    has_words(text, rows[0], 1, "the first line is the number of flows", most=1)
    count = text.whole(rows[0][0], 1, MOST_FLOWS, "number of flows")
    text.check()
    rows = list(counted(text, rows[1:], count, rows[0][0], "flows"))
    is_dependent = any(row[-1].text == "-1" for row in rows)
    table = np.zeros((count, 6), np.int64)
    seen: dict[tuple[int, int], int] = {}
    for i, row in enumerate(rows):
        if not has_words(text, row, 6, "a flow has 6 words: src, dst, pg, dport, bytes, start", most=6):
            continue
        src, dst = (text.whole(word, 0, max(nodes - 1, 0), "node") for word in row[:2])
        if src == dst:
            text.problem(row[1], f"node {src} sends to itself")
        text.whole(row[2], 0, 7, "priority group")
        port = seen[src, dst] = seen.get((src, dst), FIRST_NS3_PORT - 1) + 1
        size = text.whole(row[4], 0, _MOST_BYTES, "bytes")
        last = text.whole(row[5], -1, i - 1, "flow to wait for") if is_dependent else text.delay_ps(row[5])
        table[i] = src, dst, size, last, port, text.whole(row[3], 0, 65535, "port")
    text.check()
    after = table[:, 3] if is_dependent else np.full(count, -1, np.int64)
    start = np.zeros(count, np.int64) if is_dependent else table[:, 3]
    deps = [[int(dep)] if dep >= 0 else [] for dep in after]
    groups = sorted({row[2].text for row in rows})
    if groups != [NS3_PG]:
        many = "s" if len(groups) > 1 else ""
        text.notes.append(
            f"left out: priority group{many} {', '.join(groups)}: all flows are of the lossless class"
        )
    place = PeerPlace(str(path), tuple(row[0].line for row in rows), tuple(text.notes))
    return peer_flows(table[:, :3], start, deps, table[:, 4:], place)


NS3_PG = "3"
"""The priority group of the flows of ns3-hpcc's examples, and of those that are exported."""
FIRST_NS3_PORT = 10_000
"""UDP source port of the first flow of each pair of nodes in ns3-hpcc; further ones count up."""


def peer_flows(
    ends: NDArray[np.int64],
    start_ps: NDArray[np.int64],
    deps: list[list[int]],
    ports: NDArray[np.int64],
    place: PeerPlace = PeerPlace(),
) -> PeerFlows:
    """Flows from columns (src, dst, bytes) and UDP ports (source, destination); the first starts at 0."""
    src, dst, size = (np.ascontiguousarray(ends[:, k]) for k in range(3))
    return PeerFlows(
        src=src,
        dst=dst,
        size_bytes=size,
        start_ps=start_ps - (start_ps.min() if len(start_ps) else 0),
        dep_offsets=np.cumsum([0, *map(len, deps)]).astype(np.int64),
        dep_ids=np.array([dep for each in deps for dep in each], np.int64),
        src_port=np.ascontiguousarray(ports[:, 0]),
        dst_port=np.ascontiguousarray(ports[:, 1]),
        place=place,
    )
