"""Where to start when the start is hardly known: many poses far around it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from SphericalRegLib.initialization.around import Around
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Initializer, Making
from SphericalRegLib.initialization.known import Known
from SphericalRegLib.initialization.search import SearchRange


@dataclass(frozen=True)
class Search(Around):
    """Another initializer's starts, searched farther around than it would by itself.

    Attributes:
        of: the other initializer.
    """

    reach: SearchRange = SearchRange(35.0, 80.0, 150.0)
    candidates: int = 96
    of: Initializer = field(default_factory=Known)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return self.of.needs_model

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        starts = yield from self.of.start(case, conditions)
        return replace(starts, reach=self.reach, candidates=self.candidates)
