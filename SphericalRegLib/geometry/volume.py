"""A sampled volume in the world: what every renderer takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.errors import GeometryError


@dataclass(frozen=True, repr=False)
class Volume:
    """Linear attenuation on a voxel grid with any direction cosines and anisotropic spacing.

    Attributes:
        density: (C, K, J, I) in 1/mm, float32 or float64; the order of Slicer's ``arrayFromVolume``, so voxel (i, j, k)
            is ``density[:, k, j, i]``. C channels, drawn as an image each: one, or one for each label
            (``to_volume(ct, channels="labels")``). Registration adds them up.
        world_from_voxel: (4, 4) float64, affine: world RAS mm of voxel *centers* (i, j, k).
        isocenter: (3,) float64, world RAS mm: the point about which poses are expressed; the grid's middle by default.

    A voxel fills its whole cell: the volume extends half a voxel beyond the outermost centers, constant there.
    """

    density: Tensor
    world_from_voxel: Tensor
    isocenter: Tensor | None = None
    _kept: dict[Hashable, tuple[Hashable, Volume]] = field(default_factory=dict, init=False, compare=False)

    def __post_init__(self) -> None:
        matrix = torch.as_tensor(self.world_from_voxel, dtype=torch.float64)
        object.__setattr__(self, "world_from_voxel", matrix)
        if self.density.ndim != 4 or 0 in self.density.shape:
            raise GeometryError(f"A volume's density is (C, K, J, I), not {tuple(self.density.shape)}.")
        if matrix.shape != (4, 4) or not torch.isfinite(matrix).all() or torch.linalg.det(matrix[:3, :3]).abs() < 1e-12:
            raise GeometryError(f"world_from_voxel is not an invertible finite 4×4 matrix: {matrix.tolist()}.")
        if self.isocenter is None:
            size = torch.tensor(self.density.shape[:0:-1], dtype=torch.float64)
            middle = matrix[:3, :3] @ ((size - 1) / 2) + matrix[:3, 3]
            object.__setattr__(self, "isocenter", middle)
        else:
            object.__setattr__(self, "isocenter", torch.as_tensor(self.isocenter, dtype=torch.float64))

    def __repr__(self) -> str:
        shape, spacing = tuple(self.density.shape), [round(float(s), 3) for s in self.spacing]
        return f"Volume(density {shape} {self.density.dtype}, spacing {spacing} mm)"

    @cached_property
    def voxel_from_world(self) -> Tensor:
        """(4, 4) float64: the inverse of ``world_from_voxel``."""
        return torch.linalg.inv(self.world_from_voxel)

    @property
    def center(self) -> Tensor:
        """The isocenter (3,), world mm, never None."""
        assert self.isocenter is not None
        return self.isocenter

    @property
    def spacing(self) -> Tensor:
        """(3,) mm along i, j, k."""
        return self.world_from_voxel[:3, :3].norm(dim=0)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Volume:
        """The same volume with its density elsewhere or in another precision; the geometry stays float64 on the CPU."""
        return replace(self, density=self.density.to(device=device, dtype=dtype))

    def corners(self) -> Tensor:
        """World positions (8, 3) of the outer corners, mm."""
        upper = torch.tensor(self.density.shape[:0:-1], dtype=torch.float64) - 0.5
        low_high = torch.stack([torch.full((3,), -0.5, dtype=torch.float64), upper])
        grid = torch.cartesian_prod(*[low_high[:, a] for a in range(3)])
        return grid @ self.world_from_voxel[:3, :3].T + self.world_from_voxel[:3, 3]

    def coarsened(self, factors: tuple[int, int, int]) -> Volume:
        """Block means over ``factors`` voxels along (i, j, k), with the exact shift of the voxel centers.

        A remainder at the far end is averaged over the voxels that are there, and its cell is kept full size by
        weighting with the filled fraction, so that line integrals are preserved. Kept with this volume for the next
        time, until the density changes in place; never kept where gradients are to reach it.
        """
        if factors == (1, 1, 1):
            return self
        if self.density.requires_grad:
            return self._averaged(factors)
        return self.kept(factors, lambda: self._averaged(factors))

    def kept(self, key: Hashable, make: Callable[[], Volume], state: Hashable = None) -> Volume:
        """What ``make`` makes of this volume, kept with it for the next time under ``key``.

        Made again when the density has changed in place, or ``state``, which is whatever else it depends on.
        """
        now = (self.density._version, state)
        then, made = self._kept.get(key, (None, self))
        if then != now:
            made = make()
            self._kept[key] = (now, made)
        return made

    def _averaged(self, factors: tuple[int, int, int]) -> Volume:
        fi, fj, fk = factors
        density = self.density
        # pooling refuses blocks larger than the volume, and copying a whole CT to pad it takes long
        missing = [max(0, factor - size) for factor, size in zip(factors, density.shape[:0:-1], strict=True)]
        if any(missing):
            density = F.pad(density, [pad for n in missing for pad in (0, n)])
        density = F.avg_pool3d(density, (fk, fj, fi), ceil_mode=True, divisor_override=fi * fj * fk)
        step = torch.diag(torch.tensor([fi, fj, fk, 1], dtype=torch.float64))
        step[:3, 3] = (torch.tensor([fi, fj, fk], dtype=torch.float64) - 1) / 2
        return replace(self, density=density, world_from_voxel=self.world_from_voxel @ step)
