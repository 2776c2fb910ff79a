"""Two bodies in two X-rays whose poses are known: oblique, anisotropic, off-center, one over the other."""

from __future__ import annotations

import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.bodies_objective import BodiesObjective, RenderedBody
from SphericalRegLib.optimization.image_objective import FixedView
from SphericalRegLib.rendering import render
from SphericalRegLib.similarity import ToneFreeGradient

SAMPLES = 40


def blobs(seed: int, place: tuple[float, float, float], count: int = 5) -> Volume:
    """Gaussian blobs in a box of some 50 mm, turned, around a place in the world."""
    generator = torch.Generator().manual_seed(seed)
    k, j, i = torch.meshgrid(*[torch.linspace(-1, 1, n).double() for n in (17, 22, 20)], indexing="ij")
    values = torch.zeros_like(i)
    for x, y, z, width in torch.rand(count, 4, generator=generator, dtype=torch.float64):
        center = 1.2 * torch.stack([x, y, z]) - 0.6
        spread = 2 * (0.15 + 0.2 * width) ** 2
        values += 0.02 * torch.exp(-((i - center[0]) ** 2 + (j - center[1]) ** 2 + (k - center[2]) ** 2) / spread)
    turned = se3.exp(torch.tensor([0.3, 0.2 * seed, -0.4, *place]).double())
    return Volume(values[None], turned @ torch.diag(torch.tensor([2.5, 2.0, 3.0, 1.0]).double()))


VOLUMES = (blobs(1, (50.0, -70.0, 30.0)), blobs(2, (75.0, -60.0, 45.0)))
TRUTH = (
    se3.from_parts(se3.so3_exp(torch.tensor([1.3, 0.2, -0.1]).double()), torch.tensor([0.0, 0.0, 700.0]).double())
    @ se3.translation(-VOLUMES[0].center)
)[None]


def views() -> list[View]:
    """Two cameras of one rig, off-center, with 70° between them."""
    first = View.from_spacing(26, 30, 1000, (5.0, 4.5), principal_point=(13.0, 14.0))
    middle = torch.tensor([0.0, 0.0, 700.0]).double()
    turn = se3.exp(torch.tensor([0.0, 1.2, 0.1, 0.0, 0.0, 0.0]).double())
    rig = se3.translation(middle) @ turn @ se3.translation(-middle)
    return [first, View(first.intrinsics, 26, 30, 1000.0, rig)]


def rendered_bodies() -> list[RenderedBody]:
    return [RenderedBody(volume, SAMPLES, 25.0) for volume in VOLUMES]


def objective(**options) -> BodiesObjective:
    """The first body held, or both moving; X-rays are those of the truth."""
    fixed = []
    for view in views():
        image = sum(render(volume, view, TRUTH, samples=SAMPLES)[0, 0] for volume in VOLUMES)
        fixed.append(FixedView(view, ToneFreeGradient(1.0).fix(image, torch.ones_like(image))))
    return BodiesObjective(**{"bodies": rendered_bodies(), "views": fixed} | options)


def started() -> list[torch.Tensor]:
    """(2, 4, 4) of each body: two hypotheses, degrees and millimeters off."""
    twists = torch.tensor([[0.05, -0.04, 0.06, 2.0, -3.0, 4.0], [-0.04, 0.05, -0.05, -3.0, 2.0, -4.0]]).double()
    return [
        se3.about(sign * twists, TRUTH.expand(2, 4, 4), volume.center)
        for sign, volume in zip((1, -0.7), VOLUMES, strict=True)
    ]
