"""A registration as a job: from a case to an outcome with its errors and DRRs. Command line and panel both run it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.evaluation.cases import bone_points
from SphericalRegLib.evaluation.pose_errors import pose_errors
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.registration import Case, Conditions, Registration, System
from SphericalRegLib.rendering import warm_up
from SphericalRegLib.reporting.description import describe_ct, describe_run
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import drr_images, only_bone


@dataclass(frozen=True)
class Inputs:
    """All that a registration needs, free of any user interface.

    Attributes:
        scan: the CT in Hounsfield units, for what the report tells of it.
        case: its attenuation on the device that is to compute, the views, and what is known of the pose.
        system: how to register.
        conditions: kernel and seed.
        bones: names of the segments that alone are rendered; None for the whole CT.
        truth: (4, 4) rig_from_world, or None.
        points: (N, 3) world mm at which errors are told where there is a truth; without them, points of the bones.
        notes: what the user should know of the inputs.
    """

    scan: CT
    case: Case
    system: System
    conditions: Conditions = Conditions()
    bones: Sequence[int | str] | None = None
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
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Steps are those of ``Registration``.

    Args:
        inputs: of the registration.

    Raises:
        InputError, CheckpointError: for a case that the system cannot register.
        DeviceError: for a kernel that is not there or does not support the volume.
    """

    def __init__(self, inputs: Inputs) -> None:
        # of which X-rays are simulated, where intervals are to come from them
        inputs = replace(inputs, case=replace(inputs.case, scan=inputs.scan))
        self._inputs = inputs
        self._registration = Registration(inputs.case, inputs.system, inputs.conditions)
        warm_up(inputs.case.volume, inputs.conditions.kernel)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._registration)

    def outcome(self) -> Outcome:
        """The outcome so far, with errors where there is a truth."""
        inputs, case, registration = self._inputs, self._inputs.case, self._registration
        result, starts = registration.result(), registration.starts
        errors = start_errors = None
        if inputs.truth is not None:
            points = inputs.points if inputs.points is not None else bone_points(inputs.scan, inputs.bones)
            views = [one.view for one in case.xrays]
            errors = pose_errors(result.pose, inputs.truth, points, views, case.volume.center)
            start_errors = pose_errors(starts.poses[0], inputs.truth, points, views, case.volume.center)
        return Outcome(
            result=result,
            xrays=case.xrays,
            starts=starts.poses,
            isocenter=case.volume.center,
            ct=describe_ct(inputs.scan, case.volume, inputs.bones),
            settings=describe_run(registration, case.volume.density.device),
            errors=errors,
            start_errors=start_errors,
            notes=(*inputs.notes, *registration.notes),
            system=registration.system,
        )

    def result(self) -> Registered:
        """The outcome, with DRRs at each X-ray's own size."""
        outcome, case, kernel = self.outcome(), self._inputs.case, self._inputs.conditions.kernel
        drrs, bones = (
            [drr_images(volume, xray, outcome.result.pose[None], kernel)[0] for xray in case.xrays]
            for volume in (case.volume, only_bone(case.volume))
        )
        return Registered(outcome, drrs, bones)
