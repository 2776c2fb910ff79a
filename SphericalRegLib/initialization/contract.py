"""What an initializer is: from what is known of a case to the poses that registration starts from."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.search import SearchRange

#: A pose farther than so many search ranges from every start has left the search.
LEEWAY = 2.0
#: Of a search so wide, degrees, less: who searches ±20° has room already, and far from the start a wrong pose may fit.
_WIDE_DEG, _WIDE_LEEWAY = 15.0, 1.5


def leeway_of(reach: SearchRange) -> float:
    """In search ranges, how far a result may lie from its start."""
    return _WIDE_LEEWAY if reach.rotation_deg >= _WIDE_DEG else LEEWAY


@dataclass(frozen=True)
class Starts:
    """Where a registration starts, and how far it has still to look.

    Attributes:
        poses: (S, 4, 4) float64 rig_from_world, the likeliest first.
        reach: around each of them, within which the true pose is expected.
        candidates: poses followed around each, the best of a survey where there is one; 1 trusts them as they are.
        origin: in words, where the poses come from.
        notes: what the user should know of it.
        leeway: in search ranges: a result farther than this from every start has left the search; 0 stands for what
            :func:`leeway_of` says.

    Raises:
        InputError: without a pose, or for fewer than one candidate.
    """

    poses: Tensor
    reach: SearchRange
    candidates: int
    origin: str
    notes: tuple[str, ...] = ()
    leeway: float = 0.0

    def __post_init__(self) -> None:
        if self.leeway == 0:
            object.__setattr__(self, "leeway", leeway_of(self.reach))
        object.__setattr__(self, "poses", torch.as_tensor(self.poses, dtype=torch.float64).reshape(-1, 4, 4))
        if len(self.poses) == 0:
            raise InputError("There is no pose to start from: give one, a preset, angles or landmarks.")
        check_candidates(self.candidates)


#: Yields whatever a listener should see while starts are made, and returns them.
Making = Generator[Any, None, Starts]


class Initializer(Protocol):
    """Finds where to start. It may take long, and may be stopped at any step."""

    @property
    def needs_model(self) -> bool:
        """Whether it cannot start without a trained model."""
        ...

    def start(self, case: Case, conditions: Conditions) -> Making:
        """Steps, and in the end the starts.

        Raises:
            InputError, GeometryError, CheckpointError: where the case lacks what the initializer needs; the message
                says what to give.
        """
        ...

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> Initializer:
        """The same with another reach around what the user tells, or other candidates; None keeps its own."""
        ...


def at_once(starts: Starts) -> Making:
    """Starts that take no steps to make."""
    yield from ()
    return starts


def starts_of(initializer: Initializer, case: Case, conditions: Conditions | None = None) -> Starts:
    """The starts, all steps done.

    Raises:
        SphericalRegError: as :meth:`Initializer.start`.
    """
    making = initializer.start(case, conditions or Conditions())
    while True:
        try:
            next(making)
        except StopIteration as end:
            starts: Starts = end.value
            return starts


def check_candidates(count: int) -> None:
    """See that a number of candidates is one.

    Raises:
        InputError: for less than 1.
    """
    if count < 1:
        raise InputError(f"candidates is {count}: try at least 1, the start itself.")
