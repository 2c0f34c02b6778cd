"""What a fabric file means: names, ports, order, defaults, and that both forms give one model."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import raddle
from raddle import Fabric, InputError, loads
from raddle.topology import bundled_examples, find
from raddle.topology.catalog import builtin_models
from raddle.topology.model import Ecn, LosslessClass, NicModel, PfcWatchdog, PortRef
from raddle.topology.rate_control import DCQCN_SETS, Dcqcn

INTENT = """
raddle: 1
name: pod
fabric:
  leaves: {count: 3}
  spines: {count: 2, model: tomahawk4-64x400g}
  uplinks: {per_pair: 2, speed: 400G, cable: 20m}
hosts:
  per_leaf: 4
  nics: {count: 2, speed: 200G, cable: 2m, ack_interval: 4}
"""


def explicit_spelling(fabric: Fabric) -> str:
    """The fabric as a list of devices and links, neither of them in the fabric's order."""
    devices: dict[str, object] = {
        host.name: {
            "role": "host",
            "nics": {
                "count": len(host.nics),
                "speed": f"{host.nic_model.speed_bps}bps",
                "ack_interval": host.nic_model.ack_interval,
            },
        }
        for host in reversed(fabric.hosts)
    }
    for switch in reversed(fabric.switches):
        devices[switch.name] = {"role": switch.role, "model": switch.model.name}
    links = [
        {
            "ends": [str(link.b), str(link.a)],
            "speed": f"{link.speed_bps}bps",
            "cable": f"{link.length_m}m",
            "state": "up" if link.is_up else "down",
        }
        for link in reversed(fabric.links)
    ]
    document = {"raddle": 1, "name": fabric.name, "devices": devices, "links": links}
    return yaml.safe_dump(document, sort_keys=False)


def test_intent_and_its_explicit_spelling_are_equal() -> None:
    fabric = loads(INTENT + "overrides: {links: [{ends: [leaf1, spine0], state: down, cable: 7m}]}\n")
    assert sum(not link.is_up for link in fabric.links) == 2
    assert loads(explicit_spelling(fabric), file="other.yaml") == fabric


@settings(max_examples=25, deadline=None)
@given(
    leaves=st.integers(1, 12),
    spines=st.integers(1, 4),
    per_pair=st.integers(1, 3),
    per_leaf=st.integers(1, 5),
    nics=st.integers(1, 3),
)
def test_every_intent_equals_its_explicit_spelling(
    leaves: int, spines: int, per_pair: int, per_leaf: int, nics: int
) -> None:
    fabric = loads(
        f"raddle: 1\nname: pod\nfabric: {{leaves: {{count: {leaves}}}, spines: {{count: {spines}, "
        f"model: tomahawk4-64x400g}}, uplinks: {{per_pair: {per_pair}}}}}\n"
        f"hosts: {{per_leaf: {per_leaf}, nics: {{count: {nics}}}}}\n"
    )
    assert loads(explicit_spelling(fabric)) == fabric
    assert len(fabric.endpoints) == leaves * per_leaf * nics
    assert len(fabric.links) == len(fabric.endpoints) + leaves * spines * per_pair
    assert [link.index for link in fabric.links] == list(range(len(fabric.links)))
    for endpoint in fabric.endpoints:
        link = fabric.links[endpoint.link]
        assert link.a == PortRef(fabric.hosts[endpoint.host].name, endpoint.nic)
        assert link.b.device == fabric.switches[endpoint.leaf].name
        assert endpoint.leaf == endpoint.host // per_leaf


def test_hosts_take_ports_from_0_up_and_uplinks_follow() -> None:
    fabric = loads(INTENT)
    by_port = {str(end): link for end, link in fabric.link_by_port.items()}
    # 4 hosts of 2 NICs take ports 0..7 of 8 lanes each; spine s, link k has leaf port 8 + 2 s + k.
    assert str(by_port["host5:eth1"].b) == "leaf1:Ethernet24"
    assert str(by_port["leaf1:Ethernet64"].b) == "spine0:Ethernet8"
    assert str(by_port["leaf2:Ethernet88"].b) == "spine1:Ethernet20"


