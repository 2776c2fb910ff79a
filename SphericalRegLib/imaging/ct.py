"""A CT as read: Hounsfield units on their own grid, nothing resampled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from SphericalRegLib.former_names import served


@dataclass(frozen=True)
class CT:
    """A CT in Hounsfield units.

    Attributes:
        hu: (K, J, I) float32, within -1024..30000.
        world_from_voxel: (4, 4) float64, RAS mm of voxel centers (i, j, k).
        labels: (K, J, I) int32 label map on the same grid, or None.
        label_names: {label: name}, as far as known.
        path: where it came from.
        notes: what the user should know of how it was read, in sentences whose subject is the CT.
    """

    hu: np.ndarray
    world_from_voxel: np.ndarray
    labels: np.ndarray | None = None
    label_names: dict[int, str] = field(default_factory=dict)
    path: str = ""
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> np.ndarray:
        """(3,) mm along i, j, k."""
        return np.linalg.norm(self.world_from_voxel[:3, :3], axis=0)


if not TYPE_CHECKING:  # which would take any name for one of this module's
    __getattr__ = served(__name__)
