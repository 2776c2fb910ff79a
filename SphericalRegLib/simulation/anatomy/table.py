"""What the patient lies on: a tabletop with edges and rails, and cushions, in the beam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry.view import View

FloatArray = NDArray[np.float64]

_BODY_HU = -300.0


@dataclass(frozen=True)
class Slab:
    """A box of even density in the world.

    Attributes:
        center: world mm.
        axes: (3, 3) its edges' directions, orthonormal, as rows.
        size: mm along them.
        density: g/cm³ of water that attenuates as much.
    """

    center: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    size: tuple[float, float, float]
    density: float

    def __post_init__(self) -> None:
        axes = np.array(self.axes)
        if axes.shape != (3, 3) or not np.allclose(axes @ axes.T, np.eye(3), atol=1e-6):
            raise InputError(f"A slab's axes must be three orthonormal directions, not {self.axes}.")
        if not (min(self.size) > 0 and self.density >= 0):
            raise InputError(
                f"A slab has a size above 0 mm and a density of 0 or more, not {self.size}, {self.density}."
            )


def slab_integrals(slabs: tuple[Slab, ...], view: View, pose: FloatArray, subpixels: int = 1) -> FloatArray:
    """(H·subpixels, W·subpixels) g/cm² of water between source and detector that the slabs add.

    Args:
        slabs: boxes.
        view: the X-ray's projection geometry.
        pose: (4, 4) rig_from_world.
        subpixels: rays along each side of a pixel, at the middles of equal parts of it.
    """
    world_from_camera = np.linalg.inv(view.camera_from_rig.numpy() @ pose)
    source = world_from_camera[:3, 3]
    v = (np.arange(view.height * subpixels) + 0.5) / subpixels - 0.5
    u = (np.arange(view.width * subpixels) + 0.5) / subpixels - 0.5
    world_from_pixel = world_from_camera[:3, :3] @ view.detector_from_pixel().numpy()
    directions = u[None, :, None] * world_from_pixel[:, 0] + v[:, None, None] * world_from_pixel[:, 1]
    directions = directions + world_from_pixel[:, 2]
    lengths = np.linalg.norm(directions, axis=-1)
    total = np.zeros(lengths.shape)
    for slab in slabs:
        axes = np.array(slab.axes)
        start = axes @ (source - slab.center)
        enter, leave = np.zeros(lengths.shape), np.ones(lengths.shape)
        for axis in range(3):
            along = directions @ axes[axis]
            along = np.where(np.abs(along) < 1e-12, 1e-12, along)
            low, high = ((s * slab.size[axis] / 2 - start[axis]) / along for s in (-1, 1))
            enter = np.maximum(enter, np.minimum(low, high))
            leave = np.minimum(leave, np.maximum(low, high))
        total += 0.1 * slab.density * lengths * np.maximum(leave - enter, 0)
    return total


def random_table(rng: np.random.Generator, hu: NDArray[np.floating], world_from_voxel: FloatArray) -> tuple[Slab, ...]:
    """A tabletop behind the patient, at times with a cushion and rails, and now and then askew.

    The patient lies on the back (one in ten on the belly). Tabletops attenuate as 0.5 to 1.5 mm of aluminum (IEC
    60601-2-54 allows 1.2 mm for a table and 1.7 for a movable one at 100 kV), which is 1.5 to 5 mm of water; they are
    400 to 560 mm wide with skins of carbon fiber, and edges that are denser. Foam cushions of 20 to 60 mm have 0.03 to
    0.1 g/cm³. All of these are from memory, not checked.

    Args:
        rng: the source of chance.
        hu: (K, J, I), in which the patient's back is looked for.
        world_from_voxel: (4, 4) mm, RAS.
    """
    low, high = _body_extent(hu, world_from_voxel)
    supine = rng.random() < 0.9
    axes = _turned(np.deg2rad(rng.normal(0, 2, 3)))
    across, up, along = axes
    up_sign = 1.0 if supine else -1.0
    middle = (low + high) / 2 + rng.normal(0, 25, 3) * (1, 0, 0)
    surface = middle.copy()
    surface[1] = (low[1] if supine else high[1]) - up_sign * rng.uniform(1, 6)
    width = rng.uniform(400, 560)
    slabs = []
    depth = 0.0
    if rng.random() < 0.5:
        thickness = rng.uniform(20, 60)
        size = (width - rng.uniform(0, 60), thickness, rng.uniform(250, 1800))
        center = surface - up_sign * up * thickness / 2 + along * rng.uniform(-200, 200)
        slabs.append(_slab(center, axes, size, rng.uniform(0.03, 0.1)))
        depth = thickness
    thickness = rng.uniform(25, 50)
    areal = rng.uniform(0.15, 0.5)
    center = surface - up_sign * up * (depth + thickness / 2)
    slabs.append(_slab(center, axes, (width, thickness, 2200.0), areal / (0.1 * thickness)))
    if rng.random() < 0.4:
        rail = (rng.uniform(8, 20), rng.uniform(15, 30), 2200.0)
        for side in (-1, 1):
            slabs.append(_slab(center + side * across * (width + rail[0]) / 2, axes, rail, rng.uniform(1.0, 4.0)))
    return tuple(slabs)


def _body_extent(hu: NDArray[np.floating], world_from_voxel: FloatArray) -> tuple[FloatArray, FloatArray]:
    """World mm of the box around the body; thin things (cables, the scanner's own table) do not count."""
    voxels_low, voxels_high = np.zeros(3), np.array(hu.shape[::-1], np.float64) - 1
    step = tuple(max(1, n // 96) for n in hu.shape)
    body = hu[:: step[0], :: step[1], :: step[2]] > _BODY_HU
    for axis in range(3):
        counts = body.sum(axis=tuple(a for a in range(3) if a != 2 - axis))
        used = np.flatnonzero(counts > 0.15 * counts.max())
        if counts.max() > 0:
            voxels_low[axis], voxels_high[axis] = used[0] * step[2 - axis], used[-1] * step[2 - axis]
    corners = np.array([(x, y, z, 1.0) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners[:, :3] = np.where(corners[:, :3] > 0, voxels_high, voxels_low)
    world = (corners @ world_from_voxel.T)[:, :3]
    return world.min(axis=0), world.max(axis=0)


def _turned(angles: FloatArray) -> FloatArray:
    """(3, 3) rows: right to left, back to front and foot to head, turned about them by small angles in radians."""
    a, b, c = angles
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray((about_x @ about_y @ about_z).T)


def _slab(center: FloatArray, axes: FloatArray, size: tuple[float, float, float], density: float) -> Slab:
    x, y, z = (tuple(float(n) for n in axis) for axis in axes)
    return Slab(
        center=(float(center[0]), float(center[1]), float(center[2])),
        axes=(x, y, z),  # type: ignore[arg-type]
        size=(float(size[0]), float(size[1]), float(size[2])),
        density=float(density),
    )