def test_links_are_host_links_by_endpoint_then_uplinks_by_leaf_spine_and_number() -> None:
    fabric = loads(INTENT)
    assert [endpoint.link for endpoint in fabric.endpoints] == list(range(24))
    uplinks = [(link.a.device, link.b.device) for link in fabric.links[24:]]
    pairs = [(f"leaf{leaf}", f"spine{spine}") for leaf in range(3) for spine in range(2)]
    assert uplinks == [pair for pair in pairs for _ in range(2)]
    assert [endpoint.name for endpoint in fabric.endpoints[:3]] == ["host0:eth0", "host0:eth1", "host1:eth0"]


def test_names_are_ordered_by_number_not_by_text() -> None:
    fabric = loads(INTENT.replace("count: 3", "count: 12"))
    assert [switch.name for switch in fabric.switches[9:13]] == ["leaf9", "leaf10", "leaf11", "spine0"]
    assert [switch.index for switch in fabric.switches] == list(range(14))


def test_port_names_count_lanes_as_in_sonic() -> None:
    leaf = loads(INTENT).switches[0]
    assert (leaf.ports[1].name, leaf.ports[1].alias) == ("Ethernet8", "etp2")
    assert leaf.ports[1].lanes == (9, 10, 11, 12, 13, 14, 15, 16)
    assert [port.index for port in leaf.ports] == list(range(32))


def test_cabled_port_has_its_links_speed_and_a_free_port_its_own() -> None:
    leaf = loads(INTENT).switches[0]
    assert leaf.ports[0].speed_bps == 200_000_000_000
    assert leaf.ports[31].speed_bps == 400_000_000_000


def test_defaults_are_those_the_schema_names() -> None:
    fabric = loads(
        "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 2}}\nhosts: {per_leaf: 1}\n"
    )
    roce = fabric.roce
    assert (roce.mtu_bytes, roce.port_mtu_bytes, roce.pfc, roce.dynamic_th) == (4096, 9100, True, 0)
    assert roce.lossless == (LosslessClass(3, 26),)
    assert roce.cnp == LosslessClass(6, 48)
    assert roce.ecn == Ecn(800_000, 3_200_000, 0.2)
    assert roce.dcqcn == Dcqcn()
    assert roce.watchdog == PfcWatchdog(200, 200, "drop")
    assert fabric.hosts[0].nic_model == NicModel(400_000_000_000)
    assert fabric.routing.policy == "pinned"
    assert fabric.routing.hash_seed is None
    assert {link.length_m for link in fabric.links} == {3.0, 30.0}
    assert fabric.switches[0].model.name == "white-box-12.8t"


def test_policy_is_read_with_its_units() -> None:
    fabric = loads(
        INTENT.replace("ack_interval: 4", "ack_interval: 4, rto: 1ms, cnp_interval: 4us, retry_count: 3")
        + """
roce:
  mtu: 1024
  port_mtu: 9216
  lossless: [{priority: 4, dscp: 30}, {priority: 3, dscp: 26}]
  pfc: false
  dynamic_th: -2
  congestion_control: none
  dcqcn: {g: 1/16, alpha_timer: 2us, rate_ai: 7M, byte_counter: 32KB, fast_recovery_steps: 3}
  ecn: {kmin: 100KiB, kmax: 0.4MB, pmax: 1%}
  watchdog: none
routing: {policy: ecmp, hash: {seed: 7}}
"""
    )
    roce, nic = fabric.roce, fabric.hosts[0].nic_model
    assert roce.lossless == (LosslessClass(3, 26), LosslessClass(4, 30))
    assert (roce.pfc, roce.dynamic_th, roce.congestion_control, roce.watchdog) == (False, -2, "none", None)
    assert roce.dcqcn == replace(
        Dcqcn(),
        g=1 / 16,
        alpha_timer_ps=2_000_000,
        byte_counter_bytes=32_000,
        fast_recovery_steps=3,
        rate_ai_bps=7_000_000,
    )
    assert roce.ecn == Ecn(102_400, 400_000, pytest.approx(0.01))  # type: ignore[arg-type]
    assert (nic.rto_ps, nic.cnp_interval_ps, nic.retry_count) == (10**9, 4 * 10**6, 3)
    assert (fabric.routing.policy, fabric.routing.hash_seed) == ("ecmp", 7)


