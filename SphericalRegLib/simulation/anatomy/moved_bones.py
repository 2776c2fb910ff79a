"""A patient some of whose bones have moved: the CT that the simulator then takes X-rays of.

Not how registration takes a CT apart (``imaging/bodies.py``): what a bone leaves is filled smoothly from the soft
tissue around it, the bone is resampled by splines with its own Hounsfield units, and lies over what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.simulation.siddon import FloatArray

# HU of muscle, fat and organs.
_SOFT = (-150.0, 120.0)
_MUSCLE_HU = 40.0
# Voxels: how far around its hole the soft tissue tells the filling, and what a rim is of a bone.
_REACH, _RIM = 3.0, 1
# HU above which a voxel beside a bone holds a part of it.
_RIM_HU = 100.0


def with_bones_moved(ct: CT, motions: Sequence[tuple[Sequence[int], FloatArray]]) -> CT:
    """The CT after bones have moved within the patient.

    Args:
        ct: with a label map.
        motions: for each bone its labels, and its rigid motion (4, 4) world to world, RAS mm. Later ones lie over
            earlier ones.

    Returns:
        the CT on its own grid; labels stay those of the bones at rest.

    Raises:
        InputError: without a label map, or for labels that are not there.
    """
    if ct.labels is None:
        raise InputError("Bones can move in a CT with a label map only: give one.")
    bones = [_with_rim(ct, labels) for labels, _ in motions]
    hu = _filled(ct.hu, np.logical_or.reduce(bones), ct.labels) if bones else ct.hu
    voxel_from_world = np.linalg.inv(ct.world_from_voxel)
    for bone, (_, motion) in zip(bones, motions, strict=True):
        back = voxel_from_world @ np.linalg.inv(motion) @ ct.world_from_voxel
        # scipy counts axes k, j, i
        matrix, offset = back[:3, :3][::-1, ::-1], back[:3, 3][::-1]
        share = ndimage.affine_transform(bone.astype(np.float32), matrix, offset, order=1)
        values = ndimage.affine_transform(_extended(ct.hu, bone), matrix, offset, order=3, mode="nearest")
        hu = (1 - share) * hu + share * np.clip(values, float(ct.hu.min()), float(ct.hu.max()))
    return replace(ct, hu=hu.astype(np.float32))


def _with_rim(ct: CT, labels: Sequence[int]) -> NDArray[np.bool_]:
    """(K, J, I) a bone, and the voxels beside it that hold a part of it."""
    assert ct.labels is not None
    bone = np.isin(ct.labels, labels)
    if not bone.any():
        raise InputError(f"The label map holds none of the labels {list(labels)}: choose bones that are there.")
    beside = ndimage.binary_dilation(bone, iterations=_RIM) & (ct.labels == 0)
    return bone | (beside & (ct.hu > _RIM_HU))


def _extended(hu: NDArray[np.float32], bone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(K, J, I) HU in which the nearest of a bone's goes on outside of it, so that its edge is not thinned twice."""
    nearest = ndimage.distance_transform_edt(~bone, return_distances=False, return_indices=True)
    return hu[tuple(nearest)]


def _filled(hu: NDArray[np.float32], hole: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """(K, J, I) HU with a hole filled by means of the soft tissue around it (normalized convolution)."""
    soft = (~hole & (labels == 0) & (hu > _SOFT[0]) & (hu < _SOFT[1])).astype(np.float32)
    weight = ndimage.gaussian_filter(soft, _REACH)
    mean = ndimage.gaussian_filter(np.where(soft > 0, hu, 0), _REACH) / np.maximum(weight, 1e-6)
    return np.where(hole, np.where(weight > 1e-3, mean, _MUSCLE_HU), hu).astype(np.float32)
