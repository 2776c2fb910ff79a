"""What a registration tells while it runs, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.geometry.view import View


@dataclass(frozen=True)
class Progress:
    """The state after one iteration.

    Attributes:
        pose: (4, 4) rig_from_world, the best so far.
        cost: its cost under the stage's similarity.
        damping: of its Levenberg-Marquardt iteration.
        stage: in words.
        level: counts from 0.
        levels: how many there are.
        iteration: within the level, from 0.
        seconds: since the start.
    """

    pose: Tensor
    cost: float
    damping: float
    stage: str
    level: int
    levels: int
    iteration: int
    seconds: float


@dataclass(frozen=True)
class HalfWidths:
    """How far to either side the truth lies at most, in 95 of 100 cases; infinite where it is not known.

    Attributes:
        rotation_deg: about the worst axis through the isocenter.
        plane_mm: of the isocenter, along the worst direction across the first view's central ray.
        depth_mm: of the isocenter, along it.
    """

    rotation_deg: float
    plane_mm: float
    depth_mm: float


@dataclass(frozen=True)
class Verdict:
    """Whether to trust a result, in which directions, and every reason not to.

    Attributes:
        accepted: in all directions.
        reasons: what speaks against it, one sentence each.
        remarks: what could not be judged.
        plane_only: whether rotation and place in the plane can be relied upon, and depth cannot.
        refusals: those of the reasons that do not come from how exactly the pose is known.
    """

    accepted: bool
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    plane_only: bool = False
    refusals: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """ "accepted", "accepted in the plane only" or "rejected"."""
        if self.accepted:
            return "accepted"
        return "accepted in the plane only" if self.plane_only else "rejected"

    def refused(self, reason: str) -> Verdict:
        """The same with one more reason not to trust the result, in any direction."""
        return Verdict(False, (*self.reasons, reason), self.remarks, refusals=(*self.refusals, reason))


@dataclass(frozen=True)
class ViewResult:
    """One view at the last stage's resolution and the final pose.

    Attributes:
        view: its geometry.
        xray: (H, W), bright = dense.
        drr: (H, W) line integrals.
        residual: (H, W), size of the residual before weighting.
        weights: (H, W) in [0, 1]: what counted.
        mask: (H, W) bool: what could have counted.
    """

    view: View
    xray: Tensor
    drr: Tensor
    residual: Tensor
    weights: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Result:
    """A finished (or stopped) registration.

    Attributes:
        pose: (4, 4) float64 rig_from_world.
        cost: of the last stage under robust weights. By default 1 - R²: the share of the DRR's gradients that the
            X-ray's do not explain, whatever the tone curve; 0 is perfect.
        verdict_cost: of the pose at the stage with a gate (the last, where none has one): at 64 pixels noise is
            averaged out, so that right and wrong poses lie apart. The verdict stands on it.
        history: every iteration.
        covariance: (6, 6) of the twist about the isocenter, rig axes, rad and mm, from the inverse normal equations.
        half_widths: of the 95 % intervals: noise, what clinical X-rays add to it, and what is not known of the views.
        of_images: what they would be, were the views' geometry exact.
        intervals_from: what they were measured on, in words.
        depth_sd_mm: from noise alone, standard deviation of the isocenter along the first view's central ray; infinite
            where depth is not known.
        verdict: whether to trust it.
        views: one for each X-ray.
        seconds: in all.
        candidates: (pose (4, 4), cost) of what the last stage but one still considered, best first.
        depth_known: False of a bone alone in one view, whose depth noise alone does not tell: other anatomy over and
            under it pulls it by 10 mm and more.
    """

    pose: Tensor
    cost: float
    verdict_cost: float
    history: tuple[Progress, ...]
    covariance: Tensor
    half_widths: HalfWidths
    of_images: HalfWidths
    intervals_from: str
    depth_sd_mm: float
    verdict: Verdict
    views: tuple[ViewResult, ...]
    seconds: float
    candidates: tuple[tuple[Tensor, float], ...]
    depth_known: bool = True
