"""A small CT of three oblique bones, its X-rays, and real registrations of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from SphericalRegLib.geometry import carm, se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.ct import CT
from SphericalRegLib.imaging.volume import to_volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.optimization.levenberg_marquardt import LevenbergMarquardt
from SphericalRegLib.registration import SYSTEMS, Case, Conditions, Look, Registration, Stage
from SphericalRegLib.reporting.outcome import Outcome
from SphericalRegLib.reporting.report import drr_images
from SphericalRegLib.similarity import GradientNCC, ToneFreeGradient

LANDMARKS = {"head": (3.0, 14.0, 9.0), "shaft": (20.0, 6.0, 16.0), "tip": (11.0, 20.0, 3.0), "rim": (26.0, 24.0, 12.0)}
"""Voxels (i, j, k)."""


@cache
def ct() -> CT:
    k, j, i = np.meshgrid(np.arange(20.0), np.arange(28.0), np.arange(32.0), indexing="ij")
    hu = np.full(k.shape, -1000, np.float32)
    hu[((i - 15.5) / 15) ** 2 + ((j - 13.5) / 13) ** 2 + ((k - 9.5) / 9) ** 2 < 1] = 40
    for x, y, z, a, b, c in ((9, 12, 8, 4, 6, 5), (21, 9, 12, 3, 3, 6), (17, 20, 7, 6, 2.5, 3)):
        hu[((i - x) / a) ** 2 + ((j - y) / b) ** 2 + ((k - z) / c) ** 2 < 1] = 900
    matrix = np.eye(4)
    turn = se3.exp(torch.tensor([0.3, -0.2, 0.5, 0, 0, 0], dtype=torch.float64))[:3, :3].numpy()
    matrix[:3, :3] = turn @ np.diag([4.0, 4.5, 6.0])
    matrix[:3, 3] = [-60.0, 35.0, 410.0]
    return CT(hu, matrix, path="oblique CT")


@cache
def volume() -> Volume:
    return to_volume(ct())


def landmarks() -> dict[str, np.ndarray]:
    """{name: (3,) world mm}."""
    return {name: (ct().world_from_voxel @ [*voxel, 1.0])[:3] for name, voxel in LANDMARKS.items()}


@cache
def view(name: str = "AP") -> View:
    """Off-center, with pixels that are not square; the lateral one mirrored and beside the first in one rig."""
    first = View.from_spacing(72, 96, 1010.0, (2.8, 2.4), principal_point=(40.0, 39.5), sad=700.0, name="AP")
    if name == "AP":
        return first
    k = torch.tensor([[-1010 / 2.4, 0.0, 52.0], [0.0, 1010 / 2.8, 34.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    poses = [carm.pose_from_preset(preset, 700.0, volume().center) for preset in ("AP", "left lateral")]
    return View(k, 72, 96, 1010.0, poses[1] @ se3.inverse(poses[0]), sad=700.0, name="lateral")


@cache
def truth() -> Tensor:
    twist = torch.tensor([0.07, -0.05, 0.09, 6.0, -4.0, 15.0], dtype=torch.float64)
    return se3.about(twist, carm.pose_from_preset("AP", 700.0, volume().center), volume().center)


@cache
def xray(name: str = "AP") -> XRay:
    """A DRR at the truth, with another tone curve and noise."""
    blank = XRay(np.zeros((72, 96), np.float32), view(name), np.ones((72, 96), bool))
    drr = drr_images(volume(), blank, truth()[None], "torch")[0]
    noise = np.random.default_rng(3).normal(0, 0.01, drr.shape)
    mask = np.ones(drr.shape, bool)
    mask[:, :4] = False
    return replace(blank, image=(2 * drr**0.8 + noise).astype(np.float32), mask=mask, path=f"{name}.dcm")


@cache
def registered(*names: str) -> Outcome:
    """A real registration of one or two views from nearby."""
    xrays = [xray(name) for name in names]
    start = se3.about(torch.tensor([0.04, 0.03, -0.05, 5.0, 4.0, -8.0], dtype=torch.float64), truth(), volume().center)
    last = Look(ToneFreeGradient(0.7), 72)
    system = replace(
        SYSTEMS["one-start"],
        stages=(
            Stage("search", Look(GradientNCC(1.0), 32), LevenbergMarquardt(iterations=6)),
            Stage("refine", last, LevenbergMarquardt(iterations=6)),
        ),
        judge=replace(SYSTEMS["one-start"].judge, look=last),
    )
    registration = Registration(Case(volume(), xrays, poses=start), system, Conditions(kernel="torch"))
    for _ in registration:
        pass
    return Outcome(
        result=registration.result(),
        xrays=xrays,
        starts=start[None],
        isocenter=volume().center,
        ct={"path": ct().path},
        settings={"kernel": "torch"},
        system=system,
    )


def drrs(outcome: Outcome) -> list[np.ndarray]:
    return [drr_images(volume(), one, outcome.result.pose[None], "torch")[0] for one in outcome.xrays]


def marks(names: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """Landmarks at their true projections, the tip a few pixels off in the first view, the rim not marked there."""
    found: list[dict[str, Any]] = []
    for index, name in enumerate(names):
        points = torch.tensor(np.array(list(landmarks().values())), dtype=torch.float64)
        pixels = view(name).project(points, truth()).numpy()
        places = dict(zip(landmarks(), pixels, strict=True))
        if index == 0:
            places["tip"] = places["tip"] + [3.0, -2.0]
            del places["rim"]
        found.append(places)
    return found
