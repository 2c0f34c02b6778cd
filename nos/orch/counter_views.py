"""What COUNTERS_DB makes of counts: rates and watermarks.

Source: sonic-swss port_rates.lua (RATES), watermarkorch.cpp (USER_WATERMARKS, PERSISTENT_WATERMARKS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from raddle.state import SwitchCounters

Hash = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counted:
    """What the ASIC has counted now, some time before, and when the switch booted."""

    now: SwitchCounters = field(default_factory=SwitchCounters)
    before: SwitchCounters = field(default_factory=SwitchCounters)
    at_boot: SwitchCounters = field(default_factory=SwitchCounters)

    def then(self, now: SwitchCounters) -> Counted:
        """The same some time later."""
        return Counted(now, self.now, self.at_boot)

    def rebooted(self) -> Counted:
        """The same after a reboot: it all counts from now on."""
        return Counted(self.now, self.now, self.now)


class Watermarks(Mapping[str, Hash]):
    """oid -> the watermarks of a queue or priority group."""

    def __init__(self, objects: Mapping[str, Hash], oids: Sequence[str]) -> None:
        self._objects = objects
        self._oids = oids

    def __getitem__(self, oid: str) -> Hash:
        return {name: value for name, value in self._objects[oid].items() if "WATERMARK" in name}

    def __iter__(self) -> Iterator[str]:
        return iter(self._oids)

    def __len__(self) -> int:
        return len(self._oids)


_RATES = {
    "RX_BPS": "SAI_PORT_STAT_IF_IN_OCTETS",
    "RX_PPS": "SAI_PORT_STAT_IF_IN_UCAST_PKTS",
    "TX_BPS": "SAI_PORT_STAT_IF_OUT_OCTETS",
    "TX_PPS": "SAI_PORT_STAT_IF_OUT_UCAST_PKTS",
}
_PS_PER_S = 10**12


class Rates(Mapping[str, Hash]):
    """oid of a port -> bytes and packets a second, without the smoothing of SONiC's counter plugin.

    `ports` are the names of the ports by oid.
    """

    def __init__(self, ports: Mapping[str, str], counted: Counted) -> None:
        self._ports = ports
        self._counted = counted

    def __getitem__(self, oid: str) -> Hash:
        port = self._ports[oid]
        now, before = self._counted.now, self._counted.before
        elapsed_ps = now.time_ps - before.time_ps
        rates = {}
        for name, stat in _RATES.items():
            counts = [
                each.port[stat][each.ports.index(port)] if stat in each.port and port in each.ports else 0
                for each in (now, before)
            ]
            rate = (counts[0] - counts[1]) * _PS_PER_S / elapsed_ps if elapsed_ps > 0 else 0.0
            rates[name] = f"{rate:.6f}"
        return rates

    def __iter__(self) -> Iterator[str]:
        return iter(self._ports)

    def __len__(self) -> int:
        return len(self._ports)
