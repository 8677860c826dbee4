"""The command `kykysilta`. Parts load only when their command runs, so the first answer comes fast."""

from __future__ import annotations

import sys

from adapter.cli.exits import Exit


def main() -> None:
    """Run the command line; exit codes are those of `Exit`."""
    from adapter.cli.app import command_line
    from adapter.errors import AdapterError

    try:
        command_line(sys.argv[1:])()
    except AdapterError as error:
        print(error.text("en"), file=sys.stderr)
        sys.exit(Exit.UNREADABLE)
    except BrokenPipeError:
        sys.exit(Exit.FINE)
