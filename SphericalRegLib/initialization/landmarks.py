"""A starting pose from landmarks: perspective-n-point with RANSAC, refined on the reprojection error in all views."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.initialization.reprojection import Observations, observe, refine, residuals

MIN_LANDMARKS = 4
# Landmarks nearer than this to one line (rms, mm) leave the rotation about it open.
_MIN_SPREAD_MM = 1.0
_MAX_SUBSETS = 60
_KEPT_STARTS = 4


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
) -> LandmarkPose:
    """The pose that projects CT landmarks onto those marked in one X-ray, or in several calibrated ones at once.

    Args:
        points: (N, 3) world mm; with several views a list of such, one for each view.
        pixels: (N, 2) = (u, v), pixel centers at integers; likewise a list.
        view: the calibrated view, or several that share a rig.
        threshold_mm: landmarks further off than this, mm on the detector, count as wrong.
        threshold_px: the same in pixels, instead.
        seed: of the choice of subsets; the result is the same for the same seed.

    Raises:
        InputError: for fewer than 4 landmarks in every view, landmarks on a line, unequal counts, values that are not
            finite, and landmarks that no pose before the source explains.
    """
    single = isinstance(view, View)
    views = [view] if isinstance(view, View) else list(view)
    point_sets, pixel_sets = ([points], [pixels]) if single else (list(points), list(pixels))
    if not views or not len(views) == len(point_sets) == len(pixel_sets):
        raise InputError(
            f"There are {len(views)} views, {len(point_sets)} sets of points, {len(pixel_sets)} of pixels."
        )
    observations = [
        _checked(v, p, q, "" if single else f" in view {v.name}")
        for v, p, q in zip(views, point_sets, pixel_sets, strict=True)
    ]
    _check_enough(observations)
    thresholds = [threshold_mm if threshold_px is None else threshold_px * float(np.mean(v.spacing)) for v in views]
    if not all(threshold > 0 for threshold in thresholds):
        raise InputError(f"The threshold is {threshold_mm} mm, {threshold_px} px: give one above 0.")
    starts = [s for seen, t in zip(observations, thresholds, strict=True) for s in _starts(seen, t, seed)]
    fits = [fit for start in starts if (fit := _consensus(start, observations, thresholds)) is not None]
    if not fits:
        total = sum(len(seen.points) for seen in observations)
        raise InputError(
            f"No pose explains {MIN_LANDMARKS} of the {total} landmarks within {max(thresholds):.3g} mm on the "
            "detector, all before the source: check that the names match, that left and right are not swapped (is the "
            "X-ray mirrored?), the calibration, or raise the threshold."
        )
    return min(fits, key=lambda fit: (-sum(int(i.sum()) for i in fit.inliers), fit.rms_px))


def _checked(view: View, points: Any, pixels: Any, where: str) -> Observations:
    p, q = torch.as_tensor(points, dtype=torch.float64), torch.as_tensor(pixels, dtype=torch.float64)
    if p.ndim != 2 or p.shape[1] != 3 or q.ndim != 2 or q.shape[1] != 2:
        raise InputError(
            f"Landmarks{where} must be points (N, 3) and pixels (N, 2), not {tuple(p.shape)} and {tuple(q.shape)}."
        )
    if len(p) != len(q):
        raise InputError(f"There are {len(p)} landmarks in the CT but {len(q)} in the X-ray{where}: pair them.")
    bad = ~(torch.isfinite(p).all(dim=1) & torch.isfinite(q).all(dim=1))
    if bad.any():
        index = int(bad.nonzero()[0])
        raise InputError(
            f"Landmark {index}{where} is not finite, {p[index].tolist()} at {q[index].tolist()}: place it or leave "
            "it out."
        )
    return observe(view, p, q)


def _check_enough(observations: list[Observations]) -> None:
    most = max(len(seen.points) for seen in observations)
    if most < MIN_LANDMARKS:
        raise InputError(f"There are {most} landmarks; a pose needs {MIN_LANDMARKS} or more in one view: mark more.")
    spreads = [_spread(seen.points) for seen in observations if len(seen.points) >= MIN_LANDMARKS]
    if max(spreads) < _MIN_SPREAD_MM:
        raise InputError(
            f"The landmarks lie on a line (within {max(spreads):.2g} mm), about which any rotation fits: mark others."
        )


def _spread(points: Tensor) -> float:
    """Root mean square distance in mm from the line nearest to points (N, 3)."""
    singular = torch.linalg.svdvals(points - points.mean(dim=0))
    return float((singular[1:] ** 2).sum().sqrt()) / len(points) ** 0.5


def _starts(seen: Observations, threshold_mm: float, seed: int) -> list[Tensor]:
    """Candidate poses rig_from_world from one view: RANSAC's, that of all its landmarks, and those of small subsets.

    OpenCV's RANSAC alone loses planar landmarks under the weak perspective of X-rays; what a subset's SQPnP finds does
    not.
    """
    if len(seen.points) < MIN_LANDMARKS or _spread(seen.points) < _MIN_SPREAD_MM:
        return []
    # In detector millimeters the camera is the simplest there is: never mirrored, no skew, no principal point.
    camera = np.diag([seen.view.sdd, seen.view.sdd, 1.0])
    middle = seen.points.mean(dim=0)
    p, q = (np.ascontiguousarray(a.numpy()) for a in (seen.points - middle, seen.detected))
    found = []
    good, rotation, offset, _ = cv2.solvePnPRansac(
        p, q, camera, None, iterationsCount=1000, reprojectionError=threshold_mm, confidence=0.9999,
        flags=cv2.SOLVEPNP_SQPNP,
    )  # fmt: skip
    if good:
        found.append((rotation, offset))
    for subset in _subsets(len(p), seed):
        count, rotations, offsets, _ = cv2.solvePnPGeneric(p[subset], q[subset], camera, None, flags=cv2.SOLVEPNP_SQPNP)
        found += list(zip(rotations[:count], offsets[:count], strict=True))
    poses = []
    for rotation_vector, t in found:
        vector = torch.as_tensor(np.ravel(rotation_vector), dtype=torch.float64)
        pose = se3.from_parts(se3.so3_exp(vector), torch.as_tensor(np.ravel(t), dtype=torch.float64))
        if torch.isfinite(pose).all():
            poses.append(se3.inverse(seen.view.camera_from_rig) @ pose @ se3.translation(-middle))
    fitting = [int(_explained(pose, seen, threshold_mm).sum()) for pose in poses]
    return [poses[index] for index in sorted(range(len(poses)), key=lambda i: -fitting[i])[:_KEPT_STARTS]]


def _subsets(count: int, seed: int) -> list[NDArray[np.int64]]:
    """All landmarks, and subsets of four (five where there are many): every one, or as many as are enough."""
    size = MIN_LANDMARKS + (count > 6)
    subsets: list[NDArray[np.int64]] = [np.arange(count)]
    if count <= MIN_LANDMARKS:
        return subsets
    if math.comb(count, size) <= _MAX_SUBSETS:
        return subsets + [np.array(chosen) for chosen in itertools.combinations(range(count), size)]
    generator = np.random.default_rng(seed)
    return subsets + [np.sort(generator.choice(count, size, replace=False)) for _ in range(_MAX_SUBSETS)]


def _consensus(pose: Tensor, observations: list[Observations], thresholds: list[float]) -> LandmarkPose | None:
    """Refine on the landmarks that fit, until these stay the same; None where too few fit."""
    inliers: list[Tensor] = []
    for _ in range(10):
        fitting = [_explained(pose, seen, t) for seen, t in zip(observations, thresholds, strict=True)]
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


def _explained(pose: Tensor, seen: Observations, threshold_mm: float) -> Tensor:
    before = se3.transform_points(seen.view.camera_from_world(pose), seen.points)[:, 2] > 0
    return before & (residuals(pose, seen).norm(dim=1) < threshold_mm)


def _only(seen: Observations, mask: Tensor) -> Observations:
    return Observations(seen.view, seen.points[mask], seen.detected[mask])


def _pixels(seen: Observations) -> Tensor:
    """Pixels (N, 2) of the detected places."""
    places = torch.cat([seen.detected, torch.full_like(seen.detected[:, :1], seen.view.sdd)], dim=1)
    return (places @ seen.view.intrinsics.T)[:, :2] / seen.view.sdd
