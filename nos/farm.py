"""All simulated switches of a fabric in one process, each with its own endpoint for gNMI and P4Runtime."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from finsy.proto.gnmi1 import gnmi_pb2
from grpc_reflection.v1alpha import reflection

from raddle.errors import Diagnostic, InputError
from raddle.nos.db.store import ConfigStore
from raddle.nos.orch.appl_db import Neighbors
from raddle.nos.server import gnoi, p4runtime
from raddle.nos.server.auth import identify
from raddle.nos.server.changes import Changes, at_once
from raddle.nos.server.console import console_handler
from raddle.nos.server.gnmi import GnmiService
from raddle.nos.server.gnoi import GnoiSystem
from raddle.nos.server.p4runtime import P4RuntimeService, p4runtime_handler
from raddle.nos.server.passwords import Passwords
from raddle.nos.server.subscribe import check_is_up
from raddle.nos.server.wire import gnmi_handler
from raddle.nos.server.work import MAX_CONCURRENT_CALLS, STOP_S, Work
from raddle.nos.switch import BootConfig, SimulatedSwitch, YangJudge

if TYPE_CHECKING:
    from raddle.nos.server.redis_databases import RedisDatabases

BOOT_S = 2.0
"""Seconds that a reboot of a simulated switch takes; hardware takes minutes."""

_GNMI = gnmi_pb2.DESCRIPTOR.services_by_name["gNMI"].full_name
MAX_REQUEST_BYTES = 4 * 2**20
"""Of gNMI, as sonic-gnmi has it where nobody says otherwise (telemetry.go, max_recv_msg_size)."""
MAX_P4_REQUEST_BYTES = 16 * 2**20
"""Of switches that are given a pipeline."""
MAX_ANSWER_BYTES = 64 * 2**20
_OPTIONS = (
    ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
    ("grpc.max_concurrent_streams", MAX_CONCURRENT_CALLS),
    ("grpc.so_reuseport", 0),  # A port that is taken is an error, not a second listener.
)


Cable = tuple[tuple[str, str], tuple[str, str]]
"""Both ends of a cable as (switch, port)."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM bytes: the server's certificate chain and key, and the CA of the clients (None: any client)."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None


