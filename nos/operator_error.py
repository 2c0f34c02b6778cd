"""What an operator reads of a command that is not done."""


class CommandError(ValueError):
    """A command that does not exist or cannot be done, in words."""
