"""A registration as a job: from a CT and X-rays to an outcome with its errors and DRRs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.pose_errors import pose_errors
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.registration import Registration, Settings
from SphericalRegLib.rendering import linearize
from SphericalRegLib.reporting.description import describe_ct, describe_settings
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import drr_images, only_bone


@dataclass(frozen=True)
class Inputs:
    """All that a registration needs, free of any user interface.

    Attributes:
        scan: the CT in Hounsfield units, for what the report tells of it.
        volume: its attenuation, on the device that is to compute.
        xrays: the views.
        starts: (S, 4, 4) rig_from_world.
        origin: in words, where the starts come from.
        settings: all choices.
        bones: names of the segments that alone are rendered; None for the whole CT.
        truth: (4, 4) rig_from_world, or None.
        points: (N, 3) world mm at which errors are told where there is a truth; without them, points of the bones.
        notes: what the user should know of how it is done.
    """

    scan: CT
    volume: Volume
    xrays: Sequence[XRay]
    starts: Tensor
    origin: str
    settings: Settings
    bones: Sequence[str] | None = None
    truth: Tensor | None = None
    points: Tensor | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registered:
    """What a registration job results in.

    Attributes:
        outcome: for the scene, the report and ``result.json``.
        drrs: (H, W) line integrals at each X-ray's own size.
        bones: the same of the bones alone, for drawing their edges.
    """

    outcome: Outcome
    drrs: Sequence[NDArray[np.float32]]
    bones: Sequence[NDArray[np.float32]]


class RegistrationJob:
    """See :class:`~SphericalRegLib.app.job.Job`. Steps are those of ``Registration``.

    Args:
        inputs: of the registration.

    Raises:
        InputError, GeometryError: for inputs that cannot be registered.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._registration = Registration(inputs.volume, inputs.xrays, inputs.starts, inputs.settings)
        # The first run on a machine compiles the kernels, which is no part of a registration's time.
        linearize(
            inputs.volume,
            inputs.xrays[0].view.resized(8, 8),
            inputs.starts[:1],
            samples=8,
            kernel=inputs.settings.kernel,
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(self._registration)

    def result(self) -> Registered:
        """The outcome, with errors where there is a truth."""
        inputs = self._inputs
        result = self._registration.result()
        errors = start_errors = None
        if inputs.truth is not None:
            points = inputs.points if inputs.points is not None else bone_points(inputs.scan, None)
            views = [one.view for one in inputs.xrays]
            center = inputs.volume.center
            errors = pose_errors(result.pose, inputs.truth, points, views, center)
            start_errors = pose_errors(inputs.starts[0], inputs.truth, points, views, center)
        outcome = Outcome(
            result=result,
            xrays=inputs.xrays,
            starts=inputs.starts,
            isocenter=inputs.volume.center,
            ct=describe_ct(inputs.scan, inputs.volume, inputs.bones),
            settings=describe_settings(inputs.settings, inputs.origin, inputs.volume.density.device),
            errors=errors,
            start_errors=start_errors,
            notes=inputs.notes,
        )
        kernel = inputs.settings.kernel
        drrs, bones = (
            [drr_images(volume, xray, result.pose[None], kernel)[0] for xray in inputs.xrays]
            for volume in (inputs.volume, only_bone(inputs.volume))
        )
        return Registered(outcome, drrs, bones)