def test_dcqcn_set_decides_what_the_file_does_not_give() -> None:
    paper = DCQCN_SETS["sigcomm2015"]
    fabric = loads(INTENT + "roce: {dcqcn: {set: sigcomm2015, rate_ai: 400M, decrease_timer: 50us}}")
    assert fabric.roce.dcqcn == replace(paper.dcqcn, rate_ai_bps=400_000_000, decrease_timer_ps=50_000_000)
    assert fabric.hosts[0].nic_model.cnp_interval_ps == paper.cnp_interval_ps == 50_000_000
    own = loads(INTENT.replace("ack_interval: 4", "cnp_interval: 0us") + "roce: {dcqcn: {set: sigcomm2015}}")
    assert own.hosts[0].nic_model.cnp_interval_ps == 0


def test_nic_weights_are_by_priority_and_strict_is_none() -> None:
    fabric = loads(INTENT.replace("ack_interval: 4", "class_weights: {4: 1, 3: 3, 6: 2, 7: strict}"))
    assert fabric.hosts[0].nic_model.class_weights == ((3, 3), (4, 1), (6, 2), (7, 0))


def test_one_lossless_class_may_stand_without_a_list() -> None:
    one = loads(INTENT + "roce: {lossless: {priority: 4, dscp: 30}}")
    assert one == loads(INTENT + "roce: {lossless: [{priority: 4, dscp: 30}]}")


def test_override_of_a_port_changes_one_link_and_of_a_pair_all_parallel_ones() -> None:
    fabric = loads(
        INTENT
        + 'overrides: {links: [{ends: ["leaf1:Ethernet0", host4], cable: 100m}, '
        + "{ends: [spine1, leaf2], state: down}, {ends: [leaf0, spine0], speed: 100G}]}\n"
    )
    assert [str(link.a) for link in fabric.links if link.length_m == 100.0] == ["host4:eth0"]
    down = [(link.a.device, link.b.device) for link in fabric.links if not link.is_up]
    assert down == [("leaf2", "spine1")] * 2
    slow = [(link.a.device, link.b.device) for link in fabric.links if link.speed_bps == 100_000_000_000]
    assert slow == [("leaf0", "spine0")] * 2


def test_model_of_the_file_is_used() -> None:
    fabric = loads(
        "raddle: 1\nname: pod\nmodels: {tiny: {ports: 3, port_speed: 10G, lanes_per_port: 1, buffer: 1MB, "
        "cell: 80B, latency: 1us}}\n"
        "fabric: {leaves: {count: 2, model: tiny}, spines: {count: 1, model: tiny}}\n"
        "hosts: {per_leaf: 2, nics: {speed: 10G}}\n"
    )
    model = fabric.switches[0].model
    assert (model.port_count, model.buffer_bytes, model.cell_bytes) == (3, 1_000_000, 80)
    assert (model.hwsku, model.pipeline_latency_ps) == ("tiny", 1_000_000)
    assert [port.name for port in fabric.switches[0].ports] == ["Ethernet0", "Ethernet1", "Ethernet2"]


def test_one_leaf_needs_no_spine_links() -> None:
    two_hosts_one_leaf = loads(
        "raddle: 1\nname: tiny\ndevices: {leaf0: {role: leaf}, a: {role: host}, b: {role: host}}\n"
        'links: [{ends: ["a:eth0", "leaf0:Ethernet0"]}, {ends: ["leaf0:Ethernet8", "b:eth0"]}]\n'
    )
    assert [endpoint.name for endpoint in two_hosts_one_leaf.endpoints] == ["a", "b"]
    assert two_hosts_one_leaf.links[1].a == PortRef("b", "eth0")


def test_mistake_of_one_line_is_told_once_however_many_links_it_makes() -> None:
    text = INTENT.replace("speed: 200G", "speed: 800G").replace("per_leaf: 4", "per_leaf: 14")
    with pytest.raises(InputError) as caught:
        loads(text.replace("speed: 400G", "speed: 1T"))
    assert [item.code for item in caught.value.diagnostics] == ["speed-too-high"] * 2


def test_path_through_a_third_leaf_does_not_make_hosts_reachable() -> None:
    text = INTENT + (
        "overrides: {links: [{ends: [leaf0, spine0], state: down}, {ends: [leaf1, spine1], state: down}]}\n"
    )
    (warning,) = loads(text).warnings
    assert "hosts on 'leaf0' and on 'leaf1' do not reach each other" in warning.message


def test_words_that_yaml_1_1_would_convert_stay_names() -> None:
    fabric = loads(
        "raddle: 1\nname: on\ndevices: {no: {role: leaf}, 1e3: {role: host}, 0x10: {role: host}}\n"
        'links: [{ends: ["1e3:eth0", "no:Ethernet0"]}, {ends: ["no:Ethernet8", "0x10:eth0"]}]\n'
    )
    assert fabric.name == "on"
    assert {host.name for host in fabric.hosts} == {"1e3", "0x10"}


