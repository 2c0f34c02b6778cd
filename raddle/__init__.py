"""Network controller and NOS simulator for AI compute fabrics.

`raddle.load("pod.yaml")` reads a fabric; `plan`, `verify`, `bench`, `simulate`, `up` and `apply` do with it
what the commands of these names do, and a `ControllerClient` speaks to one that runs. Every error that a
user can cause is a `RaddleError`.
"""

from importlib import import_module

from raddle.errors import InputError, RaddleError

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

_PLACES = {
    "ControllerClient": "raddle.controller.api.client",
    "RunSettings": "raddle.lab.run.settings",
    "Scope": "raddle.lab.workloads.ranks",
    **dict.fromkeys(("Fabric", "load", "loads"), "raddle.topology"),
    **dict.fromkeys(("apply", "bench", "plan", "simulate", "up", "verify"), "raddle.library"),
}


def __getattr__(name: str) -> object:
    """What needs further libraries, when it is first asked for: the command line starts without them.

    `__init__.pyi` has the types: an import here would be one of every module that imports this package.
    """
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'raddle' has no attribute '{name}'")
