"""The command ``sharedsky``: thin, and everything heavy is imported by the command that needs it.

Exit codes are those of `fusion.command`: 0 done, 2 unknown command or option, 1 everything else.
With ``--json`` one JSON document goes to stdout and nothing else does; progress goes to stderr.
Every module of this package puts its commands on the root group when it is imported here; the order of the
imports is that of ``--help``.
"""

import sys
from collections.abc import Sequence

# isort: off
from fusion.cli.root import cli
from fusion.cli import sessions, processes, imports, recordings, exports, plots, benches, inits, checks
from fusion.cli import policies, audits, keyring

# isort: on
from fusion.command import invoke as run_command

__all__ = [
    "audits", "benches", "checks", "cli", "exports", "imports", "inits", "invoke", "keyring", "main", "plots",
    "policies", "processes", "recordings", "sessions",
]  # fmt: skip


def main() -> None:
    """Run the command line and exit."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command; the exit code and one line on stderr say how it went."""
    return run_command(cli, arguments, "sharedsky")
