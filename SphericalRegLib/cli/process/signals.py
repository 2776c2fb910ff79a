"""Signals that ask a command to stop, from its first line on: Ctrl-C, SIGTERM and their like. Imports nothing heavy.

The first one becomes an exception, so that everything on the way out is cleaned up. A second one ends the process at
once. Launchers (torchrun, a scheduler) often pass on a signal that has reached the process already: what comes within a
second of the first is no second request.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

#: Exit code of what Ctrl-C stopped: as shells tell it, 128 and the signal's number. SIGTERM's is 143.
INTERRUPTED = 128 + signal.SIGINT

# Ctrl-C; what Slurm, containers and the panel send; a closed terminal; Ctrl-Break on Windows.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: Seconds within which a second signal is the first one, passed on.
SAME_REQUEST_S = 1.0
# Between the loss of the exception and the next try.
_AGAIN_S = 0.05


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop.

    Attributes:
        code: to exit with.
        kept: in words, what is left of the work; empty where the command does not know better than its caller.
    """

    def __init__(self, code: int = INTERRUPTED, kept: str = "") -> None:
        super().__init__()
        self.code, self.kept = code, kept


def stop_signals() -> list[signal.Signals]:
    """Those that ask to stop, without any that this process was started to ignore (nohup, a background job)."""
    there = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in there if signal.getsignal(number) is not signal.SIG_IGN]


class StopSignals:
    """Within it, a signal that asks to stop raises :class:`Stopped` in the main thread.

    Outside of the main thread signals cannot be caught, and nothing is changed.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._hook: Any = None
        self._first: float | None = None
        self._at_once = False

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._stop) for number in stop_signals()}
            self._hook, sys.unraisablehook = sys.unraisablehook, self._ignored
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            sys.unraisablehook = self._hook

    def end_at_once(self, wanted: bool) -> None:
        """Whether a signal ends the process where it is, without an exception.

        While modules are imported nothing needs cleaning up, and an exception would come out of the middle of other
        programs' modules as a traceback, or as another exception.
        """
        self._at_once = wanted

    def _stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._at_once:
            os.write(2, b"sphericalreg: stopped; nothing was written.\n")
            os._exit(128 + number)
        if self._first is None:
            self._first = now
            raise Stopped(128 + number)
        if now - self._first > SAME_REQUEST_S:
            os._exit(128 + number)

    def _ignored(self, unraisable: Any) -> None:
        """Python drops an exception that comes in a callback or a destructor: it is raised again a little later."""
        if not isinstance(unraisable.exc_value, Stopped):
            self._hook(unraisable)
            return
        self._first = None
        threading.Timer(_AGAIN_S, _send_again, (unraisable.exc_value.code - 128,)).start()


def _send_again(number: int) -> None:
    """A signal to the main thread, which it also wakes where it waits."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)
