"""The `raddle` command: one file per subcommand in this package, wired together here."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from raddle.cli.apply import apply
from raddle.cli.bench import bench
from raddle.cli.drift import drift
from raddle.cli.emulate import emulate
from raddle.cli.export import export
from raddle.cli.fmt import fmt
from raddle.cli.import_ import import_
from raddle.cli.init import init
from raddle.cli.plan import plan
from raddle.cli.render import render
from raddle.cli.schema import schema
from raddle.cli.show import show
from raddle.cli.simulate import simulate
from raddle.cli.status import status
from raddle.cli.switch import switch
from raddle.cli.up import up
from raddle.cli.validate import validate
from raddle.cli.verify import verify
from raddle.errors import RaddleError

app = typer.Typer(
    name="raddle",
    help="Network controller and NOS simulator for AI compute fabrics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _options(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    if show_version:
        print(f"raddle {version('raddle')}")
        raise typer.Exit


for command in (
    validate,
    init,
    fmt,
    schema,
    show,
    plan,
    verify,
    render,
    up,
    apply,
    status,
    drift,
    switch,
    bench,
    simulate,
    emulate,
    export,
):
    app.command()(command)
app.command("import")(import_)


def main() -> None:
    """Run the command line; every error a user can cause ends here, without a traceback."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except RaddleError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
