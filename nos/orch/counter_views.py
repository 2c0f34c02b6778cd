"""What COUNTERS_DB makes of counts: rates and watermarks.

Source: sonic-swss port_rates.lua (RATES), watermarkorch.cpp (USER_WATERMARKS, PERSISTENT_WATERMARKS,
PERIODIC_WATERMARKS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nos.db.databases import ConfigDb
from nos.orch.flex_counters import disabled_groups, poll
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
        at_period: what had been polled when the present period of PERIODIC_WATERMARKS began.
    """

    asic: SwitchCounters = field(default_factory=SwitchCounters)
    now: SwitchCounters = field(default_factory=SwitchCounters)
    at_boot: SwitchCounters = field(default_factory=SwitchCounters)
    stretch: tuple[SwitchCounters, SwitchCounters] = (SwitchCounters(), SwitchCounters())
    at_period: SwitchCounters = field(default_factory=SwitchCounters)

    def then(self, asic: SwitchCounters, config: ConfigDb) -> Counted:
        """The same some time later, when the ASIC has counted `asic`."""
        disabled = disabled_groups(config)
        now = poll(self.now, asic, disabled)
        is_new_period = asic.time_ps // _PERIOD_PS > self.now.time_ps // _PERIOD_PS
        return Counted(
            asic,
            now,
            self.at_boot,
            self.stretch if disabled & {"PORT", "PORT_RATES"} else (self.stretch[1], asic),
            self.now if is_new_period else self.at_period,
        )

    def rebooted(self) -> Counted:
        """The same after a reboot: it all counts from now on."""
        return Counted(self.asic, self.asic, self.asic, (self.asic, self.asic), self.at_period)


_PERIOD_PS = 120 * 10**12  # watermarkorch.h, DEFAULT_TELEMETRY_INTERVAL


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


class PeriodicWatermarks(Mapping[str, Hash]):
    """oid -> the watermarks of the present period, those that are known.

    The ASIC keeps its highest mark for good. Of a period that has not topped an earlier one, the mark is not
    known, and is left out.
    """

    def __init__(self, now: Mapping[str, Hash], at_period: Mapping[str, Hash]) -> None:
        self._now = now
        self._at_period = at_period

    def __getitem__(self, oid: str) -> Hash:
        before = self._at_period[oid]
        return {
            name: value
            for name, value in self._now[oid].items()
            if int(value) > int(before[name]) or value == "0"
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)


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
