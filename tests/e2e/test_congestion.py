"""A controller that acts, beside simulated switches under live traffic: collision, storm and bit errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raddle.controller.service.settings import Settings
from raddle.lab.live import LiveTraffic
from raddle.lab.run.faults import with_faults
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.flow_file import read_flows
from raddle.topology import load
from raddle.topology.model import PortRef
from tests.fabrics import leaf_spine
from tests.unit.controller.service.running import Running, controlled, switches

ALONE = (4096 + 58) / (4096 + 58 + 20)
"""Of a port's speed: frames with FCS of one sender at line rate, without preamble and gap."""

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
ENDLESS_BYTES = 10**15


@contextmanager
def under_traffic(
    folder: Path, pairs: str, faults: list[dict[str, str]], pace: float, jobs: str = ""
) -> Iterator[Running]:
    """A controller that acts on what it finds every second, beside flows without end."""
    flows = folder / "flows.csv"
    flows.write_text("src,dst,bytes\n" + "".join(f"{pair},{ENDLESS_BYTES}\n" for pair in pairs.split()))
    told = folder / "jobs.csv"
    told.write_text(f"job,src,dst\n{jobs}")
    with switches(POD, folder) as (farm, file, inventory):
        fabric = load(file)
        settings = Settings(inventory, congestion_s=1.0, acts=True)
        happening = RunSettings(
            seed=1, faults=tuple(fault for each in faults for fault in with_faults(fabric, [], each))
        )
        with (
            controlled(farm, file, settings, told if jobs else None) as running,
            LiveTraffic(fabric, farm.switches, read_flows(fabric, flows), pace, happening),
        ):
            yield running


def texts(running: Running) -> list[str]:
    return [each.text for each in running.events if each.kind == "congestion"]


def has_told(running: Running, start: str) -> bool:
    return any(text.startswith(start) for text in texts(running))


def test_two_jobs_that_collide_under_ecmp_are_pinned_and_reach_what_pins_give(tmp_path: Path) -> None:
    # With this seed both are hashed to spine0.
    jobs = "one,host0,host2\ntwo,host1,host3\n"
    with under_traffic(tmp_path, "host0,host2 host1,host3", [], 1e-3, jobs) as running:
        running.wait_for(lambda: has_told(running, "re-pin has helped"), "not pinned")
        [found] = [text for text in texts(running) if text.startswith("collision") and "is over" not in text]
        assert found.endswith("queue pairs of one: host0 -> host2, two: host1 -> host3; would re-pin")
        [pinned] = [each for each in running.controller.records.revisions() if each.what == "re-pin"]
        assert (pinned.who, pinned.outcome) == ("controller", "done")
        assert pinned.why.startswith("congestion: collision at leaf0:")
        ports = [PortRef("leaf1", "Ethernet0"), PortRef("leaf1", "Ethernet8")]
        loads = running.controller.loads
        # Two senders over a link each: DCQCN takes both to line rate, which is what a pinned run has.
        running.wait_for(
            lambda: all(loads()[port].sent >= 0.95 * ALONE for port in ports), "not as fast as pinned"
        )
        assert running.controller.congestion == ()
        assert len(running.controller.records.revisions()) == 2


def test_a_storms_source_is_isolated_and_a_link_with_bit_errors_is_drained(tmp_path: Path) -> None:
    faults = [
        {"what": "storm", "where": "host3", "from": "1us"},
        {"what": "errors", "where": "leaf0:spine0", "from": "1us", "value": "1e-7"},
    ]
    pairs = "host0,host2 host1,host3 host2,host1"
    with under_traffic(tmp_path, pairs, faults, 3e-4) as running:
        running.wait_for(lambda: has_told(running, "isolate leaf1:Ethernet8: revision"), "not isolated")
        storm = next(text for text in texts(running) if text.startswith("storm at"))
        assert "host3 pauses leaf1:Ethernet8 for" in storm
        running.wait_for(lambda: has_told(running, "drain leaf0:Ethernet16 has helped"), "not drained")
        running.wait_for(lambda: has_told(running, "isolate leaf1:Ethernet8 has helped"), "not over")
        drains = running.controller.revision.drains
        assert {(each.switch, each.is_shut) for each in drains} == {
            ("leaf1:Ethernet8", True),
            ("leaf0:Ethernet16", False),
        }
        assert running.next_hop_ports("leaf0") == {"Ethernet24"}
        assert running.config("leaf1")["PORT"]["Ethernet8"]["admin_status"] == "down"
