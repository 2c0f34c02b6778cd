"""COUNTERS_DB over gNMI says what the engine counted, to the byte."""

from __future__ import annotations

import json

import grpc
import numpy as np
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle import traffic
from raddle.controller.plan import make_plan
from raddle.controller.plan.addresses import endpoint_addresses
from raddle.inventory import Inventory
from raddle.lab.switches.counters import switch_counters
from raddle.lab.switches.programmed import program, read_states, switch_farm
from raddle.sim import Simulation
from raddle.topology import bundled_examples, load
from raddle.workload import Sent

FABRIC = load(bundled_examples()["leaf-spine-16"])


def read(stub: gnmi_pb2_grpc.gNMIStub, *elems: str) -> dict[str, dict[str, str]]:
    path = gnmi_pb2.Path(elem=[gnmi_pb2.PathElem(name=name) for name in elems])
    request = gnmi_pb2.GetRequest(prefix=gnmi_pb2.Path(target="COUNTERS_DB"), path=[path])
    value = stub.Get(request, timeout=10).notification[0].update[0].val
    counters: dict[str, dict[str, str]] = json.loads(value.json_ietf_val)
    return counters


def test_port_and_queue_bytes_equal_the_engines_in_the_middle_and_at_the_end() -> None:
    plan = make_plan(FABRIC, "ecmp")
    with switch_farm(FABRIC, plan) as farm:
        inventory = Inventory(FABRIC.name, dict(farm.addresses))
        program(plan, inventory)
        schedule = traffic.build("all_reduce", "ring", 16, 4 << 20)
        simulation = Simulation(
            FABRIC,
            np.array(endpoint_addresses(FABRIC), np.uint32),
            read_states(inventory),
            Sent.between(schedule, np.arange(16, dtype=np.int32)),
            seed=1,
        )
        with grpc.insecure_channel(farm.addresses["leaf0"]) as channel:
            stub = gnmi_pb2_grpc.gNMIStub(channel)
            seen = []
            for until_ps in (20_000_000, 10**12):
                simulation.advance(until_ps)
                for name, counters in switch_counters(simulation).items():
                    if name in farm.switches:
                        farm.switches[name].set_counters(counters)
                columns = simulation.ports()
                ports = read(stub, "INTERFACE_COUNTERS")
                rows = {
                    ref.port: row for row, ref in enumerate(simulation.port_names) if ref.device == "leaf0"
                }
                for port, row in rows.items():
                    assert int(ports[port]["SAI_PORT_STAT_IF_OUT_OCTETS"]) == columns.tx_bytes[row].sum()
                    queues = read(stub, "COUNTERS", port, "Queues")
                    counted = [int(queues[f"{port}:{n}"]["SAI_QUEUE_STAT_BYTES"]) for n in range(8)]
                    assert counted == columns.tx_bytes[row].tolist()
                seen.append(sum(columns.tx_bytes[row].sum() for row in rows.values()))
        assert 0 < seen[0] < seen[1]
