"""Where to start when a trained regressor knows the patient: the X-ray alone gives the pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import CheckpointError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.onto_view import onto_view
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Initializer, Making, Starts
from SphericalRegLib.initialization.known import Known
from SphericalRegLib.initialization.opposite import turned_around
from SphericalRegLib.initialization.search import SearchRange
from SphericalRegLib.networks.model import Model
from SphericalRegLib.similarity.learned import standardized

# Of the model's poses: perspective makes those from the opposite side some three times as rough as the others.
_LEEWAY = 4.0
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


@dataclass(frozen=True)
class Regressed:
    """A model's poses, with what the user tells; where the X-ray looks like none the model knows, also the search.

    A model without a regressor tells nothing: then ``otherwise`` alone starts.

    Attributes:
        reach: what regressed poses leave to be found: several times their usual error.
        candidates: poses tried around each.
        opposite: also start from the opposite side where the user does not tell the side.
        otherwise: where to search when the model is in doubt.
    """

    reach: SearchRange = SearchRange(8.0, 15.0, 50.0)
    candidates: int = 4
    opposite: bool = True
    otherwise: Initializer = field(default_factory=Known)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return True

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        model = case.model
        if model is None:
            raise CheckpointError(
                "This system starts where a trained model says, and there is none: choose a model (--model; in the "
                "panel under Model), or another system."
            )
        known = yield from self.otherwise.start(case, conditions)
        if model.regressor is None:
            return known
        views = regressed_poses(model, case.volume, case.xrays)
        poses = [one.pose for one in views]
        if self.opposite and not case.start_is_known:
            poses += [one.opposite for one in views]
        stacked, origin = torch.stack(poses), f"the model {model.card.name!r}"
        both, words = torch.cat([stacked, known.poses]), f"{origin} and {known.origin}"
        inside = min(one.inside for one in views)
        if inside < 0.5:
            note = (
                f"The X-ray looks as if taken from outside of the poses that the model {model.card.name!r} was trained "
                f"for ({_trained_range(model)} around its nominal view; probability of being inside {inside:.2f})."
            )
            return replace(known, poses=both, origin=words, notes=(*known.notes, note))
        if case.start_is_known:
            stacked, origin = both, words
        return Starts(stacked, self.reach, self.candidates, origin, known.notes, _LEEWAY)

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> Regressed:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`; the reach is that of ``otherwise``."""
        return replace(
            self,
            candidates=self.candidates if candidates is None else candidates,
            otherwise=self.otherwise.searching(reach, candidates),
        )


def _trained_range(model: Model) -> str:
    truth = model.card.truth
    return f"±{truth['rotation_deg']:g}°, ±{truth['in_plane_mm']:g} mm in plane, ±{truth['depth_mm']:g} mm in depth"


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
                rig_from_camera @ turned_around(cameras[1], volume.center),
            )
        )
    return found


def _mirrored(view: View) -> View:
    """The same view, stored mirrored along its columns about the central ray."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    return replace(view, intrinsics=view.intrinsics @ flip)
