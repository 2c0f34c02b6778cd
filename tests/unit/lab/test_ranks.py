"""Which accelerators are ranks, in which order, and over which ports they send."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raddle.errors import InputError
from raddle.lab.workloads.collective import find_job
from raddle.lab.workloads.connections import LaneFinder
from raddle.lab.workloads.joined import joined, joined_demand, over_nics
from raddle.lab.workloads.ranks import Scope, place_ranks, seat_names, seats_of
from raddle.topology import Fabric, loads
from tests.fabrics import DUAL_TOR

MIB = 1 << 20
RAILS = """
raddle: 1
name: t
fabric: {kind: rail-optimized, leaves: {count: 2}, spines: {count: 2}}
hosts: {per_leaf: 4, accelerators: {count: 2}, nics: {per_accelerator: 1}}
tenants:
  - {name: vision, hosts: "host[0-1]", ranks: strided}
  - {name: speech, hosts: "host[2-3]"}
"""
PLANES = """
raddle: 1
name: t
fabric: {planes: 2, leaves: {count: 2}, spines: {count: 2}}
hosts: {per_leaf: 2, nics: {ports: 2}}
"""


def names(fabric: Fabric, scope: Scope) -> list[str]:
    return seat_names(fabric, seats_of(fabric, place_ranks(fabric, scope)))


def lanes(fabric: Fabric, src: int, dst: int) -> list[tuple[str, str]]:
    finder = LaneFinder(fabric, seats_of(fabric, place_ranks(fabric)))
    found = finder.between(np.array([src]), np.array([dst]))
    return [
        (fabric.endpoints[a].name, fabric.endpoints[b].name)
        for a, b in zip(found.src, found.dst, strict=True)
    ]


def test_linear_goes_through_hosts_and_rail_through_rails() -> None:
    fabric = loads(RAILS)
    assert names(fabric, Scope())[:3] == ["host0:0", "host0:1", "host1:0"]
    assert names(fabric, Scope("rail"))[:5] == ["host0:0", "host1:0", "host2:0", "host3:0", "host0:1"]


def test_a_tenants_ranks_are_in_its_own_order_unless_another_is_asked_for() -> None:
    fabric = loads(RAILS)
    assert names(fabric, Scope(tenant="vision")) == ["host0:0", "host1:0", "host0:1", "host1:1"]
    assert names(fabric, Scope("linear", "vision")) == ["host0:0", "host0:1", "host1:0", "host1:1"]
    assert names(fabric, Scope(tenant="speech", hosts="host3")) == ["host3:0", "host3:1"]


def test_hosts_and_ranks_cut_a_part_out() -> None:
    fabric = loads(RAILS)
    assert names(fabric, Scope(hosts="host[1-2],host3", ranks=3)) == ["host1:0", "host1:1", "host2:0"]
    whole, part = (place_ranks(fabric, Scope("random", ranks=n, seed=3)).tolist() for n in (None, 5))
    assert part == whole[:5]


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (Scope(tenant="visoin"), "no tenant 'visoin'; there is vision, speech"),
        (Scope(hosts="host[2-9]"), "--hosts: no host 'host4'"),
        (Scope(hosts="host0", ranks=3), "3 ranks do not fit 2 accelerators"),
        (Scope("stride"), "no placement 'stride' and no such file"),
        (Scope(tenant="vision", hosts="host2"), "tenant 'vision' has no accelerator on host2"),
        (Scope(hosts="host[2-1]"), "--hosts: 'host[2-1]' names no hosts"),
    ],
)
def test_what_is_not_there_is_refused(scope: Scope, message: str) -> None:
    with pytest.raises(InputError) as refused:
        place_ranks(loads(RAILS), scope)
    assert refused.value.diagnostics[0].message.startswith(message)


def test_a_file_places_ranks_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "ranks.txt"
    file.write_text("# the second rail first\nhost3:1\nhost0:1  # a comment\n\nhost1:0\n")
    assert names(loads(RAILS), Scope(str(file))) == ["host3:1", "host0:1", "host1:0"]


def test_all_that_is_wrong_with_a_placement_file_is_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "ranks.txt"
    file.write_text("host0:0\nhost9:1\nhost1:2\n  host0:0\nhost1\nhost2:x\n")
    with pytest.raises(InputError) as refused:
        place_ranks(loads(RAILS), Scope(str(file)))
    told = [
        (each.code, each.span and (each.span.line, each.span.column)) for each in refused.value.diagnostics
    ]
    assert told == [
        ("unknown-device", (2, 1)),
        ("accelerator-out-of-range", (3, 1)),
        ("duplicate-rank", (4, 3)),
        ("accelerator-out-of-range", (5, 1)),
        ("accelerator-out-of-range", (6, 1)),
    ]


def test_ports_of_one_number_are_a_pair() -> None:
    assert lanes(loads(DUAL_TOR), 0, 1) == [
        ("host0:eth0p0", "host1:eth0p0"),
        ("host0:eth0p1", "host1:eth0p1"),
    ]


def test_a_dead_port_carries_nothing_and_the_others_do() -> None:
    down = "overrides: {{links: [{{ends: ['host0:eth0p{}', {}], state: down}}]}}\n"
    assert lanes(loads(DUAL_TOR + down.format(0, "leaf0")), 0, 1) == [("host0:eth0p1", "host1:eth0p1")]
    assert lanes(loads(PLANES + down.format(1, "p1-leaf0")), 1, 0) == [("host1:eth0p0", "host0:eth0p0")]


def test_dead_ports_of_other_numbers_leave_the_way_over_the_spines() -> None:
    down = (
        "overrides: {links: [{ends: ['host0:eth0p0', leaf0], state: down},"
        " {ends: ['host1:eth0p1', leaf1], state: down}]}\n"
    )
    assert lanes(loads(DUAL_TOR + down), 0, 1) == [("host0:eth0p1", "host1:eth0p0")]


def test_an_accelerator_without_a_nic_takes_its_neighbours() -> None:
    fabric = loads(RAILS + "overrides: {links: [{ends: ['host0:eth1', leaf1], state: down}]}\n")
    seats = seats_of(fabric, place_ranks(fabric))
    assert seats.ranks == 8
    assert [fabric.endpoints[port].name for port in seats.first_endpoint[:3]] == [
        "host0:eth0",
        "host0:eth0",
        "host1:eth0",
    ]


def test_ranks_that_nothing_connects_are_refused_before_they_are_simulated() -> None:
    apart = "fabric: {planes: 2, leaves: {count: 1}, spines: {count: 1}}\n"
    apart += "hosts: {per_leaf: 2, accelerators: {count: 2}, nics: {count: 2}}\n"
    with pytest.raises(InputError, match=r"rank 0 .* and rank 1 .* have NICs on different planes") as error:
        find_job(loads("raddle: 1\nname: t\n" + apart), "all_reduce", "ring").demand()
    assert "'scale_up'" in error.value.diagnostics[0].hint
    shared = "hosts: {per_leaf: 2, accelerators: {count: 2}, nics: {accelerators_per_nic: 2}}\n"
    with pytest.raises(InputError, match=r"rank 0 .* and rank 1 .* share a NIC"):
        find_job(
            loads("raddle: 1\nname: t\nfabric: {leaves: {count: 2}, spines: {count: 1}}\n" + shared),
            "all_reduce",
            "ring",
        ).demand()


def test_jobs_side_by_side_are_the_jobs_one_after_the_other() -> None:
    fabric = loads(RAILS)
    jobs = [find_job(fabric, "all_reduce", "ring", Scope(tenant=name)) for name in ("vision", "speech")]
    parts = [job.workload(1 << 20) for job in jobs]
    both = joined([("vision", parts[0]), ("speech", parts[1])])
    flows = parts[0].schedule.flows
    assert both.schedule.ranks == 8
    for name, shift in (("src", 4), ("dst", 4), ("qp", 4)):
        own = [getattr(part.schedule, name).tolist() for part in parts]
        assert getattr(both.schedule, name).tolist() == [*own[0], *(each + shift for each in own[1])]
    for flow in range(flows):
        ends = both.schedule.dep_offsets[flows + flow : flows + flow + 2]
        own_ends = parts[1].schedule.dep_offsets[flow : flow + 2]
        waits = both.schedule.dep_ids[slice(*ends)] - flows
        assert waits.tolist() == parts[1].schedule.dep_ids[slice(*own_ends)].tolist()
    assert both.rank_names[4] == "speech rank0"
    demand = joined_demand([job.demand() for job in jobs])
    assert len(demand.src) == 8
    assert set(demand.phase.tolist()) == {0}


def test_an_emulation_leaves_out_what_stays_inside_domains_and_nothing_else() -> None:
    inside = "count: 2, scale_up: {bandwidth: 400GBps}"
    work = find_job(
        loads(RAILS.replace("count: 2}, nics", inside + "}, nics")), "all_reduce", "ring"
    ).workload(MIB)
    kept, left_out = over_nics(work)
    domain = work.seats.domain
    assert left_out == int((domain[work.schedule.src] == domain[work.schedule.dst]).sum()) > 0
    assert kept.schedule.flows == len(kept.starts_ps) == len(kept.delays_ps) == work.schedule.flows - left_out
    assert (domain[kept.schedule.src] != domain[kept.schedule.dst]).all()


def test_a_job_sums_in_switches_only_where_those_of_all_its_servers_can() -> None:
    text = """
