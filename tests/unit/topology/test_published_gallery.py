"""Published fabrics, in files that are no part of raddle: with their published counts, or refused by name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raddle import InputError, load
from raddle.topology import network_names
from raddle.topology.views.bisection import bisection_bps
from raddle.topology.views.capacity import cable_kinds, tier_oversubscription, tiers

GALLERY = Path(__file__).parents[4] / "shared/gallery"
pytestmark = pytest.mark.skipif(not GALLERY.is_dir(), reason="../shared/gallery is not there")

T = 10**12

COUNTS: dict[str, tuple[tuple[int, int, int], int, tuple[int, ...], dict[str, float], float]] = {
    # Leaves, spines and superspines; accelerators; links of each tier; oversubscription; bisection in T.
    # 8 pods of 192 racks of 16: leaves send up twice what comes in, and spines 28 of 192 * 2.
    "01-meta-24k/fabric.yaml": (
        (1536, 128, 64),
        24576,
        (24576, 1536 * 32, 128 * 28),
        {"leaves": 0.5, "spines": 192 * 2 / 28},
        128 * 28 * 0.4 / 2,
    ),
    # 15 segments of 16 leaves, each 128 x 200G down and 60 x 400G up.
    "02-alibaba-hpn7-pod/fabric.yaml": (
        (240, 120, 0),
        15360,
        (30720, 240 * 60),
        {"leaves": 128 / 120},
        240 * 60 * 0.4 / 2,
    ),
    "02b-alibaba-hpn7-core/fabric.yaml": (
        (480, 240, 120),
        30720,
        (61440, 480 * 60, 240 * 8),
        {"leaves": 128 / 120, "spines": 15},
        240 * 8 * 0.4 / 2,
    ),
    "03-megascale-no-rails/fabric.yaml": (
        (192, 192, 128),
        12288,
        (12288, 6144, 6144),
        {"leaves": 1, "spines": 1},
        12288 * 0.2 / 2,
    ),
    "03b-megascale-rails/fabric.yaml": (
        (192, 192, 128),
        12288,
        (12288, 6144, 6144),
        {"leaves": 1, "spines": 1},
        12288 * 0.2 / 2,
    ),
    "04-deepseek-mpft/fabric.yaml": ((512, 256, 0), 16384, (16384, 16384), {"leaves": 1}, 16384 * 0.4 / 2),
    "04-deepseek-mpft/small.yaml": ((16, 16, 0), 64, (64, 64), {"leaves": 1}, 64 * 0.4 / 2),
    "06-spectrum-x-1024/fabric.yaml": ((16, 8, 0), 1024, (1024, 1024), {"leaves": 1}, 1024 * 0.4 / 2),
    # 2,048 cables to servers, of two links, and 2,048 between switches.
    "07-dgx-b300-4su/fabric.yaml": ((64, 32, 0), 2048, (4096, 2048), {"leaves": 1}, 4096 * 0.4 / 2),
    "08-juniper-jvd/fabric.yaml": ((16, 4, 0), 64, (64, 64), {"leaves": 1}, 64 * 0.4 / 2),
    "09-asterfusion-64x4/fabric.yaml": ((4, 2, 0), 256, (256, 128), {"leaves": 1}, 256 * 0.4 / 2),
    "10-cloudmatrix384-rdma/fabric.yaml": ((64, 24, 0), 3072, (3072, 3072), {"leaves": 1}, 3072 * 0.4 / 2),
    "12-th6-131072/fabric.yaml": ((512, 256, 0), 0, (131072, 131072), {"leaves": 1}, 131072 * 0.2 / 2),
    "12b-th6-1600g/fabric.yaml": ((64, 32, 0), 0, (2048, 2048), {"leaves": 1}, 2048 * 1.6 / 2),
    "13-rail-only-32768/fabric.yaml": ((512, 256, 0), 32768, (32768, 32768), {"leaves": 1}, 32768 * 0.4 / 2),
    "13b-rail-only-one-tier/fabric.yaml": ((4, 0, 0), 128, (128, 0), {}, 128 * 0.4 / 2),
    "13b-rail-only-one-tier/explicit-as-planes.yaml": ((2, 0, 0), 4, (4, 0), {}, 0.8),
    "14-webank-512/fabric.yaml": ((32, 16, 0), 0, (512, 512), {"leaves": 1}, 512 * 0.4 / 2),
    "15-npu-910b/fabric.yaml": ((8, 2, 0), 128, (128, 64), {"leaves": 1}, 128 * 0.2 / 2),
    # Two hosts, each with a NIC on each rail: rail by rail they have 400G.
    "18-tencent-astral/fabric.yaml": ((2, 2, 1), 0, (4, 2, 2), {"leaves": 2, "spines": 1}, 2 * 0.4),
    "19-separate-networks/fabric.yaml": ((3, 0, 0), 4, (8, 0), {}, 1.1),
}

REFUSED = {
    # A chip of 320 ports has no 512: the hint leads to a model of one's own, as multi-plane-131072 has.
    "05-fairwater-full/fabric.yaml": "too-many-ports",
    "05b-fairwater-one-plane/fabric.yaml": "too-many-ports",
    "16-dragonfly-torus/fabric.yaml": "wrong-tier",
    "16-dragonfly-torus/torus.yaml": "wrong-tier",
}


def test_every_file_of_the_gallery_is_tested_here() -> None:
    files = {str(path.relative_to(GALLERY)) for path in GALLERY.glob("*/*.yaml")}
    assert files == COUNTS.keys() | REFUSED.keys()
    assert not any(network_names(GALLERY / name) for name in files)


@pytest.mark.parametrize("name", COUNTS)
def test_a_published_fabric_has_the_published_counts(name: str) -> None:
    switches, accelerators, links, ratios, bisection_t = COUNTS[name]
    began_s = time.process_time()
    fabric = load(GALLERY / name)
    assert time.process_time() - began_s < 30.0
    assert (len(fabric.leaves), len(fabric.spines), len(fabric.superspines)) == switches
    assert sum(host.accelerators.count for host in fabric.hosts if host.accelerators) == accelerators
    assert tuple(tier.links for tier in tiers(fabric)) == links
    assert tier_oversubscription(fabric) == pytest.approx(ratios)
    assert bisection_bps(fabric) == pytest.approx(bisection_t * T)


def test_twin_port_optics_of_a_superpod_are_counted_as_published(tmp_path: Path) -> None:
    text = (GALLERY / "07-dgx-b300-4su/fabric.yaml").read_text()
    (tmp_path / "pod.yaml").write_text(text.replace("ports: 2,", "ports: 2, links_per_cable: 2,"))
    bill = {(kind.tier, kind.speed): kind.count for kind in cable_kinds(load(tmp_path / "pod.yaml"))}
    assert bill == {("host-leaf", "2 x 400G"): 2048, ("leaf-spine", "800G"): 2048}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_has_its_name_its_line_and_a_way_out(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load(GALLERY / name)
    first = caught.value.diagnostics[0]
    assert first.code == REFUSED[name]
    assert first.span
    assert first.hint
