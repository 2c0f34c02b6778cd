"""`raddle up`: the simulated switches of a fabric, until interrupted."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from controller.plan import make_plan
from raddle.cli.options import DEFAULT_INVENTORY, FabricArg, InventoryOption, load_fabric
from raddle.inventory import Inventory
from raddle.lab.switches import switch_farm


def up(fabric: FabricArg, inventory: InventoryOption = DEFAULT_INVENTORY) -> None:
    """Start all switches of a fabric, each with its own gNMI endpoint on this machine, and stay.

    They boot without addresses and routes ('raddle apply' brings those). The inventory file is written when
    all of them answer, and removed at the end; Ctrl-C or SIGTERM ends it.
    """
    model = load_fabric(fabric)
    signal.signal(signal.SIGTERM, _interrupt)
    with switch_farm(model, make_plan(model, "ecmp")) as farm:
        Inventory(model.name, dict(farm.addresses)).save(inventory)
        try:
            for name, address in farm.addresses.items():
                print(f"{name:<12} gNMI {address}")
            print(f"inventory in {inventory}; Ctrl-C stops the switches", file=sys.stderr, flush=True)
            sys.stdout.flush()
            signal.pause()
        finally:
            inventory.unlink(missing_ok=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