class SwitchFarm:
    """The switches of a fabric, serving while the context is open.

    One background thread runs the event loop of all servers. Without TLS only a loopback address can be
    bound.

        with SwitchFarm(boots, carriers) as farm:
            farm.addresses["leaf0"]          # "127.0.0.1:40123"
            farm.switches["leaf0"].state()   # what leaf0 forwards with

    Attributes:
        switches: by name; their state can be read from any thread, also after the farm has stopped.
        addresses: `host:port` by switch name; empty while the farm is not running.
        redis_ports: TCP port on loopback of each switch's redis-server, if there are any.
    """

    def __init__(
        self,
        boots: Mapping[str, BootConfig],
        carriers: Mapping[str, frozenset[str]],
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        tls: ServerTls | None = None,
        users: Mapping[str, str] | None = None,
        state_folder: Path | None = None,
        redis_folder: Path | None = None,
        cables: Sequence[Cable] = (),
        neighbors: Mapping[str, Neighbors] | None = None,
        boot_s: float = BOOT_S,
        tell: Callable[[str], None] = lambda text: None,
        yang: YangJudge | None = None,
    ) -> None:
        """Boot every switch.

        Args:
            boots: boot configuration by switch name.
            carriers: the ports with light, by switch name.
            host: address to bind; a loopback one unless there is TLS.
            ports: TCP port by switch name; a switch that is missing gets a free one.
            tls: serve TLS with it, with client certificates if it has their CA.
            state_folder: keep each switch's CONFIG_DB in `NAME/config_db.json` there, and boot from it.
            redis_folder: serve each switch's databases from a redis-server that works in `NAME` there.
            cables: live cables between switches: a port that is shut puts out the light at the other end.
            neighbors: by switch what LLDP and ARP find at its ports.
            boot_s: seconds of wall time that a reboot takes.
            tell: hears, in words, what goes wrong while the switches run.
            yang: judges Sets on switches that hold tables which they have no schema of.
            users: passwords by user name, for switches whose GNMI|gnmi user_auth is `password`.

        Raises:
            InputError: a configuration is refused (all problems of all switches), or `host` is not a
                loopback address and there is no TLS.
        """
        if tls is None and not is_loopback(host):
            raise InputError.of(
                "not-loopback",
                f"cannot bind '{host}': connections are plain text, so the address must be a loopback one",
                "use 127.0.0.1, or give TLS files",
            )
        self._host = host
        self._tls = tls
        self._passwords = Passwords(dict(users or {}))
        self._work = Work()
        self._ports = dict(ports or {})
        self._boot_s = boot_s
        self._pulled: set[frozenset[tuple[str, str]]] = set()
        self.switches: dict[str, SimulatedSwitch] = _boot(
            boots, carriers, state_folder, neighbors or {}, yang
        )
        self._follow: dict[frozenset[tuple[str, str]], list[Callable[[], None]]] = {}
        for ends in cables:
            self._follow[frozenset(ends)] = [self._join(*ends), self._join(*reversed(ends))]
        self._far_end = far_end = {near: far for ends in cables for near, far in (ends, ends[::-1])}
        for switch in self.switches.values():
            if switch.p4:
                switch.p4.packets.transmit = partial(self._carry, far_end, switch)
        self.addresses: dict[str, str] = {}
        self.redis_ports: dict[str, int] = {}
        self._redis_folder = redis_folder
        self._redis: dict[str, RedisDatabases] = {}
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._servers: list[grpc.aio.Server] = []

    def plug(self, switch: str, port: str, is_in: bool) -> None:
        """Pull out the cable to another switch at a port, or plug it in again.

        Raises:
            KeyError: no such cable was plugged in when the switches started.
        """
        near = (switch, port)
        cable = frozenset((near, self._far_end[near]))
        (self._pulled.discard if is_in else self._pulled.add)(cable)
        for follow in self._follow[cable]:
            follow()

    def _join(self, near: tuple[str, str], far: tuple[str, str]) -> Callable[[], None]:
        """Let the light at the far end follow the port at the near end, unless the cable is pulled out.

        Ports of unlike speed, or of unlike FEC where both are set to one, do not come to a link.
        """
        (switch, port), (peer, peer_port) = near, far
        here, there = self.switches[switch], self.switches[peer]
        was_there = there.has_port(peer_port)

        def follow() -> None:
            is_lit = here.is_enabled(port) and frozenset((near, far)) not in self._pulled
            is_lit = is_lit and _is_one_signal(here.port_signal(port), there.port_signal(peer_port))
            if there.has_port(peer_port) and there.has_carrier(peer_port) != is_lit:
                there.set_carrier(peer_port, is_lit)

        def follow_anew() -> None:
            """A port that the far end has got back; one whose light somebody has cut stays dark."""
            nonlocal was_there
            is_back, was_there = not was_there and there.has_port(peer_port), there.has_port(peer_port)
            if is_back:
                follow()

        here.watch(follow)
        there.watch(follow_anew)
        follow()
        return follow

    def _carry(
        self,
        far_end: Mapping[tuple[str, str], tuple[str, str]],
        switch: SimulatedSwitch,
        port: str,
        frame: bytes,
    ) -> None:
        """A frame of a controller leaves a switch; a switch at the far end of a live cable gets it."""
        peer, peer_port = far_end.get((switch.name, port), ("", ""))
        receiver = self.switches[peer].p4 if peer else None
        if receiver and switch.is_enabled(port) and switch.has_carrier(port):
            receiver.packets.receive(peer_port, frame)

    def __enter__(self) -> SwitchFarm:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_ignore_shared_poller)
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="switch-farm", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), loop).result()
        except BaseException:
            self._shut_down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shut_down()

    async def _start_redis(self, folder: Path) -> None:
        # Imported here: the Redis client takes a third of a second that no other command needs.
        from raddle.nos.server.redis_databases import RedisDatabases

        for name, switch in self.switches.items():
            server = RedisDatabases(switch, folder / name, self._tell)
            self._redis[name] = server
            await server.start(_free_port())
            self.redis_ports[name] = server.port

    async def _start(self) -> None:
        self._work = Work()
        if self._redis_folder:
            await self._start_redis(self._redis_folder)
        for name, switch in self.switches.items():
            most_bytes = MAX_P4_REQUEST_BYTES if switch.p4 else MAX_REQUEST_BYTES
            server = grpc.aio.server(options=(*_OPTIONS, ("grpc.max_receive_message_length", most_bytes)))
            settle = self._redis[name].flush if name in self._redis else at_once
            changes = Changes(switch, self._work, settle)
            gnmi = GnmiService(switch, self._passwords, self._work, changes)
            system = GnoiSystem(switch, self._passwords, self._work, self._boot_s)
            plug = partial(self.plug, name)
            console = console_handler(switch, self._passwords, self._work, changes, self._boot_s, plug)
            server.add_generic_rpc_handlers((gnmi_handler(gnmi, self._work), system.handler(), console))
            names = [_GNMI, gnoi.SERVICE, reflection.SERVICE_NAME]
            if switch.p4:
                service = P4RuntimeService(
                    switch.p4.forwarding,
                    switch.p4.packets,
                    self._work,
                    partial(_authorize_p4, switch, self._passwords),
                )
                server.add_generic_rpc_handlers((p4runtime_handler(service, self._work),))
                names.append(p4runtime.SERVICE)
            reflection.enable_server_reflection(names, server)
            wanted = f"{_bracketed(self._host)}:{self._ports.get(name, 0)}"
            try:
                port = self._listen(server, wanted)
            except RuntimeError:
                raise InputError.of(
                    "port-in-use", f"{name}: cannot listen on {wanted}", "choose another port"
                ) from None
            self._servers.append(server)
            await server.start()
            self.addresses[name] = f"{_bracketed(self._host)}:{port}"

    def _listen(self, server: grpc.aio.Server, wanted: str) -> int:
        tls = self._tls
        if tls is None:
            return server.add_insecure_port(wanted)
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
        )
        return server.add_secure_port(wanted, credentials)

    async def _stop(self) -> None:
        await self._work.stop()
        await asyncio.gather(*(server.stop(grace=None) for server in self._servers))
        await asyncio.gather(*(server.stop() for server in self._redis.values()))
        # What still waits for its turn waits for nothing any more.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=STOP_S)

    def _shut_down(self) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        # CORRECTNESS: the last server to go closes the socket that the loop polls; the loop stands by then.
        self._servers.clear()
        self.addresses.clear()
        self._redis.clear()
        self.redis_ports.clear()
        loop.close()
        self._loop = self._thread = None


