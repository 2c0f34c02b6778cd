"""Bonds under a controller: a leaf without a way up has its hosts' ports shut, unasked or by a drain."""

from __future__ import annotations

from pathlib import Path

from tests.fabrics import BONDED
from tests.unit.controller.service.running import Running, held

OWN = ("Ethernet0", "Ethernet8")
UPLINKS = ("Ethernet16", "Ethernet24")


def states(running: Running) -> set[str]:
    ports = running.config("leaf0")["PORT"]
    return {ports[port]["admin_status"] for port in OWN}


def test_a_bonded_leaf_is_drained_and_comes_back(tmp_path: Path) -> None:
    with held(BONDED, tmp_path) as running:
        done = running.controller.drain("ada", "new optics", "leaf0").result()
        assert done.outcome == "done"
        assert states(running) == {"down"}
        assert not running.config("leaf0").get("STATIC_ROUTE")
        back = running.controller.undrain("ada", "", "leaf0").result()
        assert back.outcome == "done"
        assert states(running) == {"up"}
        assert running.next_hop_ports("leaf0") == set(UPLINKS)


def test_a_leaf_that_loses_its_last_uplink_has_its_bonds_ports_shut_until_one_is_back(tmp_path: Path) -> None:
    with held(BONDED, tmp_path) as running:
        running.farm.plug("leaf0", UPLINKS[0], False)
        running.wait_for(lambda: len(running.controller.dead_links) == 1, "not heard of")
        assert states(running) == {"up"}
        running.farm.plug("leaf0", UPLINKS[1], False)
        running.wait_for(lambda: states(running) == {"down"}, "not shut")
        running.farm.plug("leaf0", UPLINKS[1], True)
        running.wait_for(lambda: states(running) == {"up"}, "not up again")
