"""What COUNTERS_DB makes of counts: what has been polled, and rates.

Source: sonic-swss port_rates.lua (RATES).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from raddle.nos.db.databases import ConfigDb
from raddle.nos.orch.flex_counters import WATERMARK_GROUPS, disabled_groups, poll
from raddle.nos.orch.watermarks import WatermarkTables
from raddle.state import SwitchCounters

Hash = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a switch has counted, as far as its counters have been polled.

    Attributes:
        asic: what the ASIC has counted, polled or not.
        now: what was polled last; groups that FLEX_COUNTER_TABLE disables stay as they were.
        at_boot: what the ASIC had counted when the switch booted.
        stretch: the two polls that rates are taken between.
        watermarks: the highest marks by whom they are kept for.
    """

    asic: SwitchCounters = field(default_factory=SwitchCounters)
    now: SwitchCounters = field(default_factory=SwitchCounters)
    at_boot: SwitchCounters = field(default_factory=SwitchCounters)
    stretch: tuple[SwitchCounters, SwitchCounters] = (SwitchCounters(), SwitchCounters())
    watermarks: WatermarkTables = field(default_factory=WatermarkTables)

    def then(self, asic: SwitchCounters, config: ConfigDb) -> Counted:
        """The same some time later, when the ASIC has counted `asic`."""
        disabled = disabled_groups(config)
        return Counted(
            asic,
            poll(self.now, asic, disabled),
            self.at_boot,
            self.stretch if disabled & {"PORT", "PORT_RATES"} else (self.stretch[1], asic),
            self.watermarks.then(asic, self.asic.time_ps, disabled),
        )

    def rebooted(self) -> Counted:
        """The same after a reboot: it all counts from now on."""
        now = poll(SwitchCounters(), self.asic, WATERMARK_GROUPS)
        return Counted(self.asic, now, self.asic, (self.asic, self.asic))


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
        self._stretch = counted.stretch

    def __getitem__(self, oid: str) -> Hash:
        port = self._ports[oid]
        before, now = self._stretch
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
