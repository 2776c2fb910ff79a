"""Where to start when a trained regressor knows the patient: the X-ray alone gives the pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.networks.model import Model
from SphericalRegLib.similarity.learned import standardized

# Half widths: poses are predicted no farther out than this, whatever the network says.
_FARTHEST = 1.5
_SHIFTS = ("in_plane_mm", "in_plane_mm", "depth_mm")


@dataclass(frozen=True)
class RegressedPose:
    """What a model says of one X-ray.

    Attributes:
        pose: (4, 4) float64 rig_from_world.
        inside: probability that the true pose lies within the range the model was trained for.
    """

    pose: Tensor
    inside: float


def regressed_poses(model: Model, volume: Volume, xrays: Sequence[XRay]) -> list[RegressedPose]:
    """What the model says of each view on its own.

    The X-ray is put onto the pixels of the X-ray system that the model was trained for; the pose does not change by it.

    Args:
        model: with a regressor.
        volume: the CT that the model was trained for.
        xrays: one or several views of one pose.

    Raises:
        CheckpointError: for a model without a regressor, or of another CT.
        GeometryError: for an X-ray that shows nothing of the model's field of view.
    """
    if model.regressor is None:
        raise CheckpointError(f"The model {model.card.name!r} has no pose regressor: give a start pose, or train one.")
    model.check_ct(volume)
    target = model.card.view()
    nominal = model.card.nominal_pose(volume.center)
    weights = next(model.regressor.parameters())
    truth = model.card.truth
    turn = torch.deg2rad(torch.tensor(truth["rotation_deg"], dtype=torch.float64))
    widths = torch.stack([turn] * 3 + [torch.tensor(truth[k], dtype=torch.float64) for k in _SHIFTS])
    found = []
    for xray in xrays:
        image, mask = onto_view(xray.image, xray.mask, xray.view, target)
        with torch.no_grad():
            said = model.regressor(standardized(image[None], mask[None])[:, None].to(weights))
        twist = said.twists.cpu().double().clamp(-_FARTHEST, _FARTHEST) * widths
        camera = se3.about(twist, nominal[None], volume.center)[0]
        pose = se3.inverse(xray.view.camera_from_rig) @ camera
        found.append(RegressedPose(pose, float(torch.sigmoid(said.inside[0]))))
    return found
