"""What a pose costs, as the verdict of a registration looks at it: of a result, dragged, or typed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look

# mm at the isocenter by which a hand may move bones before the part of the X-ray that counts is cut anew.
_MARGIN_MM = 40.0


class PoseCost:
    """The cost of one pose after another.

    Args:
        volume: of the CT, or of chosen bones.
        xrays: the views.
        look: of a system's judge.
        kernel: of the renderer.
    """

    def __init__(self, volume: Volume, xrays: Sequence[XRay], look: Look, kernel: str = "auto") -> None:
        self._volume, self._xrays, self._look, self._kernel = volume, xrays, look, kernel
        self._levels: Levels | None = None

    def of(self, pose: Tensor) -> float:
        """Of a pose (4, 4) rig_from_world; 0 is a perfect match, what else it means the similarity says."""
        if self._levels is None or self._look.footprint_mm is not None:
            self._levels = Levels(self._volume, self._xrays, pose, _MARGIN_MM, self._kernel)
        objective = self._levels.objective(self._look)
        with torch.no_grad():
            model, _ = objective.renew(objective.linearize(objective.state(pose[None]), jacobian=False))
        return float(model.cost[0])
