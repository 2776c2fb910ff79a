"""How well a view's numbers are known: what was read off a tape measure is not what a C-arm has measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from SphericalRegLib.errors import GeometryError

#: Half width of a typed number's 95 % interval, where nobody says how well it is known: a tape measure's.
TYPED = 0.01


@dataclass(frozen=True)
class Tolerance:
    """Half widths of the 95 % intervals of a view's numbers; 0 where they count as exact.

    Attributes:
        focal: of the focal length in pixels (source-to-detector distance over pixel spacing), relative.
        center_mm: of where the central ray hits the detector, along rows and along columns.
    """

    focal: float = 0.0
    center_mm: float = 0.0


EXACT = Tolerance()


def in_words(tolerance: Tolerance) -> str:
    """How well a view's numbers are known, as a part of a sentence."""
    parts = []
    if tolerance.focal:
        parts.append(f"source distance over pixel size known to ±{100 * tolerance.focal:.2g} %")
    if tolerance.center_mm:
        parts.append(f"central ray known to ±{tolerance.center_mm:.2g} mm")
    return ", ".join(parts) or "taken as exact"


@dataclass(frozen=True)
class GeometryTolerance:
    """How well the numbers of an X-ray's geometry are known: half widths of their 95 % intervals. 0: exactly.

    What is not stated is 1 % of a distance or spacing that was typed, or that a file calculated from the patient's
    depth, and 0 of what a file or a calibration tells.

    Args:
        sdd_mm: of the source-to-detector distance, mm.
        spacing_mm: of the distance of pixel centers on the detector, mm.
        center_mm: of where the central ray hits the detector, mm; 0 where not stated.

    Raises:
        GeometryError: for a number below 0 or that is none.
    """

    sdd_mm: float | None = None
    spacing_mm: float | None = None
    center_mm: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 <= value < math.inf:
                raise GeometryError(
                    f"geometry_tolerance.{field.name} is {value}: give how far the number may be off, in mm, 0 where "
                    "it is exact."
                )

    def of(
        self,
        sdd: float,
        spacing: tuple[float, float],
        *,
        sdd_typed: bool,
        spacing_typed: bool,
        unstated: float = TYPED,
    ) -> Tolerance:
        """Of a view.

        Args:
            sdd: source-to-detector distance, mm.
            spacing: (row, column) distance of pixel centers on the detector, mm.
            sdd_typed, spacing_typed: whether somebody typed it.
            unstated: relative, of what was typed and nothing is stated of.
        """

        def relative(stated: float | None, value: float, typed: bool) -> float:
            return (unstated if typed else 0.0) if stated is None else stated / value

        return Tolerance(
            math.hypot(relative(self.sdd_mm, sdd, sdd_typed), relative(self.spacing_mm, min(spacing), spacing_typed)),
            self.center_mm or 0.0,
        )
