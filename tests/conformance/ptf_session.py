"""A leaf as an Open vSwitch, programmed by raddle and then tested by PTF with what `raddle render` wrote.

Usage: ptf_session.py FOLDER PTF FABRIC.yaml [TEST...]; prints what PTF says. With BREAK in the environment an
entry of another application steals a pin's packets before PTF looks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import raddle
from raddle.cli.main import app
from raddle.controller.plan import make_plan
from raddle.lab.workloads.collective import collective_demand

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.conformance.ovs_leaf import program, run, start_switch


def main() -> None:
    folder, ptf, file = (Path(word) for word in sys.argv[1:4])
    fabric = raddle.load(file)
    plan = make_plan(fabric, "pinned", collective_demand(fabric, "all_reduce", None))
    leaf = plan.switches[0]
    app(["render", str(file), "--switch", leaf.name, "--format", "ptf", "-o", str(folder / "suite")],
        standalone_mode=False)  # fmt: skip
    daemons = start_switch(leaf, folder)
    try:
        assert program(plan, leaf) == "openflow, in sync"
        if stolen := os.environ.get("BREAK"):
            run(f"ovs-ofctl -O OpenFlow13 add-flow {leaf.name} '{stolen}'")
        numbers = [number for number, port in enumerate(leaf.ports, 1) if port.peer]
        words = [str(ptf), "--test-dir", str(folder / "suite"), "--platform", "eth"]
        for place, number in enumerate(numbers):
            words += ["--interface", f"{number}@h{place}"]
        words += sys.argv[4:]
        words += ["--test-params", f"suite='{folder}/suite/{leaf.name}.json';patience=5.0"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
        print(done.stdout, done.stderr)
        sys.exit(done.returncode)
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()


main()
