"""What a controller runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Job(Protocol):
    """Work in steps, of which a caller may do as many as it likes. A ``Registration`` is one, a landscape another.

    The iterator of a job that holds something (a child process) gives it back when it is closed.
    """

    def __iter__(self) -> Iterator[Any]:
        """Do the work, one step at a time; each yields whatever a listener should see of it."""
        ...

    def result(self) -> Any:
        """The outcome, asked for once, after the last step."""
        ...


#: Makes a job: reads, converts, checks. It may take long and may raise; the controller is ``preparing`` meanwhile.
Engine = Callable[[], Job]

#: Calls a function without arguments once, later, never at once: ``QTimer.singleShot(0, f)`` and the like.
Scheduler = Callable[[Callable[[], None]], None]
