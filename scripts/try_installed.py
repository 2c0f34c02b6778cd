"""Tries an installed raddle away from its sources: the command, and a user's own modules beside a script.

Usage: PYTHON scripts/try_installed.py    PYTHON: the one that raddle is installed for

A user's `controller.py`, `nos.py` or `traffic.py` must neither break raddle nor be hidden by it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import files
from pathlib import Path

OWN = ("controller", "nos", "traffic")
SCRIPT = """
import controller, nos, traffic
import raddle
import raddle.controller.plan.make, raddle.topology.catalog, raddle.nos.farm, raddle.traffic.placement
assert [module.MINE for module in (controller, nos, traffic)] == [True] * 3
fabric = raddle.load(raddle.topology.catalog.find("leaf-spine-16"))
print(f"own modules and raddle's, side by side: {len(fabric.switches)} switches")
"""


def names_in_site_packages() -> set[str]:
    """The top-level names that raddle takes there; its metadata and scripts apart."""
    names = {path.parts[0] for path in files("raddle") or ()} - {"..", "__pycache__"}
    return {name for name in names if not name.endswith(".dist-info") and not name.startswith("_editable")}


def main() -> None:
    """Run the command and the script; whatever fails ends it."""
    taken = names_in_site_packages()
    if taken != {"raddle"}:
        raise SystemExit(f"raddle takes more than one name in site-packages: {sorted(taken)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module in OWN:
            (folder / f"{module}.py").write_text("MINE = True\n")
        (folder / "script.py").write_text(SCRIPT)
        for command in (
            ["script.py"],
            ["-m", "raddle", "--version"],
            ["-m", "raddle", "validate", "leaf-spine-16"],
            ["-m", "raddle", "bench", "leaf-spine-16", "-b", "1M", "-e", "4M", "--routing", "pinned"],
        ):
            subprocess.run([sys.executable, *command], cwd=folder, check=True, timeout=300)


if __name__ == "__main__":
    main()
