"""What a capture study found: one row a case, and the figures that sum them up."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation.statistics import percentile, smsr, wilson_interval
from SphericalRegLib.whole_file import write_whole

SUCCESS_MM = 1.0
GROSS_MM = 5.0
REJECTED = "rejected"
# Of the default tolerances, 1 mm and 1 degree.
_FAR = 3.0


@dataclass(frozen=True)
class CaptureRow:
    """One case; errors are those of the result against the truth, at bone points and at the isocenter.

    Attributes:
        index: of the case.
        system: name of the one that registered it.
        nominal: the view that its truth lies around.
        occluded: whether an instrument lay in the beam.
        part: what of the CT was registered; empty: all of it.
        start_mtre_mm: of the start.
        mtre_mm, mpe_mm, mrpe_mm: mean target registration, projection and reprojection errors.
        rotation_deg, in_plane_mm, depth_mm: errors of the pose.
        mtre_diffpose: not a target registration error; see ``metrics.mtre_diffpose``.
        cost: at the result, that on which the verdict stands.
        depth_sd_mm: what the registration itself expects of its depth.
        rotation_95_deg, plane_95_mm, depth_95_mm: half widths of its 95 % intervals.
        accepted: its verdict: in all directions.
        verdict: in words; "accepted in the plane only" leaves depth out.
        reasons: of the verdict, one sentence.
        seconds: of the registration alone.
    """

    index: int
    system: str
    nominal: str
    occluded: bool
    part: str
    start_mtre_mm: float
    mtre_mm: float
    mpe_mm: float
    mrpe_mm: float
    rotation_deg: float
    in_plane_mm: float
    depth_mm: float
    mtre_diffpose: float
    cost: float
    depth_sd_mm: float
    rotation_95_deg: float
    plane_95_mm: float
    depth_95_mm: float
    accepted: bool
    verdict: str
    reasons: str
    seconds: float


@dataclass(frozen=True)
class CaptureReport:
    """All cases of a study, in their order."""

    rows: tuple[CaptureRow, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("A capture report needs at least one case.")

    def summary(self) -> dict[str, Any]:
        """Figures for JSON.

        smsr (share of cases below 1 mm) with its 95 % Wilson interval, median, 75th and 95th percentile and maximum of
        mTRE; gross_failures (above 5 mm) and false_accepts (those of them that were accepted), false_rejects (below
        1 mm and rejected); wrong_directions (accepted in a direction in which they are more than three tolerances of
        1 mm and 1° off) and plane_only; coverage_* (share of the accepted, in the plane at least, whose error lies
        within the 95 % interval); medians of the other errors; smsr_by_view and _by_part; median_s and
        p95_s, registration only.
        """
        mtre = self._column("mtre_mm")
        good = sum(error < SUCCESS_MM for error in mtre)
        low, high = wilson_interval(good, len(mtre))
        return {
            "cases": len(mtre),
            "smsr": smsr(mtre, SUCCESS_MM),
            "smsr_wilson95": [low, high],
            "median_mm": percentile(mtre, 50),
            "p75_mm": percentile(mtre, 75),
            "p95_mm": percentile(mtre, 95),
            "max_mm": percentile(mtre, 100),
            "gross_failures": sum(error > GROSS_MM for error in mtre),
            "false_accepts": sum(row.mtre_mm > GROSS_MM and row.accepted for row in self.rows),
            "false_rejects": sum(row.mtre_mm < SUCCESS_MM and row.verdict == REJECTED for row in self.rows),
            "wrong_directions": sum(_wrong(row) for row in self.rows),
            "accepted": sum(row.accepted for row in self.rows),
            "plane_only": sum(not row.accepted and row.verdict != REJECTED for row in self.rows),
            "coverage_rotation": self._coverage("rotation_deg", "rotation_95_deg"),
            "coverage_plane": self._coverage("in_plane_mm", "plane_95_mm"),
            "coverage_depth": self._coverage("depth_mm", "depth_95_mm"),
            "median_depth_95_mm": self._median("depth_95_mm"),
            "median_start_mm": self._median("start_mtre_mm"),
            "median_mpe_mm": self._median("mpe_mm"),
            "median_mrpe_mm": self._median("mrpe_mm"),
            "median_rotation_deg": self._median("rotation_deg"),
            "median_in_plane_mm": self._median("in_plane_mm"),
            "median_depth_mm": self._median("depth_mm"),
            "smsr_by_view": self._by(lambda row: row.nominal),
            "smsr_by_part": self._by(lambda row: row.part or "whole CT"),
            "median_mtre_diffpose_not_a_tre": self._median("mtre_diffpose"),
            "median_s": self._median("seconds"),
            "p95_s": percentile(self._column("seconds"), 95),
        }

    def write_csv(self, path: str | Path) -> None:
        """Write one line a case, with headings.

        Raises:
            InputError: where the file cannot be written.
        """
        write_whole(path, as_csv(self.rows))

    def _coverage(self, error: str, half_width: str) -> float | None:
        """Share of the rows that are not rejected whose error lies within the interval; None where all are."""
        trusted = [row for row in self.rows if row.verdict != REJECTED]
        if not trusted:
            return None
        return sum(abs(getattr(row, error)) <= getattr(row, half_width) for row in trusted) / len(trusted)

    def _by(self, group: Callable[[CaptureRow], str]) -> dict[str, float]:
        """{group: smsr}, in the order in which they come."""
        groups = dict.fromkeys(group(row) for row in self.rows)
        return {name: smsr([r.mtre_mm for r in self.rows if group(r) == name], SUCCESS_MM) for name in groups}

    def _column(self, name: str) -> Sequence[float]:
        return [getattr(row, name) for row in self.rows]

    def _median(self, name: str) -> float:
        return percentile(self._column(name), 50)


def as_csv(rows: Sequence[CaptureRow]) -> str:
    """One line a row, with headings."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(CaptureRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def _wrong(row: CaptureRow) -> bool:
    """Whether a row is accepted in a direction in which it is far off."""
    if row.verdict == REJECTED:
        return False
    return row.rotation_deg > _FAR or row.in_plane_mm > _FAR or (row.accepted and abs(row.depth_mm) > _FAR)
