"""What an engine takes and gives, in frozen named columns, and the packet engine behind it.

Whoever drives a run says it as a `RunSetup`; what comes back are result columns (`raddle.sim.columns`). Only
this package knows that the packet engine is native.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raddle import _core
from raddle.state import PRIORITIES
from raddle.topology.devices import LossRecovery
from raddle.topology.rate_control import LineRate, RateControl


@dataclass(frozen=True, slots=True)
class NicColumns:
    """The NICs of all endpoints. Sizes are of frames with FCS; `gap_bytes` and preamble come on top.

    Attributes:
        train_frames: most frames of a queue pair that move as one event.
        rate_control: what holds queue pairs back besides their links, with its parameters.
        class_weights: shares of the wire by priority; 0: strict.
        ack_class: DSCP and priority of acknowledgements; None: those of the data.
        pause_delay_ps: of a pause that takes no frame; None: PFC takes frames.
        retimes: a change of rate moves the packet that waits; False: it waits as long as the rate at the
            start of the last one says.
        completes_on_ack: what waits for a flow starts when that is acknowledged, wherever it starts.
        acks_carry_cnp: acknowledgements say that a packet was marked, instead of CNPs.
        clock_ps: wire times are whole ticks, the rest is cut off.
    """

    mtu_bytes: int = 4096
    header_bytes: int = 62
    ack_bytes: int = 66
    cnp_bytes: int = 78
    gap_bytes: int = 20
    pause_bytes: int = 64
    pause_quanta: int = 0
    ack_interval: int = 1
    window_bytes: int = 0
    messages: int = 0
    burst_packets: int = 1
    train_frames: int = 1
    loss_recovery: LossRecovery = "go-back-n"
    reorder_packets: int = 0
    rto_ps: int = 67_108_864_000
    retry_count: int = 7
    cnp_interval_ps: int = 4_000_000
    pfc_reaction_ps: int = 0
    cnp_dscp: int = 48
    cnp_priority: int = 6
    ack_class: tuple[int, int] | None = None
    class_weights: tuple[int, ...] = (1,) * PRIORITIES
    retimes: bool = True
    completes_on_ack: bool = False
    acks_carry_cnp: bool = False
    pause_delay_ps: int | None = None
    clock_ps: int = 1
    rate_control: RateControl = field(default_factory=LineRate)


def _no_priorities() -> NDArray[np.uint8]:
    return np.zeros(0, np.uint8)


def _no_buses() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


def _no_ranks() -> NDArray[np.uint32]:
    return np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class ScaleUpColumns:
    """Links inside scale-up domains, one way each, and the queue pairs that take them.

    Attributes:
        link_bps, link_latency_ps: int64 of the number of links.
        quantum_bytes: most bytes of a message that a link carries before it is another queue pair's turn.
        path_offsets: uint32[queue pairs + 1], of `path_links`; a queue pair without links is of the network.
        tx_bytes, rx_bytes: int64 by flow, what it takes of its first link and its last; empty: its own size.
    """

    link_bps: NDArray[np.int64]
    link_latency_ps: NDArray[np.int64]
    quantum_bytes: int
    path_offsets: NDArray[np.uint32]
    path_links: NDArray[np.uint32]
    tx_bytes: NDArray[np.int64]
    rx_bytes: NDArray[np.int64]


def _no_delays() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RunSetup:
    """A network, its NICs and what is sent. Ports are those of the endpoints, one each, then the switches'.

    Attributes:
        port_peer: NONE where nothing is cabled.
        qp_hash, qp_ack_hash: ECMP hash of data and of acknowledgements.
        flow_start_ps: earliest; a flow also waits for those that `dep_offsets` and `dep_ids` name.
        qp_src, qp_dst: endpoints; NONE inside a scale-up domain.
        qp_src_rank, qp_dst_rank: a flow starts with what its source rank has, over whichever queue pair it
            came; empty: the endpoints are the ranks.
        scale_up: None: there is nothing inside domains.
        flow_delay_ps: from when all that a flow waits for is done until it starts, which is not before its
            `flow_start_ps`; empty: none.
        endpoint_bus_bps: what each endpoint's host bus carries of payload each way, 0: any; empty: all any.
        endpoint_twin: the other port of each endpoint's bond, NONE of one that has none; empty: none has.
        cuts_through: per switch; empty: all store and forward.
        threads: that share the switches; the result is the same for any number.
    """

    endpoints: int
    seed: int
    nics: NicColumns
    pipeline_ps: NDArray[np.int64]
    port_node: NDArray[np.uint32]
    port_peer: NDArray[np.uint32]
    port_bps: NDArray[np.int64]
    port_propagation_ps: NDArray[np.int64]
    qp_src: NDArray[np.uint32]
    qp_dst: NDArray[np.uint32]
    qp_hash: NDArray[np.uint32]
    qp_ack_hash: NDArray[np.uint32]
    qp_dscp: NDArray[np.uint8]
    qp_priority: NDArray[np.uint8]
    flow_qp: NDArray[np.uint32]
    flow_bytes: NDArray[np.int64]
    flow_start_ps: NDArray[np.int64]
    dep_offsets: NDArray[np.int64]
    dep_ids: NDArray[np.uint32]
    cuts_through: NDArray[np.uint8] = field(default_factory=_no_priorities)
    qp_src_rank: NDArray[np.uint32] = field(default_factory=_no_ranks)
    qp_dst_rank: NDArray[np.uint32] = field(default_factory=_no_ranks)
    scale_up: ScaleUpColumns | None = None
    flow_delay_ps: NDArray[np.int64] = field(default_factory=_no_delays)
    endpoint_bus_bps: NDArray[np.int64] = field(default_factory=_no_buses)
    endpoint_twin: NDArray[np.uint32] = field(default_factory=_no_ranks)
    threads: int = 1


def engine_digest() -> str:
    """SHA-256 of the compiled engine."""
    return sha256(Path(str(_core.__file__)).read_bytes()).hexdigest()


class Engine(Protocol):
    """What every engine can do: take switch state, run to a time, give columns."""

    @property
    def set_switch(self) -> Callable[..., None]:
        """Replace what a switch does from now on; `raddle.sim.switch_columns` makes the columns."""

    def add_hashes(self, data: NDArray[np.uint32], acks: NDArray[np.uint32]) -> int:
        """Give switches that hash otherwise the hashes of all queue pairs; returns their class."""

    def advance(self, until_ps: int, max_events: int) -> int:
        """Run up to and with a time, or about so many events; returns how many there were."""

    def flow_columns(self) -> tuple[Any, ...]:
        """Start, arrival, acknowledgement and status of every flow."""

    def queue_columns(self) -> tuple[Any, ...]:
        """By port and queue, see `raddle.sim.columns.read_ports`."""

    def drops(self) -> NDArray[np.uint64]:
        """By port and reason."""

    @property
    def now_ps(self) -> int: ...

    @property
    def is_done(self) -> bool: ...

    @property
    def has_events(self) -> bool: ...


def packet_engine(setup: RunSetup) -> _core.Simulation:
    """The engine that moves every packet.

    Raises:
        ValueError: columns do not fit each other; the message says which.
    """
    columns = {
        name: getattr(setup, name)
        for name in RunSetup.__slots__
        if name not in ("nics", "cuts_through", "scale_up")
    }
    cuts_through = setup.cuts_through if len(setup.cuts_through) else None
    scale_up = None
    if (inside := setup.scale_up) is not None:
        scale_up = _core.ScaleUpConfig(**{name: getattr(inside, name) for name in ScaleUpColumns.__slots__})
    return _core.Simulation(
        nic=_native_nics(setup.nics), cuts_through=cuts_through, scale_up=scale_up, **columns
    )


_APART = frozenset({"rate_control", "loss_recovery", "ack_class", "class_weights", "pause_delay_ps"})


def _native_nics(nics: NicColumns) -> _core.NicConfig:
    native = _core.NicConfig()
    for name in NicColumns.__slots__:
        if name not in _APART:
            setattr(native, name, getattr(nics, name))
    native.class_weights = list(nics.class_weights)
    if nics.ack_class is not None:
        native.ack_dscp, native.ack_priority = nics.ack_class
    if nics.pause_delay_ps is not None:
        native.pause_delay_ps = nics.pause_delay_ps
    native.set_loss_recovery(nics.loss_recovery)
    control = nics.rate_control
    native.set_rate_control(
        control.name, {item.name: getattr(control, item.name) for item in fields(control)}
    )
    return native
