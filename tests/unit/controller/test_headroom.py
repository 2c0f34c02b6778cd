"""The lossless buffer profile."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.controller.plan.buffers import PAUSE_QUANTA, AsicParameters, headroom
from raddle.controller.southbound.sonic.tables import intended
from raddle.controller.verify.lossless import check_lossless
from raddle.errors import InputError
from raddle.lab.planned_states import planned_state
from raddle.nos.orch.buffers import index_range
from raddle.sim.pool_sizes import with_pools_by_sai
from raddle.state import BufferPool
from raddle.topology.model import LosslessClass
from raddle.topology.ports import ETHERNET_BPS
from tests.fabrics import SMALL_POD
from tests.unit.controller.fabrics import MODEL, ROCE, leaf_spine

PUBLISHED = Path(__file__).parents[4] / "shared" / "reference" / "published" / "pfc_headroom.csv"
G = 10**9


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published figures are not beside the repository")
def test_all_published_headrooms_are_met_exactly() -> None:
    # The table gives the profile's size, which is xon + xoff.
    rows = list(csv.DictReader(PUBLISHED.read_text().splitlines()))
    assert rows
    for row in rows:
        speed_bps = int(row["speed_gbps"]) * G
        size = headroom(
            AsicParameters(),
            speed_bps,
            float(row["cable_m"]),
            int(row["mtu_bytes"]),
            small_packet_percent=int(row["small_packet_percent"]),
        ).size_bytes
        assert size == int(row["headroom_bytes"]), row
        assert PAUSE_QUANTA[speed_bps] == int(row["pause_quanta"])


def test_headroom_at_400g_over_5m_by_hand() -> None:
    # peer 905 * 64 = 57920; cable 2 * 5 / 1.98e8 * 5e10 = 2525.25; frame 9100; MAC 819.2; tile 120 ns =
    # 6000: 76364.45 bytes. All of it in 64-byte packets of 3 cells of 64: * 3, + 1024 = 230117.4,
    # rounded up to KiB: 225.
    result = headroom(AsicParameters(), 400 * G, 5, 9100)
    assert (result.xoff_bytes, result.xon_bytes) == (225 * 1024, 19 * 1024)


def test_a_port_of_8_lanes_has_another_frame_and_twice_the_pipeline_but_for_1_KiB() -> None:
    # buffer_headroom_mellanox.lua, "Adjustment for 8-lane port": speed_overhead is the port's MTU.
    narrow, wide = (headroom(AsicParameters(), 400 * G, 5, 9100, lanes=lanes) for lanes in (4, 8))
    assert narrow.after_pause_bytes == narrow.xoff_bytes == wide.xoff_bytes == 225 * 1024
    assert wide.after_pause_bytes == 234 * 1024  # 225 KiB and 9100 bytes, rounded up
    assert wide.size_bytes == (225 + 37 + 9) * 1024
    assert narrow.size_bytes == (225 + 19) * 1024


def test_1600G_port_waits_as_long_for_its_peer_as_a_400G_port() -> None:
    # 9100 + 10 m / 1.98e8 m/s * 2e11 B/s + 819.2 + 3620 quanta * 64 + 120 ns * 200 B/ns, in three cells,
    # + 1024: 828124 bytes, rounded up to KiB: 809. 3620 quanta at 1.6T are 1158.4 ns, as 905 at 400G.
    assert headroom(AsicParameters(), 1600 * G, 5, 9100).xoff_bytes == 809 * 1024


def test_a_metre_of_cable_costs_its_round_trip_times_the_cell_factor() -> None:
    # 1000 m more: 2 * 1000 / 1.98e8 s * 5e10 B/s * 3 = 1515151.5 bytes, both ends rounded to KiB.
    near, far = (headroom(AsicParameters(), 400 * G, length, 9100).xoff_bytes for length in (10, 1010))
    assert far - near == pytest.approx(1_515_152, abs=1024)


def test_small_packets_are_the_worst_case() -> None:
    sizes = [
        headroom(AsicParameters(), 400 * G, 30, 9100, small_packet_percent=p).xoff_bytes for p in (0, 50, 100)
    ]
    assert sizes == sorted(set(sizes))


def test_a_slow_peer_needs_what_it_sends_until_it_stops() -> None:
    # 10 us at 400G are 500000 bytes instead of 57920, in three cells each.
    usual, slow = (
        headroom(AsicParameters(), 400 * G, 3, 9100, peer_reaction_ps=ps).xoff_bytes for ps in (0, 10_000_000)
    )
    assert slow - usual == pytest.approx(3 * (500_000 - 57_920), abs=1024)


def test_a_speed_without_known_pause_delay_is_an_error() -> None:
    with pytest.raises(InputError, match=r"unknown-pause-delay.*300G"):
        headroom(AsicParameters(), 300 * G, 3, 9100)


def test_fabric_files_may_have_exactly_the_speeds_with_a_known_pause_delay() -> None:
    assert set(ETHERNET_BPS) == set(PAUSE_QUANTA)


def test_headroom_reserve_and_shared_fill_the_buffer_exactly() -> None:
    for switch in make_plan(leaf_spine(4, 4, 4), "ecmp").switches:
        buffers = switch.buffers
        cabled = [port.name for port in switch.ports if port.peer]
        assert sorted(name for each in buffers.profiles for name in each.ports) == sorted(cabled)
        assert buffers.headroom_pool_bytes == sum(
            each.headroom_bytes * len(each.ports) for each in buffers.profiles
        )
        reserved = sum(each.reserved_bytes * len(each.ports) for each in buffers.profiles)
        reserved += buffers.cnp_reserved_bytes * len(cabled)
        assert buffers.shared_bytes + buffers.headroom_pool_bytes + reserved == MODEL.buffer_bytes


def test_a_chip_with_guarantees_beside_its_pool_is_left_the_room_for_them() -> None:
    box = "models: {{box: {{ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MiB{}}}}}\n"
    form = SMALL_POD.replace("{count: 2}", "{count: 2, model: box}")
    sizes, guarantees = [], []
    for more in ("", ", pool_size: shared"):
        tables = intended(make_plan(raddle.loads(form + box.format(more)), "ecmp").switches[0])
        pool = tables["BUFFER_POOL"]["ingress_lossless_pool"]
        sizes.append(int(pool["size"]) + int(pool["xoff"]))
        profiles = {key: tables["BUFFER_PROFILE"][row["profile"]] for key, row in tables["BUFFER_PG"].items()}
        guarantees.append(
            sum(int(each["size"]) * len(index_range(key.partition("|")[2])) for key, each in profiles.items())
        )
    assert sizes[0] == 64 * 2**20
    assert guarantees[0] == guarantees[1] > 0
    assert sizes[1] == sizes[0] - guarantees[1]


def test_a_pool_whose_size_counts_headroom_shares_what_others_share() -> None:
    box = "models: {{box: {{ports: 32, port_speed: 400G, lanes_per_port: 8, buffer: 64MiB{}}}}}\n"
    form = SMALL_POD.replace("{count: 2}", "{count: 2, model: box}")
    tables, fabrics, states = [], [], []
    for more in ("", ", pool_size: shared-guaranteed-and-headroom"):
        fabrics.append(raddle.loads(form + box.format(more)))
        plan = make_plan(fabrics[-1], "ecmp")
        tables.append(intended(plan.switches[0]))
        states.append({each.name: planned_state(fabrics[-1], plan, each.name) for each in plan.switches})
    by_sai, whole = (each["BUFFER_POOL"]["ingress_lossless_pool"] for each in tables)
    assert int(whole["size"]) == int(by_sai["size"]) + int(by_sai["xoff"]) == 64 * 2**20
    assert whole["xoff"] == by_sai["xoff"]
    tables[1]["BUFFER_POOL"] = tables[0]["BUFFER_POOL"]
    assert tables[0] == tables[1]  # nothing else tells the two apart
    for own, other in ((0, 1), (1, 0)):
        assert check_lossless(fabrics[own], states[own]) == ()
        codes = {each.code for each in check_lossless(fabrics[own], states[other])}
        assert ("buffer-exceeded" in codes) == (own == 0)
    for fabric, held in zip(fabrics, states, strict=True):
        counted = (with_pools_by_sai(each, fabric.switches[0].model) for each in held.values())
        assert {each.buffer_pools for each in counted} == {each.buffer_pools for each in states[0].values()}


def test_a_pool_of_headroom_alone_shares_nothing() -> None:
    pools = (BufferPool("in", True, 27_200_352, 27_200_353), BufferPool("out", False, 64_000_000, 1))
    plan = make_plan(leaf_spine(2, 2, 2), "ecmp")
    state = replace(planned_state(leaf_spine(2, 2, 2), plan, "leaf0"), buffer_pools=pools)
    model = replace(MODEL, pool_size="shared-guaranteed-and-headroom")
    assert [each.size_bytes for each in with_pools_by_sai(state, model).buffer_pools] == [0, 64_000_000]


def test_every_lossless_priority_has_headroom_of_its_own() -> None:
    two = replace(ROCE, lossless=(LosslessClass(3, 26), LosslessClass(4, 34)))
    one, both = (
        make_plan(leaf_spine(2, 2, 2, roce=roce), "ecmp").switches[0].buffers for roce in (ROCE, two)
    )
    assert both.headroom_pool_bytes == 2 * one.headroom_pool_bytes


def test_ports_of_one_speed_and_length_share_a_profile() -> None:
    profiles = make_plan(leaf_spine(2, 2, 2), "ecmp").switches[0].buffers.profiles
    assert [(each.name, len(each.ports)) for each in profiles] == [
        ("pg_lossless_400000_3m_profile", 2),
        ("pg_lossless_400000_30m_profile", 2),
    ]
    # One frame of 9100 bytes is 36 cells of 254, the 9144 of SONiC's Tomahawk 4 profiles.
    assert profiles[0].reserved_bytes == 9144


def test_without_pfc_only_what_cnps_have_is_set_aside() -> None:
    buffers = make_plan(leaf_spine(2, 2, 2, roce=replace(ROCE, pfc=False)), "ecmp").switches[0].buffers
    assert (buffers.shared_bytes, buffers.headroom_pool_bytes, buffers.profiles) == (
        MODEL.buffer_bytes - 4 * 9144,
        0,
        (),
    )


def test_headroom_that_does_not_fit_names_the_switch_the_ports_and_the_gap() -> None:
    tiny = replace(MODEL, buffer_bytes=1_000_000)
    with pytest.raises(InputError) as caught:
        make_plan(leaf_spine(2, 2, 2, model=tiny), "ecmp")
    # The script's figures and 800 ns of pipeline at 400G: 40,000 bytes, in four times the cells; whole KiB.
    # The ports have 8 lanes: 9100 bytes more, and again whole KiB, which makes 9 KiB.
    near, far = ((-(-(figure - 1023 + 160_000) // 1024) + 9) * 1024 for figure in (311_296, 365_568))
    need = 2 * (near + 9144) + 2 * (far + 9144) + 4 * 9144
    text = str(caught.value)
    assert "error[headroom-exceeds-buffer]: leaf0:" in text
    assert f"{need - 1_000_000} too few" in text
    assert "and 9144 bytes for CNPs on each" in text
    assert "2 ports of 400G with 30m cable (Ethernet16..Ethernet24)" in text
