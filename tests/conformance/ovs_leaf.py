"""A switch of a plan as an Open vSwitch with real interfaces, in this process's own network namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from raddle.controller.plan.model import Plan, SwitchPlan
from raddle.controller.reconcile import apply_plan
from raddle.controller.southbound.openflow.bootstrap import ovs_commands
from raddle.controller.southbound.openflow.tables import datapath_id
from raddle.inventory import Inventory, OpenFlowDoor
from raddle.nos.farm import _free_port as free_port

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def run(command: str) -> str:
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def start_switch(switch: SwitchPlan, folder: Path) -> list[subprocess.Popen[bytes]]:
    os.environ |= {"OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
    run(f"ip link set lo up; ovsdb-tool create {folder}/conf.db {SCHEMA}")
    log = (folder / "log").open("wb")
    sock = f"unix:{folder}/db.sock"
    daemons = [
        subprocess.Popen(
            ["ovsdb-server", f"{folder}/conf.db", f"--remote=p{sock}", f"--unixctl={folder}/o"], stderr=log
        )
    ]
    run(f"ovs-vsctl --db={sock} --timeout=10 --retry --no-wait init")
    daemons.append(
        subprocess.Popen(["ovs-vswitchd", sock, f"--unixctl={folder}/v", "--disable-system"], stderr=log)
    )
    # The kernel itself must say nothing on these interfaces.
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    ports = [port.name for port in switch.ports if port.peer]
    for number, port in enumerate(ports):
        run(f"ip link add h{number} type veth peer name {port}")
        run(f"ip link set h{number} up; ip link set {port} up")
    add = f"add-br {switch.name}"
    for command in ovs_commands(switch):
        run(command.replace(add, f"{add} -- set bridge {switch.name} datapath_type=netdev"))
    return daemons


def program(plan: Plan, switch: SwitchPlan, marks_roce: bool = False) -> str:
    door = OpenFlowDoor(port=free_port(), wait_s=15, marks_roce=marks_roce)
    for target in ("tcp:127.0.0.1:1", f"tcp:127.0.0.1:{door.port}"):
        run(f"ovs-vsctl set-controller {switch.name} {target}")
    inventory = Inventory(plan.fabric, {}, datapaths={switch.name: datapath_id(switch)}, openflow=door)
    result = apply_plan(plan, inventory)[0]
    return result.error or f"{result.protocol}, {'in sync' if result.is_in_sync else 'not in sync'}"
