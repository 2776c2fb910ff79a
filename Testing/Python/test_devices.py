"""No tensor is left behind on the CPU when images live elsewhere.

Checked on torch's meta device, which knows shapes but holds no numbers, so that no GPU is needed: every operation that
mixes it with the CPU's tensors is refused, as CUDA would. What is computed is tested elsewhere.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.networks.encoder import Encoder
from SphericalRegLib.optimization import image_objective
from SphericalRegLib.optimization.objective import FixedView, Objective
from SphericalRegLib.rendering.rays import cast_rays
from SphericalRegLib.rendering.torch_kernel import TorchKernel
from SphericalRegLib.similarity import NCC, GradientNCC, LocalNCC, ToneFreeGradient
from SphericalRegLib.similarity.learned import LearnedSimilarity
from SphericalRegLib.similarity.manifolds import MANIFOLDS
from SphericalRegLib.similarity.weights import footprint, robust_weights
from SphericalRegLib.training.losses import step_loss

SIMILARITIES = [NCC(), GradientNCC(1.0), LocalNCC((2.0,)), ToneFreeGradient(0.7)]


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of two devices, but for copies and, as CUDA does, single numbers."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = {t.device.type for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and t.ndim > 0}
        copies = function.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_)
        assert len(found) < 2 or copies, f"{function} on {found}"
        return function(*args, **(kwargs or {}))


def moved(value: Any) -> Any:
    """A dataclass with every tensor in it on the meta device."""
    names = [f.name for f in fields(value) if isinstance(getattr(value, f.name), Tensor)]
    return replace(value, **{name: getattr(value, name).to("meta") for name in names})


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=lambda s: type(s).__name__)
def test_residuals_and_weights_stay_where_images_are(similarity):
    xray = torch.rand(24, 32, generator=torch.Generator().manual_seed(0))
    fixed = similarity.fix(xray, torch.ones(24, 32))
    there = moved(fixed)
    images = torch.empty(2, 24, 32, device="meta")
    jacobians = torch.empty(2, 6, 24, 32, device="meta")
    support = there.support.to(images).expand_as(images) * footprint(images, 3)
    with OneDevice():
        residual = there.residual(images, jacobians, support)
        renewed = robust_weights(residual.magnitude, support * footprint(images, 0))
    for result in (residual.values, residual.jacobian, residual.magnitude, residual.curvature, renewed):
        assert result.device.type == "meta"


@pytest.mark.parametrize("manifold", list(MANIFOLDS))
@pytest.mark.parametrize("training", [False, True])
def test_learned_residuals_and_the_loss_of_a_step_stay_where_images_are(manifold, training):
    encoder = Encoder(channels=3, width=32, blocks=1).requires_grad_(training)
    similarity = LearnedSimilarity(encoder, encoder, MANIFOLDS[manifold])
    with torch.no_grad():
        fixed = similarity.fix(torch.rand(24, 32, generator=torch.Generator().manual_seed(0)), torch.ones(24, 32))
    there = replace(moved(fixed), moving=encoder.to("meta"))
    with OneDevice():
        residual = there.residual(
            torch.empty(2, 24, 32, device="meta"),
            torch.empty(2, 6, 24, 32, device="meta"),
            torch.empty(2, 24, 32, device="meta"),
        )
        loss = step_loss(residual, torch.zeros(2, 6, dtype=torch.float64), 0.1)
        if training:
            loss.mean().backward()
    assert (residual.jacobian.device.type, loss.device.type) == ("meta", "meta")


@pytest.mark.parametrize("similarity", SIMILARITIES, ids=lambda s: type(s).__name__)
def test_a_step_reads_nothing_from_the_device_before_its_sums(similarity, monkeypatch):
    """Whoever asks a tensor of the meta device for a number is refused: a GPU would wait for it."""
    view, affine = View.from_spacing(24, 32, 1000.0, (4.0, 4.0), sad=700.0), torch.eye(4, dtype=torch.float64)
    xray = torch.rand(24, 32, generator=torch.Generator().manual_seed(0))
    fixed = moved(similarity.fix(xray, torch.ones(24, 32)))
    volume, bone = (Volume(torch.empty(1, 5, 6, 7, device="meta"), affine) for _ in range(2))
    problem = Objective(volume, [FixedView(view, fixed)] * 2, 4, footprint_radius=3, bone=bone)
    poses = se3.translation(torch.tensor([[0.0, 0.0, 700.0]] * 3, dtype=torch.float64))
    sums = []

    def on_cpu(parts):
        sums.append([torch.stack(part).sum(0) for part in parts])
        return [torch.zeros(one.shape, dtype=torch.float64) for one in sums[-1]]

    monkeypatch.setattr(image_objective, "_on_cpu", on_cpu)
    with OneDevice():
        at, weights = problem.renew(problem.linearize(problem.state(poses)))
        problem.linearize(problem.state(poses), weights)
    assert len(sums) == 3
    assert at.gradient.shape == (3, 6)
    for step in sums:
        assert [tuple(one.shape) for one in step] == [(3,), (3,), (3, 6), (3, 6, 6)]
        assert {one.device.type for one in step} == {"meta"}


def test_the_check_itself_refuses_a_mixture():
    with OneDevice(), pytest.raises(AssertionError, match=r"aten.mm"):
        torch.empty(2, 2, device="meta") @ torch.ones(2, 2)


@pytest.mark.parametrize("jacobian", [False, True])
def test_the_reference_kernel_stays_where_the_volume_is(jacobian):
    affine = torch.eye(4, dtype=torch.float64)
    view = View.from_spacing(6, 8, 1000.0, (4.0, 4.0), sad=700.0)
    pose = se3.translation(torch.tensor([0.0, 0.0, 700.0], dtype=torch.float64))[None]
    volume, kernel = Volume(torch.empty(2, 5, 6, 7, device="meta"), affine), TorchKernel()
    with OneDevice():
        rays = cast_rays(volume, view, pose, kernel.rays_on(volume.density.device))
        image, columns = kernel.render(volume.density, rays, 4, jacobian)
    assert image.device.type == "meta"
    assert image.shape == (1, 2, 6, 8)
    if jacobian:
        assert columns.device.type == "meta"
        assert columns.shape == (1, 2, 6, 6, 8)
