"""What a controller runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Job(Protocol):
    """Work in steps, of which a caller may do as many as it likes: a registration, a landscape, an evaluation, a
    training, or a child process. Commands iterate one themselves, the panel has a ``Controller`` do it.

    Between two steps it can be cancelled, by closing its iterator: one that holds something (a child process, workers)
    gives it back then, and one whose work can go on later (a training) keeps what was done.
    """

    def __iter__(self) -> Iterator[Any]:
        """Do the work, one step at a time; each yields what a listener should see of it, as a value of its own type:
        the pose so far, poses done, :class:`~SphericalRegLib.app.jobs.evaluation_job.RowDone`, the training's progress, a
        :class:`~SphericalRegLib.app.jobs.steps.Message`. How it is shown is the listener's affair."""
        ...

    def result(self) -> Any:
        """The outcome, asked for once, after the last step."""
        ...


#: Makes a job: reads, converts, checks. It may take long and may raise; the controller is ``preparing`` meanwhile.
Engine = Callable[[], Job]

#: Calls a function without arguments once, later, never at once: ``QTimer.singleShot(0, f)`` and the like.
Scheduler = Callable[[Callable[[], None]], None]
