"""Whether a switch is well: what a push must not make worse."""

from __future__ import annotations

from dataclasses import dataclass

from controller.southbound.gnmi import GnmiClient
from controller.southbound.sonic import Tables


@dataclass(frozen=True, slots=True)
class Health:
    """Ports that are oper up, and queues (`Ethernet0:3`) that the PFC watchdog holds in a storm."""

    up: frozenset[str] = frozenset()
    stormed: frozenset[str] = frozenset()

    def worse(self, now: Health, wanted: Tables) -> str:
        """What is worse `now` than it was, in words; empty if nothing is.

        A port that the plan takes down may be down.
        """
        ports = wanted.get("PORT", {})
        lost = sorted(
            port for port in self.up - now.up if ports.get(port, {}).get("admin_status", "up") == "up"
        )
        if lost:
            return f"{len(lost)} ports that were up are down, the first {lost[0]},"
        storms = sorted(now.stormed - self.stormed)
        return f"the PFC watchdog reports a storm on {storms[0]}" if storms else ""


def read_health(client: GnmiClient) -> Health:
    """Two Gets: oper status of the ports in APPL_DB, and the watchdog's view of the queues."""
    ports = client.read_tables("APPL_DB", ("PORT_TABLE",))["PORT_TABLE"]
    queues = client.read_counters("COUNTERS", "Ethernet*", "Pfcwd")
    return Health(
        up=frozenset(port for port, fields in ports.items() if fields.get("oper_status") == "up"),
        stormed=frozenset(
            queue for queue, fields in queues.items() if fields.get("PFC_WD_STATUS") == "stormed"
        ),
    )
