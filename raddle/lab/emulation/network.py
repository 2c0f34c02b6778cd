"""The fabric as a Mininet network. Import after `programs.load_mininet`, inside the sandbox."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterable

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Controller, Node, OVSSwitch, Switch

from raddle.controller.southbound.openflow.tables import datapath_id
from raddle.errors import UnreachableError
from raddle.lab.emulation.layout import Layout, Nic
from raddle.lab.emulation.programs import run
from raddle.lab.emulation.splices import HostFacingPort, PluggedPort, SplicedLink, far_end
from raddle.topology.model import Link, PortRef

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # SOURCE: netdevice(7)


class OpenFlowTarget(Controller):  # type: ignore[misc]
    """The address of our controller, for Mininet's switches; Mininet neither starts nor asks it."""

    def __init__(self, port: int) -> None:
        super().__init__("raddle", inNamespace=False, ip="127.0.0.1", port=port)

    def start(self) -> None:
        """It runs already."""

    def stop(self, deleteIntfs: bool = True) -> None:  # noqa: N803
        """It is not Mininet's."""

    def checkListening(self) -> None:  # noqa: N802
        """It listens."""


class UserSpaceSwitch(OVSSwitch):  # type: ignore[misc]
    """Open vSwitch without the kernel's module; a switch without its controller keeps its tables."""

    def __init__(self, name: str, **options: object) -> None:
        super().__init__(
            name, datapath="user", protocols="OpenFlow13,OpenFlow15", failMode="secure", **options
        )

    def vsctl(self, *words: object, **options: object) -> str:
        """What Mininet does not look at: whether Open vSwitch refused."""
        said: str = super().vsctl(*words, **options)
        if said.startswith("ovs-vsctl:"):
            raise UnreachableError(f"{self.name}: {said.strip()}")
        return said


