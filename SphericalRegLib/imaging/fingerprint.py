"""What tells one patient's CT from another's, however it was stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from SphericalRegLib.geometry.volume import Volume

_GRID = 8
_SAME_SIZE = 0.03
_SAME_LOOK = 0.98


@dataclass(frozen=True)
class Fingerprint:
    """A CT seen from far.

    Attributes:
        size_mm: along right, anterior, superior.
        density: of an 8 × 8 × 8 grid in this box, from right to left fastest, 1/mm.
    """

    size_mm: tuple[float, ...]
    density: tuple[float, ...]

    def difference(self, other: Fingerprint) -> str | None:
        """In words how the other CT differs, or None where it is the same one.

        Another file format, orientation of the grid, or rounding makes no difference; another patient, a crop or
        another scan does: a model predicts poses of what it saw, relative to its middle.
        """
        mine, theirs = np.array(self.size_mm), np.array(other.size_mm)
        if bool((np.abs(mine - theirs) > _SAME_SIZE * np.maximum(mine, theirs)).any()):
            shown = [" × ".join(f"{s:.0f}" for s in size) for size in (mine, theirs)]
            return f"it is {shown[0]} mm, the other {shown[1]} mm in size"
        # nothing correlates with an empty volume
        with np.errstate(invalid="ignore", divide="ignore"):
            likeness = float(np.corrcoef(self.density, other.density)[0, 1])
        if not likeness >= _SAME_LOOK:
            return f"their densities correlate by {likeness:.2f} only, where those of one CT reach {_SAME_LOOK}"
        return None


def fingerprint(volume: Volume) -> Fingerprint:
    """Of a volume with all its channels added up."""
    corners = volume.corners()
    low, high = corners.amin(0), corners.amax(0)
    cells = [max(1, size // (2 * _GRID)) for size in volume.density.shape[:0:-1]]
    coarse = volume.coarsened((cells[0], cells[1], cells[2]))
    share = (torch.arange(_GRID, dtype=torch.float64) + 0.5) / _GRID
    grid = torch.stack(torch.meshgrid(share, share, share, indexing="ij"), dim=-1).flip(-1).reshape(-1, 3)
    points = low + grid * (high - low)
    voxel_from_world = torch.linalg.inv(coarse.world_from_voxel)
    voxels = points @ voxel_from_world[:3, :3].T + voxel_from_world[:3, 3]
    size = torch.tensor(coarse.density.shape[:0:-1], dtype=torch.float64)
    normalized = ((2 * voxels + 1) / size - 1).to(coarse.density)
    sampled = F.grid_sample(
        coarse.density.sum(0)[None, None], normalized[None, :, None, None], padding_mode="zeros", align_corners=False
    )
    values = sampled.flatten().cpu().tolist()
    return Fingerprint(tuple(round(s, 2) for s in (high - low).tolist()), tuple(round(v, 6) for v in values))
