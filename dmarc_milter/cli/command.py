"""What a subcommand is: how it is called, which options it has, and what it runs.

Each is one module or package beside this one. Its options are read for every command line, so what it runs is loaded
only when it runs.
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """One subcommand."""

    name: str
    help: str
    """A few words for the list of commands."""
    description: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Returns the exit status. May raise ConfigError."""
    epilog: str | None = None


USAGE_ERROR = 2
"""The exit status where options or settings cannot be used."""
CLOSED_PIPE, INTERRUPTED = 128 + 13, 128 + 2
"""Those where nobody reads the output any more, and where a person ended it: as a shell has them for signals."""
