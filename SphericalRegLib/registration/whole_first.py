"""Where bones start when a model knows only the whole CT: where that comes to lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

from SphericalRegLib.errors import InputError
from SphericalRegLib.initialization import Case, Conditions, SearchRange, Starts
from SphericalRegLib.initialization.around import Around
from SphericalRegLib.initialization.contract import Making
from SphericalRegLib.registration.registration import Registration
from SphericalRegLib.registration.system import System


@dataclass(frozen=True, kw_only=True)
class WholeFirst(Around):
    """The whole CT is registered by another system; a bone that has moved within the patient lies near its place.

    Attributes:
        by: the other system.
    """

    reach: SearchRange = SearchRange(10.0, 10.0, 10.0)
    candidates: int = 24
    by: System

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return self.by.needs_model

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`.

        Raises:
            InputError: where the case is of the whole CT itself.
        """
        if case.whole is None:
            raise InputError("This system registers bones after the whole CT: choose bones, or another system.")
        registration = Registration(
            replace(case, volume=case.whole, whole=None), self.by, replace(conditions, uncertainty="calibrated")
        )
        for progress in registration:
            yield replace(progress, stage=f"whole CT: {progress.stage}")
        result = registration.result()
        notes = registration.notes
        if not (result.verdict.accepted or result.verdict.plane_only):
            notes += (
                "The bones were started from a pose of the whole CT that was itself rejected: "
                + " ".join(result.verdict.reasons),
            )
        origin = f"the whole CT's pose, found from {registration.origin}"
        return Starts(result.pose, self.reach, self.candidates, origin, notes)
