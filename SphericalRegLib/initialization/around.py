"""What initializers share that are told where the C-arm is: how far around it to look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from SphericalRegLib.initialization.contract import check_candidates
from SphericalRegLib.initialization.search import SearchRange

Own = TypeVar("Own", bound="Around")


@dataclass(frozen=True)
class Around:
    """How far to look around a start.

    Attributes:
        reach: within which the true pose is expected.
        candidates: poses followed, the best of a survey where the system has one; 1 trusts the start.

    Raises:
        InputError: for fewer than one candidate.
    """

    reach: SearchRange = SearchRange(20.0, 40.0, 80.0)
    candidates: int = 16

    def __post_init__(self) -> None:
        check_candidates(self.candidates)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return False

    def searching(self: Own, reach: SearchRange | None = None, candidates: int | None = None) -> Own:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return replace(
            self,
            reach=self.reach if reach is None else reach,
            candidates=self.candidates if candidates is None else candidates,
        )
