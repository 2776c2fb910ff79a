"""A starting pose from landmarks: perspective-n-point with RANSAC, refined on the reprojection error in all views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View
from SphericalRegLib.initialization.perspective import explained, pose_candidates
from SphericalRegLib.initialization.reprojection import Observations, conditioning, observe, refine, residuals

MIN_LANDMARKS = 4
# Landmarks nearer than this to one line (rms, mm) leave the rotation about it open.
_MIN_SPREAD_MM = 1.0
# No patient is longer; and beyond the other a coordinate's last digits are lost.
_LARGEST_MM, _FARTHEST_MM = 3000.0, 1e6
# Landmarks of the CT nearer than this to one another count as one.
_SAME_MM = 1.0
# Landmarks of the X-ray that lie as near as this to one another (mm on the detector) tell little more than one of them.
_CROWD_MM = 1.0
# Weakest against strongest direction of the pose: well-posed sets have 2e-3 and more.
_OPEN = 1e-5
# Landmarks named in one error.
_MOST_NAMED = 12


class LandmarkPose(NamedTuple):
    """Result of :func:`pose_from_landmarks`.

    Attributes:
        pose: (4, 4) float64 rig_from_world.
        inliers: for each view (N,) bool: which landmarks the pose explains.
        rms_px: root mean square distance of inliers in pixels, over all views.
        residuals_mm: for each view (N,) distances on the detector, of all landmarks.
    """

    pose: Tensor
    inliers: list[Tensor]
    rms_px: float
    residuals_mm: list[Tensor]


def match_by_name(points: Mapping[str, Any], pixels: Mapping[str, Any]) -> tuple[list[str], Tensor, Tensor]:
    """(names, points (N, 3), pixels (N, 2)) of the landmarks marked in the X-ray, paired by name with the CT's.

    A landmark of the CT that isn't in the X-ray is left out; the other way round it's an error, likely a misspelling.

    Raises:
        InputError: for names in the X-ray that the CT lacks, and for other than 3 and 2 coordinates.
    """
    if unknown := sorted(set(pixels) - set(points)):
        raise InputError(
            f"Landmarks {', '.join(unknown)} are marked in the X-ray but not in the CT, which has "
            f"{', '.join(sorted(points)) or 'none'}: use the same names."
        )
    names = [name for name in points if name in pixels]
    return names, _rows(points, names, 3, "CT"), _rows(pixels, names, 2, "X-ray")


def _rows(source: Mapping[str, Any], names: list[str], length: int, where: str) -> Tensor:
    rows = [[float(number) for number in source[name]] for name in names]
    for name, row in zip(names, rows, strict=True):
        if len(row) != length:
            raise InputError(f"Landmark {name} in the {where} has {len(row)} coordinates, not {length}: {row}.")
    return torch.tensor(rows, dtype=torch.float64).reshape(len(names), length)


def pose_from_landmarks(
    points: Any,
    pixels: Any,
    view: View | Sequence[View],
    *,
    threshold_mm: float = 5.0,
    threshold_px: float | None = None,
    seed: int = 0,
    names: Sequence[str] | Sequence[Sequence[str]] | None = None,
) -> LandmarkPose:
    """The pose that projects CT landmarks onto those marked in one X-ray, or in several calibrated ones at once.

    Args:
        points: (N, 3) world mm; with several views a list of such, one for each view.
        pixels: (N, 2) = (u, v), pixel centers at integers; likewise a list.
        view: the calibrated view, or several that share a rig.
        threshold_mm: landmarks further off than this, mm on the detector, count as wrong.
        threshold_px: the same in pixels, instead.
        seed: of the choice of subsets; the result is the same for the same seed.
        names: of the landmarks, for errors; with several views a list of such. Their numbers by default.

    Raises:
        InputError: for fewer than 4 landmarks in every view, landmarks on a line or at one place, unequal counts,
            values that are not finite or that no patient and no X-ray has, landmarks that no pose before the source
            explains, and those that leave the pose open.
    """
    single = isinstance(view, View)
    views = [view] if isinstance(view, View) else list(view)
    point_sets, pixel_sets = ([points], [pixels]) if single else (list(points), list(pixels))
    if not views or not len(views) == len(point_sets) == len(pixel_sets):
        raise InputError(
            f"There are {len(views)} views, {len(point_sets)} sets of points, {len(pixel_sets)} of pixels."
        )
    given: list[Any] = [names] * len(views) if names is None or single else list(names)
    observations = [
        _checked(v, p, q, n, "" if single else f" in view {v.name}")
        for v, p, q, n in zip(views, point_sets, pixel_sets, given, strict=True)
    ]
    labels = [
        [f"number {index}" for index in range(len(seen.points))] if n is None else [str(name) for name in n]
        for seen, n in zip(observations, given, strict=True)
    ]
    _check_enough(observations, labels)
    thresholds = [threshold_mm if threshold_px is None else threshold_px * float(np.mean(v.spacing)) for v in views]
    if not all(threshold > 0 for threshold in thresholds):
        raise InputError(f"The threshold is {threshold_mm} mm, {threshold_px} px: give one above 0.")
    starts = [
        start
        for seen, threshold in zip(observations, thresholds, strict=True)
        if len(seen.points) >= MIN_LANDMARKS and _spread(seen.points) >= _MIN_SPREAD_MM
        for start in pose_candidates(seen, threshold, seed)
    ]
    fits = [fit for start in starts if (fit := _consensus(start, observations, thresholds)) is not None]
    if not fits:
        every = [name for view_labels in labels for name in view_labels]
        raise InputError(
            f"No pose explains {MIN_LANDMARKS} of the {len(every)} landmarks ({_listed(every)}) within "
            f"{max(thresholds):.3g} mm on the detector, all between the source and the detector: check that the names "
            "match, that left and right are not swapped (is the X-ray mirrored?), the calibration, or raise the "
            f"threshold.{_crowded(observations, labels)}"
        )
    best = min(fits, key=lambda fit: (-sum(int(i.sum()) for i in fit.inliers), fit.rms_px))
    inlying = [_only(seen, mask) for seen, mask in zip(observations, best.inliers, strict=True)]
    if not conditioning(best.pose, inlying) > _OPEN:
        used = [
            name
            for view_labels, mask in zip(labels, best.inliers, strict=True)
            for name, good in zip(view_labels, mask.tolist(), strict=True)
            if good
        ]
        raise InputError(
            f"The landmarks {_listed(used)} leave the pose open: it can turn or move without moving their places in "
            f"the X-ray. Mark others, further apart.{_crowded(observations, labels)}"
        )
    return best


def _checked(view: View, points: Any, pixels: Any, names: Any, where: str) -> Observations:
    try:
        p, q = torch.as_tensor(points, dtype=torch.float64), torch.as_tensor(pixels, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"The landmarks{where} are no numbers: {str(error)[:200]}.") from None
    if p.ndim != 2 or p.shape[1] != 3 or q.ndim != 2 or q.shape[1] != 2:
        raise InputError(
            f"Landmarks{where} must be points (N, 3) and pixels (N, 2), not {tuple(p.shape)} and {tuple(q.shape)}."
        )
    if len(p) != len(q):
        raise InputError(f"There are {len(p)} landmarks in the CT but {len(q)} in the X-ray{where}: pair them.")
    if names is not None and len(names) != len(p):
        raise InputError(f"There are {len(p)} landmarks{where} but {len(names)} names: pair them.")
    size = torch.tensor([view.width, view.height], dtype=torch.float64)
    center = (size - 1) / 2
    for index, (point, pixel) in enumerate(zip(p, q, strict=True)):
        label = f"Landmark {names[index] if names is not None else index}{where}"
        if not (torch.isfinite(point).all() and torch.isfinite(pixel).all()):
            raise InputError(f"{label} is not finite, {point.tolist()} at {pixel.tolist()}: place it or leave it out.")
        if point.abs().max() > _FARTHEST_MM:
            raise InputError(f"{label} lies at {point.tolist()} mm in the CT, where no patient is: check its units.")
        if ((pixel - center).abs() > 1.5 * size).any():
            raise InputError(
                f"{label} lies at column {float(pixel[0]):.6g}, row {float(pixel[1]):.6g}, further outside of the "
                f"X-ray's {view.width} × {view.height} pixels than the X-ray is large: pixels are counted from the top "
                "left one's center, not in mm."
            )
    return observe(view, p, q)


def _check_enough(observations: list[Observations], labels: list[list[str]]) -> None:
    most = max(len(seen.points) for seen in observations)
    if most < MIN_LANDMARKS:
        raise InputError(f"There are {most} landmarks; a pose needs {MIN_LANDMARKS} or more in one view: mark more.")
    enough = [index for index, seen in enumerate(observations) if len(seen.points) >= MIN_LANDMARKS]
    distinct = max(_distinct(observations[index].points) for index in enough)
    if 1 < distinct < MIN_LANDMARKS:
        raise InputError(
            f"The landmarks {_listed(labels[enough[0]])} lie at {distinct} places in the CT only (apart by "
            f"{_SAME_MM:g} mm or more); a pose needs {MIN_LANDMARKS} or more in one view: mark others."
        )
    for index in enough:
        points = observations[index].points
        length = float((points.amax(dim=0) - points.amin(dim=0)).norm())
        if length > _LARGEST_MM:
            raise InputError(
                f"The landmarks {_listed(labels[index])} are spread over {length:.4g} mm in the CT, more than a "
                "patient is long: check their units, which must be mm."
            )
    spreads = [_spread(observations[index].points) for index in enough]
    if max(spreads) < _MIN_SPREAD_MM:
        raise InputError(
            f"The landmarks {_listed(labels[enough[0]])} lie on a line (within {max(spreads):.2g} mm), about which any "
            "rotation fits: mark others. Are they in mm?"
        )
    if all(len(_crowd(observations[index])) == len(observations[index].points) for index in enough):
        raise InputError(
            f"The landmarks {_listed(labels[enough[0]])} lie at one place in the X-ray (within {2 * _CROWD_MM:g} mm on "
            "the detector): mark each where it is seen."
        )


def _distinct(points: Tensor) -> int:
    """How many of the points (N, 3) do not repeat an earlier one."""
    near = torch.cdist(points, points) < _SAME_MM
    return int((~near.tril(-1).any(dim=1)).sum())


def _crowd(seen: Observations) -> list[int]:
    """Indices of the landmarks around that one which has most of them close to it on the detector."""
    near = torch.cdist(seen.detected, seen.detected) <= _CROWD_MM
    return [int(index) for index in near[int(near.sum(dim=1).argmax())].nonzero()[:, 0]]


def _crowded(observations: list[Observations], labels: list[list[str]]) -> str:
    """A sentence about landmarks that lie at one place in an X-ray; "" where none do."""
    crowds = [(index, _crowd(seen)) for index, seen in enumerate(observations) if len(seen.points)]
    sentences = [
        f" {_listed([labels[index][member] for member in crowd])} lie at one place in the X-ray"
        f"{f' {observations[index].view.name}' if len(observations) > 1 else ''}: is each marked where it is seen?"
        for index, crowd in crowds
        if len(crowd) > 1
    ]
    return "".join(sentences)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _spread(points: Tensor) -> float:
    """Root mean square distance in mm from the line nearest to points (N, 3)."""
    singular = torch.linalg.svdvals(points - points.mean(dim=0))
    return float((singular[1:] ** 2).sum().sqrt()) / len(points) ** 0.5


def _consensus(pose: Tensor, observations: list[Observations], thresholds: list[float]) -> LandmarkPose | None:
    """Refine on the landmarks that fit, until these stay the same; None where too few fit."""
    inliers: list[Tensor] = []
    for _ in range(10):
        fitting = [explained(pose, seen, t) for seen, t in zip(observations, thresholds, strict=True)]
        if sum(int(mask.sum()) for mask in fitting) < MIN_LANDMARKS:
            return None
        if inliers and all(torch.equal(a, b) for a, b in zip(fitting, inliers, strict=True)):
            break
        inliers = fitting
        pose = refine(pose, [_only(seen, mask) for seen, mask in zip(observations, inliers, strict=True)])
    distances = [residuals(pose, seen).norm(dim=1) for seen in observations]
    squared = [
        ((seen.view.project(seen.points, pose) - _pixels(seen))[mask] ** 2).sum(dim=1)
        for seen, mask in zip(observations, inliers, strict=True)
    ]
    return LandmarkPose(pose, inliers, float(torch.cat(squared).mean().sqrt()), distances)


def _only(seen: Observations, mask: Tensor) -> Observations:
    return Observations(seen.view, seen.points[mask], seen.detected[mask])


def _pixels(seen: Observations) -> Tensor:
    """Pixels (N, 2) of the detected places."""
    places = torch.cat([seen.detected, torch.full_like(seen.detected[:, :1], seen.view.sdd)], dim=1)
    return (places @ seen.view.intrinsics.T)[:, :2] / seen.view.sdd
