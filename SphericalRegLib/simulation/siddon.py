"""Exact line integrals through a CT of constant voxels (Siddon), split into materials on the way.

This is the simulator's own projector. It shares nothing with the registration's renderer, so that an accuracy measured
on simulated X-rays does not flatter it.

Siddon, Fast calculation of the exact radiological path for a three-dimensional CT array, Med. Phys. 12 (1985);
the incremental walk from plane to plane follows Amanatides and Woo, A fast voxel traversal algorithm, Eurographics
(1987).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.compilation import compiled, inlined
from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry.view import View, is_rigid
from SphericalRegLib.simulation.tissue import TissueModel
from SphericalRegLib.threads import share_out

FloatArray = NDArray[np.float64]

# Less is not worth handing to another thread: a thousand rays take about a millisecond.
_NUMBERS_A_PART = 4 * 1000

PATH_LENGTH = 3
"""Index of the path length in what :func:`line_integrals` returns, behind the three materials."""


def line_integrals(
    hu: NDArray[np.floating],
    world_from_voxel: FloatArray,
    view: View,
    pose: FloatArray,
    tissue: TissueModel | None = None,
    subpixels: int = 1,
) -> FloatArray:
    """Material line integrals from the source to each (part of a) detector pixel.

    Each voxel fills its cell, so the CT is the box [-0.5, n - 0.5] along each index. What lies behind the detector
    is not seen. Any affine grid is handled as it is: oblique, anisotropic, sheared or left-handed.

    Args:
        hu: (K, J, I) Hounsfield units.
        world_from_voxel: (4, 4) mm of voxel centers (i, j, k).
        view: the X-ray's projection geometry.
        pose: (4, 4) rig_from_world.
        tissue: how Hounsfield units become materials.
        subpixels: rays along each side of a pixel, at the middles of equal parts of it.

    Returns:
        (height·subpixels, width·subpixels, 4): g/cm² of water, cortical bone and metal, and the path length in mm.

    Raises:
        InputError: if ``hu`` is not a finite 3D array.
        GeometryError: for a singular grid, a pose that is not rigid, a source inside the CT or a CT outside the beam.
    """
    hu = checked_hu(hu)
    if subpixels < 1:
        raise InputError(f"A pixel needs at least one ray, not subpixels={subpixels}.")
    voxel_from_camera = _voxel_from_camera(np.asarray(world_from_voxel, np.float64), view, pose)
    source = voxel_from_camera[:3, 3].copy()
    size = np.array(hu.shape[::-1], np.float64)
    if np.all((source >= 0) & (source <= size)):
        raise GeometryError(
            f"The X-ray source lies inside the CT, at voxel {(source - 0.5).round(1).tolist()}: "
            "move the CT away from the source (check the pose and the source-to-isocenter distance)."
        )
    camera_from_pixel = np.ascontiguousarray(view.detector_from_pixel().numpy())
    voxel_from_pixel = np.ascontiguousarray(voxel_from_camera[:3, :3] @ camera_from_pixel)
    materials = (tissue or TissueModel()).coefficients()
    rows = view.height * subpixels
    try:
        integrals = np.zeros((rows, view.width * subpixels, 4))
    except MemoryError:
        needed = rows * view.width * subpixels * 4 * 8 / 2**30
        raise InputError(
            f"There is too little memory for the {needed:.1f} GiB of an X-ray of {view.height}×{view.width} pixels "
            f"with {subpixels}×{subpixels} rays each: use a smaller detector."
        ) from None

    def trace(first: int, last: int) -> None:
        _trace(first, last, hu, source, voxel_from_pixel, camera_from_pixel, subpixels, materials, integrals)

    share_out(trace, rows, integrals.size // _NUMBERS_A_PART)
    if not integrals[..., PATH_LENGTH].any():
        middle = np.linalg.inv(voxel_from_camera) @ np.append(size / 2, 1)
        raise GeometryError(
            f"The CT lies outside the X-ray beam: its middle is at {middle[:3].round(1).tolist()} mm in the camera's "
            f"frame (x, y, depth), the detector at depth {view.sdd:g} mm. Check the pose and the CT's position."
        )
    return integrals


def checked_hu(hu: NDArray[np.floating]) -> NDArray[np.float32]:
    """``hu`` as a contiguous (K, J, I) float32 array.

    Raises:
        InputError: if it is not 3D, is empty or holds NaN or infinite values.
    """
    array = np.ascontiguousarray(hu, dtype=np.float32)
    if array.ndim != 3 or array.size == 0:
        raise InputError(f"A CT is a 3D array (K, J, I), not one of shape {array.shape}.")
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise InputError(f"The CT has {bad} voxels that are NaN or infinite: set them to -1000 HU (air).")
    return array


def _voxel_from_camera(world_from_voxel: FloatArray, view: View, pose: FloatArray) -> FloatArray:
    """(4, 4) from camera mm to voxel indices counted from the outer face, so that cell i is [i, i + 1]."""
    if (
        world_from_voxel.shape != (4, 4)
        or not np.isfinite(world_from_voxel).all()
        or abs(np.linalg.det(world_from_voxel[:3, :3])) < 1e-12
    ):
        raise GeometryError(f"world_from_voxel is not an invertible finite 4×4 matrix: {world_from_voxel.tolist()}.")
    rig_from_world = view.camera_from_rig.new_tensor(np.asarray(pose, np.float64))
    if rig_from_world.shape != (4, 4) or not is_rigid(rig_from_world):
        raise GeometryError(f"The pose (rig_from_world) is not a rigid 4×4 matrix: {rig_from_world.tolist()}.")
    matrix = np.asarray(np.linalg.inv(view.camera_from_world(rig_from_world).numpy() @ world_from_voxel), np.float64)
    matrix[:3, 3] += 0.5
    return matrix


@compiled
def _trace(begin, end, hu, source, voxel_from_pixel, camera_from_pixel, subpixels, tissue, out):  # type: ignore[no-untyped-def]
    """Walk the rays of rows [begin, end) through the grid; see :func:`line_integrals`. ``out`` holds zeros.

    Lengths are fractions t of source-to-detector.
    """
    shape = (hu.shape[2], hu.shape[1], hu.shape[0])
    soft_hu, bone_hu, metal_hu, soft_density, bone_density, metal_density = tissue
    direction = np.empty(3)
    for row in range(begin, end):
        v = (row + 0.5) / subpixels - 0.5
        for column in range(out.shape[1]):
            u = (column + 0.5) / subpixels - 0.5
            squared = 0.0
            t_in, t_out = 0.0, 1.0
            for a in range(3):
                direction[a] = voxel_from_pixel[a, 0] * u + voxel_from_pixel[a, 1] * v + voxel_from_pixel[a, 2]
                squared += (camera_from_pixel[a, 0] * u + camera_from_pixel[a, 1] * v + camera_from_pixel[a, 2]) ** 2
                if direction[a] != 0.0:
                    near, far = -source[a] / direction[a], (shape[a] - source[a]) / direction[a]
                    t_in, t_out = max(t_in, min(near, far)), min(t_out, max(near, far))
                elif source[a] < 0.0 or source[a] >= shape[a]:
                    t_out = -1.0
            if t_in >= t_out:
                continue
            ix, tx, dx, sx = _first_cell(source[0], direction[0], shape[0], t_in)
            iy, ty, dy, sy = _first_cell(source[1], direction[1], shape[1], t_in)
            iz, tz, dz, sz = _first_cell(source[2], direction[2], shape[2], t_in)
            water, bone, metal, t = 0.0, 0.0, 0.0, t_in
            while t < t_out:
                value = hu[iz, iy, ix]
                leave = min(tx, ty, tz, t_out)
                step = leave - t
                if value < soft_hu:
                    if value > -1000.0:
                        water += step * (1.0 + 0.001 * value)
                elif value < bone_hu:
                    fraction = (value - soft_hu) / (bone_hu - soft_hu)
                    water += step * (1.0 - fraction) * soft_density
                    bone += step * fraction * bone_density
                elif value < metal_hu:
                    bone += step * bone_density * (1000.0 + value) / (1000.0 + bone_hu)
                else:
                    metal += step * metal_density
                t = leave
                if tx <= leave:
                    ix += sx
                    tx += dx
                    if ix < 0 or ix >= shape[0]:
                        break
                if ty <= leave:
                    iy += sy
                    ty += dy
                    if iy < 0 or iy >= shape[1]:
                        break
                if tz <= leave:
                    iz += sz
                    tz += dz
                    if iz < 0 or iz >= shape[2]:
                        break
            length = math.sqrt(squared)
            out[row, column, 0] = 0.1 * length * water
            out[row, column, 1] = 0.1 * length * bone
            out[row, column, 2] = 0.1 * length * metal
            out[row, column, 3] = length * (t_out - t_in)


@inlined()
def _first_cell(source, direction, size, t_in):  # type: ignore[no-untyped-def]
    """Cell index, t of the next plane, t between planes and index step along one axis, for a ray entering at t_in."""
    index = min(max(math.floor(source + t_in * direction), 0), size - 1)
    if direction > 0.0:
        return index, (index + 1 - source) / direction, 1.0 / direction, 1
    if direction < 0.0:
        return index, (index - source) / direction, -1.0 / direction, -1
    return index, np.inf, np.inf, 0