raddle: 1
name: t
devices:
  leaf0: {role: leaf}
  host0:
    role: host
    nics: {count: 2}
    accelerators: {count: 2, scale_up: {bandwidth: 1.6T, in_network: 90GBps}}
  host1: {role: host, nics: {count: 2}, accelerators: {count: 2, scale_up: {bandwidth: 1.6T}}}
links:
  - {ends: ["host0:eth0", "leaf0:Ethernet0"]}
  - {ends: ["host0:eth1", "leaf0:Ethernet8"]}
  - {ends: ["host1:eth0", "leaf0:Ethernet16"]}
  - {ends: ["host1:eth1", "leaf0:Ethernet24"]}
"""
    fabric = loads(text)
    assert find_job(fabric, "all_reduce", "nvls", Scope(hosts="host0")).algorithm.name == "nvls"
    with pytest.raises(InputError, match="nvls_tree"):
        find_job(fabric, "all_reduce", "nvls_tree")


@pytest.mark.parametrize("text", ["host[0,2-3]", "host0,host[2-3]", "host0, host2, host3", "host[0, 2-3]"])
def test_a_set_of_hosts_means_the_same_in_a_file_and_as_an_option(text: str) -> None:
    own = [f"host{host}:{number}" for host in (0, 2, 3) for number in (0, 1)]
    assert names(loads(RAILS), Scope(hosts=text)) == own
    owned = loads(RAILS.partition("tenants:")[0] + f'tenants: [{{name: job, hosts: "{text}"}}]\n')
    assert names(owned, Scope(tenant="job")) == own


@pytest.mark.parametrize("text", ["host[3-1]", "host0,", "host[0-]", "", "host[0", "host[0-99999999]", "a b"])
def test_what_is_no_set_of_hosts_is_refused_in_both(text: str) -> None:
    with pytest.raises(InputError, match=r"error\[bad-hosts\]: --hosts: '.*' names no hosts"):
        names(loads(RAILS), Scope(hosts=text))
    with pytest.raises(InputError, match=r"error\[bad-hosts\]: '.*' names no hosts, as 'tenants"):
        loads(RAILS.partition("tenants:")[0] + f'tenants: [{{name: job, hosts: "{text}"}}]\n')


def test_a_host_of_a_set_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="no host 'host7'"):
        names(loads(RAILS), Scope(hosts="host[0,7]"))


def test_hosts_without_accelerators_beside_others_are_ranks_only_where_they_are_named() -> None:
    text = (
        "raddle: 1\nname: shared\nfabric: {leaves: {count: 2}, spines: {count: 1}}\nhosts:\n"
        "  - {per_leaf: 2, accelerators: {count: 2}, nics: {per_accelerator: 1}}\n"
        '  - {per_leaf: 1, name: "nas{k}", nics: {count: 2}}\n'
        "tenants: [{name: files, hosts: nas0}]\n"
    )
    fabric = loads(text)
    names = [fabric.hosts[host].name for host in fabric.accelerators.host.tolist()]

    def hosts_of(scope: Scope) -> list[str]:
        return [names[each] for each in place_ranks(fabric, scope).tolist()]

    assert hosts_of(Scope()) == ["host0", "host0", "host1", "host1", "host3", "host3", "host4", "host4"]
    assert hosts_of(Scope(hosts="nas1")) == ["nas1", "nas1"]
    assert hosts_of(Scope(tenant="files")) == ["nas0", "nas0"]
    bare = loads(text.replace("accelerators: {count: 2}, nics: {per_accelerator: 1}", "nics: {count: 2}"))
    assert len(place_ranks(bare, Scope())) == 12
