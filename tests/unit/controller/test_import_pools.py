"""What buffer pools of vendors count is read off their own numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import raddle
from raddle.topology.vendor_pools import Pools, read_pools
from tests.unit.controller.test_import_sonic import Configs, Hall, hall_of, origin

__all__ = ["hall_of"]

MIB = 1 << 20
WITHIN, BESIDE = "shared-guaranteed-and-headroom", "shared-and-guaranteed"


def pools(size: int, xoff: int, *egress: int) -> Pools:
    rows: dict[str, Any] = {
        "ingress_lossless_pool": {"type": "ingress", "mode": "dynamic", "size": str(size), "xoff": str(xoff)}
    }
    for number, own in enumerate(egress):
        rows[f"egress_pool_{number}"] = {"type": "egress", "mode": "static", "size": str(own)}
    return rows


# SOURCE: sonic-buildimage device/, buffers_defaults_t1.j2 of each HwSKU; chips by their product briefs.
@pytest.mark.parametrize(
    ("sku", "size", "xoff", "egress", "chip_bytes", "kind"),
    [
        ("Tomahawk 3, Dell Z9332f-O32", 66394076, 27200352, [38462204], 64 * MIB, WITHIN),
        ("Tomahawk 3, Quanta IX9", 59001152, 7428992, [67108864], 64 * MIB, BESIDE),
        ("Tomahawk 4, Dell Z9664f-O64", 113620296, 50653696, [113620296], 113_700_000, WITHIN),
        ("Tomahawk 4, Nokia IXR7220-H4-64D", 113143792, 48404780, [56571896], 113_700_000, WITHIN),
        ("Tomahawk 5, Arista 7060X6-64PE", 166115492, 29423360, [166115492], 166_200_000, WITHIN),
        ("Trident 3, Dell S5232f-C32", 26284032, 6291456, [32575488], 32 * MIB, BESIDE),
        ("Trident 3, Arista 7050CX3-32S", 32732160, 1622016, [24709632, 32599040], 32 * MIB, WITHIN),
        ("Tomahawk 2, Arista 7260CX3-D96C16", 33329088, 7827456, [26663272, 42349632], 42 * MIB, BESIDE),
        ("Tomahawk, Arista 7060CX-32S", 10875072, 4194112, [9243812, 15982720], 16 * MIB, BESIDE),
        ("Teralynx 7, 32x400G", 51691264, 17708800, [18874368, 70565632], 70 * MIB, WITHIN),
        ("Teralynx 10, 128x400G", 158630302, 71577600, [56012386, 214642688], 205 * MIB, WITHIN),
    ],
)
def test_pools_of_vendors_fit_into_their_chips_as_they_are_read(
    sku: str, size: int, xoff: int, egress: list[int], chip_bytes: int, kind: str
) -> None:
    """By the egress pools alone, and the chip's own size agrees: what is read is no more than it has."""
    found = read_pools(pools(size, xoff, *egress))
    assert found.pool_size == kind
    assert 0.9 * chip_bytes < found.buffer_bytes <= chip_bytes
    assert str(xoff) in found.reason
    if kind == WITHIN and size + xoff > chip_bytes:
        assert read_pools(pools(size, xoff), chip_bytes).pool_size == WITHIN


def test_pools_that_do_not_tell_are_taken_as_sai_counts() -> None:
    assert read_pools(pools(1000, 200)).pool_size is None
    assert read_pools(pools(1000, 200)).buffer_bytes == 1200
    assert read_pools(pools(1000, 0, 1500)).pool_size is None
    assert read_pools(pools(1000, 0, 1500)).buffer_bytes == 1500
    assert read_pools({}).buffer_bytes == 0


def with_headroom_beside(configs: Configs, *names: str) -> None:
    """The built-in model counts the headroom in `size`; here it is beside that."""
    for name in names:
        pool = configs[name]["BUFFER_POOL"]["ingress_lossless_pool"]
        assert pool["size"] == "162539680"
        pool["size"] = str(162539680 - int(pool["xoff"]))


def test_switches_with_headroom_beside_their_pools_are_adopted_with_a_model_that_says_so(
    hall_of: Callable[[Configs], Hall],
) -> None:
    configs = origin()
    with_headroom_beside(configs, *configs)
    hall = hall_of(configs)
    told = hall.adopt().stdout
    assert "read as 'pool_size: shared-and-guaranteed': size " in told
    fabric = raddle.load(hall.file)
    assert {switch.model.pool_size for switch in fabric.switches} == {BESIDE}
    assert {switch.model.buffer_bytes for switch in fabric.switches} == {162539680}
    assert hall.changes() == {}


def test_switches_of_one_kind_whose_pools_count_differently_have_two_models(
    hall_of: Callable[[Configs], Hall],
) -> None:
    configs = origin()
    with_headroom_beside(configs, "ams-agg-1")
    hall = hall_of(configs)
    hall.adopt()
    fabric = raddle.load(hall.file)
    kinds = {switch.name: switch.model.pool_size for switch in fabric.switches}
    assert kinds == {name: BESIDE if name == "ams-agg-1" else WITHIN for name in configs}
    assert hall.changes() == {}


# SOURCE: sonic-buildimage, buffers_defaults_t1.j2 of DellEMC-Z9332f-O32, -Z9664f-O64 and Dell-Z9864f-O64.
@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("tomahawk3-32x400g", "66394076"),
        ("tomahawk4-64x400g", "113620296"),
        ("tomahawk5-64x800g", "162539680"),
    ],
)
def test_pools_of_the_built_in_tomahawks_are_as_large_as_their_vendors(model: str, size: str) -> None:
    text = (
        f"raddle: 1\nname: chip\nfabric: {{leaves: {{count: 2, model: {model}}}, "
        f"spines: {{count: 1, model: {model}}}}}\nhosts: {{per_leaf: 2}}\n"
    )
    for config in origin(text).values():
        pool = config["BUFFER_POOL"]["ingress_lossless_pool"]
        assert pool["size"] == size
        assert 0 < int(pool["xoff"]) < int(size)
