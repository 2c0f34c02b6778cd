"""Buffer that is kept for ports without a cable, and what is said where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raddle import InputError, load, loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.held import fabric_digest
from raddle.controller.plan.lossless_check import check_lossless
from raddle.controller.plan.model import Plan
from raddle.controller.plan.summary import summarize_change
from raddle.controller.southbound.sonic.tables import intended
from raddle.controller.verify.update_scope import scope_of
from raddle.topology.model import Fabric
from tests.fabrics import leaf_spine

ROOM = "reserve: {leaves: 6, spines: 4, hosts_per_leaf: 5}\n"


def row(leaves: int, spines: int, hosts: int, more: str = ROOM) -> Fabric:
    return loads(leaf_spine(leaves, spines, hosts, more, name="row"))


def planned(leaves: int, spines: int, hosts: int, more: str = ROOM) -> Plan:
    return make_plan(row(leaves, spines, hosts, more), "ecmp")


@pytest.mark.parametrize("size", [(4, 3, 3), (3, 4, 3), (3, 3, 4), (6, 4, 5)])
@pytest.mark.parametrize(
    "roce", ["", "roce: {pfc: false}\n", "roce: {headroom: {over_subscribe_ratio: 2}}\n"]
)
def test_what_joins_within_the_reservation_changes_no_pool_of_what_stands(
    size: tuple[int, int, int], roce: str
) -> None:
    old, new = planned(3, 3, 3, ROOM + roce), planned(*size, ROOM + roce)
    scope = scope_of(old, new)
    assert scope.joining or size == (3, 3, 4)
    assert scope.reloads == {}
    assert summarize_change(old, new).switches_with_other_buffers == 0


def test_pools_and_profiles_are_those_of_the_fabric_of_the_reserved_size() -> None:
    full = {each.name: intended(each) for each in planned(6, 4, 5, "").switches}
    for switch in planned(3, 3, 3).switches:
        tables = intended(switch)
        for table in ("BUFFER_POOL", "BUFFER_PROFILE"):
            assert tables[table] == full[switch.name][table], switch.name
        cabled = {port.name for port in switch.ports if port.peer}
        assert {key.partition("|")[0] for key in tables["BUFFER_PG"]} == cabled


def test_a_kind_of_cable_that_is_not_there_yet_has_its_profile() -> None:
    empty = "overrides: {absent: [host0, host1, host2]}\n"
    old, new = planned(2, 2, 3, empty), planned(2, 2, 3, "")
    assert [each.cable_m for each in old.switches[0].buffers.profiles] == [3.0, 30.0]
    assert scope_of(old, new).reloads == {}


def test_beyond_the_reservation_a_new_configuration_is_asked() -> None:
    scope = scope_of(
        planned(3, 3, 3), planned(3, 5, 3, "reserve: {leaves: 6, spines: 5, hosts_per_leaf: 5}\n")
    )
    assert sorted(scope.reloads) == ["leaf0", "leaf1", "leaf2"]
    assert "BUFFER_POOL/ingress_lossless_pool" in scope.reloads["leaf0"].paths


def test_a_plan_of_another_reservation_is_of_another_fabric() -> None:
    few, more = (row(3, 3, 3, ROOM.replace("leaves: 6", f"leaves: {leaves}")) for leaves in (6, 7))
    assert fabric_digest(few) != fabric_digest(replace(few, reserved=None))
    assert fabric_digest(few) != fabric_digest(more)


SMALL = """raddle: 1
name: pod
models:
  box: {ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: BUFFER}
fabric: {leaves: {count: 4, model: box}, spines: {count: 2, model: box}}
hosts: {per_leaf: 2}
"""


def told(tmp_path: Path, text: str) -> str:
    """What is said of buffers: by `validate` and by a plan alike."""
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    fabric = load(file)
    with pytest.raises(InputError) as caught:
        make_plan(fabric, "ecmp")
    assert [each.message for each in caught.value.diagnostics] == [
        each.message for each in check_lossless(fabric)
    ]
    return str(caught.value)


def test_what_does_not_fit_is_told_once_for_each_model_of_the_switch_that_lacks_most(tmp_path: Path) -> None:
    text = SMALL.replace("BUFFER", "1MiB") + "overrides: {links: [{ends: [leaf2, spine0], cable: 500m}]}\n"
    said = told(tmp_path, text)
    assert said.count("headroom-exceeds-buffer") == 1
    assert said.startswith(f"{tmp_path}/pod.yaml:4:65: error[headroom-exceeds-buffer]: spine0: ")
    assert "and more switches of this model, 6 in all" in said


def test_of_a_built_in_model_the_line_is_that_which_takes_it(tmp_path: Path) -> None:
    said = told(
        tmp_path,
        "raddle: 1\nname: row\nfabric:\n  leaves: {count: 20}\n  spines: {count: 1}\n"
        "  uplinks: {cable: 9km}\nhosts: {per_leaf: 1}\n",
    )
    assert f"{tmp_path}/pod.yaml:5:3: error[headroom-exceeds-buffer]: spine0: " in said


def test_a_reservation_beyond_the_buffer_says_how_many_ports_are_only_kept(tmp_path: Path) -> None:
    text = SMALL.replace("BUFFER", "4MiB")
    loads(text)
    assert check_lossless(loads(text)) == ()
    said = told(tmp_path, text + "reserve: {leaves: 32}\n")
    assert ":4:65: error[headroom-exceeds-buffer]: spine0: " in said
    assert "28 of the ports are kept for cables of what is reserved or absent" in said
    assert "hint: reserve less, shorten cables" in said
