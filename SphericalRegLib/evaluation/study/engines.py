"""Where a study's work runs: in this process, in several of this machine, or on a Ray cluster (``ray_engine.py``).

Work is a function of a module, of something large that all its calls share (a CT, a model) and of something small each.
Results come as they are done, in any order, and are the same to the bit whichever engine ran them, where each process
computes with one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.workers import as_done
from SphericalRegLib.threads import get_threads, set_threads

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs work."""

    @property
    def words(self) -> str:
        """What it is, for reports."""
        ...

    def run(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        """(number of the item, ``function(shared, item)``) as they are done. To cancel, close it.

        Raises:
            whatever the function raises.
        """
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Processes of this machine.

    Attributes:
        workers: how many; 1: this one.

    Raises:
        InputError: for less than one.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"workers is {self.workers}: give 1 or more.")

    @property
    def words(self) -> str:
        """See :class:`Engine`."""
        threads = max(1, get_threads() // self.workers)
        return f"local, {self.workers} process{'es' if self.workers > 1 else ''} of {threads} thread(s)"

    def run(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        """See :class:`Engine`."""
        if not items:
            return
        if self.workers == 1:
            for number, item in enumerate(items):
                yield number, function(shared, item)
            return
        threads = max(1, get_threads() // self.workers)
        arguments = (function, shared, list(items), threads)
        yield from as_done(_item, len(items), min(self.workers, len(items)), _begin, arguments)


_work: list[tuple[Any, Any, Any]] = []


def _begin(function: Any, shared: Any, items: Any, threads: int) -> None:
    set_threads(threads)
    _work.append((function, shared, items))


def _item(number: int) -> Any:
    function, shared, items = _work[0]
    return function(shared, items[number])
