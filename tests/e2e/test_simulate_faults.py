"""`raddle simulate` with faults, samples and captured frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raddle.cli.main import app
from raddle.errors import InputError


def simulate(folder: Path, rows: str, *options: str) -> tuple[int, str]:
    flows = folder / "flows.csv"
    flows.write_text("src,dst,bytes\n" + rows)
    arguments = ["simulate", "leaf-spine-16", "--flows", str(flows), "-o", str(folder / "out"), *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stderr


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_captured_frames_are_rocev2_with_right_checksums(tmp_path: Path) -> None:
    scapy = pytest.importorskip("scapy.all", reason="scapy is not installed")
    roce = pytest.importorskip("scapy.contrib.roce", reason="scapy has no RoCE layer")
    code, _ = simulate(tmp_path, "host0,host9,10000\n", "--trace", "host9")
    assert code == 0
    packets = list(scapy.rdpcap(str(tmp_path / "out/capture.pcapng")))
    data = [packet for packet in packets if packet[roce.BTH].opcode in (0, 1, 2)]
    acks = [packet for packet in packets if packet[roce.BTH].opcode == 0x11]
    assert [packet[roce.BTH].opcode for packet in data] == [0, 1, 2]  # SEND first, middle, last
    assert [packet[roce.BTH].psn for packet in data] == [0, 1, 2]
    assert [len(packet) for packet in data] == [4096 + 58, 4096 + 58, 10000 - 8192 + 58]
    assert [packet[roce.AETH].syndrome for packet in acks] == [0x1F] * 3
    for packet in packets:
        assert packet[scapy.UDP].dport == 4791
        written = bytes(packet)[-4:]
        assert packet[roce.BTH].compute_icrc(None) == written
        header = packet[scapy.IP].copy()
        kept, header.chksum = header.chksum, None
        assert scapy.IP(bytes(header)).chksum == kept


def test_cut_link_loses_what_is_sent_until_it_is_mended_and_the_flow_ends(tmp_path: Path) -> None:
    code, _ = simulate(
        tmp_path, "host0,host9,20000000\n", "--fail", "host9@100us..300us", "--detection", "50us",
        "--series", "50us",
    )  # fmt: skip
    row = rows_of(tmp_path / "out/fct.csv")[0]
    assert (code, row["status"]) == (0, "done")
    # Dark for 200 us at 400G: 2393 packets of 83.56 ns; up again for its ends 50 us later.
    assert int(row["retransmitted"]) >= 2393
    samples = rows_of(tmp_path / "out/series.csv")
    assert [int(sample["time_ps"]) for sample in samples] == sorted(int(s["time_ps"]) for s in samples)
    assert max(int(sample["rate_bps"]) for sample in samples) <= 400 * 10**9


def test_storming_nic_is_named_and_the_watchdogs_act(tmp_path: Path) -> None:
    faults = tmp_path / "faults.csv"
    faults.write_text("what,where,from,until,value\nstorm,host9,1us,,\n")
    code, stderr = simulate(tmp_path, "host0,host9,2000000\n", "--faults", str(faults))
    assert code == 1
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    storms = [event for event in summary["watchdog_events"] if event["event"] == "storm"]
    # Polled every 200 ms: the first whole interval between two looks of the switch is the detection time.
    assert 200 * 10**9 < storms[0]["time_ps"] <= 400 * 10**9
    assert summary["drops"]["watchdog"] > 0
    assert "flow 1 is failed" in stderr


def test_storm_of_frames_takes_its_share_of_the_line(tmp_path: Path) -> None:
    """Pauses of 83.8848 us (65535 quanta at 400G) each 125 us leave 32.9 % of the line."""
    faults = tmp_path / "faults.csv"
    faults.write_text("what,where,from,until,value\nstorm,host9,0us,,3@8kpps\n")
    code, _ = simulate(
        tmp_path, "host0,host9,40000000\n", "--cc", "none", "--faults", str(faults), "--trace", "host9"
    )
    row = rows_of(tmp_path / "out/fct.csv")[0]
    alone_ps = 40e6 * 8 / 400e9 * 1e12 * (4096 + 82) / 4096
    assert (code, row["status"]) == (0, "done")
    assert int(row["fct_ps"]) == pytest.approx(alone_ps / (1 - 83.8848 / 125), rel=0.05)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["drops"] == dict.fromkeys(summary["drops"], 0)
    pauses = (
        (tmp_path / "out/capture.pcapng").read_bytes().count(bytes.fromhex("880801010008000000000000ffff"))
    )
    assert pauses == int(row["fct_ps"]) // (125 * 10**6) + 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--fail", "leaf0:Ethernet32", "names no time; write it as leaf0:Ethernet64@20us..1ms"),
        ("--series", "soon", "--series: 'soon' is not a time"),
        ("--trace", "leaf9", "--trace: 'leaf9' is no endpoint"),
    ],
)
def test_bad_option_is_told_with_its_value(tmp_path: Path, option: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        simulate(tmp_path, "host0,host9,1\n", option, value)
    first = error.value.diagnostics[0]
    assert message in f"{first.message}; {first.hint}"


def test_the_pins_of_a_dead_link_spread_over_the_links_that_are_left(tmp_path: Path) -> None:
    """Eight flows over four cables: three of one are left to share a cable, and by hash it may be four."""
    fabric, flows = tmp_path / "pod.yaml", tmp_path / "flows.csv"
    flows.write_text(
        "src,dst,bytes,start_ns\n" + "".join(f"host{i},host{i + 8},4194304,5000\n" for i in range(8))
    )
    slowest_ps = {}
    for backups in ("false", "true"):
        fabric.write_text(
            "raddle: 1\nname: pod\nfabric: {leaves: {count: 2}, spines: {count: 2}, uplinks: {per_pair: 2}}\n"
            f"hosts: {{per_leaf: 8}}\nrouting: {{policy: pinned, pin_backups: {backups}}}\n"
        )
        words = [
            "simulate",
            str(fabric),
            "--flows",
            str(flows),
            "-o",
            str(tmp_path / backups),
            "--cc",
            "none",
        ]
        words += ["--fail", "leaf0:Ethernet64@1us..10ms", "--detection", "1us"]
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
        slowest_ps[backups] = max(int(row["fct_ps"]) for row in rows_of(tmp_path / backups / "fct.csv"))
    message_ps = 1024 * 83_560  # packets of 4096 bytes, 4178 on the wire at 400G
    assert 3 * message_ps < slowest_ps["true"] < 3.05 * message_ps
    assert slowest_ps["false"] > 4 * message_ps
