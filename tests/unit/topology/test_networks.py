"""Several networks of one file: each is the fabric that it would be alone, and hosts are in all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from raddle import InputError, load, loads
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import plan_addresses
from raddle.topology import network_names
from raddle.topology.views.bisection import bisection_bps

TWO = """raddle: 1
name: pod
models: {box: {ports: 16, port_speed: 400G, buffer: 64MiB}}
roce: {mtu: 2048}
networks:
  storage:
    fabric: {leaves: {count: 2, model: box}, spines: {count: 1, model: box}}
    hosts: [{per_leaf: 2, nics: {count: 2, speed: 100G}}, {per_leaf: 1, name: "nas{k}"}]
    roce: {congestion_control: none}
  backend:
    fabric: {kind: rail-optimized, leaves: {count: 2, model: box}, spines: {count: 2, model: box}}
    hosts: {per_leaf: 4, accelerators: {count: 2}, nics: {per_accelerator: 1, ports: 1}}
"""


def test_ranks_are_on_the_network_with_accelerators_and_the_other_is_asked_for_by_name() -> None:
    backend, storage = loads(TWO), loads(TWO, network="storage")
    assert backend.network is not None
    assert (backend.network.name, backend.network.among, backend.network.hosts) == (
        "backend",
        ("storage", "backend"),
        6,
    )
    assert backend.accelerators.host.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {switch.name for switch in storage.switches} == {
        "storage-leaf0",
        "storage-leaf1",
        "storage-spine0",
    }
    assert [host.name for host in storage.hosts] == ["host0", "host1", "host2", "host3", "nas0", "nas1"]
    # NICs are numbered through the networks in their order.
    assert storage.hosts[0].nics == ("eth0", "eth1")
    assert backend.hosts[0].nics == ("eth2", "eth3")
    assert storage.hosts[4].nics == ("eth0",)


def test_what_stands_beside_networks_holds_for_all_and_their_own_keys_win() -> None:
    backend, storage = loads(TWO), loads(TWO, network="storage")
    assert (backend.roce.mtu_bytes, storage.roce.mtu_bytes) == (2048, 2048)
    assert (backend.roce.congestion_control, storage.roce.congestion_control) == ("dcqcn", "none")
    assert {switch.model.name for switch in (*backend.switches, *storage.switches)} == {"box"}


def test_no_address_and_no_mac_is_in_two_networks() -> None:
    fabrics = [loads(TWO, network=name) for name in ("storage", "backend")]
    numbers = [plan_addresses(fabric) for fabric in fabrics]
    of = [
        {*each.endpoints, *each.loopbacks, *(end for ends in each.link_ends for end in ends)}
        for each in numbers
    ]
    assert not of[0] & of[1]
    macs = [{switch.mac for switch in fabric.switches} for fabric in fabrics]
    assert not macs[0] & macs[1]


def test_a_network_is_planned_and_counted_as_the_same_fabric_alone() -> None:
    storage = loads(TWO, network="storage")
    alone = loads(
        "raddle: 1\nname: pod.storage\nmodels: {box: {ports: 16, port_speed: 400G, buffer: 64MiB}}\n"
        "roce: {mtu: 2048, congestion_control: none}\n"
        "fabric: {leaves: {count: 2, model: box, name: 'storage-leaf{i}'},"
        " spines: {count: 1, model: box, name: 'storage-spine{i}'}}\n"
        "hosts: [{per_leaf: 2, name: 'host{k}', nics: {count: 2, speed: 100G}},"
        " {per_leaf: 1, name: 'nas{k}'}]\n"
    )
    assert storage == alone
    assert make_plan(storage, "ecmp") == make_plan(alone, "ecmp")
    assert bisection_bps(storage) == 400_000_000_000


def test_listed_networks_name_the_ports_of_a_host_through_all_of_them() -> None:
    one = "{{devices: {{{0}0: {{role: leaf}}, h0: {{role: host}}, h1: {{role: host}}}}, links: [{1}]}}"
    cables = [
        ", ".join(f"{{ends: ['h{n}:eth{nic}', '{leaf}0:Ethernet{8 * n}']}}" for n in (0, 1))
        for nic, leaf in ((0, "a"), (1, "b"))
    ]
    networks = f"a: {one.format('a', cables[0])}, b: {one.format('b', cables[1])}"
    text = f"raddle: 1\nname: pod\nnetworks: {{{networks}}}\n"
    assert [loads(text, network=name).hosts[1].nics for name in ("a", "b")] == [("eth0",), ("eth1",)]
    with pytest.raises(InputError, match=r"no port 'eth1' on 'h0'"):
        loads(text.replace("eth0", "eth1"))


def test_a_file_names_its_networks_and_a_path_one_of_them(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(TWO)
    (tmp_path / "over.yaml").write_text("include: pod.yaml\nroce: {mtu: 1024}\n")
    assert network_names(file) == network_names(tmp_path / "over.yaml") == ("storage", "backend")
    assert load(f"{file}@storage") == loads(TWO, network="storage")
    assert load(f"{tmp_path / 'over.yaml'}@storage").roce.mtu_bytes == 1024
    file.write_text(TWO[: TWO.index("networks:")] + "fabric: {leaves: {count: 1}}\nhosts: {per_leaf: 2}\n")
    assert network_names(file) == ()


SPINE = "spines: {count: 1, model: box}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: pod\n", "name: pod\nhosts: {per_leaf: 2}\n", "3:1: error.mixed-forms.: 'hosts' beside"),
        ("name: pod\n", "name: pod\nhoots: 1\n", "3:1: error.unknown-key.: unknown key 'hoots'"),
        ("  storage:\n", "  storage:\n    name: s\n", "'name' in network 'storage'"),
        ("  storage:\n", "  sto rage:\n", "sto rage"),
        (SPINE, "spines: {count: 1, model: bix}", r"7:\d+: error.unknown-model.: no switch model 'bix'"),
        (SPINE, SPINE.replace("mod", "name: backend-leaf0, mod"), "of network 'storage' and of 'backend'"),
        ("per_leaf: 2, nics", "per_leaf: 2, accelerators: {}, nics", "accelerators of 'host0' in network"),
        ("  backend:\n", "  backend:\n    addressing: {hosts: 10.0.0.0/15}\n", "overlaps pool 'hosts'"),
        ("networks:\n", "networks: []\nignore:\n", "expected a mapping of names to networks"),
    ],
)  # fmt: skip
def test_what_two_networks_cannot_share_is_refused_at_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loads(TWO.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("networks:\n", "ignore: ['leef0:PORT/*']\nnetworks:\n", r":\d+:10: .*unknown-device.*'leef0'"),
        ("  storage:\n", "  storage:\n    ignore: [backend-leaf0:PORT/*]\n", "unknown.*'backend-leaf0'"),
        ("networks:\n", "ignore: ['backend-leaf0:PORT/*', 'storage-leaf0:PORT/*']\nnetworks:\n", ""),
        ("  storage:\n", "  storage:\n    ignore: ['storage-leaf0:PORT/*']\n", ""),
    ],
)  # fmt: skip
def test_what_networks_ignore_is_of_their_switches(old: str, new: str, message: str) -> None:
    text = TWO.replace(old, new, 1)
    assert text != TWO
    if not message:
        loads(text)
        return
    with pytest.raises(InputError, match=message) as refused:
        loads(text)
    assert len(refused.value.diagnostics) == 1


def test_a_network_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        InputError, match=r"error\[no-such-network\]: no network 'storag'\n  hint: did you mean"
    ):
        loads(TWO, network="storag")
    with pytest.raises(InputError, match="the file has one network, without a name"):
        loads("raddle: 1\nname: t\nfabric: {leaves: {count: 1}}\nhosts: {per_leaf: 2}\n", network="a")


def outside(first: str, second: str) -> str:
    """Two networks, each with a link to the outside at such an address."""
    return f"""raddle: 1
