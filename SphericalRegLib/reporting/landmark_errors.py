"""Errors landmark by landmark: against the marks in the X-rays, and against the truth where it is known.

Definitions: van de Kraats et al., IEEE TMI 24 (2005), as in :mod:`SphericalRegLib.evaluation.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View

NAN = float("nan")


@dataclass(frozen=True)
class LandmarkError:
    """One landmark in one view; NaN for what is not known.

    Attributes:
        name: of the landmark.
        view: counted from 0.
        projected: (u, v) pixels at the estimated pose.
        marked: (u, v) pixels as placed in the X-ray.
        mark_detector_mm: from the projection to the mark, on the detector.
        mark_patient_mm: from the landmark to the ray through the mark.
        tre_mm: target registration error against the truth.
        projection_mm: projection error against the truth, on the detector.
        reprojection_mm: reprojection distance against the truth, at the patient.
    """

    name: str
    view: int
    projected: tuple[float, float]
    marked: tuple[float, float] = (NAN, NAN)
    mark_detector_mm: float = NAN
    mark_patient_mm: float = NAN
    tre_mm: float = NAN
    projection_mm: float = NAN
    reprojection_mm: float = NAN


#: What the numbers of a :class:`LandmarkError` are, and the name of their mean.
MEASURES = {
    "mark_detector_mm": ("Mark, on detector", "mPE to the marks"),
    "mark_patient_mm": ("Mark, at patient", "mRPE to the marks"),
    "tre_mm": ("TRE", "mTRE"),
    "projection_mm": ("PE to truth", "mPE"),
    "reprojection_mm": ("RPE to truth", "mRPE"),
}


def landmark_errors(
    pose: Tensor,
    views: Sequence[View],
    points: Mapping[str, Any],
    marked: Sequence[Mapping[str, Any]] = (),
    truth: Tensor | None = None,
) -> list[LandmarkError]:
    """All landmarks in all views, in order.

    Args:
        pose: (4, 4) rig_from_world, estimated.
        views: that share the rig.
        points: {name: (3,) world mm}.
        marked: for each view {name: (u, v)}; may lack landmarks.
        truth: (4, 4) rig_from_world.

    Raises:
        InputError: for marks of landmarks that the CT lacks, or another number of views.
    """
    if marked and len(marked) != len(views):
        raise InputError(f"There are landmarks of {len(marked)} X-rays for {len(views)} views: give one set for each.")
    rows = []
    for index, view in enumerate(views):
        places = marked[index] if marked else {}
        if unknown := sorted(set(places) - set(points)):
            raise InputError(
                f"Landmarks {', '.join(unknown)} are marked in X-ray {index + 1} but not in the CT, which has "
                f"{', '.join(sorted(points)) or 'none'}: use the same names."
            )
        for name, point in points.items():
            target = torch.as_tensor([float(x) for x in point], dtype=torch.float64).reshape(1, 3)
            rows.append(_one(name, index, view, pose, target, places.get(name), truth))
    return rows


def means(rows: Sequence[LandmarkError]) -> dict[str, float]:
    """Means over the landmarks for which they are known, by the names in :data:`MEASURES`; those without are absent.

    Over points first and then over views, as :mod:`metrics` does.
    """
    found = {}
    for name in MEASURES:
        of_views = []
        for view in sorted({row.view for row in rows}):
            known = [value for row in rows if row.view == view and not math.isnan(value := getattr(row, name))]
            if known:
                of_views.append(sum(known) / len(known))
        if of_views:
            found[name] = sum(of_views) / len(of_views)
    return found


def _one(
    name: str, index: int, view: View, pose: Tensor, target: Tensor, mark: Any | None, truth: Tensor | None
) -> LandmarkError:
    u, v = (float(x) for x in view.project(target, pose)[0])
    known: dict[str, Any] = {}
    if mark is not None:
        place = torch.tensor([float(mark[0]), float(mark[1]), 1.0], dtype=torch.float64)
        on_detector = view.detector_from_pixel() @ place
        at_patient = se3.transform_points(view.camera_from_world(pose), target)[0]
        projected = view.detector_from_pixel() @ torch.tensor([u, v, 1.0], dtype=torch.float64)
        ray = on_detector / on_detector.norm()
        known["marked"] = (float(place[0]), float(place[1]))
        known["mark_detector_mm"] = float((projected - on_detector).norm())
        known["mark_patient_mm"] = float((at_patient - (at_patient @ ray) * ray).norm())
    if truth is not None:
        known["tre_mm"] = float(metrics.mtre(pose, truth, target))
        known["projection_mm"] = float(metrics.mpe(pose, truth, target, view))
        known["reprojection_mm"] = float(metrics.mrpe(pose, truth, target, view))
    return LandmarkError(name, index, (u, v), **known)
