"""Where to start by the most specific thing that is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from SphericalRegLib.initialization.angles import Angles
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Making
from SphericalRegLib.initialization.from_landmarks import FromLandmarks
from SphericalRegLib.initialization.given import Given
from SphericalRegLib.initialization.search import SearchRange


@dataclass(frozen=True)
class Known:
    """A given pose; else landmarks; else a preset or angles; else what the X-ray's header says; else AP and PA.

    Attributes:
        given, landmarks, angles: what then starts, each with its own reach.
    """

    given: Given = field(default_factory=Given)
    landmarks: FromLandmarks = field(default_factory=FromLandmarks)
    angles: Angles = field(default_factory=Angles)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return False

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        if case.poses is not None:
            return self.given.start(case, conditions)
        if case.landmarks is not None:
            return self.landmarks.start(case, conditions)
        return self.angles.start(case, conditions)

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> Known:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return replace(
            self,
            given=self.given.searching(reach, candidates),
            landmarks=self.landmarks.searching(reach, candidates),
            angles=self.angles.searching(reach, candidates),
        )

    @classmethod
    def around(cls, reach: SearchRange, candidates: int) -> Known:
        """The same reach whatever is known."""
        return cls().searching(reach, candidates)