def _boot(
    boots: Mapping[str, BootConfig],
    carriers: Mapping[str, frozenset[str]],
    state_folder: Path | None,
    neighbors: Mapping[str, Neighbors],
    yang: YangJudge | None,
) -> dict[str, SimulatedSwitch]:
    switches: dict[str, SimulatedSwitch] = {}
    problems: list[Diagnostic] = []
    lock = threading.RLock()
    for name, boot in boots.items():
        try:
            store = ConfigStore(state_folder / name / "config_db.json") if state_folder else None
            carrier = carriers.get(name, frozenset())
            switches[name] = SimulatedSwitch(name, boot, carrier, store, lock, neighbors.get(name), yang)
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(problems)
    return switches


def _authorize_p4(
    switch: SimulatedSwitch,
    passwords: Passwords,
    context: grpc.aio.ServicerContext[Any, Any],
    writes: bool,
) -> None:
    """P4Runtime asks for the roles of gNMI: `gnmi_readwrite`, or `gnmi_p4rt_readonly` for it alone."""
    check_is_up(switch)
    identify(switch.databases.config, passwords, context).check_p4rt(writes)


def _is_one_signal(near: tuple[str, str], far: tuple[str, str]) -> bool:
    return near[0] == far[0] and (near[1] == far[1] or not (near[1] and far[1]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ignore_shared_poller(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what goes wrong in the loop, but for grpc's poller.

    All event loops of a process share grpc.aio's completion queue and its wake-up pipe. Where another thread
    uses grpc.aio too, a loop can find the pipe already emptied by the other, which is harmless.
    """
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
