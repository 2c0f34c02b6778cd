"""What SONiC's updater lets change, by chip, field and release."""

from __future__ import annotations

import pytest

from raddle.hwsku import Updater

FIELDS = {
    "watchdog": ("replace", ("PFC_WD", "Ethernet0", "detection_time")),
    "dynamic_th": ("replace", ("BUFFER_PROFILE", "pg", "dynamic_th")),
    "xoff": ("replace", ("BUFFER_PROFILE", "pg", "xoff")),
    "xon": ("replace", ("BUFFER_PROFILE", "pg", "xon")),
    "trimming": ("add", ("BUFFER_PROFILE", "pg", "packet_discard_action")),
}
MOST = {"watchdog", "dynamic_th", "xoff"}


def allowed(updater: Updater) -> set[str]:
    return {name for name, (operation, path) in FIELDS.items() if updater.allows(operation, path, "1")}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hwsku", "platform", "may"),
    [
        ("Delta-agc032", "x86_64-delta_agc032-r0", {"watchdog", "dynamic_th"}),
        ("aurora-715", "x86_64-netberg_aurora_715-r0", {"watchdog", "dynamic_th"}),
        ("Arista-7050-QX32", "", {"watchdog", "dynamic_th"}),
        ("32x400Gb", "x86_64-8101_32fh_o-r0", MOST),
        ("ACS-SN6600_LD", "", MOST | {"trimming"}),
        ("acs-sn5640", "", MOST | {"trimming"}),
        ("Nokia-IXR7220-H6-64", "", MOST | {"trimming"}),
        ("Arista-7060X6-16PE-384C-B-O128S2", "", MOST | {"trimming"}),
        ("Nokia-IXR7220-D4-36D", "", MOST),
        ("Nokia-IXR7250-X1B", "", MOST),
        ("Nokia-IXR7250-X3B", "", MOST),
        ("Arista-7280R4-32QF-32DF-64O", "", MOST),
        ("ACS-MSN4700", "x86_64-mlnx_msn4700-r0", MOST),
        ("Arista-7050SX3-48YC8", "", set()),
        ("Arista-7050DX4-32S", "", set()),
        ("Mellanox-SN4600C-D24C52", "", set()),
        ("ACS-SN2201", "", set()),
        ("ACS-SN4800", "", set()),
        ("White-Box", "x86_64-kvm_x86_64-r0", set()),
    ],
)
def test_a_chip_has_its_own_permissions_for_each_field(hwsku: str, platform: str, may: set[str]) -> None:
    assert allowed(Updater.of({"hwsku": hwsku, "platform": platform})) == may


@pytest.mark.parametrize(
    ("build", "may"),
    [
        ("SONiC.20191130.90", set()),
        ("SONiC.20220531.04", {"watchdog", "dynamic_th"}),
        ("SONiC.20221130.04", {"watchdog", "dynamic_th", "xoff"}),
        ("SONiC.master.921927-1a2b3c4d", {"watchdog", "dynamic_th", "xoff"}),
        ("N/A", {"watchdog", "dynamic_th", "xoff"}),
    ],
)
def test_a_release_before_a_permission_refuses_and_a_build_without_one_does_not(
    build: str, may: set[str]
) -> None:
    """Of Trident 3: the watchdog since 202012, xoff since 202211."""
    assert allowed(Updater.of({"hwsku": "Arista-7050CX3-32S-C32"}, build)) == may


def test_wholes_are_judged_by_what_is_in_them() -> None:
    known = Updater.of({"hwsku": "ACS-SN5600"})
    assert known.allows("add", ("PFC_WD", "Ethernet8"), {"action": "drop", "detection_time": "200"})
    assert known.allows("remove", ("PFC_WD", "Ethernet8"))
    assert known.allows("replace", ("PFC_WD", "GLOBAL", "POLL_INTERVAL"), "100")
    assert not known.allows("add", ("PFC_WD", "Ethernet8"), {"action": "drop", "made_up": "1"})
    assert not known.allows("add", ("PFC_WD",), {"Ethernet8": {"action": "drop"}})
    assert Updater().allows("add", ("BUFFER_PROFILE", "new"), {"xon": "1"})
    assert not known.allows("replace", ("BUFFER_POOL", "egress", "size"), "1")
