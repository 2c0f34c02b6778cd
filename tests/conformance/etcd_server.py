"""A real etcd, private to a test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_etcd = pytest.mark.skipif(
    shutil.which("etcd") is None, reason="no etcd here ('apt-get install etcd-server')"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def etcd(folder: Path) -> Iterator[str]:
    """An etcd that ends with the context: its address, `127.0.0.1:PORT`."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    words = [
        "etcd", "--data-dir", str(folder / "etcd"),
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}",
    ]  # fmt: skip
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end_s = time.monotonic() + 30
            while not is_healthy(client):
                assert process.poll() is None, "etcd has ended"
                assert time.monotonic() < end_s, "etcd does not start"
                time.sleep(0.05)
            yield client.removeprefix("http://")
        finally:
            process.kill()


def is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return b"true" in answer.read()
    except (OSError, urllib.error.URLError):
        return False
