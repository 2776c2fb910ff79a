"""Trains the pose regressor R by the geodesic distance to the true pose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.networks.regressor import PoseRegressor, Prediction
from SphericalRegLib.similarity.learned import standardized
from SphericalRegLib.training.trainer import Schedule, Trainer
from SphericalRegLib.training.xrays import XRays, XRaySampler

# Of a batch, beyond the declared range: enough to learn its edge, too few to take much from the poses.
_OUTSIDE = 0.2
# What a wrong side of the edge costs, in radians.
_EDGE = 0.05


class RegressorTrainer(Trainer):
    """A regressor and what trains it.

    Args:
        xrays: draws the X-rays.
        schedule: of training.
        backbone, width: of the regressor, see :class:`~SphericalRegLib.networks.regressor.PoseRegressor`.
        length: mm that count as one radian.
        mixed: half precision where it is safe; for CUDA.
    """

    def __init__(
        self,
        xrays: XRaySampler,
        schedule: Schedule,
        backbone: str = "resnet18",
        width: int = 32,
        length: float = 100.0,
        mixed: bool = False,
    ) -> None:
        super().__init__("regressor training", schedule, {"backbone": backbone, "width": width, "length": length})
        self.xrays, self.length, self.mixed = xrays, length, mixed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(schedule.seed)
            self.regressor = PoseRegressor(backbone, width, xrays.view.height)
        self.prepare(xrays.volume.density.device)

    def batch_loss(self, count: int) -> Tensor:
        """See :class:`~SphericalRegLib.training.trainer.Trainer`."""
        taken = self.xrays.draw(count, self.generator, outside=_OUTSIDE)
        images = standardized(taken.images, taken.masks)[:, None]
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            found = self.regressor(images)
        return pose_loss(
            Prediction(found.twists.float(), found.inside.float()), taken, self.xrays.truth.twist, self.length
        )


def pose_loss(found: Prediction, taken: XRays, half_widths: Tensor, length: float) -> Tensor:
    """Mean over the images within the range of the geodesic distances of rotation and of translation, and over all of
    the cross entropy of being inside.

    SO(3) × R³ has the sum of the two distances as its metric; on se(3) a wrong rotation would blur what is asked of
    the translation. Distances are radians; ``length`` mm count as one.

    Args:
        found: predictions.
        taken: the X-rays and their true twists.
        half_widths: (6,) of the range, radians and mm.
        length: mm.
    """
    widths = half_widths.to(found.twists)
    twists, truths = found.twists * widths, taken.twists.to(found.twists) * widths
    turn = se3.so3_exp(twists[:, :3]).transpose(-1, -2) @ se3.so3_exp(truths[:, :3])
    angles = se3.so3_log(turn).norm(dim=-1)
    shifts = (twists[:, 3:] - truths[:, 3:]).norm(dim=-1) / length
    inside = taken.inside.to(found.twists)
    distance = ((angles + shifts) * inside).sum() / inside.sum().clamp(min=1)
    return distance + _EDGE * F.binary_cross_entropy_with_logits(found.inside, inside)
