"""The one function from databases to `SwitchState`."""

from __future__ import annotations

from functools import lru_cache

from raddle.nos.db.databases import ConfigDb, HashDb
from raddle.nos.orch.acl import derive_acl
from raddle.nos.orch.ars import ArsSelector, derive_ars
from raddle.nos.orch.buffers import derive_buffers
from raddle.nos.orch.hash import derive_hash
from raddle.nos.orch.ports import derive_ports
from raddle.nos.orch.qos import derive_qos, derive_wred
from raddle.nos.orch.routes import derive_routes
from raddle.nos.orch.watchdog import derive_watchdogs, is_big_red_switch, with_big_red_switch
from raddle.state import PRIORITIES, PortState, QueueState, SwitchState

_Indices = tuple[int | None, ...]


@lru_cache(maxsize=1 << 10)
def _queues(weights: tuple[int, ...], wred: _Indices, buffers: _Indices) -> tuple[QueueState, ...]:
    """The queues of a port, which most ports have alike."""
    return tuple(map(QueueState, weights, wred, buffers))


def derive(config: ConfigDb, appl: HashDb) -> SwitchState:
    """What a switch forwards with, given a valid CONFIG_DB and its APPL_DB.

    Carrier comes from APPL_DB `PORT_TABLE:<port>` `oper_status`, the hash seed and offset from
    `SWITCH_TABLE:switch` (`ecmp_hash_seed`, `ecmp_hash_offset`); everything else is CONFIG_DB. The name is
    the hostname in DEVICE_METADATA.
    """
    ports = derive_ports(config, appl)
    buffers = derive_buffers(config)
    qos = derive_qos(config, [port.name for port in ports])
    unbound: list[int | None] = [None] * PRIORITIES
    watchdogs = derive_watchdogs(config)
    states = []
    for port in ports:
        port_qos = qos[port.name]
        queue_buffers = buffers.queues.get(port.name, unbound)
        states.append(
            PortState(
                name=port.name,
                is_admin_up=port.is_admin_up,
                speed_bps=port.speed_bps,
                mtu_bytes=port.mtu_bytes,
                dscp_to_tc=port_qos.dscp_to_tc,
                tc_to_queue=port_qos.tc_to_queue,
                tc_to_pg=port_qos.tc_to_pg,
                pfc_to_queue=port_qos.pfc_to_queue,
                pfc_enable=port_qos.pfc_enable,
                pgs=tuple(buffers.pgs.get(port.name, unbound)),
                queues=_queues(port_qos.weights, port_qos.wred, tuple(queue_buffers)),
                watchdog=watchdogs.get(port.name),
            )
        )
    algorithm, fields = derive_hash(config)
    switch = appl.get("SWITCH_TABLE", {}).get("switch", {})
    live_ports = {port.name: index for index, port in enumerate(ports) if port.is_oper_up}
    state = SwitchState(
        name=str(config.get("DEVICE_METADATA", {}).get("localhost", {}).get("hostname", "")),
        hash_seed=int(switch.get("ecmp_hash_seed", "0")),
        ports=tuple(states),
        routes=derive_routes(config, live_ports, ArsSelector(config).choice_of),
        buffer_pools=buffers.pools,
        buffer_profiles=buffers.profiles,
        wred_profiles=derive_wred(config),
        hash_algorithm=algorithm,
        hash_fields=fields,
        hash_offset=int(switch.get("ecmp_hash_offset", "0")),
        acl_tables=derive_acl(config, states),
        ars=derive_ars(config, states),
    )
    return with_big_red_switch(config, state) if is_big_red_switch(config) else state
