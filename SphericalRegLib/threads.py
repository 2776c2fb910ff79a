"""How many processor threads compute, and how they wait for one another: asleep, so that a busy machine stays usable.

OpenMP's threads wait actively by default: at the end of every short operation they burn processor time that other
programs, or the very thread they wait for, could use. On a busy machine a registration then takes 20 to 50 times as
long. The kernels of this package are therefore dealt out to plain threads of Python, and torch's OpenMP is told to wait
passively (see ``SphericalRegLib/__init__.py``). Where torch was loaded before it could be told, it works with one
thread within :func:`quietly`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

import SphericalRegLib
from SphericalRegLib.errors import InputError

_F = TypeVar("_F", bound=Callable[..., Any])

MAX_THREADS = 1024
"""More than that is a slip of the hand."""

# Parts for each thread: one that other programs delay leaves its parts to the others.
_PARTS_EACH = 8

_state = threading.Lock()
_chosen: int | None = None
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


def set_threads(count: int | None) -> None:
    """Compute with so many processor threads from now on, in this process: kernels and torch alike.

    Args:
        count: 1 or more; None leaves everything as it is.

    Raises:
        InputError: for a number that makes no sense.
    """
    global _chosen
    if count is None:
        return
    if not 1 <= count <= MAX_THREADS:
        raise InputError(f"threads={count} is not a number of processor threads: give 1 to {MAX_THREADS}.")
    _chosen = count
    with _quiet.lock:
        if _quiet.depth:
            _quiet.before = count
        else:
            torch.set_num_threads(count)


def get_threads() -> int:
    """Threads of the kernels.

    Those set; else as ``NUMBA_NUM_THREADS`` or else ``OMP_NUM_THREADS`` says; else one for each processor.
    """
    if _chosen is not None:
        return _chosen
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        # OpenMP takes a list, one number for each level of nesting
        text = os.environ.get(name, "").partition(",")[0].strip()
        if text.isdecimal() and 1 <= int(text) <= MAX_THREADS:
            return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_out(work: Callable[[int, int], object], rows: int, parts: int) -> None:
    """Call ``work(first, last)`` for parts of [0, rows) that together make the whole, on several threads at once.

    Returns when all is done. May be called from any number of threads at the same time, and from within ``work``: the
    calling thread does whatever no other one has begun. Work must release Python's lock to gain anything.

    Args:
        work: computes rows [first, last); its parts must not depend on one another.
        rows: how many there are.
        parts: at most so many, for work that is too small to be handed around; 1 stays on the calling thread.
    """
    threads = get_threads()
    parts = max(1, min(parts, rows, threads * _PARTS_EACH))
    if parts == 1 or threads == 1:
        work(0, rows)
        return
    numbers = itertools.count()
    stopped = threading.Event()

    def some() -> None:
        # itertools.count hands out each number once, whichever thread asks
        for number in numbers:
            if number >= parts or stopped.is_set():
                return
            work(rows * number // parts, rows * (number + 1) // parts)

    helpers = _start(some, min(threads, parts) - 1)
    try:
        some()
    except BaseException:
        stopped.set()
        raise
    finally:
        # one that has not begun has nothing left to do; one that has still writes to the caller's arrays
        for helper in helpers:
            if not helper.cancel():
                helper.exception()
    for helper in helpers:
        if not helper.cancelled():
            helper.result()


def _start(task: Callable[[], None], count: int) -> list[Future[None]]:
    """Hand a task to so many other threads; fewer where Python is about to end and starts none."""
    global _pool, _pool_size
    with _state:
        if _pool is None or _pool_size < count:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool, _pool_size = ThreadPoolExecutor(count, "SphericalReg kernel"), count
        helpers: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):
            for _ in range(count):
                helpers.append(_pool.submit(task))
    return helpers


def _after_fork() -> None:
    """A forked child has none of its parent's threads, and locks as they were at that moment."""
    global _pool, _pool_size, _state
    _pool, _pool_size, _state = None, 0, threading.Lock()
    _quiet.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Quiet:
    """Holds torch at one thread while anybody is within; the last one out restores what the first one found."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.before = 1

    def __enter__(self) -> None:
        with self.lock:
            if self.depth == 0:
                self.before = torch.get_num_threads()
            self.depth += 1
            # also where others are within: OpenMP keeps a number for each calling thread
            torch.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.depth -= 1
            torch.set_num_threads(self.before)


_quiet = _Quiet()


def quietly(function: _F) -> _F:
    """Decorator of many short torch operations: none of torch's threads waits actively for the next one.

    Changes nothing where torch waits passively anyway. A generator gives up the restriction between its steps.
    """
    if SphericalRegLib.TORCH_WAITS_PASSIVELY:
        return function
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with contextlib.closing(function(*args, **kwargs)) as inner:
                while True:
                    with _quiet:
                        try:
                            step = next(inner)
                        except StopIteration as end:
                            return end.value
                    yield step

        return steps  # type: ignore[return-value]

    @functools.wraps(function)
    def whole(*args: Any, **kwargs: Any) -> Any:
        with _quiet:
            return function(*args, **kwargs)

    return whole  # type: ignore[return-value]
