"""The fluid engine's Python face: a simulation whose messages flow at max-min fair rates.

It forwards with the same switch state, hashes and policies as the packet engine. docs/models/fluid.md has
the model, what it leaves out and its error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raddle import _core
from raddle.errors import InputError
from raddle.sim.columns import NONE, FlowColumns, PortColumns
from raddle.sim.scale_up import ScaleUpPorts
from raddle.sim.simulation import Simulation
from raddle.state import PRIORITIES, SwitchState
from raddle.topology.model import PortRef

LEFT_OUT = "queues, ECN marks, PFC pauses, drops and what is sent again"
"""What does not exist between messages that flow."""


def error(congestion_control: str) -> str:
    """The largest errors of the table there, which `scripts/validate-fluid` measures, by kind of work."""
    against = "against packets, on the cases of docs/models/fluid.md: "
    if congestion_control == "none":
        found = (
            "the last message ends 3 % early to 5 % late; the mean FCT of messages to one host is up to 16 %"
            " long, that of random arrivals 32 % short, as short ones do not wait behind long ones"
        )
    else:
        found = (
            "collectives whose paths share no link, or linear ones, end within 5 %; of those whose hops are"
            " all hashed onto links of others rings end 10 % early to 6 % late, halving and doubling 32 %"
            " early to 12 % late, pairwise all-to-alls 4 % early to 28 % late; the last of long messages that"
            " share a link ends up to 28 % early (56 % from fast NICs to slow ones), their mean FCT is 21 %"
            " short to 26 % long; that of random arrivals is 19 to 25 % long, but short ones do not wait"
            " behind long ones; single messages that share links take up to 12 times as long"
        )
    return f"{against}{found}; over 4,096 messages at once are each taken as up to 0.01 % smaller"


@dataclass(frozen=True, slots=True, eq=False)
class KeptShares:
    """What congestion control lets through of a fair share of a link.

    Attributes:
        crowds: float64[C], how many share it, ascending.
        alone_ps: float64[S], what a message takes without others, ascending.
        share: float64[C, S], above 0, at most 1.
    """

    crowds: NDArray[np.float64]
    alone_ps: NDArray[np.float64]
    share: NDArray[np.float64]


class FluidSimulation(Simulation):
    """One run, as `Simulation` in all that it takes; what has no counterpart here is refused.

    Raises:
        InputError: `no-fluid`, some switch routes adaptively or the fabric has bit errors.
    """

    counts_packets = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._fluid: _core.Fluid | None = None
        self.dark_links: set[int] = set()
        super().__init__(*args, **kwargs)
        self._fluid = _core.Fluid(self._core)
        self._port_peers = self._port_columns()[1]

    def set_switch(self, name: str, state: SwitchState) -> None:
        if state.is_adaptive:
            raise _refused(f"{name} routes adaptively, which goes by queues")
        super().set_switch(name, state)
        self._refresh()

    def _follow_speeds(self, name: str, state: SwitchState) -> None:
        refs = [PortRef(name, port.name) for port in state.ports] if self._fluid else []
        before = [self._set_bps.get(ref) for ref in refs]
        super()._follow_speeds(name, state)
        for ref, was_bps in zip(refs, before, strict=True):
            if self._set_bps.get(ref) != was_bps:
                self._flow.refresh_speed(self.port_index[ref])

    def set_link(self, port: PortRef, is_up: bool) -> None:
        super().set_link(port, is_up)
        self._refresh()

    def _refresh(self) -> None:
        if self._fluid:
            self._fluid.refresh()

    def hold_back(self, ask: Callable[[], KeptShares | None]) -> None:
        """Let messages that share a link have the part of their share that `ask` says.

        It is asked at most once, when the first two meet; None: all of it.
        """

        def shares() -> tuple[list[float], list[float], list[float]]:
            kept = ask()
            if kept is None:
                return [], [], []
            return kept.crowds.tolist(), kept.alone_ps.tolist(), kept.share.reshape(-1).tolist()

        self._flow.hold_back(shares)

    def set_light(self, port: PortRef, is_lit: bool) -> None:
        link = self.fabric.link_by_port[port].index
        (self.dark_links.discard if is_lit else self.dark_links.add)(link)
        self._flow.set_light(self.port_index[port], is_lit)

    def set_speed(self, port: PortRef, rate_bps: int | None) -> None:
        super().set_speed(port, rate_bps)
        self._flow.refresh_speed(self.port_index[port])

    def set_receiver(self, port: PortRef, rate_bps: int | None) -> None:
        if self._fluid:
            self._fluid.set_receiver(self.port_index[port], rate_bps or 0)

    def set_bit_errors(self, port: PortRef, ratio: float) -> None:
        raise _refused("bit errors drop packets")

    def set_storm(self, port: PortRef, priorities: int, period_ps: int = 0, quanta: int = 0) -> None:
        raise _refused("a storm is of PFC pauses")

    def set_traced(self, port: int) -> None:
        raise _refused("frames to record are packets")

    @property
    def _flow(self) -> _core.Fluid:
        assert self._fluid
        return self._fluid

    @property
    def _engine(self) -> _core.Fluid:
        return self._flow

    def _share_done(self) -> float:
        return (self._flow.delivered_bytes + self.inside_bytes) / max(self.payload_bytes, 1)

    @property
    def inside_bytes(self) -> int:
        return self._flow.scale_up_delivered_bytes if self._fluid else 0

    def scale_up_ports(self) -> ScaleUpPorts | None:
        return self.scale_up.ports(self._flow.scale_up_bytes()) if self.scale_up else None

    @property
    def now_ps(self) -> int:
        return self._flow.now_ps if self._fluid else 0

    def flows(self) -> FlowColumns:
        return FlowColumns(*self._flow.flow_columns())

    def ports(self) -> PortColumns:
        """Frames and bytes that were sent and received; all else is zero and means nothing."""
        tx_bytes, tx_frames = (column.reshape(-1, PRIORITIES) for column in self._flow.sent_columns())
        peers = self._port_peers
        cabled = np.flatnonzero(peers != NONE)
        rx_frames, rx_bytes = np.zeros(len(peers), np.uint64), np.zeros(len(peers), np.int64)
        rx_frames[peers[cabled]] = tx_frames[cabled].sum(axis=1)
        rx_bytes[peers[cabled]] = tx_bytes[cabled].sum(axis=1)
        return replace(
            super().ports(), tx_bytes=tx_bytes, tx_frames=tx_frames, rx_frames=rx_frames, rx_bytes=rx_bytes
        )


def _refused(why: str) -> InputError:
    return InputError.of("no-fluid", f"the fluid engine cannot run this: {why}", "take --fidelity packet")
