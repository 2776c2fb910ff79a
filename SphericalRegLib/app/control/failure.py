"""What went wrong, in words for the one who sits before the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.errors import SphericalRegError, is_memory_shortage

_DEFECT = "This is a defect of SphericalReg: please report it with the error log."


@dataclass(frozen=True)
class Failure:
    """An error and its remedy.

    Attributes:
        message: what was wrong, with the value.
        remedy: what to do; empty where the message says so itself, as those of ``SphericalRegError`` do.
        expected: whether it was raised on purpose; else the log should hold the traceback.
        error: the exception itself.
    """

    message: str
    remedy: str
    expected: bool
    error: BaseException

    @property
    def text(self) -> str:
        """Message and remedy in one."""
        return f"{self.message} {self.remedy}".strip()


def failure_of(error: BaseException) -> Failure:
    """The failure that an exception means to a user."""
    message = str(error).strip() or type(error).__name__
    if isinstance(error, SphericalRegError):
        return Failure(message, "", True, error)
    if isinstance(error, ImportError):
        missing = error.name or message
        return Failure(
            f"The Python package {missing} cannot be used: {message}.", "Install it, then try again.", True, error
        )
    if is_memory_shortage(error):
        remedy = "Close other programs, crop the CT, or choose another device."
        return Failure("There is not enough memory.", remedy, True, error)
    if isinstance(error, OSError):
        return Failure(
            f"A file or folder cannot be used: {message}.", "Check that it exists and may be written.", True, error
        )
    return Failure(f"{type(error).__name__}: {message}.", _DEFECT, False, error)


@contextmanager
def told_later(schedule: Callable[[Callable[[], None]], None], message: Signal[[str]]) -> Iterator[None]:
    """Within it an error is told by a signal, and goes on; later, for a panel clears its messages at a run's end."""
    try:
        yield
    except Exception as error:
        text = failure_of(error).text
        schedule(lambda: message.emit(text))
        raise
