"""What surrounds every command: whatever happens in it becomes one line and an exit code."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from typing import TextIO

from SphericalRegLib.cli import outputs
from SphericalRegLib.cli.parsing.command_table import load
from SphericalRegLib.cli.process.faults import report, tell
from SphericalRegLib.cli.process.library_warnings import kept_back
from SphericalRegLib.cli.process.remedies import in_options
from SphericalRegLib.cli.process.signals import INTERRUPTED, Stopped, StopSignals
from SphericalRegLib.errors import SphericalRegError

FAULT, BAD_INPUT = 1, 2
# As of a program that SIGPIPE ended; Python ignores that signal.
UNREAD = 128 + 13


def run(arguments: Sequence[str], signals: StopSignals) -> int:
    """Run a command; returns the exit code of the process.

    Args:
        arguments: after the program's name.
        signals: that are caught, and so far end the process at once.

    Raises:
        SystemExit: for ``--help``, ``--version`` and ``--print_config``.
    """
    verbose = bool({"-v", "--verbose", "--verbose=true"} & set(arguments))
    outputs.forget_written()
    try:
        with kept_back(verbose):
            from SphericalRegLib.cli import dispatch

            load(arguments)
            signals.end_at_once(False)
            code = dispatch.run(arguments)
        # a full disk or a closed pipe behind the standard output is told here, not at the interpreter's end
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except SphericalRegError as error:
        tell(in_options(str(error)), error if verbose else None)
        return BAD_INPUT
    except KeyboardInterrupt as stop:
        tell(f"stopped; {_left_by(stop)}")
        return stop.code if isinstance(stop, Stopped) else INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _drop_unread():
            return UNREAD
        # nothing is hidden by so wide a net: the user is told, and the traceback is kept
        report(error, arguments, verbose)
        _drop_unwritten()
        return FAULT


def _left_by(stop: KeyboardInterrupt) -> str:
    """In words, what a stopped command has left."""
    if isinstance(stop, Stopped) and stop.kept:
        return stop.kept
    if places := outputs.written():
        return f"its output was there already, whole: {', '.join(str(place) for place in places)}."
    return "nothing was written."


def _drop_unread() -> bool:
    """Whether nobody reads one of our outputs any more; what could not be written to it is dropped."""
    unread = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and _is_unread(stream)]
    for stream in unread:
        # the interpreter flushes once more at its end
        _to_nowhere(stream)
    return bool(unread)


def _to_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _drop_unwritten() -> None:
    """Of what a full disk did not take: the interpreter would try once more at its end, and exit as it likes."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            _to_nowhere(stream)
        except ValueError:
            # closed
            continue


def _is_unread(stream: TextIO) -> bool:
    try:
        stream.flush()
        if not hasattr(select, "poll"):
            return False
        # nothing is left to flush where streams are unbuffered
        watch = select.poll()
        watch.register(stream.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))
    except BrokenPipeError:
        return True
    except (OSError, ValueError):
        # no file of the system's, or closed
        return False
