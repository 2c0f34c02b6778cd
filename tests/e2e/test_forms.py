"""Every form of fabric goes all the way: planned, pushed over gNMI, read back, proven and simulated."""

from __future__ import annotations

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.lab.bench import run_bench
from raddle.lab.bench_request import BenchRequest
from raddle.lab.verify.model import FailureScope
from raddle.lab.verify.plan import verify_plan
from raddle.lab.workloads.ranks import Scope as Where

LEAF_SPINE = "{leaves: {count: 2}, spines: {count: 2}}"
FAT_TREE = (
    "{kind: fat-tree, pods: 2, leaves: {per_pod: 2}, spines: {per_pod: 2}, superspines: {count: 2}, "
    "uplinks: {per_pair: 1}}"
)
RAILS = "{kind: rail-optimized, leaves: {count: 4}, spines: {count: 2}, tors: 2}"
GPUS = "accelerators: {kind: gpu, model: h100, count: 2}"
JOINED = "accelerators: {kind: gpu, model: h100, count: 2, scale_up: {bandwidth: 3.6T}}"

FORMS = {
    "three tiers": (FAT_TREE, "{per_leaf: 1}", "ipv4, links: numbered"),
    "ipv6": (LEAF_SPINE, "{per_leaf: 2}", "ipv6, links: numbered"),
    "unnumbered": (LEAF_SPINE, "{per_leaf: 2}", "ipv4, links: unnumbered"),
    "ipv6 unnumbered in three tiers": (FAT_TREE, "{per_leaf: 1}", "ipv6, links: unnumbered"),
    "dual stack": (LEAF_SPINE, "{per_leaf: 2}", "dual, links: numbered"),
    "planes": (
        "{planes: 2, leaves: {count: 2}, spines: {count: 2}}",
        f"{{per_leaf: 2, {JOINED}, nics: {{per_accelerator: 1}}}}",
        "ipv4, links: numbered",
    ),
    "rails of dual ToRs": (
        RAILS,
        f"{{per_leaf: 2, {GPUS}, nics: {{per_accelerator: 1, ports: 2}}}}",
        "ipv4, links: numbered",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_form_carries_a_collective_and_survives_every_single_failure(form: str) -> None:
    switches, hosts, families = FORMS[form]
    text = f"raddle: 1\nname: small\nfabric: {switches}\nhosts: {hosts}\n"
    fabric = raddle.loads(f"{text}addressing: {{families: {families}}}\n")
    for routing in ("ecmp", "pinned"):
        request = BenchRequest("all_reduce", None, (1 << 16,), routing, (Where("strided"),))
        (row,) = run_bench(fabric, request).rows
        assert (row.wrong, row.unfinished, row.drops) == (0, (), ())
    scope = FailureScope(together=1, most=100, seed=1, congested_groups=8)
    found = verify_plan(fabric, make_plan(fabric, "ecmp"), None, scope, lambda what, share: None)
    assert found.is_good, found.problems
