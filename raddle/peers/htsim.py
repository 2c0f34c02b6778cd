"""The files of csg-htsim: a fat tree by its numbers, and a connection matrix.

Sources: FatTreeTopology::load, set_custom_params and init_network, ConnectionMatrix::load in sim/datacenter
of Broadcom/csg-htsim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from raddle.peers.files import (
    MOST_DELAY_PS,
    MOST_FLOWS,
    MOST_NODES,
    PeerFlows,
    PeerLink,
    PeerPlace,
    PeerTopology,
    peer_flows,
)
from raddle.peers.text import PeerText, Row, Word, has_words

_HEADER = ("nodes", "tiers", "podsize")
_TIER = (
    "downlink_speed_gbps",
    "downlink_latency_ns",
    "switch_latency_ns",
    "radix_down",
    "radix_up",
    "bundle",
    "oversubscribed",
    "queue_down",
    "queue_up",
)
_QUEUES = _TIER[-2:]
_DONE = {"send_done_trigger", "recv_done_trigger"}
_CONNECTION = ("id", "start", "size", "trigger", "send_done_trigger", "recv_done_trigger", "prio")
MOST_HTSIM_BYTES = 2**31 - 1
"""Of a flow: csg-htsim reads it with stoi."""


@dataclass(frozen=True, slots=True)
class FatTreeTier:
    """Switches of a tier: speed and delay of the links below them, how many links go down and up, how many of
    those below are side by side."""

    speed_bps: int
    delay_ps: int
    radix_down: int
    radix_up: int = 0
    bundle: int = 1
    latency_ps: int = 0


@dataclass(frozen=True, slots=True)
class FatTree:
    """Two or three tiers of switches above `hosts` hosts, of which `hosts_per_pod` are in a pod.

    Nodes are hosts, then the switches tier by tier. `notes` are to be told of its file.
    """

    hosts: int
    hosts_per_pod: int
    tiers: tuple[FatTreeTier, ...]
    notes: tuple[str, ...] = ()

    @property
    def pods(self) -> int:
        return self.hosts // self.hosts_per_pod

    @property
    def leaves_per_pod(self) -> int:
        return self.hosts_per_pod // self.tiers[0].radix_down

    @property
    def spines_per_pod(self) -> int:
        return self.tiers[0].radix_up // self.tiers[1].bundle

    @property
    def superspines(self) -> int:
        if len(self.tiers) == 2:
            return 0
        return self.spines_per_pod * (self.tiers[1].radix_up // self.tiers[2].bundle)

    def mistake(self) -> str:
        """Why there is no such tree; empty if there is."""
        low, mid = self.tiers[0], self.tiers[1]
        if self.hosts % self.hosts_per_pod:
            return f"{self.hosts} nodes are no multiple of the pod size {self.hosts_per_pod}"
        if self.hosts_per_pod % low.radix_down:
            return f"pod size {self.hosts_per_pod} is no multiple of {low.radix_down} nodes below a switch"
        if len(self.tiers) == 2 and self.pods != 1:
            return f"two tiers are one pod, but there are {self.pods}"
        if low.bundle != 1:
            return "a node has one link"
        for upper, lower in zip(self.tiers[1:], self.tiers, strict=False):
            if lower.radix_up % upper.bundle or not lower.radix_up:
                return f"{lower.radix_up} links up are no multiple of a bundle of {upper.bundle}"
        if self.leaves_per_pod * mid.bundle != mid.radix_down:
            need = self.leaves_per_pod * mid.bundle
            return f"a spine has {mid.radix_down} links down, its {self.leaves_per_pod} leaves need {need}"
        if len(self.tiers) == 3 and self.pods * self.tiers[2].bundle != self.tiers[2].radix_down:
            high = self.tiers[2]
            need = self.pods * high.bundle
            return f"a core switch has {high.radix_down} links down, {self.pods} pods need {need}"
        return ""

    def topology(self) -> PeerTopology:
        """Its nodes and links."""
        leaves, spines = self.pods * self.leaves_per_pod, self.pods * self.spines_per_pod
        counts = (leaves, spines, self.superspines)[: len(self.tiers)]
        latency = [
            tier.latency_ps for count, tier in zip(counts, self.tiers, strict=True) for _ in range(count)
        ]
        total = self.hosts + sum(counts)
        return PeerTopology(
            nodes=total,
            switches=tuple(range(self.hosts, total)),
            links=tuple(self._links(leaves, spines)),
            latency_ps=tuple(latency) if any(latency) else (),
            notes=self.notes,
        )

    def _links(self, leaves: int, spines: int) -> Iterator[PeerLink]:
        low, mid = self.tiers[0], self.tiers[1]
        for host in range(self.hosts):
            yield PeerLink(host, self.hosts + host // low.radix_down, low.speed_bps, low.delay_ps)
        for leaf in range(leaves):
            first = leaf // self.leaves_per_pod * self.spines_per_pod
            for spine in range(first, first + self.spines_per_pod):
                ends = self.hosts + leaf, self.hosts + leaves + spine
                yield from [PeerLink(*ends, mid.speed_bps, mid.delay_ps)] * mid.bundle
        if len(self.tiers) == 2:
            return
        high = self.tiers[2]
        for spine in range(spines):
            for core in range(spine % self.spines_per_pod, self.superspines, self.spines_per_pod):
                ends = self.hosts + leaves + spine, self.hosts + leaves + spines + core
                yield from [PeerLink(*ends, high.speed_bps, high.delay_ps)] * high.bundle


def read_htsim_topology(path: Path) -> FatTree:
    """Read a topology file (`-topo`).

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    text = PeerText(path)
    header: dict[str, Word] = {}
    tiers: dict[int, dict[str, Word]] = {}
    current = header
    for row in text.rows(comment="#"):
        key = row[0].text.lower()
        if not has_words(text, row, 2, "a line is a name and a number", most=2):
            continue
        if key == "tier":
            current = tiers.setdefault(text.whole(row[1], 0, 2, "tier"), {})
        elif key not in (_HEADER if current is header else _TIER):
            text.problem(
                row[0],
                f"unknown name '{row[0].text}'",
                f"known here: {', '.join(_HEADER if current is header else _TIER)}",
            )
        elif key in current:
            text.problem(row[0], f"'{row[0].text}' is there twice")
        else:
            current[key] = row[1]
    missing = [name for name in _HEADER if name not in header]
    if missing:
        raise text.end(f"{' and '.join(missing)} missing before the first tier")
    hosts, count, per_pod = (
        text.whole(header["nodes"], 1, MOST_NODES),
        text.whole(header["tiers"], 2, 3, "tiers"),
        text.whole(header["podsize"], 1, MOST_NODES),
    )
    if set(tiers) != set(range(count)):
        text.problem(header["tiers"], f"{count} tiers, but the file describes {sorted(tiers)}")
    text.check()
    found = tuple(_tier(text, tiers[number], number == count - 1) for number in range(count))
    text.check()
    queues = sorted({tier[name].line for tier in tiers.values() for name in _QUEUES if name in tier})
    if queues:
        lines = ", ".join(map(str, queues))
        text.notes.append(f"left out: sizes of queues in line {lines}: raddle's switches share their buffers")
    tree = FatTree(hosts, per_pod, found, tuple(text.notes))
    if mistake := tree.mistake():
        text.problem(header["nodes"], f"no such fat tree: {mistake}")
    if text_of := tiers[0].get("oversubscribed"):
        ratio = found[0].radix_down // found[0].radix_up
        if text.whole(text_of, 1, MOST_NODES) != ratio:
            text.problem(text_of, f"'{text_of.text}' is not what the radices say, {ratio}")
    text.check()
    return tree


