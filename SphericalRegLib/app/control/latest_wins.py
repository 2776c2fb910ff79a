"""Work on the newest of many requests: a drag asks for a hundred renderings a second, of which each may take longer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from SphericalRegLib.app.jobs.job import Scheduler

T = TypeVar("T")

_log = logging.getLogger(__name__)


class LatestWins(Generic[T]):
    """Calls ``work`` with the newest value asked for, never with an older one, and has at most one call pending.

    So it never lags: whatever was asked for while one call was pending or at work is done once, for the newest.

    Args:
        schedule: calls a function later.
        work: what to do with a value.
        on_error: gets the exception where ``work`` raises; without it, the log does.
    """

    def __init__(
        self,
        schedule: Scheduler,
        work: Callable[[T], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self._schedule = schedule
        self._work = work
        self._on_error = on_error
        self._waiting: list[T] = []
        self._ticket = 0
        self._scheduled = False
        self._working = False

    @property
    def pending(self) -> bool:
        """Whether a value waits for its turn."""
        return bool(self._waiting)

    def ask(self, value: T) -> None:
        """Work on ``value`` soon, unless a newer one comes first."""
        self._waiting = [value]
        # one that is at work looks for newer values itself when it is done
        if not self._scheduled and not self._working:
            self._call_later()

    def cancel(self) -> None:
        """Forget what waits; what is at work is finished."""
        self._waiting = []
        self._ticket += 1
        self._scheduled = False

    def _call_later(self) -> None:
        ticket = self._ticket
        self._scheduled = True
        try:
            self._schedule(lambda: self._call(ticket))
        except BaseException:
            self._scheduled = False
            raise

    def _call(self, ticket: int) -> None:
        if ticket != self._ticket or not self._waiting:
            return
        self._scheduled = False
        value = self._waiting.pop()
        self._working = True
        try:
            self._work(value)
        except Exception as error:
            if self._on_error is None:
                _log.exception("The work on the latest request failed")
            else:
                self._on_error(error)
        finally:
            self._working = False
        if self._waiting and not self._scheduled:
            self._call_later()
