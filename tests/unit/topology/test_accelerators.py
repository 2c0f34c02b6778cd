"""Which NIC ports an accelerator uses, and who shares a scale-up domain with it."""

import pytest

from raddle.errors import InputError
from raddle.topology import Fabric, loads


def fabric(hosts: str, form: str = "kind: leaf-spine") -> Fabric:
    return loads(f"""
raddle: 1
name: t
fabric: {{{form}, leaves: {{count: 4}}, spines: {{count: 2}}}}
hosts: {hosts}
""")


def ports_of(model: Fabric, accelerator: int) -> list[str]:
    columns = model.accelerators
    first, last = columns.endpoint_offsets[accelerator : accelerator + 2]
    return [model.endpoints[port].name for port in columns.endpoints[first:last]]


def test_an_accelerator_uses_all_ports_of_its_nics() -> None:
    model = fabric("{per_leaf: 1, accelerators: {count: 2}, nics: {per_accelerator: 2, ports: 2}}")
    assert model.accelerators.count == 8
    assert ports_of(model, 1) == ["host0:eth2p0", "host0:eth2p1", "host0:eth3p0", "host0:eth3p1"]


def test_accelerators_share_nics_by_number() -> None:
    model = fabric("{per_leaf: 1, accelerators: {count: 8}, nics: {accelerators_per_nic: 4}}")
    assert [ports_of(model, 8 + number)[0] for number in range(8)] == ["host1:eth0"] * 4 + ["host1:eth1"] * 4


def test_a_host_without_accelerators_has_one_for_each_nic() -> None:
    model = fabric("{per_leaf: 1, nics: {count: 2, ports: 2}}")
    assert [ports_of(model, number) for number in range(2)] == [
        ["host0:eth0p0", "host0:eth0p1"],
        ["host0:eth1p0", "host0:eth1p1"],
    ]


def test_nics_on_different_planes_serve_one_rank_of_a_host_without_accelerators() -> None:
    model = fabric("{per_leaf: 1, nics: {count: 4}}", "kind: leaf-spine, planes: 2")
    assert model.accelerators.count == 4 * 2
    for number in range(2):
        ports = [model.endpoints[each] for each in model.accelerators.endpoints[2 * number : 2 * number + 2]]
        assert [port.plane for port in ports] == [0, 1]


def test_hosts_one_after_the_other_share_a_domain_even_where_one_is_absent() -> None:
    text = "{per_leaf: 2, accelerators: {count: 2, scale_up: {bandwidth: 450GBps, hosts: 4}}}\n"
    whole = fabric(text)
    assert [host.domain for host in whole.hosts] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert whole.accelerators.domain.tolist() == [0] * 8 + [1] * 8
    assert whole.hosts[0].accelerators
    assert whole.hosts[0].accelerators.scale_up_bps == 3_600_000_000_000
    absent = fabric(text + "overrides: {absent: [host1]}")
    assert [host.domain for host in absent.hosts] == [0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("hosts", "message", "hint"),
    [
        (
            "{per_leaf: 1, accelerators: {scale_up: {bandwidth: 1T, hosts: 3}}}",
            "4 hosts cannot be shared out to scale-up domains of 3",
            "take 3 or 6 hosts",
        ),
        (
            "{per_leaf: 1, accelerators: {count: 6}, nics: {accelerators_per_nic: 4}}",
            "6 accelerators cannot share NICs by 4",
            "take a divisor of 6",
        ),
        (
            "{per_leaf: 1, nics: {accelerators_per_nic: 4}}",
            "'accelerators_per_nic' without accelerators",
            "add 'accelerators', or write 'count'",
        ),
        (
            "{per_leaf: 1, accelerators: {scale_up: {bandwidth: 1T, topology: mesh, in_network: 1T}}}",
            "'in_network' in a mesh of links: its sums are a switch's",
            "leave it out, or write 'topology: crossbar'",
        ),
    ],
)
def test_what_cannot_be_inside_a_host_is_refused_in_its_line(hosts: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        fabric(hosts)
    (problem,) = refused.value.diagnostics
    assert (problem.message, problem.hint) == (message, hint)
    assert problem.span
    assert problem.span.line == 5
