"""X-rays and bodies as a look sees them: what is rendered at which resolution, and what is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.crop import cropped_around_all
from SphericalRegLib.imaging.skeleton import beyond
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.optimization.bodies_objective import BodiesObjective, RenderedBody
from SphericalRegLib.optimization.calibration_block import calibrated
from SphericalRegLib.optimization.problem import Linearization, Weights
from SphericalRegLib.optimization.state import State
from SphericalRegLib.registration.levels import body_length, coarsened, fixed_view, samples_through
from SphericalRegLib.registration.look import Look
from SphericalRegLib.similarity.contract import PartedImage

# How far from where they are expected bodies may be seen, mm at the isocenter, where X-rays are cut.
_MARGIN_MM = 20.0


class BodyLevels:
    """Makes objectives of looks at one frame.

    Args:
        bodies: in the order of the poses.
        xrays: the views of this frame.
        poses: (4, 4) rig_from_world of each body, where it is expected: for magnifications and for what is cut out.
        kernel: of the renderer.

    Raises:
        InputError: without an X-ray.
    """

    def __init__(self, bodies: Sequence[Body], xrays: Sequence[XRay], poses: Sequence[Tensor], kernel: str) -> None:
        if not xrays:
            raise InputError("There is no X-ray of this frame: name a frame that has one.")
        self.bodies = tuple(bodies)
        self.xrays = tuple(xrays)
        self._poses = tuple(poses)
        self._kernel = kernel

    def objective(
        self,
        look: Look,
        moving: Sequence[int] | None = None,
        held: Mapping[int, Tensor] | None = None,
        calibrating: bool = False,
    ) -> BodiesObjective:
        """The cost of a look.

        Args:
            look: with a footprint, only what is near the moving bodies is compared, and X-rays are cut around them.
            moving: places of the bodies whose poses the state holds; all of them by default.
            held: {place: (4, 4) pose} of bodies that are drawn where they are.
            calibrating: whether the views' focal lengths and centers are parameters too.

        Raises:
            InputError: for an X-ray that the similarity cannot use.
        """
        places = list(range(len(self.bodies)) if moving is None else moving)
        xrays = list(self.xrays)
        if look.footprint_mm is not None:
            around = [(self.bodies[place].volume, self._poses[place]) for place in places]
            xrays = [cropped_around_all(xray, around, _MARGIN_MM) for xray in xrays]
        device = self.bodies[0].volume.density.device
        views = [fixed_view(xray, look, max(xray.image.shape), device) for xray in xrays]
        pixel = min(
            self._depth(place, xray) / xray.view.sdd * item.view.spacing[0]
            for place in places
            for xray, item in zip(xrays, views, strict=True)
        )
        drawn = {place: self._rendered(place, look, pixel) for place in {*places, *(held or {})}}
        return BodiesObjective(
            [drawn[place] for place in places],
            views,
            held=[(drawn[place], pose) for place, pose in (held or {}).items()],
            footprint_radius=0 if look.footprint_mm is None else max(1, round(look.footprint_mm / pixel)),
            kernel=self._kernel,
            robust_scale=look.robust_scale,
            by_bone=look.bone_hu is not None,
            parted=look.parted and all(isinstance(item.fixed, PartedImage) for item in views),
            saturation=look.saturation,
            calibrating=calibrating,
        )

    def calibrated(self, values: Sequence[Tensor]) -> BodyLevels:
        """The same with views of other focal lengths and centers, values (3,) of each."""
        xrays = [replace(xray, view=calibrated(xray.view, one)) for xray, one in zip(self.xrays, values, strict=True)]
        return BodyLevels(self.bodies, xrays, self._poses, self._kernel)

    def _rendered(self, place: int, look: Look, pixel: float) -> RenderedBody:
        body = self.bodies[place]
        volume = coarsened(body.volume, look.voxel * pixel)
        from_world = [xray.view.camera_from_world(self._poses[place]) for xray in self.xrays]
        axes = [volume.center - se3.inverse(matrix)[:3, 3] for matrix in from_world]
        bone = None
        if look.bone_hu is not None:
            # what a bone attenuates beyond its surroundings is bone altogether
            bone = volume if body.excess else beyond(volume, look.bone_hu)
        return RenderedBody(volume, samples_through(volume, axes), body_length(body.volume), bone)

    def _depth(self, place: int, xray: XRay) -> float:
        """mm from the source to a body's isocenter along the central ray; at least a tenth of the detector's."""
        camera = se3.transform_points(
            xray.view.camera_from_world(self._poses[place]), self.bodies[place].volume.center[None]
        )
        return max(0.1 * xray.view.sdd, float(camera[0, 2]))


@dataclass(frozen=True)
class OneMoving:
    """The cost of one body's pose, all others held: a
    :class:`~SphericalRegLib.registration.judging.sharpness.PoseProblem`."""

    objective: BodiesObjective

    @property
    def center(self) -> Tensor:
        """(3,) the body's isocenter."""
        return self.objective.bodies[0].volume.center

    def state(self, poses: Tensor) -> State:
        """Of the body's poses (B, 4, 4)."""
        return self.objective.state([poses])

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        """See :class:`~SphericalRegLib.optimization.problem.Problem`."""
        return self.objective.linearize(state, weights, jacobian)

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        """See :class:`~SphericalRegLib.optimization.problem.Problem`."""
        return self.objective.renew(at)
