"""A fabric's accelerators as numpy columns: the NIC ports that each uses and its scale-up domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raddle.topology.devices import Endpoint, Host


@dataclass(frozen=True, slots=True, eq=False)
class AcceleratorColumns:
    """The A accelerators of a fabric, host by host.

    A host that names none has one for each NIC, a router outside none; NICs on different planes are one's.

    Attributes:
        host: int32[A], index of the host.
        number: int32[A], in its host.
        endpoint_offsets: int64[A + 1], accelerator i uses the NIC ports
            `endpoints[endpoint_offsets[i]:endpoint_offsets[i + 1]]`; accelerators may share a NIC.
        endpoints: int32, by NIC and port.
        domain: int32[A], scale-up domain; -1 outside of any.
    """

    host: NDArray[np.int32]
    number: NDArray[np.int32]
    endpoint_offsets: NDArray[np.int64]
    endpoints: NDArray[np.int32]
    domain: NDArray[np.int32]

    @classmethod
    def of(cls, hosts: Sequence[Host], endpoints: Iterable[Endpoint]) -> AcceleratorColumns:
        ports: list[dict[int, list[int]]] = [{} for _ in hosts]
        for endpoint in endpoints:
            ports[endpoint.host].setdefault(endpoint.accelerator, []).append(endpoint.index)
        owners: list[int] = []
        numbers: list[int] = []
        used: list[list[int]] = []
        for host in hosts:
            for number in range(accelerators_of(host, ports[host.index])):
                owners.append(host.index)
                numbers.append(number)
                # One without a NIC of its own shares that of the one before.
                used.append(ports[host.index].get(number) or used[-1])
        host_column = np.array(owners, np.int32)
        domains = np.array([host.domain for host in hosts], np.int32)
        return cls(
            host=host_column,
            number=np.array(numbers, np.int32),
            endpoint_offsets=np.cumsum([0, *map(len, used)]).astype(np.int64),
            endpoints=np.array([port for each in used for port in each], np.int32),
            domain=domains[host_column],
        )

    @property
    def count(self) -> int:
        return len(self.host)


def accelerators_of(host: Host, ports: dict[int, list[int]]) -> int:
    """How many accelerators a host has; `ports` are those of each. A router outside has none."""
    if host.outside:
        return 0
    return host.accelerators.count if host.accelerators else len(ports)
