"""A child process as a job: its lines of output are the steps, and closing it ends all that it has started."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Protocol

from SphericalRegLib import child_python
from SphericalRegLib.errors import SphericalRegError

# Lines kept for the message where a process fails.
_LAST_LINES = 20
# Seconds between the end of a process' output and its own.
_SILENCE = 1.0
# Seconds that a process gets to end by itself before it is killed.
_GRACE = 30.0


class ProcessError(SphericalRegError, RuntimeError):
    """A child process could not be started, or ended with an error."""


class Process(Protocol):
    """What is used of a ``subprocess.Popen``."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None
    returncode: int | None

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


#: Starts a process from its arguments, in a process group of its own, with stderr in stdout and unbuffered.
ProcessFactory = Callable[[Sequence[str]], Process]


def start_process(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that can be ended with its children.

    Args:
        arguments: program, then arguments.

    Raises:
        ProcessError: where it cannot be started.
    """
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        options["start_new_session"] = True
    try:
        return subprocess.Popen(
            list(arguments),
            # its end asks the process to stop, where it listens; it also comes when this process is gone
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**child_python.environment(os.environ), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            **options,
        )
    except OSError as error:
        raise ProcessError(f"{arguments[0]} cannot be started ({error}): check that it is installed.") from error


class ProcessJob:
    """A job (:mod:`job`) whose steps are lists of the lines that came since the last step, often empty.

    A step never waits for the process, so give its controller a scheduler with a pause (100 ms, say) between calls.

    Args:
        arguments: program, then arguments.
        factory: starts the process; by default :func:`start_process`.
        grace: seconds that it gets to end by itself when it is cancelled; nobody waits for it meanwhile.
    """

    def __init__(
        self, arguments: Sequence[str], factory: ProcessFactory = start_process, grace: float = _GRACE
    ) -> None:
        self._arguments = list(arguments)
        self._factory, self._grace = factory, grace
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._code: int | None = None

    def __iter__(self) -> Iterator[list[str]]:
        process = self._factory(self._arguments)
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        ended = False
        try:
            while not ended:
                fresh: list[str] = []
                while not lines.empty():
                    line = lines.get()
                    if line is None:
                        ended = True
                    else:
                        fresh.append(line)
                self._last.extend(fresh)
                if fresh or not ended:
                    yield fresh
            self._code = process.wait(_SILENCE)
        except subprocess.TimeoutExpired:
            # it closed its output and lives on: that is no end
            raise ProcessError(f"{self._arguments[0]} went silent without ending: it was stopped.") from None
        finally:
            if process.poll() is None:
                # it may be saving what it did: whoever cancels it need not wait
                threading.Thread(target=end_process_tree, args=(process, self._grace), daemon=True).start()
            else:
                end_process_tree(process)

    def result(self) -> list[str]:
        """The last lines of a process that ended well.

        Raises:
            ProcessError: for an exit code other than 0, with the last line that says something.
        """
        if self._code is None:
            raise ProcessError("The process has not ended yet: iterate it to its end first.")
        if self._code != 0:
            said = next((line for line in reversed(self._last) if line.strip()), "it said nothing")
            raise ProcessError(f"The process ended with code {self._code}: {said.strip()}")
        return list(self._last)


def end_process_tree(process: Process, grace: float = _GRACE) -> None:
    """End a process started by :func:`start_process` and everything that it has started; wait until it is gone.

    What left the process group on purpose (a daemon) is out of reach on POSIX.
    """
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if sys.platform == "win32":
        # no signal only asks there
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        if process.poll() is None:
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        # children may outlive their parent, so the group is ended even where the process has ended
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        _signal_group(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
    process.wait()
    if process.stdout is not None and sys.platform == "win32":
        process.stdout.close()


def _signal_group(group: int, number: int) -> None:
    """Send a signal to a process group; nothing where it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _read(stream: IO[bytes] | None, lines: queue.SimpleQueue[str | None]) -> None:
    """Put each line into the queue, None at the end; progress bars that rewrite their line count as lines."""
    try:
        if stream is not None:
            with stream:
                for raw in iter(stream.readline, b""):
                    for part in raw.decode("utf-8", errors="replace").replace("\r", "\n").splitlines():
                        lines.put(part)
    except (OSError, ValueError):
        # the pipe was closed under us: the process was ended
        pass
    finally:
        lines.put(None)
