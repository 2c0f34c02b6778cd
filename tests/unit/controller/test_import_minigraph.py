"""A minigraph is adopted with the ports that its port_config.ini has."""

from __future__ import annotations

from pathlib import Path

import pytest

import raddle
from raddle.controller.plan import make_plan
from raddle.errors import InputError
from tests.unit.controller.test_import_sonic import run

MINIGRAPH = """<DeviceMiniGraph xmlns="urn:evolution" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
  <CpgDec><Routers xmlns:a="urn:bgp">
    <a:BGPRouterDeclaration><a:ASN>65310</a:ASN><a:Hostname>cab7</a:Hostname></a:BGPRouterDeclaration>
  </Routers></CpgDec>
  <DpgDec><DeviceDataPlaneInfo>
    <LoopbackIPInterfaces xmlns:a="urn:mux"><a:LoopbackIPInterface><AttachTo>Loopback0</AttachTo>
      <a:Prefix xmlns:b="urn:prefix"><b:IPPrefix>10.9.1.7/32</b:IPPrefix></a:Prefix></a:LoopbackIPInterface>
    </LoopbackIPInterfaces>
    <IPInterfaces>
      <IPInterface><AttachTo>hundredGigE1</AttachTo><Prefix>10.9.8.0/31</Prefix></IPInterface>
      <IPInterface><AttachTo>hundredGigE2</AttachTo><Prefix>10.9.8.2/31</Prefix></IPInterface>
    </IPInterfaces>
  </DeviceDataPlaneInfo></DpgDec>
  <PngDec>
    <DeviceInterfaceLinks>
      <DeviceLinkBase><StartDevice>cab7</StartDevice><StartPort>hundredGigE1</StartPort>
        <EndDevice>srv1</EndDevice><EndPort>eth0</EndPort></DeviceLinkBase>
      <DeviceLinkBase><StartDevice>srv2</StartDevice><StartPort>eth0</StartPort>
        <EndDevice>cab7</EndDevice><EndPort>hundredGigE2</EndPort></DeviceLinkBase>
    </DeviceInterfaceLinks>
    <Devices>
      <Device i:type="ToRRouter"><Hostname>cab7</Hostname><HwSku>Box-C4</HwSku></Device>
      <Device i:type="Server"><Hostname>srv1</Hostname></Device>
      <Device i:type="Server"><Hostname>srv2</Hostname></Device>
    </Devices>
  </PngDec>
  <Hostname>cab7</Hostname>
</DeviceMiniGraph>
"""
PORT_CONFIG = "# name lanes alias index speed\n" + "".join(
    f"Ethernet{4 * n} {4 * n + 1},{4 * n + 2},{4 * n + 3},{4 * n + 4} hundredGigE{n + 1} {n + 1} 100000\n"
    for n in range(4)
)


def test_a_minigraph_gives_what_it_says_with_its_ports_from_port_config(tmp_path: Path) -> None:
    (tmp_path / "cab7.xml").write_text(MINIGRAPH)
    file = tmp_path / "cabinet.yaml"
    refused = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(file)).exception
    assert "says nothing of lanes, and" in str(refused)
    (tmp_path / "port_config.ini").write_text(PORT_CONFIG)
    done = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(file))
    assert done.exit_code == 0, done.output + str(done.exception)
    fabric = raddle.load(file)
    (leaf,) = fabric.switches
    assert "adopted 1 switch, 2 hosts and 2 cables" in done.output
    assert "lacks its platform, by which" in done.output
    assert "source: PORT of the switches; chip assumed}" in file.read_text()
    assert (leaf.name, leaf.asn, leaf.model.hwsku) == ("cab7", 65310, "Box-C4")
    assert [str(link.b) for link in fabric.links] == ["cab7:Ethernet0", "cab7:Ethernet4"]
    assert dict(make_plan(fabric, "ecmp").endpoints) == {"srv1": "10.9.8.1", "srv2": "10.9.8.3"}