def _tier(text: PeerText, found: Mapping[str, Word], is_top: bool) -> FatTreeTier:
    needed = ["downlink_speed_gbps", "downlink_latency_ns", "radix_down", *([] if is_top else ["radix_up"])]
    missing = [name for name in needed if name not in found]
    if missing:
        raise text.end(f"{', '.join(missing)} of a tier missing")

    def number(name: str, low: int, high: int) -> int:
        return text.whole(found[name], low, high, name) if name in found else low

    return FatTreeTier(
        speed_bps=number("downlink_speed_gbps", 1, 100_000) * 10**9,
        delay_ps=number("downlink_latency_ns", 1, MOST_DELAY_PS // 1000) * 1000,
        radix_down=number("radix_down", 1, MOST_NODES),
        radix_up=0 if is_top else number("radix_up", 1, MOST_NODES),
        bundle=number("bundle", 1, 1024),
        latency_ps=number("switch_latency_ns", 0, 10**6) * 1000,
    )


def read_htsim_flows(path: Path, nodes: int) -> PeerFlows:
    """Read a connection matrix (`-tm`): `src->dst id N start T size BYTES`, with triggers as dependencies.

    A flow waits for what raises its trigger when it is done: one flow, or all of a barrier. `start` is in
    picoseconds and later than 0 only to readers other than csg-htsim's own RoCE program.

    Raises:
        InputError: everything that is wrong with it, by place.
    """
    text = PeerText(path)
    flows: list[tuple[int, int, int, int]] = []
    waits_for: list[Word | None] = []
    raised_by: dict[str, list[int]] = {}
    ids: set[str] = set()
    said: dict[str, Word] = {}
    rows: list[Row] = []
    priorities: set[str] = set()
    triggers: dict[str, Row] = {}
    for row in text.rows(comment="#"):
        if "->" not in row[0].text:
            _statement(text, row, nodes, said, triggers)
            continue
        rows.append(row)
        options = _options(text, row, _CONNECTION)
        if not options:
            continue
        if "id" in options and options["id"].text in ids:
            text.problem(options["id"], f"id {options['id'].text} is there twice")
        ids.add(options["id"].text if "id" in options else "")
        for done in _DONE & options.keys():
            raised_by.setdefault(options[done].text, []).append(len(flows))
        if "prio" in options:
            priorities.add(options["prio"].text)
        flows.append(_flow(text, row, options, nodes))
        waits_for.append(options.get("trigger"))
    for name, found in (("Connections", rows), ("Triggers", list(triggers.values()))):
        if name in said:
            _check_count(text, found, said[name], name.lower())
    for name, row in triggers.items():
        if len(raised_by.get(name, ())) > 1 and "barrier" not in {word.text for word in row}:
            hint = "a flow of raddle waits for all that it waits for: make it a barrier"
            text.problem(row[0], f"trigger {name} goes off at the first of several connections", hint)
        else:
            _check_barrier(text, row, len(raised_by.get(name, ())))
    deps: list[list[int]] = []
    for i, word in enumerate(waits_for):
        deps.append(raised_by.get(word.text, []) if word else [])
        if word and not deps[-1]:
            text.problem(word, f"no connection raises trigger {word.text}")
        if word and any(dep >= i for dep in deps[-1]):
            text.problem(word, f"trigger {word.text} is raised by a later connection", "order them by time")
    if not rows:
        raise text.end("no connection, which is a line such as '0->1 start 0 size 1000'")
    text.check()
    if priorities:
        text.notes.append(
            f"left out: prio {', '.join(sorted(priorities))}: all flows are of the lossless class"
        )
    table = np.array(flows, np.int64).reshape(-1, 4)
    place = PeerPlace(str(path), tuple(row[0].line for row in rows), tuple(text.notes))
    return peer_flows(table[:, :3], table[:, 3], deps, np.zeros((len(flows), 2), np.int64), place)


def _statement(text: PeerText, row: Row, nodes: int, said: dict[str, Word], triggers: dict[str, Row]) -> None:
    """A line that is no connection: a count, or a trigger, by its id."""
    name = row[0].text
    if name not in ("Nodes", "Connections", "Triggers", "Failures", "trigger"):
        text.problem(row[0], f"unknown word '{name}'")
    elif name == "trigger" and has_words(text, row, 3, "a trigger has an id"):
        triggers[row[2].text] = row
    elif name != "trigger" and has_words(text, row, 2, f"'{name}' has a number", most=2):
        said[name] = row[1]
        if name == "Nodes" and text.whole(row[1], 1, MOST_NODES) != nodes:
            text.problem(row[1], f"{row[1].text} nodes, but the topology has {nodes}")
        if name == "Failures" and row[1].text != "0":
            text.problem(row[1], "failures are not read", "cut the links in the fabric file")


def _check_barrier(text: PeerText, row: Row, raised: int) -> None:
    """See that a barrier counts the connections that raise it; csg-htsim's goes off at that number."""
    at = next((i for i, word in enumerate(row) if word.text == "barrier"), None)
    if at is None:
        return
    if len(row) < at + 3 or row[at + 1].text != "count":
        text.problem(row[-1], "a barrier has a number", f"'barrier count {raised}'")
    elif text.whole(row[at + 2], 1, MOST_FLOWS, "barrier count") != raised:
        message = (
            f"trigger {row[2].text} goes off after {row[at + 2].text} connections, but {raised} raise it"
        )
        text.problem(
            row[at + 2], message, f"'barrier count {raised}', or have as many raise it" if raised else ""
        )


def _check_count(text: PeerText, rows: Sequence[Row], said: Word, what: str) -> None:
    """See that there are as many rows as said: csg-htsim ends where they differ."""
    count = text.whole(said, 0, MOST_FLOWS)
    if len(rows) != count:
        at = rows[count][0] if len(rows) > count else said
        message = f"the file has {len(rows)} {what}, but line {said.line} says {said.text}"
        text.problem(at, message, f"write {len(rows)} in line {said.line}, or make them so many")


def _options(text: PeerText, row: Row, known: tuple[str, ...]) -> dict[str, Word]:
    """The words after a connection: names, each with a value; empty where one is unknown."""
    found: dict[str, Word] = {}
    for name, value in zip_longest(row[1::2], row[2::2]):
        if name.text not in known:
            text.problem(name, f"unknown word '{name.text}'", f"known: {', '.join(known)}")
            return {}
        if value is None:
            text.problem(name, f"'{name.text}' has no value")
        else:
            found[name.text] = value
    return found


def _flow(text: PeerText, row: Row, options: Mapping[str, Word], nodes: int) -> tuple[int, int, int, int]:
    left, _, right = row[0].text.partition("->")
    src, dst = (
        text.whole(Word(part or "->", row[0].line, row[0].column), 0, nodes - 1, "node")
        for part in (left, right)
    )
    if src == dst:
        text.problem(row[0], f"node {src} sends to itself")
    if "size" not in options:
        text.problem(row[0], "size is missing")
    if "start" not in options and "trigger" not in options:
        text.problem(row[0], "start or trigger is missing")
    if "start" in options and "trigger" in options:
        text.problem(options["trigger"], "start and trigger are both there", "leave one out")
    size = text.whole(options["size"], 0, MOST_HTSIM_BYTES, "size") if "size" in options else 0
    if "size" in options and not size:
        text.problem(
            options["size"], "size 0 is a flow without an end", "give it the bytes that it is to send"
        )
    start = text.instant(options["start"], 10**18, "start") if "start" in options else 0
    return src, dst, size, start
