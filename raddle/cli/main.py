"""The `raddle` command: one file per subcommand in this package, imported when it is called for."""

from __future__ import annotations

import atexit
import errno
import gc
import json
import sys
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from raddle.cli.networks import each_network
from raddle.errors import InputError, RaddleError
from raddle.report.errors import document

COMMANDS = {
    "validate": "Is a fabric file sound: wiring, addresses, lossless class?",
    "init": "Write a fabric file to start from.",
    "models": "List the switch models that come with raddle.",
    "examples": "List the example fabrics, or print one.",
    "fmt": "Lay fabric files out in the usual way.",
    "schema": "Print the JSON Schema of a fabric file, for editors.",
    "show": "Show switches, tiers, capacity and cables, or draw them.",
    "plan": "Work out what every switch must be.",
    "verify": "Prove that nothing is lost, loops or deadlocks.",
    "render": "Print a switch's configuration as its driver sends it.",
    "up": "Start the simulated switches of a fabric, and stay.",
    "apply": "Program the switches and read them back.",
    "controller": "Hold the switches at what is wanted; repair, roll back.",
    "serve": "A page of the switches as they are now; Prometheus metrics.",
    "status": "Do the switches hold the plan; which ports have no link?",
    "drift": "List what differs on the switches from the plan.",
    "telemetry": "What packets meet in P4 switches, hop by hop.",
    "switch": "Run SONiC's show, config or clear on a switch.",
    "bench": "Simulate a collective; print the table of nccl-tests.",
    "simulate": "Simulate flows: what became of each, and of each port.",
    "expect": "What to measure, and why a measured log is not that.",
    "explain": "Where a number is from: formula, inputs, lines, source.",
    "workload": "Simulate computing and messages that wait for one another.",
    "elastic": "Serve by day and train by night: schedule and changes.",
    "run": "Run scenarios with expectations, as tests of a fabric.",
    "cost": "Count what a fabric is built of, and what that costs.",
    "sweep": "Run campaigns: grids, failures, seeds; here or on Ray.",
    "check": "Check all fabrics and scenarios of a repository.",
    "emulate": "Real packets through software switches (root).",
    "exec": "Run a program at a node of an emulation (root).",
    "export": "Write a fabric and flows as another simulator's files.",
    "import": "Read another simulator's files as a fabric file.",
    "doctor": "What this machine has and lacks, and what that switches off.",
}
"""Commands in the order of the help, each with what fits one line of it. `raddle.cli.NAME` has the function
NAME; a Python keyword has `_` behind it there."""


class _Commands(TyperGroup):
    """Knows all commands by name and imports the one that is called: the libraries of all take a second."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name=name, help=says) for name, says in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else command, rest


def load_command(name: str) -> Any:
    """The command with its options, from its module."""
    attribute = f"{name}_" if name == "import" else name
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    module = import_module(f"raddle.cli.{attribute}")
    if hasattr(module, "GROUP"):  # a command with commands of its own
        return get_command(module.GROUP)
    settings = getattr(module, "CONTEXT_SETTINGS", None)
    command = each_network(name, getattr(module, attribute))
    single.command(name, context_settings=settings)(command)
    return get_command(single)


app = typer.Typer(
    cls=_Commands,
    name="raddle",
    help="Network controller and NOS simulator for AI compute fabrics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text fits 80 columns, and needs no library of 0.1 s
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    if show_version:
        _print_version()
        raise typer.Exit


def _print_version() -> None:
    print(f"raddle {version('raddle')}")


_USAGE_ERROR: type[BaseException] = typer.BadParameter.__mro__[1]
"""What typer raises of a command line; it gives this one no name."""


class _Stdout:
    """Stands for stdout and knows whether a result went there."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.is_used = False

    def write(self, text: str) -> int:
        self.is_used = True
        return self._out.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


class _RefusedError(InputError):
    """The command line itself does not hold: an option that is not there, a value that is none."""


def _run_app() -> int:
    """The exit code of the command line."""
    try:
        return app(standalone_mode=False) or 0
    except _USAGE_ERROR as error:
        refused = cast(typer.BadParameter, error)
        refused.show()
        where = refused.ctx.command_path if refused.ctx else "raddle"
        raise _RefusedError.of("bad-option", refused.format_message(), f"see '{where} --help'") from None
    except typer.Abort:
        print("aborted", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise InputError.of(
            "too-many-files",
            f"the machine lets this process open no more files or connections: {error.strerror}",
            "let it have more: ulimit -n 4096",
        ) from error


def main() -> None:
    """Run the command line; every error a user can cause ends here, without a traceback."""
    if sys.argv[1:] == ["--version"]:  # for typer to read it takes longer than all the rest
        return _print_version()
    atexit.register(
        gc.freeze
    )  # at its end Python need not look through all that there is for garbage once more
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    stdout = _Stdout(sys.stdout)
    try:
        with redirect_stdout(cast(TextIO, stdout)):
            sys.exit(_run_app())
    except RaddleError as error:
        if debug and not isinstance(error, _RefusedError):
            raise
        if "--json" in sys.argv and not stdout.is_used:
            print(json.dumps(document(error), indent=2, sort_keys=True))
        if not isinstance(error, _RefusedError):  # typer has told of that one, with the usage
            print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except MemoryError:
        if debug:
            raise
        print(
            "out of memory: take a smaller fabric, fewer ranks or sizes, or a larger machine", file=sys.stderr
        )
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
