"""Open vSwitch with dummy ports: its own OpenFlow and tables, without root and without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from raddle.controller.plan.model import Plan
from raddle.controller.southbound.openflow.tables import datapath_id, port_numbers

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")

needs_open_vswitch = pytest.mark.skipif(
    not (shutil.which("ovs-vswitchd") and SCHEMA.exists()),
    reason="ovs-vswitchd is missing (Debian: openvswitch-switch)",
)


class DummySwitches:
    """The switches of a plan as bridges of one private ovs-vswitchd."""

    def __init__(self, folder: Path, protocols: str = "OpenFlow13,OpenFlow15") -> None:
        self.protocols = protocols
        self.folder = folder
        self._environment = os.environ | {"OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
        self._daemons: list[subprocess.Popen[bytes]] = []
        database, socket = folder / "conf.db", f"unix:{folder}/db.sock"
        self._run("ovsdb-tool", "create", str(database), str(SCHEMA))
        self._start("ovsdb-server", str(database), f"--remote=p{socket}", f"--unixctl={folder}/ovsdb.ctl")
        self._vsctl = ["ovs-vsctl", f"--db={socket}", "--timeout=10", "--retry"]
        self._run(*self._vsctl, "--no-wait", "init")
        self._start_switches()

    def _start_switches(self) -> None:
        socket = f"unix:{self.folder}/db.sock"
        (self.folder / "vswitchd.ctl").unlink(missing_ok=True)
        self._start(
            "ovs-vswitchd", socket, f"--unixctl={self.folder}/vswitchd.ctl", "--enable-dummy=override",
            "--disable-system", "--disable-system-route",
        )  # fmt: skip

    def add(self, plan: Plan, controller: str) -> None:
        """Bridges with all cabled ports, which connect to a controller such as `tcp:127.0.0.1:6653`."""
        words: list[str] = []
        for switch in plan.switches:
            words += ["--", "add-br", switch.name, "--", "set-fail-mode", switch.name, "secure"]
            words += [
                "--",
                "set",
                "bridge",
                switch.name,
                "datapath_type=dummy",
                f"protocols={self.protocols}",
            ]
            words += [f"other-config:datapath-id={datapath_id(switch):016x}"]
            for number in self._cabled(plan, switch.name):
                port = f"{switch.name}-{number}"
                words += ["--", "add-port", switch.name, port]
                words += ["--", "set", "interface", port, "type=dummy", f"ofport_request={number}"]
        self.vsctl(*words)
        self.connect(plan, controller)

    def connect(self, plan: Plan, controller: str) -> None:
        """Let them look for a controller at once: one that is lost is tried after up to 8 seconds only."""
        for target in ("tcp:127.0.0.1:1", controller):
            words = [("--", "set-controller", switch.name, target) for switch in plan.switches]
            self.vsctl(*(word for each in words for word in each))

    def remove(self, plan: Plan) -> None:
        self.vsctl(*[word for each in plan.switches for word in ("--", "--if-exists", "del-br", each.name)])

    def vsctl(self, *words: str) -> str:
        return self._run(*self._vsctl, *words)

    def appctl(self, *words: str) -> str:
        return self._run("ovs-appctl", "-t", f"{self.folder}/vswitchd.ctl", *words)

    def add_flow(self, switch: str, flow: str) -> None:
        """Give a switch a flow entry that is nobody's plan."""
        self._ofctl("add-flow", switch, flow)

    def add_group(self, switch: str, group: str) -> None:
        """Give a switch a group that is nobody's plan."""
        self._ofctl("add-group", switch, group)

    def flows(self, switch: str) -> str:
        """What `ovs-ofctl dump-flows` says."""
        return self._ofctl("dump-flows", switch)

    def restart(self) -> None:
        """End ovs-vswitchd and start it again: bridges and ports are there, tables are empty."""
        daemon = self._daemons.pop()
        daemon.kill()
        daemon.wait()
        self._start_switches()

    def set_port(self, switch: str, number: int, state: str) -> None:
        """`up` or `down`."""
        self.appctl("netdev-dummy/set-admin-state", f"{switch}-{number}", state)

    def next_port(self, switch: str, packet: str, dp_hash: int = 1) -> int | None:
        """The port out of which a packet such as `in_port=1,udp,nw_dst=10.0.0.9` goes; None: it is dropped.

        A select group has the datapath hash the packet and looks again; `dp_hash`, not 0, is what it finds.
        """
        actions = self._datapath_actions(switch, packet)
        again = re.search(r"recirc\((0x[0-9a-f]+)\)", actions)
        if again:
            actions = self._datapath_actions(switch, f"recirc_id={again[1]},dp_hash={dp_hash},{packet}")
        number = re.search(r"(\d+)$", actions)
        if number is None:
            return None
        name = re.search(rf"\b{switch}-\d+ (\d+)/{number[1]}:", self.appctl("dpif/show"))
        assert name, f"datapath port {number[1]} of {switch} has no name"
        return int(name[1])

    def _datapath_actions(self, switch: str, packet: str) -> str:
        trace = self.appctl("ofproto/trace", switch, packet)
        return trace.rsplit("Datapath actions:", 1)[1].strip()

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()

    @staticmethod
    def _cabled(plan: Plan, name: str) -> list[int]:
        switch = next(each for each in plan.switches if each.name == name)
        numbers = port_numbers(switch)
        return [numbers[port.name] for port in switch.ports if port.peer]

    def _ofctl(self, verb: str, switch: str, *words: str) -> str:
        return self._run("ovs-ofctl", "-O", "OpenFlow13", verb, f"unix:{self.folder}/{switch}.mgmt", *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words, env=self._environment, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def _start(self, *words: str) -> None:
        log = (self.folder / f"{words[0]}.log").open("wb")
        with log:
            self._daemons.append(subprocess.Popen(words, env=self._environment, stderr=log, stdout=log))