def test_file_does_not_count_in_comparisons() -> None:
    a, b = loads(INTENT, file="a.yaml"), loads(INTENT, file="b.yaml")
    assert (a, a.file, b.file) == (b, "a.yaml", "b.yaml")


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + INTENT.replace("\n", "\r\n").encode())
    assert raddle.load(path) == raddle.load(str(path)) == loads(INTENT)


def test_graph_has_every_device_and_link() -> None:
    fabric = loads(INTENT)
    graph = fabric.graph()
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (3 + 2 + 12, 24 + 12)
    assert graph.nodes["leaf1"]["role"] == "leaf"


def test_white_box_512_has_512_endpoints_and_loads_in_a_second() -> None:
    started_s = time.process_time()
    fabric = raddle.load(find("white-box-512"))
    assert time.process_time() - started_s < 1.0
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.endpoints)) == (32, 16, 512)
    # Non-blocking: every port of every switch is cabled, 16 down and 16 up on each leaf.
    assert len(fabric.links) == 1024
    assert all(PortRef(s.name, port.name) in fabric.link_by_port for s in fabric.switches for port in s.ports)


def test_leaf_spine_16_has_4_leaves_4_spines_16_hosts_at_400g() -> None:
    fabric = raddle.load(find("leaf-spine-16"))
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.hosts)) == (4, 4, 16)
    assert {link.speed_bps for link in fabric.links} == {400_000_000_000}
    assert fabric.routing.policy == "pinned"


def test_examples_are_found_by_name_file_name_and_path() -> None:
    examples = bundled_examples()
    assert set(examples) >= {"leaf-spine-16", "white-box-512"}
    for name in ("leaf-spine-16", "leaf-spine-16.yaml", "topologies/leaf-spine-16.yaml"):
        assert find(name).resolve() == examples["leaf-spine-16"].resolve()


def test_existing_file_wins_over_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaf-spine-16").write_text(INTENT)
    monkeypatch.chdir(tmp_path)
    assert find("leaf-spine-16") == Path("leaf-spine-16")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pod.yaml", "bundled examples: clos-8192, "),
        ("leaf-spine-61", "did you mean 'leaf-spine-16'?"),
        ("x\0y", "bundled examples"),
        ("x" * 5000, "bundled examples"),
    ],
)
def test_unknown_file_is_told_with_the_examples(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        find(name)
    assert caught.value.diagnostics[0].code == "no-such-file"
    assert hint in str(caught.value)


def test_builtin_models_state_their_source_and_add_up() -> None:
    models = builtin_models()
    assert set(models) >= {"white-box-12.8t", "tomahawk4-64x400g", "spectrum3-32x400g"}
    capacity_tbps = {name: m.port_count * m.port_speed_bps / 1e12 for name, m in models.items()}
    assert capacity_tbps["white-box-12.8t"] == 12.8
    assert capacity_tbps["tomahawk4-64x400g"] == 25.6
    assert models["white-box-12.8t"].buffer_bytes == 64 * 2**20
    # 254 B cells fill the buffer of the Tomahawk 4 exactly.
    th4 = models["tomahawk4-64x400g"]
    assert th4.buffer_bytes % th4.cell_bytes == 0
    assert all("assumption" in model.source for model in models.values())


def test_a_cage_of_unequal_parts_has_ports_at_the_lanes_of_each() -> None:
    fabric = loads("""
raddle: 1
name: mixed
devices:
  leaf0: {role: leaf, model: tomahawk5-64x800g, breakout: [{ports: 1, mode: 2x100G(4)+1x400G(4)}]}
  a: {role: host}
links: [{ends: ["a:eth0", "leaf0:Ethernet12"]}]
""")
    parts = [port for port in fabric.switches[0].ports if port.index == 1]
    assert [(port.name, port.alias, port.lanes) for port in parts] == [
        ("Ethernet8", "etp2a", (9, 10)),
        ("Ethernet10", "etp2b", (11, 12)),
        ("Ethernet12", "etp2c", (13, 14, 15, 16)),
    ]
    assert fabric.links[0].speed_bps == 400 * 10**9
    assert len(fabric.switches[0].ports) == 66
