"""`raddle` commands as forks of one process that has imported all: that takes most of a command's time.

`forked_commands` puts a `raddle` into a folder that hands its arguments, folder, environment and files to
that process, and ends with the command's exit code. A signal to it does not reach the command.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

CLIENT = """\
#!{python} -SE
import marshal, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"."], [0, 1, 2])
server.sendall(marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environ))))
server.shutdown(socket.SHUT_WR)
sys.exit(server.recv(1)[0])
"""


@contextmanager
def forked_commands(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A folder for PATH with a `raddle` in it; commands may override `environment`."""
    address, tool = folder / "socket", folder / "raddle"
    tool.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    tool.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.forked", str(address)],
        env=environment, cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not address.exists():
                assert process.poll() is None, "the process that forks ended"
                assert time.monotonic() < deadline, "the process that forks took over 60 s to import"
                time.sleep(0.02)
            yield folder
        finally:
            process.terminate()


def main() -> None:
    from raddle.cli.main import COMMANDS

    for name in COMMANDS:
        import_module(f"raddle.cli.{name}_" if name == "import" else f"raddle.cli.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    ready = f"{sys.argv[1]}.new"
    listener.bind(ready)
    listener.listen()
    os.rename(ready, sys.argv[1])
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            run(client)
        client.close()


def run(client: socket.socket) -> None:
    """Be the command that the client asks for, and end."""
    from raddle.cli.main import main as command

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    with client.makefile("rb") as request:
        words, folder, environment = marshal.loads(request.read())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["raddle", *words]
    code: object = 1
    try:
        command()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        client.sendall(bytes([code if isinstance(code, int) else int(code is not None)]))
        os._exit(0)


if __name__ == "__main__":
    main()
