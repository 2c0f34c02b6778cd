"""Commands on a file of several networks: one after the other, or the one that is named.

What sends (`bench`, `simulate`, ...) does so over the network of the ranks, unless another is named.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any, get_type_hints

import typer

from raddle.errors import Diagnostic, InputError

APART = ("validate", "show", "plan", "verify", "render")
"""Commands that go through all networks of a file."""

NAMED = ("up", "apply", "status", "drift")
"""Commands for which a network must be named: an inventory, with what was applied, is of one."""

Command = Callable[..., None]


def each_network(name: str, command: Command) -> Command:
    """A command that does, where FABRIC has several networks and names none, what is right for them."""
    if name not in (*APART, *NAMED):
        return command

    @wraps(command)
    def run(**given: Any) -> None:
        networks = _networks(given["fabric"])
        if not networks:
            return command(**given)
        defaults = inspect.signature(command).parameters
        files = [
            key for key, value in given.items() if isinstance(value, Path) and value != defaults[key].default
        ]
        form = str(given.get("output") or "table") if name == "show" else "table"
        if name in NAMED or files or form not in ("table", "json"):
            what = f"raddle {name}" if name in NAMED else _option(command, files[0]) if files else "--format"
            _refuse(what, given["fabric"], networks)
        is_json = name == "render" or form == "json" or any(given.get(k) for k in ("as_json", "json_output"))
        return _run_each(command, given, networks, is_json)

    return run


def _option(command: Command, key: str) -> str:
    """The option of a command's parameter."""
    (option,) = get_type_hints(command, include_extras=True)[key].__metadata__
    names = (option.default, *(option.param_decls or ()))  # typer takes the first name for a default
    return next((name for name in names if str(name).startswith("--")), f"--{key.replace('_', '-')}")


def _networks(fabric: str) -> tuple[str, ...]:
    """The networks of the file that an argument names; none where it names one of them."""
    from raddle.topology import find, network_names
    from raddle.topology.catalog import split_network

    path = find(fabric)
    return () if split_network(path)[1] else network_names(path)


def _refuse(what: str, fabric: str, networks: tuple[str, ...]) -> None:
    raise InputError.of(
        "name-a-network",
        f"{what} is for one network, and '{fabric}' has {', '.join(networks)}",
        f"name it: {fabric}@{networks[0]}",
    )


def _run_each(command: Command, given: dict[str, Any], networks: tuple[str, ...], is_json: bool) -> None:
    problems: list[Diagnostic] = []
    documents: dict[str, Any] = {}
    code = 0
    for network in networks:
        out = StringIO()
        try:
            with redirect_stdout(out):
                command(**{**given, "fabric": f"{given['fabric']}@{network}"})
        except typer.Exit as end:
            code = max(code, end.exit_code)
        except InputError as error:
            problems += [each for each in error.diagnostics if each not in problems]
        if is_json and out.getvalue():
            documents[network] = json.loads(out.getvalue())
        elif out.getvalue():
            typer.echo(f"# network {network}\n{out.getvalue()}")
    if problems:
        raise InputError(problems)
    if is_json:
        typer.echo(json.dumps({"schema_version": 1, "networks": documents}, indent=2, sort_keys=True))
    if code:
        raise typer.Exit(code)
