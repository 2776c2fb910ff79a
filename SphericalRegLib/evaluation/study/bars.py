"""What a row must clear before its figures mean anything; one that does not is printed as failed, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from SphericalRegLib.evaluation.capture_report import CaptureRow
from SphericalRegLib.evaluation.statistics import percentile

#: The training's loss must have fallen by this factor.
LOSS_FACTOR = 3.0
#: Degrees, median: the gradient must point nearer to the truth than this. By chance it is 90.
ANGLE_DEG = 60.0
#: mm, median mTRE: where the truth is the start, the end must be near it.
DRIFT_MM = 2.0
#: Of the cases, more than this share must end nearer to the truth than they began.
IMPROVED = 0.5


@dataclass(frozen=True)
class Bars:
    """What was measured; None where a bar is not for this row.

    Attributes:
        losses: {phase: (mean of the first steps, mean of the last)}.
        angle_deg: median.
        drift_mm: median mTRE from the truth.
        improved: share of the cases.
    """

    losses: Mapping[str, tuple[float, float]]
    angle_deg: float | None
    drift_mm: float | None
    improved: float | None

    def failures(self) -> tuple[str, ...]:
        """In words, each bar that is not cleared."""
        told = []
        for phase, (first, last) in self.losses.items():
            if not last * LOSS_FACTOR <= first:
                told.append(
                    f"the loss of its {phase} went from {first:.3g} to {last:.3g} (wanted: less by a factor of "
                    f"{LOSS_FACTOR:g})"
                )
        if self.angle_deg is not None and not self.angle_deg < ANGLE_DEG:
            told.append(
                f"its gradient is {self.angle_deg:.0f}° off the way to the truth (wanted: below {ANGLE_DEG:g}°)"
            )
        if self.drift_mm is not None and not self.drift_mm < DRIFT_MM:
            told.append(f"from the truth itself it ends {self.drift_mm:.1f} mm off (wanted: below {DRIFT_MM:g} mm)")
        if self.improved is not None and not self.improved > IMPROVED:
            told.append(f"{100 * self.improved:.0f} % of the cases end nearer than they began (wanted: more than half)")
        return tuple(told)


def median_or_none(values: Sequence[float | None]) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value is not None]
    return percentile(known, 50) if known else None


def improved_share(rows: Sequence[CaptureRow]) -> float:
    """Of the cases, the share that ends nearer to the truth than it began."""
    return sum(row.mtre_mm < row.start_mtre_mm for row in rows) / len(rows)
