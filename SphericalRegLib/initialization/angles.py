"""Where to start when the C-arm's angles are known: typed, as a preset view, or from the X-ray's own header."""

from __future__ import annotations

from dataclasses import dataclass

from SphericalRegLib.geometry.carm import PRESETS
from SphericalRegLib.initialization.around import Around
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Making, Starts, at_once
from SphericalRegLib.initialization.given import start_poses


@dataclass(frozen=True)
class Angles(Around):
    """A preset or angles that the user tells; else those of the first X-ray's header; else both AP and PA."""

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        poses = start_poses(case.xrays, case.volume.center, preset=case.preset, angles=case.angles)
        return at_once(Starts(poses, self.reach, self.candidates, _origin(case)))


def _origin(case: Case) -> str:
    if case.preset is not None:
        return f"the preset view {case.preset}"
    if case.angles is not None:
        return f"C-arm angles {case.angles[0]:g}°, {case.angles[1]:g}°"
    geometry = case.xrays[0].geometry
    if geometry is not None and geometry.primary_deg is not None:
        return f"the X-ray's C-arm angles {geometry.primary_deg:g}°, {geometry.secondary_deg or 0:g}°"
    return f"nothing known: {' and '.join(list(PRESETS)[:2])} were tried"
