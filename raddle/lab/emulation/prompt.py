"""Mininet's prompt. Import after `programs.load_mininet`, inside the sandbox."""

from __future__ import annotations

import shutil

from mininet.cli import CLI
from mininet.log import setLogLevel

from raddle.lab.emulation.iperf import tcp_mbps
from raddle.lab.emulation.network import Network


class Prompt(CLI):  # type: ignore[misc]
    """Mininet's commands; `iperf` takes iperf3, as Mininet's waits for ever where telnet is missing."""

    def __init__(self, network: Network) -> None:
        self._network = network
        super().__init__(network.net)

    def do_iperf(self, line: str) -> None:
        """iperf HOST HOST: what a TCP stream between two hosts carries."""
        nics = {nic.host: nic for nic in reversed(self._network.layout.nics)}
        names = line.split() or [self._network.layout.nics[0].host, self._network.layout.nics[-1].host]
        unknown = [name for name in names if name not in nics]
        if len(names) != 2 or unknown or names[0] == names[1]:
            print(f"no host '{unknown[0]}'" if unknown else "iperf HOST HOST, two different ones")
        elif not shutil.which("iperf3"):
            print("iperf needs 'iperf3' (Debian: apt-get install iperf3)")
        else:
            src, dst = ((name, nics[name].address) for name in names)
            print(f"{names[0]} -> {names[1]}: {tcp_mbps(self._network, src, dst):.1f} Mbit/s")

    def do_iperfudp(self, line: str) -> None:
        """Not here."""
        print(
            f"there is no UDP test; run a program of your own: {line.split()[-1] if line else 'HOST'} COMMAND"
        )


def prompt(network: Network) -> None:
    """The prompt, until the user leaves it."""
    setLogLevel("output")
    Prompt(network)