class Network:
    """Hosts, switches of a Mininet class, and cables; those of the fabric that are down are down.

    Args:
        is_spliced: ports of the switches lose their carrier with a cut, and do not go down.
    """

    def __init__(self, layout: Layout, switch_class: type[Switch], is_spliced: bool) -> None:
        setLogLevel("critical")
        Mininet.inited = True  # else it changes limits of the whole machine
        self.layout, self._is_spliced = layout, is_spliced
        self.net = Mininet(controller=None, build=False, switch=switch_class)
        for host in layout.fabric.hosts:
            self.net.addHost(host.name, ip=None)
        for switch in layout.plan.switches:
            self.net.addSwitch(switch.name, dpid=f"{datapath_id(switch):016x}")
        for link in layout.fabric.links:
            self._cable(link)

    def start(self, controllers: Iterable[Controller] = ()) -> None:
        """Configure the hosts, start the switches, then set rates and states of all cables."""
        for nic in self.layout.nics:
            self._configure(nic)
        for controller in controllers:
            self.net.addController(controller)
        self.net.built = True
        self.net.start()
        # Open vSwitch takes queueing disciplines off the ports that it is given, so this comes last.
        self._set_rates()
        self.set_links({link: link.is_up for link in self.layout.fabric.links})

    def host(self, name: str) -> Node:
        return self.net.get(name)

    def popen(self, host: str, words: list[str]) -> subprocess.Popen[str]:
        """A program in a host's namespace, with its output."""
        started: subprocess.Popen[str] = self.host(host).popen(words, text=True, stderr=subprocess.STDOUT)
        return started

    def set_links(self, is_up: dict[Link, bool]) -> None:
        """Cut or mend cables, all at the same time; both ends see it."""
        self._set({name: up for link, up in is_up.items() for name in self._cut_ends(link)})

    def plug(self, ports: Iterable[PortRef], is_in: bool) -> None:
        """Take the carrier of switches' ports towards switches, or give it back."""
        links = self.layout.fabric.link_by_port
        cut: list[str] = []
        for port in ports:
            link = links[port]
            other = link.b if port == link.a else link.a
            cut += self._cut_ends(link) if self._is_spliced else [self.layout.interface(other)]
        self._set(dict.fromkeys(cut, is_in))

    @property
    def can_shut(self) -> bool:
        """Switches bear it that a port of theirs is taken down."""
        return not self._is_spliced

    def shut(self, ports: Iterable[PortRef], is_down: bool) -> None:
        """Take switches' ports down, or up again."""
        self._set(dict.fromkeys(map(self.layout.interface, ports), not is_down))

    @staticmethod
    def _set(is_up: dict[str, bool]) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for name, up in is_up.items():
                _set_up(control, name, up)

    def nodes(self) -> dict[str, int]:
        """The process whose network a host's is; of switches it is this one."""
        hosts = {host.name: host.pid for host in self.net.hosts}
        return hosts | {switch.name: os.getpid() for switch in self.net.switches}

    def _cut_ends(self, link: Link) -> tuple[str, ...]:
        """The interfaces that go down when a cable is cut."""
        names = tuple(self.layout.interface(end) for end in (link.a, link.b) if end in self.layout.numbers)
        if self._is_spliced and len(names) == 2:
            return tuple(map(far_end, names))
        return names[-1:]

    def _cable(self, link: Link) -> None:
        nics = {(nic.host, nic.name): nic for nic in self.layout.nics}
        nic = nics.get((link.a.device, link.a.port))
        self.net.addLink(
            link.a.device,
            link.b.device,
            port1=self.layout.numbers.get(link.a),
            port2=self.layout.numbers.get(link.b),
            intfName1=self.layout.interface(link.a),
            intfName2=self.layout.interface(link.b),
            **({"addr1": nic.mac} if nic else {}),
            **self._kind(is_to_host=nic is not None),
        )

    def _kind(self, is_to_host: bool) -> dict[str, type]:
        """Mininet's classes of a cable and its ports, where they are not the usual ones."""
        if not self._is_spliced:
            return {}
        if is_to_host:
            return {"cls2": HostFacingPort}
        return {"cls": SplicedLink, "cls1": PluggedPort, "cls2": PluggedPort}

    def _configure(self, nic: Nic) -> None:
        """Address, gateway and offloads of a host's port.

        Several ports of a host have a routing table each, so that an answer leaves where the question came.
        """
        table = 1000 + nic.endpoint
        mtu = self.layout.fabric.roce.port_mtu_bytes
        is_first = self.host(nic.host).nameToIntf[nic.name] is self.host(nic.host).defaultIntf()
        commands = [
            f"ip link set dev {nic.name} mtu {mtu} addrgenmode none up",
            # A switch in user space gets frames as the host leaves them: whole, and with checksums.
            f"ethtool -K {nic.name} tx off sg off tso off gso off gro off >/dev/null",
        ]
        for own in nic.addresses:
            # Neighbours are told, so that nobody has to look for them.
            quiet = " nodad" if own.version == 6 else ""
            ip, via = f"ip -{own.version}", f"default via {own.gateway} dev {nic.name}"
            commands += [
                f"{ip} addr add {own.address}/{own.bits} dev {nic.name}{quiet}",
                f"{ip} neigh replace {own.gateway} lladdr {nic.gateway_mac} dev {nic.name} nud permanent",
                f"{ip} rule add from {own.address} lookup {table}",
                f"{ip} route add {via} table {table}",
            ]
            if is_first:
                commands.append(f"{ip} route add {via}")
        said = self.host(nic.host).cmd(" && ".join(commands))
        if said.strip():
            raise UnreachableError(f"{nic.host}: {said.strip()}")
        self.host(nic.host).nameToIntf[nic.name].ip = nic.address  # for Mininet's prompt

    def _set_rates(self) -> None:
        """Each end of each cable sends no faster than the cable's scaled rate."""
        mtu = self.layout.fabric.roce.port_mtu_bytes
        for link in self.layout.fabric.links:
            for end in (link.a, link.b):
                name = self.layout.interface(end)
                rate = f"rate {self.layout.mbps(link):f}Mbit burst {4 * mtu}"
                lines = f"qdisc replace dev {name} root handle 5: htb default 1\n" + (
                    f"class replace dev {name} parent 5: classid 5:1 htb {rate}\n"
                )
                if end in self.layout.numbers:
                    for each in {name, *self._cut_ends(link)}:
                        run(["ip", "link", "set", "dev", each, "mtu", str(mtu)])
                    run(["tc", "-batch", "-"], lines)
                else:
                    pid = str(self.host(end.device).pid)
                    run(["mnexec", "-a", pid, "tc", "-batch", "-"], lines)


def _set_up(control: socket.socket, interface: str, is_up: bool) -> None:
    """What `ip link set up|down` does, without the time that a program takes to start."""
    request = struct.pack("16sH14x", interface.encode(), 0)
    (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
    flags = flags | _IFF_UP if is_up else flags & ~_IFF_UP
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), flags))
