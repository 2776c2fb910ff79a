"""Training for equal times instead of equal steps, in processor seconds: what networks of unlike speed are compared by.

On a machine that others use, equal times by the clock are unequal work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from SphericalRegLib.training.trainer import Schedule

# More than any training takes.
_WITHOUT_END = 2**31


class Stopwatch:
    """Processor seconds of this process."""

    def __init__(self) -> None:
        self._began = time.process_time()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """Since it was made, less pauses."""
        return time.process_time() - self._began - self._paused

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count what is done within."""
        at = time.process_time()
        try:
            yield
        finally:
            self._paused += time.process_time() - at


@dataclass(frozen=True)
class TimedSchedule(Schedule):
    """A schedule by time: the learning rate rises, and falls to 0, as ``seconds`` of ``watch`` pass."""

    seconds: float = 60.0
    watch: Stopwatch = field(default_factory=Stopwatch)

    def rate(self, step: int) -> float:
        """See :class:`~SphericalRegLib.training.trainer.Schedule`."""
        return Schedule(1000, learning_rate=self.learning_rate).rate(1 + round(999 * self.share(step)))

    def share(self, step: int) -> float:
        """See :class:`~SphericalRegLib.training.trainer.Schedule`; one step is always done."""
        return 0.0 if step == 0 else min(1.0, self.watch.seconds / self.seconds)


def schedule_for(seconds: float, steps: int | None = None, **settings: Any) -> Schedule:
    """For equal times; for equal steps where ``steps`` is given, which alone is the same on every machine."""
    return TimedSchedule(_WITHOUT_END, seconds=seconds, **settings) if steps is None else Schedule(steps, **settings)
