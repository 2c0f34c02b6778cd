"""gNMI master arbitration of a switch: the controller with the highest election id may write."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from finsy.proto import gnmi_ext
from finsy.proto.gnmi1 import gnmi_pb2_grpc

from raddle.controller.southbound.channel import RefusedError
from raddle.controller.southbound.sonic.gnmi import GnmiClient
from raddle.nos.farm import SwitchFarm
from raddle.nos.switch import BootConfig
from tests.unit.nos.conftest import FOUR_PORTS, SEED
from tests.unit.nos.test_nos_gnmi import Served, change, failure, update

MTU = "PORT/Ethernet0/mtu"


def of(election_id: int | None, role: str | None = None) -> Any:
    """The extension of a controller."""
    master = gnmi_ext.MasterArbitration()
    if election_id is not None:
        master.election_id.high, master.election_id.low = divmod(election_id, 2**64)
    if role is not None:
        master.role.id = role
    return [gnmi_ext.Extension(master_arbitration=master)]


@pytest.fixture
def farm() -> Iterator[SwitchFarm]:
    """A switch of the test's own, as the highest id stays."""
    boot = BootConfig(copy.deepcopy(FOUR_PORTS), SEED)
    with SwitchFarm({"leaf0": boot}, {"leaf0": frozenset(FOUR_PORTS["PORT"])}) as farm:
        yield farm


@pytest.fixture
def served(farm: SwitchFarm) -> Iterator[Served]:
    with grpc.insecure_channel(farm.addresses["leaf0"]) as channel:
        yield farm.switches["leaf0"], gnmi_pb2_grpc.gNMIStub(channel)


def test_a_set_of_a_lower_election_id_is_refused_and_changes_nothing(served: Served) -> None:
    change(served, extension=of(2**64 + 1), update=[update(MTU, "9000")])
    code, text = failure(change, served, extension=of(2**64), update=[update(MTU, "1500")])
    assert code == grpc.StatusCode.PERMISSION_DENIED
    assert text == (
        "Election ID is smaller than the current master. Rejected. Master EID: 18446744073709551617. "
        "Current EID: 18446744073709551616."
    )
    assert served[0].databases.config["PORT"]["Ethernet0"]["mtu"] == "9000"
    change(served, extension=of(2**64 + 1), update=[update(MTU, "9100")])


def test_an_empty_set_takes_the_lead_and_the_last_extension_counts(served: Served) -> None:
    assert not change(served, extension=of(3)).response
    assert failure(change, served, extension=of(2))[0] == grpc.StatusCode.PERMISSION_DENIED
    change(served, extension=[*of(2), *of(4)])
    assert failure(change, served, extension=of(3))[0] == grpc.StatusCode.PERMISSION_DENIED


def test_a_set_without_the_extension_is_let_through_and_what_cannot_be_used_is_refused(
    served: Served,
) -> None:
    change(served, extension=of(7))
    change(served, update=[update(MTU, "9000")])
    assert failure(change, served, extension=of(None)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "MA: ElectionId missing",
    )
    assert failure(change, served, extension=of(8, "sdn")) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "MA: Role is not implemented",
    )
    # Neither has taken the lead.
    change(served, extension=of(7), update=[update(MTU, "1500")])


def test_a_switch_that_has_started_again_knows_no_master(served: Served) -> None:
    change(served, extension=of(9))
    served[0].shut_down()
    served[0].start_up()
    change(served, extension=of(1))


def test_a_client_takes_the_lead_and_one_that_led_before_can_write_no_more(farm: SwitchFarm) -> None:
    with (
        GnmiClient("leaf0", farm.addresses["leaf0"], election_id=5) as early,
        GnmiClient("leaf0", farm.addresses["leaf0"], election_id=6) as late,
    ):
        assert early.take_lead()
        early.write_field("9000", *MTU.split("/"))
        assert late.take_lead()
        with pytest.raises(RefusedError, match="election id 5") as refused:
            early.write_field("1500", *MTU.split("/"))
        assert "Master EID: 6" in str(refused.value)
        with pytest.raises(RefusedError, match="another controller leads by now"):
            early.take_lead()
        late.write_field("1500", *MTU.split("/"))


def test_a_switch_that_does_not_arbitrate_is_found_out(
    farm: SwitchFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # sonic-gnmi without --with-master-arbitration: an empty Set names no path, whoever it is from.
    monkeypatch.setattr("raddle.nos.server.masters.Masters.admit", lambda self, request, starts: False)
    with GnmiClient("leaf0", farm.addresses["leaf0"], election_id=5) as client:
        assert not client.take_lead()
