"""Packet tests of one switch, which raddle has made of its plan; run by PTF, without raddle.

    ptf --test-dir DIR --interface 1@veth1 --interface 2@veth2 ... --test-params "suite='DIR/leaf0.json'"

Interface n is what the switch's port n is connected to, numbered from 1 in the order of its front panel. Test
parameters:

    suite           the JSON file of the switch
    patience        seconds to wait for packets that must come (2)
    silence         seconds to wait for those that must not (0.5)
    queue_counter   a command that prints how many packets a queue of a port has sent; {switch}, {name} (of
                    the port), {port} (its number) and {queue} are filled in. Without it queue tests look at
                    DSCPs alone.

Every test sends packets of its own and leaves nothing behind. SPDX-License-Identifier: Apache-2.0
"""

import ipaddress
import json
import re
import shlex
import subprocess
import time
import typing

import ptf
from ptf import testutils
from ptf.base_tests import BaseTest
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

TTL = 64
FIRST_SOURCE_PORT = 0xC000
ROCE_PORT = 4791
LLDP = 0x88CC
UDP_PROTOCOL, TCP_PROTOCOL = 17, 6
MARKER = b"raddle packet "


def parameters():
    return testutils.test_params_get()


def load():
    with open(parameters()["suite"]) as file:
        return json.load(file)


SUITE = load()


class SwitchTest(BaseTest):
    """One test of the suite; `what` is its part of the JSON."""

    what: typing.ClassVar = {}

    def setUp(self):
        super().setUp()
        self.dataplane = ptf.dataplane_instance
        self.dataplane.flush()

    def tearDown(self):
        self.dataplane.flush()
        super().tearDown()

    def frame(self, number, dscp=0, mac=None, ttl=TTL, source=""):
        source, target = source or self.what["source"], self.what["destination"]
        if ":" in target:
            header = IPv6(src=source, dst=target, hlim=ttl, tc=dscp << 2)
        else:
            header = IP(src=source, dst=target, ttl=ttl, tos=dscp << 2, id=number)
        udp = UDP(sport=self.first_port() + number, dport=ROCE_PORT)
        peer = SUITE["ports"][str(self.what["ingress"])]["peer_mac"]
        return Ether(src=peer, dst=mac or SUITE["mac"]) / header / udp / Raw(bytes(48))

    def first_port(self):
        return self.what.get("source_port", FIRST_SOURCE_PORT)

    def exchange(self, frames, wait_s=None):
        """Send frames; returns what came out, as (port, frame), until all have or the wait ends."""
        for frame in frames:
            testutils.send_packet(self, self.what["ingress"], bytes(frame))
        seen = []
        end = time.monotonic() + (wait_s or float(parameters().get("patience", 2)))
        while time.monotonic() < end and len(seen) < max(len(frames), 1):
            polled = self.dataplane.poll(device_number=0, timeout=0.2)
            if isinstance(polled, self.dataplane.PollSuccess):
                frame = Ether(polled.packet)
                if self.is_ours(frame):
                    seen.append((polled.port, frame))
        return seen

    def is_ours(self, frame):
        """It has the addresses and ports that were sent; an interface shows what is sent to it as well."""
        ip = frame.getlayer(IP) or frame.getlayer(IPv6)
        return (
            frame.type == LLDP
            if self.what.get("what") == "LLDP"
            else ip is not None
            and UDP in frame
            and ip.dst == self.what["destination"]
            and frame[UDP].sport >= self.first_port()
            and frame[UDP].dport == ROCE_PORT
        )

    def check_rewritten(self, port, frame, dscp=0):
        ip = frame.getlayer(IP) or frame.getlayer(IPv6)
        ttl = ip.ttl if IP in frame else ip.hlim
        mark = (ip.tos if IP in frame else ip.tc) >> 2
        peer = SUITE["ports"][str(port)]
        self.assertEqual(frame.src, SUITE["mac"], "source MAC address")
        self.assertEqual(frame.dst, peer["peer_mac"], f"destination MAC address towards {peer['peer']}")
        self.assertEqual(ttl, TTL - 1, "TTL")
        self.assertEqual(mark, dscp, "DSCP")
        if IP in frame:
            again = IP(bytes(ip))
            del again.chksum
            self.assertEqual(ip.chksum, IP(bytes(again)).chksum, "header checksum")


class WayTest(SwitchTest):
    """All flows come out once, of planned ports, and every planned port has some.

    Flows differ in source address and port, as not every switch hashes UDP ports (Open vSwitch does not).
    """

    def flow(self, number):
        first = ipaddress.ip_address(self.what["spread"])
        return self.frame(number, source=str(first + number) if len(self.what["egress"]) > 1 else "")

    def runTest(self):  # noqa: N802
        egress = {int(port): weight for port, weight in self.what["egress"].items()}
        flows = self.what["flows"]
        seen = self.exchange([self.flow(number) for number in range(flows)])
        numbers = sorted(frame[UDP].sport - self.first_port() for _, frame in seen)
        self.assertEqual(numbers, list(range(flows)), "each flow's packet once")
        for port, frame in seen:
            self.assertIn(port, egress, f"port that {frame.summary()} came out of")
            self.check_rewritten(port, frame)
        self.assertEqual({port for port, _ in seen}, set(egress), "ports that are used")


