"""Processes that share work: they end with the one that started them, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from types import FrameType
from typing import Any, TypeVar

from SphericalRegLib import child_python

Result = TypeVar("Result")

# Of a worker that was asked to end.
_ENDED = 128 + signal.SIGTERM


def spread(
    function: Callable[[int], Result], count: int, workers: int, begin: Callable[..., None], arguments: tuple[Any, ...]
) -> Generator[Result, None, None]:
    """What a function returns for 0, 1, ..., in order.

    Args:
        function: of a module, as is ``begin``.
        count: of its values.
        workers: processes.
        begin: called with ``arguments`` in each of them before anything else.
        arguments: of ``begin``.

    Raises:
        BrokenProcessPool: where a process was killed from outside, for want of memory for instance.
    """
    with _pool(workers, begin, arguments) as pool:
        with child_python.spawning(), _without_interrupts():
            results = pool.map(_Task(function), range(count))
        yield from results


def as_done(
    function: Callable[[int], Result], count: int, workers: int, begin: Callable[..., None], arguments: tuple[Any, ...]
) -> Generator[tuple[int, Result], None, None]:
    """As :func:`spread`, but each result with its number as soon as it is there: none waits for a slower one."""
    with _pool(workers, begin, arguments) as pool:
        with child_python.spawning(), _without_interrupts():
            waiting = {pool.submit(_Task(function), number): number for number in range(count)}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


@contextlib.contextmanager
def _pool(workers: int, begin: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[ProcessPoolExecutor]:
    """Processes, which end with what is done within, however it ends."""
    others = set(active_children())
    # spawned, for torch's thread pools do not survive a fork
    context = get_context("spawn")
    with child_python.spawning():
        # starts a process as well, which keeps account of semaphores
        pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(begin, arguments))
    try:
        yield pool
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Task:
    """A function that ends its worker where it is asked to end: the pool would go on with the next one."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self._function = function

    def __call__(self, index: int) -> Any:
        with _ending():
            return self._function(index)


def _begin(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches all of a terminal's processes: the parent answers it, and ends its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _asked_to_end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with _ending():
        begin(*arguments)


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    """On the way out temporary files are deleted, which a second signal must not cut short."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(_ENDED)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    except SystemExit:
        os._exit(_ENDED)


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(_ENDED)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Within it, processes are started that Ctrl-C leaves alone while they import; here it comes a little later."""
    if not hasattr(signal, "pthread_sigmask"):
        # Windows has no masks: a worker may show a traceback there
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
