"""What arrives at a port is what its peer has sent, less what is on the wire; PFC frames both ways."""

from __future__ import annotations

import numpy as np
import pytest

from controller.plan import make_plan
from controller.plan.addresses import endpoint_addresses
from controller.southbound.sonic import pushed
from nos.db.patch import PatchOp
from raddle.lab.counters import switch_counters
from raddle.lab.switches import switch_farm
from raddle.sim import Simulation
from raddle.topology import bundled_examples, load
from traffic import build

FABRIC = load(bundled_examples()["leaf-spine-16"])


@pytest.fixture(scope="module")
def states() -> dict[str, object]:
    plan = make_plan(FABRIC, "ecmp")
    farm = switch_farm(FABRIC, plan)
    for switch in plan.switches:
        tables = pushed(switch)
        farm.switches[switch.name].apply_patch(
            [PatchOp("add", (name,), rows) for name, rows in tables.items()]
        )
    return {name: switch.state() for name, switch in farm.switches.items()}


def incast(states: dict[str, object]) -> Simulation:
    """Every host sends to every other at once, which pauses some."""
    schedule = build("all_to_all", "pairwise", 16, 1 << 20)
    addresses = np.array(endpoint_addresses(FABRIC), np.uint32)
    return Simulation(FABRIC, addresses, states, schedule, np.arange(16, dtype=np.int32), 1)  # type: ignore[arg-type]


def peers(simulation: Simulation) -> tuple[list[int], list[int]]:
    ends = [(simulation.port_index[link.a], simulation.port_index[link.b]) for link in FABRIC.links]
    near, far = zip(*(ends + [(b, a) for a, b in ends]), strict=True)
    return list(near), list(far)


def test_in_the_middle_what_is_sent_has_arrived_or_is_on_the_wire(states: dict[str, object]) -> None:
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


def test_at_the_end_all_that_was_sent_has_arrived_and_all_pfc_frames_too(states: dict[str, object]) -> None:
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


def test_the_counters_of_a_switch_are_the_engines(states: dict[str, object]) -> None:
    simulation = incast(states)
    simulation.advance(20_000_000)
    counters = switch_counters(simulation)["leaf0"]
    columns = simulation.ports()
    rows = [row for row, port in enumerate(simulation.port_names) if port.device == "leaf0"]
    assert counters.port["SAI_PORT_STAT_IF_IN_OCTETS"] == columns.rx_bytes[rows].tolist()
    assert counters.port["SAI_PORT_STAT_PFC_3_TX_PKTS"] == columns.pfc_tx_frames[rows, 3].tolist()
