"""OpenConfig interfaces over gNMI: the same switch in another model's words."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from finsy.proto.gnmi1 import gnmi_pb2, gnmi_pb2_grpc

from raddle.nos.switch import SimulatedSwitch
from raddle.state import SwitchCounters

Served = tuple[SimulatedSwitch, gnmi_pb2_grpc.gNMIStub]


def get(served: Served, *elems: tuple[str, dict[str, str]], origin: str = "openconfig") -> Any:
    path = gnmi_pb2.Path(origin=origin, elem=[gnmi_pb2.PathElem(name=name, key=keys) for name, keys in elems])
    answer = served[1].Get(gnmi_pb2.GetRequest(path=[path], encoding=gnmi_pb2.JSON_IETF), timeout=10)
    return json.loads(answer.notification[0].update[0].val.json_ietf_val)


PORT = (("interfaces", {}), ("interface", {"name": "Ethernet0"}))


def test_an_interface_shows_state_counters_and_addresses(served: Served) -> None:
    served[0].set_counters(SwitchCounters(("Ethernet0",), {"SAI_PORT_STAT_IF_OUT_OCTETS": (4178,)}))
    (interface,) = get(served, *PORT)["openconfig-interfaces:interface"]
    served[0].set_counters(SwitchCounters())
    assert (interface["name"], interface["config"]["mtu"]) == ("Ethernet0", 9100)
    assert (interface["state"]["admin-status"], interface["state"]["oper-status"]) == ("UP", "UP")
    assert interface["state"]["counters"]["out-octets"] == "4178"
    (sub,) = interface["subinterfaces"]["subinterface"]
    (address,) = sub["openconfig-if-ip:ipv4"]["addresses"]["address"]
    assert address["config"] == {"ip": "10.0.0.0", "prefix-length": 31}


@pytest.mark.parametrize("origin", ["openconfig", "openconfig-interfaces"])
def test_paths_go_down_to_a_leaf_and_up_to_all_interfaces(served: Served, origin: str) -> None:
    leaf = get(served, *PORT, ("state", {}), ("oper-status", {}), origin=origin)
    assert leaf == {"openconfig-interfaces:oper-status": "UP"}
    everything = get(served, ("openconfig-interfaces:interfaces", {}), origin=origin)
    names = [each["name"] for each in everything["openconfig-interfaces:interfaces"]["interface"]]
    assert names == ["Ethernet0", "Ethernet8", "Ethernet16", "Ethernet24"]


@pytest.mark.parametrize(
    "elems",
    [
        (("interfaces", {}), ("interface", {"name": "Ethernet99"})),
        (*PORT, ("stat", {})),
        (("interfaces", {"name": "x"}),),
        (("system", {}),),
    ],
)
def test_what_is_not_there_is_not_found(
    served: Served, elems: tuple[tuple[str, dict[str, str]], ...]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        get(served, *elems)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