def test_ports_without_a_speed_are_refused_at_their_line(tmp_path: Path) -> None:
    (tmp_path / "cab7.xml").write_text(MINIGRAPH)
    lines = [line.rpartition(" ")[0] for line in PORT_CONFIG.splitlines()]
    (tmp_path / "port_config.ini").write_text("\n".join(lines))
    ended = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(tmp_path / "hall.yaml")).exception
    assert "port_config.ini:2:1: error[bad-minigraph]: Ethernet0 has no speed" in str(ended)
    assert "a column 'speed', in Mb/s" in str(ended)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<a>", "not XML"),
        ("<a/>", "says of no device that it is ''"),
        ("<!DOCTYPE a><a/>", "declares entities"),
    ],
)
def test_files_that_are_no_minigraph_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "one.xml"
    path.write_text(content)
    refused = run("import", "sonic", str(path), "-o", str(tmp_path / "hall.yaml")).exception
    assert isinstance(refused, InputError)
    assert (refused.diagnostics[0].code, message in str(refused)) == ("bad-minigraph", True)


def refused(tmp_path: Path, minigraph: str) -> InputError:
    (tmp_path / "cab7.xml").write_text(minigraph)
    (tmp_path / "port_config.ini").write_text(PORT_CONFIG)
    ended = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(tmp_path / "hall.yaml")).exception
    assert isinstance(ended, InputError)
    assert ended.diagnostics[0].code == "no-cables"
    return ended


def test_neighbours_that_are_all_outside_of_a_minigraph_are_named(tmp_path: Path) -> None:
    told = str(refused(tmp_path, MINIGRAPH.replace('i:type="Server"', 'i:type="LeafRouter"')))
    assert "cab7:Ethernet0 leads to 'srv1', a LeafRouter that is not among the switches read" in told
    assert "import the configurations of these neighbours" in told


def test_ports_that_port_config_calls_otherwise_are_named(tmp_path: Path) -> None:
    told = str(refused(tmp_path, MINIGRAPH.replace("hundredGigE", "fortyGigE1/")))
    assert "cab7 has no port 'fortyGigE1/1', at which 'srv1' is said to be" in told
    assert "port_config.ini of the switch itself" in told


def test_one_such_port_and_a_port_channel_are_told_beside_what_is_adopted(tmp_path: Path) -> None:
    (tmp_path / "cab7.xml").write_text(MINIGRAPH.replace("hundredGigE2", "PortChannel0001"))
    (tmp_path / "port_config.ini").write_text(PORT_CONFIG)
    done = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(tmp_path / "hall.yaml"))
    assert done.exit_code == 0, done.output + str(done.exception)
    assert "cab7 has no port 'PortChannel0001', at which 'srv2' is said to be" in done.output
    assert "PORTCHANNEL_INTERFACE: 1 on 1 switch" in done.output


def test_links_of_management_are_no_cables(tmp_path: Path) -> None:
    kind = "<DeviceLinkBase i:type='DeviceMgmtLink'><StartDevice>cab7</StartDevice>"
    kind += "<StartPort>Management0</StartPort>"
    more = f"{kind}<EndDevice>mgmt</EndDevice><EndPort>Ethernet9</EndPort></DeviceLinkBase>"
    (tmp_path / "cab7.xml").write_text(
        MINIGRAPH.replace("</DeviceInterfaceLinks>", f"{more}</DeviceInterfaceLinks>")
    )
    (tmp_path / "port_config.ini").write_text(PORT_CONFIG)
    done = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(tmp_path / "hall.yaml"))
    assert "Management0" not in done.output


def test_a_neighbour_of_no_known_type_is_said_to_be_taken_for_a_host(tmp_path: Path) -> None:
    lines = [line for line in MINIGRAPH.splitlines() if "<Hostname>srv2" not in line]
    (tmp_path / "cab7.xml").write_text("\n".join(lines))
    (tmp_path / "port_config.ini").write_text(PORT_CONFIG)
    done = run("import", "sonic", str(tmp_path / "cab7.xml"), "-o", str(tmp_path / "hall.yaml"))
    assert "nothing says what 'srv2' at cab7:Ethernet4 is: taken for a host" in done.output
    assert "'srv1'" not in done.output
