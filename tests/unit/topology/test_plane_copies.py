"""Equal planes that are too large together: one is kept, and stands for all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raddle import Fabric, InputError, loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import address_families
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.topology.forms import planes, size_checks
from raddle.topology.views.capacity import cable_kinds, cable_warnings, cables_of
from raddle.topology.yaml.source import parse

FOUR = """
raddle: 1
name: four
fabric: {planes: 4, leaves: {count: 4}, spines: {count: 2}}
hosts:
  per_leaf: 4
  accelerators: {count: 2, bus: 800G, scale_up: {bandwidth: 4T}}
  nics: {per_accelerator: 1, ports: 4, speed: 100G, bus: 200G}
"""


@pytest.fixture(autouse=True)
def _a_low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (size_checks, planes):
        monkeypatch.setattr(module, "MAX_LINKS", 150)


def plane(number: int, text: str = FOUR) -> Fabric:
    from raddle.topology.load import _fabric

    return _fabric(parse(text, "four.yaml"), {}, f"plane{number}")


def test_one_plane_is_kept_with_its_part_of_what_all_share() -> None:
    fabric = loads(FOUR)
    assert fabric.copies
    assert (fabric.copies.planes, fabric.copies.kept) == (4, 0)
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.endpoints), len(fabric.links)) == (
        4,
        2,
        32,
        40,
    )
    assert fabric.name == "four-plane0"
    assert fabric.switches[0].name == "p0-leaf0"
    inside, nic = fabric.hosts[0].accelerators, fabric.hosts[0].nic_model
    assert inside
    assert (inside.bus_bps, inside.scale_up_bps) == (200 * 10**9, 10**12)
    assert (nic.speed_bps, nic.bus_bps) == (100 * 10**9, 50 * 10**9)


@pytest.mark.parametrize("links", [1, 2, 4, 8])
def test_of_cables_that_planes_share_each_has_its_equal_part(
    links: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 hosts of 8 ports: 128 links, a part of a quarter in each plane."""
    text = FOUR.replace("speed: 100G", f"speed: 100G, links_per_cable: {links}")
    parts = [plane(number, text) for number in range(4)]
    assert [cable_kinds(part)[0].count for part in parts] == [128 // links // 4] * 4
    assert [len({*cables_of(part)[:32]}) for part in parts] == [16 if links == 8 else 32] * 4
    monkeypatch.setattr(planes, "MAX_LINKS", 10**6)
    monkeypatch.setattr(size_checks, "MAX_LINKS", 10**6)
    assert cable_kinds(loads(text))[0].count == 128 // links


def test_a_plane_tells_of_shuffled_cables_as_all_planes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    text = FOUR.replace("leaves: {count: 4}", "leaves: {count: 4, breakout: 4x100G}")
    text = text.replace("speed: 100G", "speed: 100G, links_per_cable: 4")
    text = text.replace("spines: {count: 2}", "spines: {count: 2}, uplinks: {speed: 100G}")
    kept = [each.code for each in cable_warnings(plane(0, text))]
    monkeypatch.setattr(planes, "MAX_LINKS", 10**6)
    monkeypatch.setattr(size_checks, "MAX_LINKS", 10**6)
    assert kept == [each.code for each in cable_warnings(loads(text))] == ["shuffle-cable"]


def test_each_plane_is_there_by_name_with_numbers_of_its_own() -> None:
    found = [plane(number) for number in range(4)]
    assert [each.switches[4].name for each in found] == [f"p{number}-spine0" for number in range(4)]
    addresses = [set(address_families(each)[0].endpoints) for each in found]
    loopbacks = [set(address_families(each)[0].loopbacks) for each in found]
    macs = [{switch.mac for switch in each.switches} for each in found]
    for of_plane in (addresses, loopbacks, macs):
        assert len(set.union(*of_plane)) == sum(map(len, of_plane))
    first = [(link.a.port, link.b.port, link.speed_bps) for link in found[0].links]
    assert all([(x.a.port, x.b.port, x.speed_bps) for x in each.links] == first for each in found)


def test_a_kept_plane_is_the_plane_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = loads(FOUR)
    monkeypatch.setattr(size_checks, "MAX_LINKS", 500_000)
    whole = loads(FOUR)
    assert len(whole.links) == 4 * len(kept.links)
    here = [s for s in whole.switches if s.plane == 0]
    assert [(s.name, s.role) for s in here] == [(s.name, s.role) for s in kept.switches]
    names = {s.name for s in here}
    ports = [(str(x.b), x.speed_bps) for x in whole.links if x.b.device in names]
    assert ports == [(str(x.b), x.speed_bps) for x in kept.links]


def test_a_kept_plane_is_planned_and_verified() -> None:
    fabric = loads(FOUR)
    scope = FailureScope(together=0, most=0, seed=1, congested_groups=1)
    result = verify_plan(fabric, make_plan(fabric, "ecmp"), None, scope, lambda what, share: None)
    assert (result.pairs, result.cut_off, result.present.lost) == (32 * 31, 0, 0)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("per_accelerator: 1, ports: 4", "count: 4, ports: 2"), "fabric-too-large", "of planes one is kept"),
        (
            ("name: four", "name: four\noverrides: {drain: [p0-leaf0]}"),
            "fabric-too-large",
            "of planes one is kept",
        ),
        (("leaves: {count: 4}", "leaves: {count: 40}"), "fabric-too-large", "links; the limit is 150"),
        (
            ("name: four", "name: four\naddressing: {loopbacks: 10.255.0.0/31}"),
            "pool-too-small",
            "for 4 planes",
        ),
    ],
)
def test_planes_that_are_not_alike_or_too_large_alone_are_refused(
    change: tuple[str, str], code: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        loads(FOUR.replace(*change))
    first = caught.value.diagnostics[0]
    assert first.code == code
    assert said in f"{first.message} {first.hint}"
    assert first.span


def test_a_plane_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"(?s)no-such-network.*plane0 to plane3"):
        plane(4)


def test_an_own_template_keeps_its_field() -> None:
    text = FOUR.replace("{count: 4}", '{count: 4, name: "t0-{plane:02}-{i}"}')
    assert plane(3, text).switches[0].name == "t0-03-0"
    assert replace(plane(1, text), copies=None).copies is None