class QueueTest(SwitchTest):
    """Packets keep their DSCP, and are counted in its queue where a command counts."""

    def counted(self):
        command = parameters().get("queue_counter", "")
        total = 0
        for port in self.what["egress"] if command else ():
            words = {"switch": SUITE["switch"], "name": SUITE["ports"][port]["name"], "port": port}
            line = command.format(queue=self.what["queue"], **words)
            said = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True).stdout
            found = re.search(r"\d+", said)
            self.assertTrue(found, f"{line} printed no number: {said}")
            total += int(found.group())
        return total if command else None

    def runTest(self):  # noqa: N802
        dscp, packets = self.what["dscp"], self.what["flows"]
        before = self.counted()
        seen = self.exchange([self.frame(number, dscp) for number in range(packets)])
        self.assertEqual(len(seen), packets, "packets that came out")
        for port, frame in seen:
            self.check_rewritten(port, frame, dscp)
        if before is None:
            print(f"queue {self.what['queue']} is not looked at: no queue_counter among the test parameters")
        else:
            self.assertGreaterEqual(self.counted() - before, packets, "packets counted in the queue")


class DropTest(SwitchTest):
    """Nothing comes out of any port."""

    def runTest(self):  # noqa: N802
        made = {
            "another MAC": lambda: self.frame(0, mac="02:ff:ff:ff:ff:fe"),
            "broadcast": lambda: self.frame(0, mac="ff:ff:ff:ff:ff:ff"),
            "VLAN 7": self.tagged,
            "TTL 1": lambda: self.frame(0, ttl=1),
            "LLDP": lambda: Ether(dst="01:80:c2:00:00:0e", type=LLDP) / Raw(bytes(60)),
            "own address": lambda: self.frame(0),
            "discarded": lambda: self.frame(0),
        }
        seen = self.exchange([made[self.what["what"]]()], float(parameters().get("silence", 0.5)))
        self.assertEqual(seen, [], "nothing comes out")

    def tagged(self):
        frame = self.frame(0)
        return Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=7) / frame.payload


class ListTest(SwitchTest):
    """Of the packets that a rule is for, and others beside them, those come out that must, and no others."""

    def made(self, number, what):
        roce = bytes.fromhex(what["payload"])
        payload = Raw(roce + MARKER + number.to_bytes(4, "big"))
        ports = {"sport": what["source_port"], "dport": what["destination_port"]}
        layer = {UDP_PROTOCOL: UDP, TCP_PROTOCOL: TCP}.get(what["protocol"])
        inner = layer(**ports) / payload if layer else payload
        tos = what["dscp"] << 2 | what["ecn"]
        ends = {"src": what["source"], "dst": what["destination"]}
        if ":" in what["destination"]:
            header = IPv6(hlim=what["ttl"], tc=tos, nh=what["protocol"], **ends)
        else:
            header = IP(ttl=what["ttl"], tos=tos, proto=what["protocol"], **ends)
        peer = SUITE["ports"][str(what["ingress"])]["peer_mac"]
        return Ether(src=peer, dst=SUITE["mac"]) / header / inner

    def runTest(self):  # noqa: N802
        packets = self.what["packets"]
        for number, what in enumerate(packets):
            testutils.send_packet(self, what["ingress"], bytes(self.made(number, what)))
        must = {number for number, what in enumerate(packets) if what["egress"]}
        seen = {}
        # Those that must come are waited for, and then whether others come, too.
        end = time.monotonic() + float(parameters().get("patience", 2))
        rest = float(parameters().get("silence", 0.5))
        while (left := end - time.monotonic()) > 0:
            polled = self.dataplane.poll(device_number=0, timeout=min(left, 0.2))
            if isinstance(polled, self.dataplane.PollSuccess):
                number = self.number_of(polled.packet)
                if number is not None:
                    seen.setdefault(number, []).append(polled.port)
            if must <= seen.keys() and rest:
                end, rest = time.monotonic() + rest, 0
        for number, what in enumerate(packets):
            text = f"{self.made(number, what).summary()} into port {what['ingress']}"
            ports = seen.get(number, [])
            if what["egress"]:
                self.assertEqual(len(ports), 1, f"times that it came out: {text}")
                self.assertIn(str(ports[0]), what["egress"], f"port that it came out of: {text}")
            else:
                self.assertEqual(ports, [], f"ports that it came out of, which is to be dropped: {text}")

    def number_of(self, frame):
        """Which of the test's packets it is; None where it is as it was sent, or another's."""
        place = frame.find(MARKER)
        is_routed = Ether(frame).src.lower() == SUITE["mac"].lower()
        return int.from_bytes(frame[place + len(MARKER) :][:4], "big") if place > 0 and is_routed else None


KINDS = {"route": WayTest, "pin": WayTest, "queue": QueueTest, "drop": DropTest, "acl": ListTest}


def classes():
    """A class for each test, as PTF looks for classes: `route_10_0_0_8_29`."""
    for what in SUITE["tests"]:
        name = re.sub(r"\W+", "_", what["name"])
        yield name, type(name, (KINDS[what["kind"]],), {"what": what, "__doc__": what["name"]})


globals().update(classes())
# PTF takes every class with a runTest that it finds for a test.
del WayTest, QueueTest, DropTest, ListTest

for _line in SUITE.get("left_out", []):
    print(f"not tested: {_line}")
