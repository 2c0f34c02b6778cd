"""The P4Runtime side of a switch as one piece: tables, packet path and counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raddle.errors import InputError
from raddle.nos.orch.p4_acl import counter_of
from raddle.nos.p4rt.check import UpdateError
from raddle.nos.p4rt.forwarding import P4Forwarding
from raddle.nos.p4rt.packets import PacketIo
from raddle.nos.p4rt.port_ids import PortIds
from raddle.nos.p4rt.saved import P4Store
from raddle.state import PRIORITIES, SwitchCounters

_PORT_COUNTERS = {
    "port_rx": ("SAI_PORT_STAT_IF_IN_UCAST_PKTS", "SAI_PORT_STAT_IF_IN_OCTETS"),
    "port_tx": ("SAI_PORT_STAT_IF_OUT_UCAST_PKTS", "SAI_PORT_STAT_IF_OUT_OCTETS"),
}
_CLASS_COUNTERS = {
    "class_tx": ("SAI_QUEUE_STAT_PACKETS", "SAI_QUEUE_STAT_BYTES"),
    "class_marked": ("SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS", "SAI_QUEUE_STAT_WRED_ECN_MARKED_BYTES"),
}


class P4Side:
    """What a P4Runtime server needs of a switch.

    Attributes:
        forwarding: pipeline and entities.
        packets: packets from and to the controller.
    """

    def __init__(
        self,
        device_id: int,
        is_pins: bool,
        ports: Sequence[str],
        counters: Callable[[], SwitchCounters],
        saved: P4Store | None = None,
    ) -> None:
        """Boot with what is `saved`, or empty.

        Raises:
            InputError: `bad-saved-tables`.
        """
        ids = PortIds(ports)
        try:
            self.forwarding = P4Forwarding(
                device_id, is_pins, self._counts, saved, self._direct_counts,
                has_port=lambda value: ids.name(value, is_text=is_pins) is not None,
            )  # fmt: skip
        except (OSError, ValueError, UpdateError) as error:
            assert saved
            raise InputError.of(
                "bad-saved-tables", f"cannot boot from '{saved.path}': {error}", "remove the file"
            ) from None
        self.packets = PacketIo(self.forwarding, ids)
        self._ports = tuple(ports)
        self._counters = counters

    def _direct_counts(self, table: str, label: str) -> tuple[int, int]:
        """(packets, bytes) that the ASIC has matched with a pin or an entry of an access list."""
        return self._counters().acl.get(counter_of(table, label), (0, 0))

    def _counts(self, name: str, index: int) -> tuple[int, int]:
        """(packets, bytes) that the ASIC has counted for an indexed counter of `p4/fabric.p4`."""
        counters = self._counters()
        is_class = name in _CLASS_COUNTERS
        number, tc = divmod(index, PRIORITIES) if is_class else (index, 0)
        if not 0 < number <= len(self._ports) or self._ports[number - 1] not in counters.ports:
            return 0, 0
        place = counters.ports.index(self._ports[number - 1])
        if is_class:
            of_queue = [counters.queue.get(stat) for stat in _CLASS_COUNTERS[name]]
            packets, octets = (int(column[place][tc]) if column is not None else 0 for column in of_queue)
            return packets, octets
        of_port = [counters.port.get(stat) for stat in _PORT_COUNTERS.get(name, ())]
        packets, octets = (
            int(column[place]) if column is not None else 0 for column in of_port or (None, None)
        )
        return packets, octets
