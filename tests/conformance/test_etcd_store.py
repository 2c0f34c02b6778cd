"""Several controllers on a real etcd: one leads, who has lost the lead writes nothing, another takes over."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import raddle
from raddle.controller.api.client import ControllerClient, ControllerError
from raddle.controller.plan import make_plan
from raddle.controller.service.etcd import LEASE_S, MAX_BYTES, EtcdStore, EtcdTls, Leadership
from raddle.controller.service.store import StoreError
from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.controller.southbound.sonic.tables import intended
from raddle.errors import InputError
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from tests.conformance.etcd_server import etcd, free_port, needs_etcd
from tests.e2e.test_killed_apply import held, neither
from tests.fabrics import leaf_spine

POD = leaf_spine(2, 2, 2, "routing: {policy: ecmp}\n")
DRAINED = POD + "overrides: {drain: [spine1]}\n"
WAIT_S = 120.0


@needs_etcd
def test_keys_are_written_together_by_the_leader_alone(tmp_path: Path) -> None:
    with etcd(tmp_path) as address:
        one, two = (EtcdStore(f"etcd://{address}/pod") for _ in range(2))
        with pytest.raises(StoreError, match="another controller leads"):
            one.commit({"desired": b"1"})
        lease = one.grant()
        assert one.campaign("one", lease)
        assert not two.campaign("two", two.grant())
        assert two.leader() == "one"
        one.commit({"audit/00000002": b"\x00\xff", "audit/00000001": b"x", "desired": b"1", "other": None})
        assert two.get("audit/00000002") == b"\x00\xff"
        assert two.keys("audit/") == ["audit/00000001", "audit/00000002"]
        one.commit({"audit/00000001": None})
        assert two.keys("audit/") == ["audit/00000002"]
        assert two.get("audit/00000001") is None
        with pytest.raises(StoreError, match="more than etcd takes at once"):
            one.commit({"text": bytes(MAX_BYTES + 1)})
        one.revoke(lease)
        assert two.campaign("two", two.grant())
        assert two.term > one.term
        # The one that has led does not know it yet, and writes nothing all the same.
        with pytest.raises(StoreError, match="another controller leads"):
            one.commit({"desired": b"2"})
        two.commit({"desired": b"3"})
        assert one.get("desired") == b"3"
        elsewhere = EtcdStore(f"etcd://{address}/other")
        assert elsewhere.get("desired") is None


@needs_etcd
def test_a_lead_that_is_kept_alive_lasts_and_one_that_runs_out_is_told(tmp_path: Path) -> None:
    with etcd(tmp_path) as address:
        store, lost = EtcdStore(f"etcd://{address}/pod"), []
        leadership = Leadership(store, "one", lambda: lost.append(1))
        assert leadership.wait(lambda: False, print)
        with leadership:
            time.sleep(1.5 * LEASE_S)
            store.commit({"desired": b"1"})
            assert not lost
            store.revoke(leadership._lease)
            end_s = time.monotonic() + 2 * LEASE_S
            while not lost:
                assert time.monotonic() < end_s, "not told"
                time.sleep(0.05)


def test_an_address_that_is_none_or_open_to_others_is_refused() -> None:
    for address in ("etcd://", "etcd://localhost/pod", "redis://127.0.0.1:1/pod"):
        with pytest.raises(InputError, match=r"bad-store.*is no etcd"):
            EtcdStore(address)
    with pytest.raises(InputError, match=r"bad-store.*would go to '192\.0\.2\.1:2379' in plain text"):
        EtcdStore("etcd://127.0.0.1:2379,192.0.2.1:2379/pod")
    with pytest.raises(InputError, match="TLS files of etcd cannot be used"):
        EtcdStore("etcd://192.0.2.1:2379/pod", EtcdTls(Path("/no/such/ca.pem")))
    with pytest.raises(StoreError, match="does not answer"):
        EtcdStore(f"etcd://127.0.0.1:{free_port()}/pod").get("desired")


class Controllers:
    """Two controllers on one etcd, each with an inventory file of its own, as on two machines."""

    def __init__(self, folder: Path, store: str, farm_addresses: dict[str, str]) -> None:
        self.file = folder / "pod.yaml"
        self.file.write_text(POD)
        self._folder, self._store, self._addresses = folder, store, farm_addresses
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.at: dict[str, str] = {}

    def start(self, name: str) -> None:
        inventory = self._folder / f"{name}.json"
        Inventory("pod", self._addresses).save(inventory)
        self.at[name] = f"127.0.0.1:{free_port()}"
        words = [
            "controller", "run", str(self.file), "--inventory", str(inventory), "--store", self._store,
            "--listen", self.at[name], "--metrics", f"127.0.0.1:{free_port()}",
        ]  # fmt: skip
        with (self._folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen([sys.executable, "-m", "raddle", *words], stderr=log)

    def settled(self, name: str, revision: int) -> float:
        """Wait until it leads and all is as planned; how long that took, in seconds."""
        start_s = time.monotonic()
        while True:
            with suppress(ControllerError), ControllerClient(self.at[name]) as client:
                found = client.status()
                are_well = all(each.state == "in sync" for each in found.switches)
                if are_well and found.revision == revision and not found.under_way:
                    return time.monotonic() - start_s
            assert time.monotonic() - start_s < WAIT_S, (self._folder / f"{name}.log").read_text()
            time.sleep(0.05)

    @contextmanager
    def ending(self) -> Iterator[Controllers]:
        try:
            yield self
        finally:
            for process in self.processes.values():
                process.send_signal(signal.SIGCONT)
                process.terminate()
            for process in self.processes.values():
                process.wait(WAIT_S)


@needs_etcd
def test_a_standby_finishes_what_a_killed_leader_had_begun_and_a_stopped_leader_does_no_more(
    tmp_path: Path,
) -> None:
    finals = [
        {each.name: intended(each) for each in make_plan(raddle.loads(text), "ecmp").switches}
        for text in (POD, DRAINED)
    ]
    fabric = raddle.loads(POD)
    with etcd(tmp_path) as address, switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
        both = Controllers(tmp_path, f"etcd://{address}/pod", dict(farm.addresses))
        with both.ending():
            both.start("one")
            both.settled("one", 1)
            both.start("two")
            both.file.write_text(DRAINED)
            with ControllerClient(both.at["one"]) as client:
                order = subprocess.Popen(
                    [sys.executable, "-m", "raddle", "controller", "apply", "--server", both.at["one"]],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                while not client.status().under_way:
                    time.sleep(0.01)
            both.processes["one"].kill()
            both.processes["one"].wait()
            order.wait()
            took_s = both.settled("two", 2)
            assert list(neither(held(farm.addresses), finals[1], finals[1])) == []
            with ControllerClient(both.at["two"]) as client:
                audit = client.audit()
                assert [(each.what, each.outcome) for each in audit[-2:]] == [
                    ("apply", "begun"),
                    ("apply", "done"),
                ]
                # One that is held up, and finds out late that it leads no more, changes nothing.
                both.start("one")
                both.processes["two"].send_signal(signal.SIGSTOP)
                both.settled("one", 2)
            with ControllerClient(both.at["one"]) as client:
                assert client.rollback(1).outcome == "done"
            both.processes["two"].send_signal(signal.SIGCONT)
            log = tmp_path / "two.log"
            end_s = time.monotonic() + WAIT_S
            while "does not lead any more" not in log.read_text():
                assert time.monotonic() < end_s, log.read_text()
                time.sleep(0.1)
            both.settled("one", 3)
            assert list(neither(held(farm.addresses), finals[0], finals[0])) == []
            # The switches hold off whoever comes with the term of a leader of before.
            for name, where in farm.addresses.items():
                with (
                    GnmiClient(name, where, election_id=1) as late,
                    pytest.raises(RefusedError, match="Master EID"),
                ):
                    late.write_field("down", "PORT", "Ethernet0", "admin_status")
    assert took_s < WAIT_S
    print(f"a standby led, and all was as planned, {took_s:.1f} s after the leader was killed")
