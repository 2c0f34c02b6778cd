"""What arrives at a port is what its peer has sent, less what is on the wire; PFC frames both ways."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.controller.southbound.sonic.tables import pushed
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import switch_farm
from raddle.nos.db.patch import PatchOp
from raddle.sim import Simulation
from raddle.state import SwitchState
from raddle.topology import bundled_examples, load
from raddle.traffic import build
from raddle.workload import Sent

FABRIC = load(bundled_examples()["leaf-spine-16"])


@pytest.fixture(scope="module")
def states() -> dict[str, SwitchState]:
    plan = make_plan(FABRIC, "ecmp")
    farm = switch_farm(FABRIC, plan)
    for switch in plan.switches:
        tables = pushed(switch)
        farm.switches[switch.name].apply_patch(
            [PatchOp("add", (name,), rows) for name, rows in tables.items()]
        )
    return {name: switch.state() for name, switch in farm.switches.items()}


def incast(states: dict[str, SwitchState]) -> Simulation:
    """Every host sends to every other at once, which pauses some."""
    schedule = build("all_to_all", "pairwise", 16, 1 << 20)
    addresses = np.array(endpoint_addresses(FABRIC), np.uint32)
    return Simulation(FABRIC, addresses, states, Sent.between(schedule, np.arange(16, dtype=np.int32)), 1)


def peers(simulation: Simulation) -> tuple[list[int], list[int]]:
    ends = [(simulation.port_index[link.a], simulation.port_index[link.b]) for link in FABRIC.links]
    near, far = zip(*(ends + [(b, a) for a, b in ends]), strict=True)
    return list(near), list(far)


def test_in_the_middle_what_is_sent_has_arrived_or_is_on_the_wire(states: dict[str, SwitchState]) -> None:
    simulation = incast(states)
    near, far = peers(simulation)
    on_the_wire = 0
    for until_ps in range(1_000_000, 40_000_000, 3_700_000):
        simulation.advance(until_ps)
        columns = simulation.ports()
        left = columns.tx_frames.sum(axis=1)[near].astype(np.int64) - columns.rx_frames[far].astype(np.int64)
        assert (columns.tx_bytes.sum(axis=1)[near] >= columns.rx_bytes[far]).all()
        assert left.min() >= 0
        assert left.sum() <= simulation.packets.in_network
        on_the_wire += int(left.sum())
    assert on_the_wire > 0


def test_at_the_end_all_that_was_sent_has_arrived_and_all_pfc_frames_too(
    states: dict[str, SwitchState],
) -> None:
    simulation = incast(states)
    simulation.run()
    near, far = peers(simulation)
    columns = simulation.ports()
    assert (columns.tx_bytes.sum(axis=1)[near] == columns.rx_bytes[far]).all()
    assert (columns.tx_frames.sum(axis=1)[near] == columns.rx_frames[far]).all()
    assert (columns.pfc_tx_frames[near] == columns.pfc_rx_frames[far]).all()
    # Every pause is the work of a frame, and another ends it.
    assert (columns.pfc_rx_frames >= columns.pauses).all()
    assert columns.pfc_rx_frames[:, [0, 1, 2, 4, 5, 6, 7]].sum() == 0


def test_the_counters_of_a_switch_are_the_engines(states: dict[str, SwitchState]) -> None:
    simulation = incast(states)
    simulation.advance(20_000_000)
    counters = switch_counters(simulation)["leaf0"]
    columns = simulation.ports()
    rows = [row for row, port in enumerate(simulation.port_names) if port.device == "leaf0"]
    assert counters.port["SAI_PORT_STAT_IF_IN_OCTETS"] == columns.rx_bytes[rows].tolist()
    assert counters.port["SAI_PORT_STAT_PFC_3_TX_PKTS"] == columns.pfc_tx_frames[rows, 3].tolist()


def with_small_pools(state: SwitchState) -> SwitchState:
    """The switch with so little buffer that priority groups use their headroom and lossy queues drop."""
    pools = tuple(dataclasses.replace(pool, size_bytes=100_000) for pool in state.buffer_pools)
    return dataclasses.replace(state, buffer_pools=pools)


def test_watermarks_and_losses_of_a_full_switch_are_of_one_piece(states: dict[str, SwitchState]) -> None:
    simulation = incast({name: with_small_pools(state) for name, state in states.items()})
    simulation.advance(40_000_000)
    counters = switch_counters(simulation)["leaf0"]
    columns = simulation.ports()
    rows = [row for row, port in enumerate(simulation.port_names) if port.device == "leaf0"]
    start = "SAI_INGRESS_PRIORITY_GROUP_STAT"
    shared = np.array(counters.pg[f"{start}_SHARED_WATERMARK_BYTES"])
    headroom = np.array(counters.pg[f"{start}_XOFF_ROOM_WATERMARK_BYTES"])
    reserved = max(profile.reserved_bytes for profile in states["leaf0"].buffer_profiles)
    assert headroom.max() > 0, "the small pool pauses senders"
    assert (shared + headroom >= columns.max_pg_bytes[rows] - reserved).all()
    assert (np.maximum(shared, headroom) <= columns.max_pg_bytes[rows]).all()
    pool = counters.pools.index("ingress_lossless_pool")
    marks = counters.pool["SAI_BUFFER_POOL_STAT_WATERMARK_BYTES"][pool]
    assert shared.max() <= marks <= min(100_000, shared.sum())
    in_headroom = counters.pool["SAI_BUFFER_POOL_STAT_XOFF_ROOM_WATERMARK_BYTES"][pool]
    assert headroom.max() <= in_headroom <= headroom.sum()
    discards = sum(sum(counters.port[f"SAI_PORT_STAT_IF_{way}_DISCARDS"]) for way in ("IN", "OUT"))
    assert discards == columns.drops[rows].sum()
    assert sum(map(sum, counters.queue["SAI_QUEUE_STAT_DROPPED_PACKETS"])) == sum(
        counters.port["SAI_PORT_STAT_OUT_DROPPED_PKTS"]
    )


def test_reading_and_clearing_watermarks_gives_those_of_each_stretch(states: dict[str, SwitchState]) -> None:
    whole, cut = incast(states), incast(states)
    whole.advance(40_000_000)
    stretches = []
    for until_ps in range(4_000_000, 40_000_001, 4_000_000):
        cut.advance(until_ps)
        stretches.append(cut.watermarks())
        cut.clear_watermarks()
    for name in ("queue_bytes", "pg_bytes", "pg_headroom_bytes", "pool_bytes", "pool_headroom_bytes"):
        highest = np.max([getattr(stretch, name) for stretch in stretches], axis=0)
        assert (highest == getattr(whole.watermarks(), name)).all()
    cut.clear_watermarks()
    assert (cut.ports().max_queue_bytes == cut.ports().queue_bytes).all()
