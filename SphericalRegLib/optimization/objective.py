"""Renderer and similarity put together: the cost of a pose at one level of resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.image_objective import Drawn, FixedView, ImageObjective
from SphericalRegLib.optimization.state import State, pose_state
from SphericalRegLib.rendering import linearize, render

__all__ = ["FixedView", "Objective"]


@dataclass(frozen=True)
class Objective(ImageObjective):
    """The mean cost of several views that share one pose; see :class:`ImageObjective`.

    Attributes:
        volume: the CT at this level's resolution; channels are added up.
        views: the X-rays at this level.
        samples: along each ray.
        footprint_radius: where positive, only pixels within so many pixels of the DRR count (for cut-out bones).
        kernel: of the renderer.
        robust_passes: times that weights are recomputed from their own residuals when equal weights are first
            renewed: one pass still sees the picture that the outliers painted. Robust weights take
            ``further_passes``.
        robust_scale: residuals beyond so many typical ones count as outliers; the typical one is taken behind the body.
        length: mm that one radian of a pose counts as.
        bone: what of the volume attenuates beyond soft tissue; pixels then count by how much of their gradient is
            bone's (``weights.bone_share``), as far as robust weights are renewed. None: all that is usable counts.
        parted: whether what DRRs show besides bone may be of another strength than the CT says, where bone is known
            and the similarity can do without (:class:`~SphericalRegLib.similarity.contract.PartedImage`).
        saturation: the line integral toward which what X-rays show of metal tends (``Drawn.saturated``); None: none.
    """

    volume: Volume
    views: Sequence[FixedView]
    samples: int
    footprint_radius: int = 0
    kernel: str = "auto"
    robust_passes: int = 6
    further_passes: int = 2
    robust_scale: float = 2.5
    length: float = 100.0
    bone: Volume | None = None
    parted: bool = False
    saturation: float | None = None

    @property
    def center(self) -> Tensor:
        """(3,) the CT's isocenter."""
        return self.volume.center

    def state(self, poses: Tensor) -> State:
        """Poses (B, 4, 4) as optimizers change them."""
        return pose_state(poses, self.center, self.length)

    def draw(self, view: View, state: State, jacobian: bool) -> Drawn:
        """See :class:`ImageObjective`; the state holds poses alone."""
        (poses,) = state.values
        if jacobian:
            image, columns = linearize(self.volume, view, poses, samples=self.samples, kernel=self.kernel)
            image = image.sum(1)
            return Drawn(image, columns.sum(1), image)
        image = render(self.volume, view, poses, samples=self.samples, kernel=self.kernel).sum(1)
        return Drawn(image, image.new_zeros(image.shape[0], 0, *image.shape[1:]), image)

    def draw_bone(self, view: View, state: State) -> Tensor | None:
        """See :class:`ImageObjective`."""
        if self.bone is None:
            return None
        return render(self.bone, view, state.values[0], samples=self.samples, kernel=self.kernel).sum(1)
