"""Network controller and NOS simulator for AI compute fabrics.

`raddle.load("pod.yaml")` reads a fabric; every error that a user can cause is a `RaddleError`.
"""

from raddle.errors import InputError, RaddleError
from raddle.topology import Fabric, load, loads

__all__ = ["Fabric", "InputError", "RaddleError", "load", "loads"]
