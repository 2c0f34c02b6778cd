"""The `raddle` command: one file per subcommand in this package, wired together here."""

from __future__ import annotations

import sys

import typer

from raddle.cli.apply import apply
from raddle.cli.bench import bench
from raddle.cli.plan import plan
from raddle.cli.render import render
from raddle.cli.show import show
from raddle.cli.simulate import simulate
from raddle.cli.status import status
from raddle.cli.up import up
from raddle.cli.validate import validate
from raddle.errors import RaddleError

app = typer.Typer(
    name="raddle",
    help="Network controller and NOS simulator for AI compute fabrics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (validate, show, plan, render, up, apply, status, bench, simulate):
    app.command()(command)


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
