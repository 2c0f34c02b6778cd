"""CPU time of `raddle serve` beside 80 switches of 64 ports at 1 Hz, and how many samples came.

The switches run in this process, without traffic, whose longer numbers make longer samples; what is measured
is the other one, with a reader of its page's events. A machine that is too slow for the switches gives fewer
samples than 80 a second: the CPU time of a sample tells what 80 take.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from benchmarks.controller import cpu_s, resident_bytes
from benchmarks.nos import FABRIC
from raddle.controller.plan import make_plan
from raddle.inventory import Inventory
from raddle.lab.switches.programmed import switch_farm
from raddle.topology import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "eighty.yaml"
        file.write_text(FABRIC)
        fabric = load(file)
        with switch_farm(fabric, make_plan(fabric, "ecmp")) as farm:
            Inventory(fabric.name, dict(farm.addresses)).save(folder / "raddle-inventory.json")
            command = [sys.executable, "-m", "raddle", "serve", str(file), "--listen", "127.0.0.1:0"]
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout
                address = process.stdout.readline().strip()
                threading.Thread(target=_read, args=(address,), daemon=True).start()
                time.sleep(20)
                before_s, samples = cpu_s(process.pid), _samples(address)
                time.sleep(seconds)
                spent_s, taken = cpu_s(process.pid) - before_s, _samples(address) - samples
                print(
                    f"serve    {len(fabric.switches)} switches, {seconds} s: {spent_s / seconds:.2f} cores, "
                    f"{spent_s / taken * 80:.2f} at 80 samples/s, "
                    f"{taken} samples, {resident_bytes(process.pid) / 2**20:.0f} MiB"
                )
                process.terminate()


def _read(address: str) -> None:
    with urllib.request.urlopen(f"{address}events") as answer:
        for _ in answer:
            pass


def _samples(address: str) -> int:
    with urllib.request.urlopen(f"{address}metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("raddle_switch_samples_total{"))


if __name__ == "__main__":
    main()
