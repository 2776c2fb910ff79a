"""Where to start when a trained regressor knows the patient: the X-ray alone gives the pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import Model
from SphericalRegLib.similarity.learned import standardized

# Half widths: poses are predicted no farther out than this, whatever the network says.
_FARTHEST = 1.5


@dataclass(frozen=True)
class RegressedPose:
    """What a model says of one X-ray.

    Attributes:
        pose: (4, 4) float64 rig_from_world.
        inside: probability that the true pose lies within the range the model was trained for.
        opposite: the other hypothesis, that the beam went through the patient the other way (PA for a model of AP).
    """

    pose: Tensor
    inside: float
    opposite: Tensor


def regressed_poses(model: Model, volume: Volume, xrays: Sequence[XRay]) -> list[RegressedPose]:
    """What the model says of each view on its own.

    The X-ray is put onto the pixels of the X-ray system that the model was trained for; the pose does not change by it.

    Seen from the other side a patient looks like his mirror image, but for perspective, and no network trained on one
    side can tell. So the mirrored image is judged as well, and its pose turned by half a turn about the image's
    vertical axis through the isocenter's depth: a start for whoever does not know the side.

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
    widths = SearchRange(**model.card.truth).twist
    found = []
    for xray in xrays:
        rig_from_camera = se3.inverse(xray.view.camera_from_rig)
        pair = [onto_view(xray.image, xray.mask, xray.view, seen) for seen in (target, _mirrored(target))]
        images, masks = (torch.stack(both) for both in zip(*pair, strict=True))
        with torch.no_grad():
            said = model.regressor(standardized(images, masks)[:, None].to(weights))
        twists = said.twists.cpu().double().clamp(-_FARTHEST, _FARTHEST) * widths
        cameras = se3.about(twists, nominal.expand(2, 4, 4), volume.center)
        found.append(
            RegressedPose(
                rig_from_camera @ cameras[0],
                float(torch.sigmoid(said.inside[0])),
                rig_from_camera @ _from_behind(cameras[1], volume.center),
            )
        )
    return found


def _mirrored(view: View) -> View:
    """The same view, stored mirrored along its columns about the central ray."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    return replace(view, intrinsics=view.intrinsics @ flip)


def _from_behind(camera: Tensor, isocenter: Tensor) -> Tensor:
    """A pose (4, 4) after half a turn about the camera's y axis at the isocenter's depth: x becomes −x."""
    depth = float(se3.transform_points(camera, isocenter[None])[0, 2])
    turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64))
    turn[2, 3] = 2 * depth
    return turn @ camera
