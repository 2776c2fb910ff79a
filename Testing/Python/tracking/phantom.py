"""Two bodies that move over frames in two small X-rays: rendered, so that tests take no time; figures come of the
simulator (Testing/Benchmarks/bodies.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration.judging.uncertainty import Calibration
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.system import Judge, Limits, Stage, System
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import ToneFreeGradient
from Testing.Python.optimization.bodies import TRUTH, VOLUMES

BODIES = (Body("first", VOLUMES[0].to(dtype=torch.float32)), Body("second", VOLUMES[1].to(dtype=torch.float32)))

# The blobs are smooth and the X-rays noisy: what a right pose is off by, as `farthest` counts.
NEAR_MM = 0.8


def views() -> list[View]:
    first = View.from_spacing(48, 56, 1000, (2.6, 2.4), principal_point=(25.0, 26.0), name="one")
    middle = torch.tensor([0.0, 0.0, 700.0]).double()
    turn = se3.exp(torch.tensor([0.0, 1.3, 0.1, 0.0, 0.0, 0.0]).double())
    rig = se3.translation(middle) @ turn @ se3.translation(-middle)
    return [first, replace(first, camera_from_rig=rig, name="two")]


def system() -> System:
    """Small and quick; judged by sharpness alone."""
    look = Look(ToneFreeGradient(0.8), 48)
    optimizer = LevenbergMarquardt(iterations=20, tolerance=0.05, renewal=2)
    judge = Judge(
        replace(look, footprint_mm=4.0), Limits(0.5, sharpness=0.8), Calibration(rotation_deg=0.1, one_view_depth=False)
    )
    return System("small", "for tests", judge, (Stage("only", look, optimizer, keep=1),))


def truth(frame: int) -> list[torch.Tensor]:
    """(4, 4) of each body: steady motions, other ones for each."""
    twists = (
        torch.tensor([0.02, 0.01, -0.015, 1.0, -0.6, 0.8]).double(),
        torch.tensor([-0.01, 0.02, 0.02, 0.7, 0.9, -0.5]).double(),
    )
    return [se3.about(frame * twist, TRUTH[0], body.volume.center) for twist, body in zip(twists, BODIES, strict=True)]


@dataclass
class Rendered:
    """Frames of a view, rendered when they are asked for; a :class:`FrameSource`."""

    view: View
    numbers: Sequence[int]
    blank: Sequence[int] = ()
    jumps: dict[int, torch.Tensor] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list, repr=False)
    believed: View | None = None

    @property
    def name(self) -> str:
        return self.view.name

    def read(self, number: int) -> XRay:
        self.asked.append(number)
        if number in self.blank:
            raise InputError(f"frame {number} is 7 everywhere")
        poses = [self.jumps.get(number, torch.eye(4).double()) @ pose for pose in truth(number)]
        images = [render(body.volume, self.view, pose[None])[0, 0] for body, pose in zip(BODIES, poses, strict=True)]
        noise = torch.randn(images[0].shape, generator=torch.Generator().manual_seed(number))
        image = (sum(images) + 0.003 * noise).numpy().astype(np.float32)
        return XRay(image, self.believed or self.view, np.ones(image.shape, bool), path=f"{self.name}{number}")


def sequence(frames: Sequence[int] = range(6), **options: object) -> XRaySequence:
    return XRaySequence(tuple(Rendered(view, tuple(frames), **options) for view in views()))  # type: ignore[arg-type]


def keyframes(frame: int = 0) -> dict[int, dict[str, torch.Tensor]]:
    return {frame: {body.name: pose for body, pose in zip(BODIES, truth(frame), strict=True)}}


def farthest(pose: torch.Tensor, frame: int, place: int) -> float:
    """mm between a body's pose and the truth, at its middle and 30 mm around it."""
    twist = se3.difference_about(pose, truth(frame)[place], BODIES[place].volume.center)
    return float(twist[3:].norm() + 30 * twist[:3].norm())
