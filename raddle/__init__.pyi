from raddle.controller.api.client import ControllerClient
from raddle.errors import InputError, RaddleError
from raddle.lab.run.settings import RunSettings
from raddle.lab.workloads.ranks import Scope
from raddle.library import apply, bench, plan, simulate, up, verify
from raddle.topology import Fabric, load, loads

__all__ = [
    "ControllerClient",
    "Fabric",
    "InputError",
    "RaddleError",
    "RunSettings",
    "Scope",
    "apply",
    "bench",
    "load",
    "loads",
    "plan",
    "simulate",
    "up",
    "verify",
]
