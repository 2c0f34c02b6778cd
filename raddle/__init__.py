"""Network controller and NOS simulator for AI compute fabrics.

`raddle.load("pod.yaml")` reads a fabric; every error that a user can cause is a `RaddleError`.
"""

from typing import TYPE_CHECKING

from raddle.errors import InputError, RaddleError

if TYPE_CHECKING:
    from raddle.topology import Fabric, load, loads

__all__ = ["Fabric", "InputError", "RaddleError", "load", "loads"]


def __getattr__(name: str) -> object:
    """What needs the schema's libraries, when it is first asked for: the command line starts without them."""
    if name in ("Fabric", "load", "loads"):
        from raddle import topology

        return getattr(topology, name)
    raise AttributeError(f"module 'raddle' has no attribute '{name}'")
