"""The command ``sphericalreg``. Light, so that signals are caught before torch and all else is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from SphericalRegLib.cli.process.signals import StopSignals


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0: done, or accepted; 1: a fault, or the machine's memory or disk was short; 2: input that cannot be used; 3:
    rejected; 130, 143, 129: stopped by Ctrl-C, SIGTERM, SIGHUP; 141: nobody reads the output any more.

    Args:
        argv: arguments after the program's name; the process's own by default.

    Raises:
        SystemExit: for ``--help``, ``--version`` and ``--print_config``.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with StopSignals() as signals:
        signals.end_at_once(True)
        from SphericalRegLib.cli.top import run

        return run(arguments, signals)


def _without_working_directory() -> None:
    """``python -m`` looks for modules in the working directory first: not for those of others, unless we lie there."""
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if sys.path and sys.path[0] in ("", os.getcwd()) and os.getcwd() != library:
        del sys.path[0]


if __name__ == "__main__":
    _without_working_directory()
    sys.exit(main())
