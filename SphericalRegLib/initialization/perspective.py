"""Candidate poses from one view's landmarks, by OpenCV's solvers for perspective-n-point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.initialization.reprojection import Observations, residuals

_SMALLEST_SUBSET = 4
_MAX_SUBSETS = 60
_KEPT_STARTS = 4
# The patient lies between source and detector; twice as far still serves where the detector's distance is nominal.
_FARTHEST = 2.0

# A rotation vector and an offset, as OpenCV gives them.
_Solution = tuple[Any, Any]


def pose_candidates(seen: Observations, threshold_mm: float, seed: int) -> list[Tensor]:
    """The best poses rig_from_world (4, 4) from one view: RANSAC's, that of all its landmarks, and small subsets'.

    OpenCV's RANSAC alone loses planar landmarks under the weak perspective of X-rays; what a subset's SQPnP finds does
    not.

    Args:
        seen: four landmarks or more, not on a line.
        threshold_mm: landmarks further off than this, mm on the detector, count as wrong.
        seed: of the choice of subsets.
    """
    # In detector millimeters the camera is the simplest there is: never mirrored, no skew, no principal point.
    camera = np.diag([seen.view.sdd, seen.view.sdd, 1.0])
    middle = seen.points.mean(dim=0)
    p, q = (np.ascontiguousarray(a.numpy()) for a in (seen.points - middle, seen.detected))
    solutions = list(_ransac(p, q, camera, threshold_mm))
    for subset in _subsets(len(p), seed):
        solutions += _solutions(p[subset], q[subset], camera)
    poses = []
    for rotation_vector, offset in solutions:
        vector, t = (torch.as_tensor(np.ravel(a), dtype=torch.float64) for a in (rotation_vector, offset))
        if torch.isfinite(vector).all() and torch.isfinite(t).all():
            pose = se3.from_parts(se3.so3_exp(vector), t)
            poses.append(se3.inverse(seen.view.camera_from_rig) @ pose @ se3.translation(-middle))
    fitting = [int(explained(pose, seen, threshold_mm).sum()) for pose in poses]
    return [poses[index] for index in sorted(range(len(poses)), key=lambda i: -fitting[i])[:_KEPT_STARTS]]


def explained(pose: Tensor, seen: Observations, threshold_mm: float) -> Tensor:
    """(N,) bool: which landmarks a pose puts before the source, not far beyond the detector, where they are seen."""
    depth = se3.transform_points(seen.view.camera_from_world(pose), seen.points)[:, 2]
    between = (depth > 0) & (depth < _FARTHEST * seen.view.sdd)
    return between & (residuals(pose, seen).norm(dim=1) < threshold_mm)


def _ransac(
    p: NDArray[np.float64], q: NDArray[np.float64], camera: NDArray[np.float64], threshold_mm: float
) -> Iterator[_Solution]:
    try:
        good, rotation, offset, _ = cv2.solvePnPRansac(
            p, q, camera, None, iterationsCount=1000, reprojectionError=threshold_mm, confidence=0.9999,
            flags=cv2.SOLVEPNP_SQPNP,
        )  # fmt: skip
    except cv2.error:
        # It drew landmarks at one place or on a line, which SQPnP asserts against: the subsets find what there is.
        return
    if good:
        yield rotation, offset


def _solutions(p: NDArray[np.float64], q: NDArray[np.float64], camera: NDArray[np.float64]) -> list[_Solution]:
    """SQPnP's poses of a subset; where it is degenerate for that (all but one landmark on a line), P3P's."""
    try:
        count, rotations, offsets, _ = cv2.solvePnPGeneric(p, q, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error:
        triples = [np.array(chosen) for chosen in itertools.combinations(range(min(len(p), _SMALLEST_SUBSET + 1)), 3)]
        return [solution for triple in triples for solution in _three_points(p[triple], q[triple], camera)]
    return list(zip(rotations[:count], offsets[:count], strict=True))


def _three_points(p: NDArray[np.float64], q: NDArray[np.float64], camera: NDArray[np.float64]) -> list[_Solution]:
    try:
        count, rotations, offsets, _ = cv2.solvePnPGeneric(p, q, camera, None, flags=cv2.SOLVEPNP_P3P)
    except cv2.error:
        return []
    return list(zip(rotations[:count], offsets[:count], strict=True))


def _subsets(count: int, seed: int) -> list[NDArray[np.int64]]:
    """All landmarks, and subsets of four (five where there are many): every one, or as many as are enough."""
    size = _SMALLEST_SUBSET + (count > 6)
    subsets: list[NDArray[np.int64]] = [np.arange(count)]
    if count <= _SMALLEST_SUBSET:
        return subsets
    if math.comb(count, size) <= _MAX_SUBSETS:
        return subsets + [np.array(chosen) for chosen in itertools.combinations(range(count), size)]
    generator = np.random.default_rng(seed)
    return subsets + [np.sort(generator.choice(count, size, replace=False)) for _ in range(_MAX_SUBSETS)]
