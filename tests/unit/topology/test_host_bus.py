"""What a host's bus leaves of its NIC ports."""

from raddle.topology import loads
from raddle.topology.views.host_bus import endpoint_bus_bps

GBPS = 8 * 10**9


def limits(hosts: str, more: str = "") -> list[float]:
    fabric = loads(
        f"raddle: 1\nname: t\nfabric: {{leaves: {{count: 2}}, spines: {{count: 2}}}}\n{hosts}\n{more}"
    )
    return [bps / GBPS for bps in endpoint_bus_bps(fabric).tolist()]


def test_without_a_bus_there_is_no_limit() -> None:
    assert limits("hosts: {per_leaf: 1}") == [0, 0]


def test_ports_share_their_nics_bus() -> None:
    assert limits("hosts: {per_leaf: 1, nics: {ports: 2, bus: 48GBps}}") == [24] * 4


def test_the_other_port_has_it_all_where_one_is_down() -> None:
    down = "overrides: {links: [{ends: [host0:eth0p0, leaf0], state: down}]}"
    assert limits("hosts: {per_leaf: 1, nics: {ports: 2, bus: 48GBps}}", down) == [0, 48, 24, 24]


def test_buses_of_accelerators_that_share_a_nic_add_up_to_what_it_has() -> None:
    hosts = (
        "hosts: {{per_leaf: 1, accelerators: {{count: 2, bus: 30GBps}}, nics: {{accelerators_per_nic: 2{}}}}}"
    )
    assert limits(hosts.format("")) == [60, 60]
    assert limits(hosts.format(", bus: 48GBps")) == [48, 48]
