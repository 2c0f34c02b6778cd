"""Packet tests that raddle makes of a plan, run by PTF against Open vSwitch and BMv2."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.bmv2_switch import needs_bmv2

pytestmark = pytest.mark.system
SCRIPT = Path(__file__).with_name("ptf_session.py")
PTF = os.environ.get("PTF", "")
FABRIC = """\
raddle: 1
name: pod
fabric: {leaves: {count: 2}, spines: {count: 2}}
hosts: {per_leaf: 2, nics: {speed: 10G}}
addressing: {families: dual}
routing: {policy: pinned}
"""


def why_not() -> str:
    if not PTF:
        return "PTF names no program (./scripts/test --system installs one)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [name for name in ("ovs-vswitchd", "ip", "tc", "unshare") if not shutil.which(name)]
    return f"{missing[0]} is missing; ./scripts/setup --tools installs it" if missing else ""


def test_a_switch_passes_the_tests_of_its_plan_and_fails_where_packets_go_elsewhere(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "pod.yaml").write_text(FABRIC)
    said = {}
    for name, stolen in (
        ("good", ""),
        ("stolen", "table=2,priority=500,ip,nw_dst=10.0.0.5,actions=dec_ttl,output:2"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        words = ["unshare", "-n", sys.executable, str(SCRIPT), str(folder), PTF, str(tmp_path / "pod.yaml")]
        if stolen:
            words += ["raddle_ptf.pin_10_0_0_5_32", "raddle_ptf.pin_10_0_0_7_32"]
        environment = os.environ | {"BREAK": stolen}
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        said[name] = done.stdout + done.stderr
        assert (done.returncode == 0) == (not stolen), said[name]
    for test in ("route_10_0_0_4_30", "route_fd00_0_0_1_4_126", "pin_10_0_0_5_32", "queue_3", "drop_VLAN_7"):
        assert f"raddle_ptf.{test} ... ok" in said["good"]
    assert "raddle_ptf.pin_10_0_0_5_32 ... FAIL" in said["stolen"]
    assert "raddle_ptf.pin_10_0_0_7_32 ... ok" in said["stolen"]


@needs_bmv2[0]
@pytest.mark.parametrize("lists", ["", "there", "gone"])
def test_a_bmv2_switch_passes_all_tests_of_the_same_plan_and_of_its_access_lists(
    tmp_path: Path, lists: str
) -> None:
    if reason := why_not():
        pytest.skip(reason)
    (tmp_path / "pod.yaml").write_text(FABRIC)
    words = [
        "unshare",
        "-n",
        "-m",
        sys.executable,
        str(SCRIPT),
        str(tmp_path),
        PTF,
        str(tmp_path / "pod.yaml"),
    ]
    environment = os.environ | {"SWITCH": "bmv2", "LISTS": lists}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240, check=False)
    said = done.stdout + done.stderr
    rules = [line for line in said.splitlines() if line.startswith("raddle_ptf.acl_acl")]
    if not lists:
        assert "not tested: access lists: the plan has none" in said
        assert (done.returncode, said.count(" ... ok"), rules) == (0, 30, [])
        return
    assert len(rules) == 3, said
    assert "not tested: access list rule acl " in said  # LLDP, which is no routed packet
    assert (done.returncode == 0) == (lists == "there"), said
    failed = [rule for rule in rules if rule.endswith("FAIL")]
    # What forwards does so without a list, too.
    assert len(failed) == (0 if lists == "there" else 2), said
