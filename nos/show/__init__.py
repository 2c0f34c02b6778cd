"""What an operator sees on a switch: SONiC's `show` commands, from the databases to text."""

from raddle.nos.show.commands import COMMANDS, UnknownCommandError, parse, show

__all__ = ["COMMANDS", "UnknownCommandError", "parse", "show"]
