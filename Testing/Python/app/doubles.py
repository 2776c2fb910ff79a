"""A scheduler that a test turns by hand, jobs that do as they are told, and a listener that remembers."""

from SphericalRegLib.app import Cancelled, Failed, Finished, Progressed, StateChanged


class HandTurned:
    """A scheduler: what is scheduled waits until the test calls it."""

    def __init__(self):
        self.waiting = []

    def __call__(self, function):
        self.waiting.append(function)

    def turn(self, times=1):
        for _ in range(times):
            if not self.waiting:
                return
            self.waiting.pop(0)()

    def run_out(self, limit=1000):
        for _ in range(limit):
            if not self.waiting:
                return
            self.waiting.pop(0)()
        raise AssertionError("it never ends")


class CountingJob:
    """Yields 1, 2, … and remembers how it was treated."""

    def __init__(self, steps=3, outcome="outcome", fail_at=None, on_step=None, fail_in_result=None, fail_at_close=None):
        self.steps, self.outcome, self.fail_at, self.on_step = steps, outcome, fail_at, on_step
        self.fail_in_result, self.fail_at_close = fail_in_result, fail_at_close
        self.done, self.closed, self.results = 0, False, 0

    def __iter__(self):
        try:
            for number in range(1, self.steps + 1):
                if self.fail_at is not None and number == self.fail_at[0]:
                    raise self.fail_at[1]
                if self.on_step is not None:
                    self.on_step(number)
                self.done = number
                yield number
        finally:
            self.closed = True
            if self.fail_at_close is not None:
                raise self.fail_at_close

    def result(self):
        self.results += 1
        if self.fail_in_result is not None:
            raise self.fail_in_result
        return self.outcome


class Diary:
    """A listener: every event, and the same in short words."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def words(self):
        return [in_words(event) for event in self.events]


def in_words(event):
    match event:
        case StateChanged():
            return event.after.value
        case Progressed():
            return f"step {event.step}"
        case Finished():
            return f"result {event.result}"
        case Cancelled():
            return f"cancelled after {event.count}"
        case Failed():
            return f"error {event.failure.message}"
