"""The engine's Python face: `Simulation`, its result columns, and the ECMP hash of the switches."""

from raddle.sim.columns import (
    DROP_REASONS,
    FLOW_STATUS,
    NEVER,
    NONE,
    FlowColumns,
    PacketCounts,
    PortColumns,
    QpColumns,
)
from raddle.sim.nic import payload_rate_gbs
from raddle.sim.simulation import Simulation

__all__ = [
    "DROP_REASONS",
    "FLOW_STATUS",
    "NEVER",
    "NONE",
    "FlowColumns",
    "PacketCounts",
    "PortColumns",
    "QpColumns",
    "Simulation",
    "payload_rate_gbs",
]
