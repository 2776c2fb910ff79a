"""What a controller tells its listeners. Every event carries the number of its run, counted from 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from SphericalRegLib.app.control.failure import Failure
from SphericalRegLib.app.control.state import State


@dataclass(frozen=True)
class StateChanged:
    """The controller went from one state to another."""

    run: int
    before: State
    after: State


@dataclass(frozen=True)
class Progressed:
    """One step was done.

    Attributes:
        run: its number.
        step: what the job yielded.
        count: of steps so far, this one included.
    """

    run: int
    step: Any
    count: int


@dataclass(frozen=True)
class Finished:
    """A run came to its end; ``result`` is the job's."""

    run: int
    result: Any


@dataclass(frozen=True)
class Cancelled:
    """A run was stopped on request after ``count`` steps; there is no result."""

    run: int
    count: int


@dataclass(frozen=True)
class Failed:
    """A run ended with an error."""

    run: int
    failure: Failure


Event = StateChanged | Progressed | Finished | Cancelled | Failed
