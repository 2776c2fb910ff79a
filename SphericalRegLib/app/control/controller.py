"""The explicit state machine that runs a job step by step without ever blocking whoever calls it."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from SphericalRegLib.app.control.events import Cancelled, Event, Failed, Finished, Progressed, StateChanged
from SphericalRegLib.app.control.failure import failure_of
from SphericalRegLib.app.control.signal import Signal
from SphericalRegLib.app.control.state import TRANSITIONS, BusyError, State
from SphericalRegLib.app.jobs.job import Engine, Job, Scheduler

_log = logging.getLogger(__name__)

_END: Any = object()


class Controller:
    """Runs one job at a time: first its making, then a step or several in each call of the scheduler.

    Between two calls the application handles its events, and the wish to cancel is looked at. Listeners get every event
    in the order in which it came about, also when one of them starts or cancels a run from within; one that raises
    harms neither the run nor the others. The outcome (finished, cancelled, failed) comes before the change of state
    that ends the run, and at that time the controller is already free for the next one.

    Args:
        schedule: calls a function later, such as ``lambda f: qt.QTimer.singleShot(0, f)``.
        slice_s: steps are taken for so many seconds a call, at least one: where drawing takes longer than a step, the
            run would wait for it after each.
        clock: tells seconds.

    Attributes:
        events: what happens, see :mod:`events`.
    """

    def __init__(self, schedule: Scheduler, slice_s: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._schedule, self._slice, self._clock = schedule, slice_s, clock
        self.events: Signal[[Event]] = Signal("a run's event")
        self._waiting: deque[Event] = deque()
        self._telling = False
        self._state = State.IDLE
        self._run = 0
        self._count = 0
        self._job: Job | None = None
        self._steps: Iterator[Any] | None = None
        # within the job's own code; its iterator cannot be closed from there
        self._inside = False

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def run(self) -> int:
        """The number of the present or last run; 0 before the first."""
        return self._run

    def start(self, engine: Engine) -> int:
        """Begin a run; returns its number. Nothing is done within this call but to schedule it.

        Raises:
            BusyError: while another run is under way.
        """
        if self._state.busy:
            raise BusyError(
                f"A run is under way ({self._state.value}): cancel it, or wait for its end, before the next one."
            )
        self._run += 1
        self._count = 0
        run = self._run
        self._tell(self._go(State.PREPARING))
        # a listener may have cancelled or abandoned it already
        if self._is_current(run):
            self._later(run, lambda: self._prepare(run, engine))
        return run

    def cancel(self) -> bool:
        """Ask the run to stop before its next step; whether there was one to ask. No result comes of it."""
        if self._state not in (State.PREPARING, State.RUNNING):
            return False
        self._tell(self._go(State.CANCELLING))
        return True

    def abandon(self) -> None:
        """Stop at once, without another step: the scene closes, a node in use is gone. Listeners hear ``Cancelled``.

        The step under way (where this is called from within it) is still finished, but nobody hears of it.
        """
        if not self._state.busy:
            return
        failure = None if self._inside else self._drop()
        self._steps = self._job = None
        if failure is not None:
            _log.error("An abandoned run did not stop cleanly", exc_info=failure)
        self._end(State.IDLE, Cancelled(self._run, self._count))

    def dismiss(self) -> None:
        """Take note of a failure: from failed to idle."""
        if self._state is State.FAILED:
            self._tell(self._go(State.IDLE))

    def _prepare(self, run: int, engine: Engine) -> None:
        if self._stopped(run):
            return

        def made() -> tuple[Job, Iterator[Any]]:
            job = engine()
            return job, iter(job)

        done, value = self._attempt(run, made)
        if not done:
            return
        if not self._is_current(run):
            _close(value[1])
            return
        self._job, self._steps = value
        if self._stopped(run):
            return
        self._tell(self._go(State.RUNNING))
        self._later(run, lambda: self._step(run))

    def _step(self, run: int) -> None:
        until = self._clock() + self._slice
        while self._advance(run):
            if self._clock() >= until:
                self._later(run, lambda: self._step(run))
                return

    def _advance(self, run: int) -> bool:
        """Take one step; whether the run goes on."""
        if self._stopped(run):
            return False
        steps, job = self._steps, self._job
        assert steps is not None
        assert job is not None
        done, step = self._attempt(run, lambda: next(steps, _END))
        if not self._is_current(run):
            # abandoned from within the step
            _close(steps)
            return False
        if not done:
            return False
        if step is _END:
            self._finish(run, job)
            return False
        self._count += 1
        self._tell(Progressed(run, step, self._count))
        # a listener may have ended it
        return self._is_current(run)

    def _finish(self, run: int, job: Job) -> None:
        if self._stopped(run):
            return
        done, result = self._attempt(run, job.result)
        # cancelled while the result was made: the wish counts
        if not done or self._stopped(run):
            return
        self._drop()
        self._end(State.IDLE, Finished(run, result))

    def _attempt(self, run: int, work: Callable[[], Any]) -> tuple[bool, Any]:
        """(True, what the job's code returns), or (False, None) where it raised and the run has failed."""
        self._inside = True
        try:
            return True, work()
        except BaseException as error:
            self._inside = False
            self._fail(run, error)
            if not isinstance(error, Exception):
                raise
            return False, None
        finally:
            self._inside = False

    def _stopped(self, run: int) -> bool:
        """Whether the run is over or was asked to stop; then this ends it."""
        if not self._is_current(run):
            return True
        if self._state is not State.CANCELLING:
            return False
        failure = self._drop()
        if failure is not None:
            self._end(State.FAILED, Failed(run, failure_of(failure)))
        else:
            self._end(State.IDLE, Cancelled(run, self._count))
        return True

    def _fail(self, run: int, error: BaseException) -> None:
        if not self._is_current(run):
            _log.error("An abandoned run failed", exc_info=error)
            return
        self._drop()
        failure = failure_of(error)
        if not failure.expected:
            _log.error("A run failed", exc_info=error)
        self._end(State.FAILED, Failed(run, failure))

    def _drop(self) -> Exception | None:
        """Let the job go and close its iterator; the exception that this raised."""
        steps, self._steps, self._job = self._steps, None, None
        return _close(steps)

    def _is_current(self, run: int) -> bool:
        return run == self._run and self._state.busy

    def _later(self, run: int, function: Callable[[], None]) -> None:
        if not self._is_current(run):
            return
        try:
            self._schedule(function)
        except Exception as error:
            self._fail(run, error)

    def _go(self, after: State) -> StateChanged:
        before = self._state
        if after not in TRANSITIONS[before]:
            raise AssertionError(f"There is no way from {before.value} to {after.value}.")
        self._state = after
        return StateChanged(self._run, before, after)

    def _end(self, state: State, outcome: Event) -> None:
        changed = self._go(state)
        self._tell(outcome, changed)

    def _tell(self, *events: Event) -> None:
        self._waiting.extend(events)
        if self._telling:
            return
        self._telling = True
        try:
            while self._waiting:
                self.events.emit(self._waiting.popleft())
        finally:
            self._telling = False


def _close(steps: Iterator[Any] | None) -> Exception | None:
    """Close an iterator that can be closed; the exception that this raised."""
    close = getattr(steps, "close", None)
    if close is None:
        return None
    try:
        close()
    except Exception as error:
        return error
    return None
