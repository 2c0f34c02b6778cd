"""Whether switches hash as plans, simulations and pins take them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raddle.controller.plan.hashing import hash_offset, hash_seed
from raddle.controller.verify.finding import Finding
from raddle.state import SwitchState
from raddle.topology.model import Fabric


def check_hashes(fabric: Fabric, states: Mapping[str, SwitchState]) -> Iterator[Finding]:
    """`hash-differs`, once, of SONiC switches whose hash has another seed or offset than plans have."""
    if fabric.routing.adaptive:
        return
    sides = [
        (switch.name, (state.hash_seed, state.hash_offset), planned)
        for switch in fabric.switches
        if switch.model.nos == "sonic" and switch.name in states
        for state, planned in (
            (states[switch.name], (hash_seed(fabric, switch), hash_offset(fabric, switch))),
        )
    ]
    differ = [each for each in sides if each[1] != each[2]]
    if not differ:
        return
    name, held, planned = differ[0]
    more = f"; {len(differ)} switches have another hash than planned" if len(differ) > 1 else ""
    yield Finding(
        "hash-differs",
        f"{name} hashes with seed {held[0]} and offset {held[1]}, not {planned[0]} and {planned[1]}{more}: "
        "simulated paths, collisions and pins by UDP source port are not those of these switches",
        "'raddle render --bootstrap -o DIR' writes their switch.json; 'routing: {hash: {seed: sonic, offset: "
        "sonic}}' plans with what SONiC sets by itself",
        ("routing", "hash"),
        "warning",
    )