name: pod
models: {{box: {{ports: 16, port_speed: 400G, buffer: 64MiB}}}}
networks:
  front:
    fabric: {{leaves: {{count: 2, model: box}}, spines: {{count: 1, model: box}}}}
    hosts: {{per_leaf: 2, nics: {{speed: 100G}}}}
    external: [{{name: wan0, port: "front-leaf0:Ethernet120", address: {first}, as_number: 65010}}]
  storage:
    fabric: {{leaves: {{count: 2, model: box}}, spines: {{count: 1, model: box}}}}
    hosts: {{per_leaf: 2, nics: {{speed: 100G}}}}
    external: [{{name: wan0, port: "storage-leaf1:Ethernet120", address: {second}, as_number: 65010}}]
"""


def test_a_router_that_speaks_with_two_networks_sees_no_as_number_twice() -> None:
    """RFC 4271, 9.1.2: a route whose path has the receiver's own number is not taken."""
    text = outside("192.0.2.1/31", "192.0.2.5/31")
    numbers = [{switch.asn for switch in loads(text, network=name).switches} for name in ("front", "storage")]
    assert numbers[0] == {4_200_010_000, 4_200_010_001, 4_200_000_100}
    assert not numbers[0] & numbers[1]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (
            "192.0.2.1/31",
            "bad-external]: '192.0.2.1/31' is of the same link as an address of network 'front'",
        ),
        ("192.0.2.0/31", "bad-external]: '192.0.2.0/31' is of the same link"),
        ("10.0.3.1/31", "pool-overlap]: '10.0.3.1/31' is in pool 'hosts' 10.0.0.0/16 of network 'front'"),
    ],
)
def test_networks_share_no_address_to_the_outside(second: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        loads(outside("192.0.2.1/31", second))
    assert says in str(caught.value)
    assert len(caught.value.diagnostics) == 1
