"""The renderer's transpose in float64: exact for image and Jacobian, in every kernel and mode of differentiation."""

import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import KERNELS, linearize, numba_adjoint, render, torch_kernel
from SphericalRegLib.rendering.projection import Projector, backproject, project
from SphericalRegLib.rendering.rays import cast_rays
from Testing.Python.rendering.scenes import (
    REFERENCE,
    every_kernel,
    every_other_kernel,
    facing,
    mirrored_view,
    noisy_volume,
    smooth_volume,
)

#: Between them, voxel axes lie in memory in all six orders.
TURNS = [[0.1, 0.2, 0.1], [1.5, 0.1, 0.2], [0.1, 1.5, 0.1], [0.2, 0.1, 1.5], [1.2, 1.2, 1.2], [-1.2, -1.2, -1.2]]


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def projector(volume: Volume, view: View, kernel: str, samples: int = 25) -> Projector:
    return Projector(KERNELS[kernel], lambda poses: cast_rays(volume, view, poses), samples)


def turned(volume: Volume, turn: list[float]) -> torch.Tensor:
    """(1, 4, 4) a pose 700 mm in front of the source whose rays meet voxel axes as ``turn`` says."""
    voxel_axes = volume.world_from_voxel[:3, :3] / volume.spacing
    rotation = se3.so3_exp(torch.tensor(turn).double()) @ voxel_axes.T
    pose = se3.from_parts(rotation, torch.tensor([3.0, -4.0, 700.0]).double())
    return (pose @ se3.translation(-volume.center))[None]


def test_the_turns_below_lay_the_volume_out_in_every_order():
    volume, view = smooth_volume(), View.from_spacing(7, 9, 1000.0, (18.0, 15.0))
    assert len({cast_rays(volume, view, turned(volume, turn)).memory_order() for turn in TURNS}) == 6


@every_kernel
@pytest.mark.parametrize("turn", TURNS, ids=[f"turn{n}" for n in range(6)])
def test_the_transpose_is_exact(kernel, turn):
    """<L x, y> = <x, Lᵀ y> to rounding, two channels, with rays that miss and rays through every face."""
    volume, view = smooth_volume(), View.from_spacing(7, 9, 1000.0, (18.0, 15.0))
    poses, drawing = turned(volume, turn), projector(volume, view, kernel)
    x = seeded(*volume.density.shape)
    images, jacobians = project(x, poses, drawing, True)
    assert (images == 0).any()
    y, z = seeded(*images.shape, seed=1), seeded(*jacobians.shape, seed=2)
    forward = (images * y).sum() + (jacobians * z).sum()
    size = (images * y).abs().sum() + (jacobians * z).abs().sum()
    back = backproject(x, poses, drawing, y, z)
    assert (forward - (x * back).sum()).abs() < 1e-12 * size
    only_images = backproject(x, poses, drawing, y)
    assert ((images * y).sum() - (x * only_images).sum()).abs() < 1e-12 * (images * y).abs().sum()


@every_other_kernel
@pytest.mark.parametrize("depth", [700.0, 0.0, 1000.0], ids=["in front", "source inside", "detector inside"])
def test_the_transpose_is_that_of_the_reference(kernel, depth):
    volume, view = noisy_volume(), mirrored_view(6, 7)
    poses = facing(volume, view, depth)
    images, jacobians = seeded(2, 1, 6, 7), seeded(2, 1, 6, 6, 7, seed=1)
    expected, found = (
        backproject(volume.density, poses, projector(volume, view, name), images, jacobians)
        for name in (REFERENCE, kernel)
    )
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


@every_kernel
def test_gradients_of_image_and_jacobian_are_central_differences(kernel):
    """The map is linear, so the difference is exact for a step of any size."""
    volume, view = noisy_volume(), mirrored_view(6, 7)
    poses = facing(volume, view)

    def loss(values):
        at = Volume(values, volume.world_from_voxel)
        image, jacobian = linearize(at, view, poses, samples=20, kernel=kernel)
        other = render(at, view, poses, samples=20, kernel=kernel)
        return (image * seeded(*image.shape)).sum() + (jacobian * seeded(*jacobian.shape)).sum() + other.sum()

    density = volume.density.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(density), density)
    for k, j, i in ((0, 0, 0), (3, 4, 5), (6, 8, 7), (2, 8, 3)):
        step = torch.zeros_like(volume.density)
        step[0, k, j, i] = 0.5
        with torch.no_grad():
            expected = loss(volume.density + step) - loss(volume.density - step)
        assert float(gradient[0, k, j, i]) == pytest.approx(float(expected), rel=1e-8, abs=1e-8)


@every_kernel
def test_single_precision_gradients_agree_with_double(kernel):
    volume, view = smooth_volume(1), mirrored_view()
    poses = facing(volume, view)
    gradients = []
    for dtype in (torch.float64, torch.float32):
        density = volume.density.to(dtype).requires_grad_()
        image, jacobian = linearize(Volume(density, volume.world_from_voxel), view, poses, samples=30, kernel=kernel)
        loss = (image * seeded(*image.shape).to(dtype)).sum() + 1e-2 * (jacobian * seeded(*jacobian.shape)).sum()
        gradients.append(torch.autograd.grad(loss, density)[0])
    assert gradients[1].dtype == torch.float32
    error = (gradients[1] - gradients[0]).norm() / gradients[0].norm()
    assert error < 1e-3  # float32 puts a few samples into the neighboring cell


@every_kernel
def test_forward_mode_follows_pose_and_volume_at_once(kernel):
    volume, view = noisy_volume(), mirrored_view(4, 5)
    base = facing(volume, view)
    twist, change = seeded(2, 6), seeded(*volume.density.shape)

    def image(x, values):
        at = Volume(values, volume.world_from_voxel)
        return render(at, view, se3.about(x, base, volume.center), samples=20, kernel=kernel)

    _, jacobian = linearize(volume, view, base, samples=20, kernel=kernel)
    _, moved = torch.func.jvp(image, (torch.zeros(2, 6).double(), volume.density), (twist, change))
    expected = torch.einsum("bcphw,bp->bchw", jacobian, twist) + image(torch.zeros(2, 6).double(), change)
    torch.testing.assert_close(moved, expected)


@every_kernel
def test_every_mode_gives_the_same_derivative_in_the_volume(kernel):
    volume, view = noisy_volume(shape=(3, 2, 3)), View.from_spacing(3, 3, 1000.0, (6.0, 5.0))
    poses = facing(volume, view)[:1]

    def both(values):
        at = Volume(values, volume.world_from_voxel)
        image, jacobian = linearize(at, view, poses, samples=8, kernel=kernel)
        return torch.cat([image[:, :, None], jacobian], dim=2)

    forward = torch.func.jacfwd(both)(volume.density)
    assert forward.abs().max() > 0
    torch.testing.assert_close(torch.func.jacrev(both)(volume.density), forward)

    def energy(values):
        return (both(values) ** 2).sum()

    density = volume.density.clone().requires_grad_()
    assert torch.autograd.gradgradcheck(energy, (density,), fast_mode=True, rtol=1e-4, atol=1e-4)


def test_the_reference_adds_up_its_blocks(monkeypatch):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses, drawing = facing(volume, view), projector(volume, view, REFERENCE)
    images, jacobians = seeded(2, 1, 5, 6), seeded(2, 1, 6, 5, 6, seed=1)
    whole = backproject(volume.density, poses, drawing, images, jacobians)
    monkeypatch.setattr(torch_kernel, "_blocks", lambda rays, at_once: [(0, 2), (2, 7), (7, 10)])
    torch.testing.assert_close(backproject(volume.density, poses, drawing, images, jacobians), whole)


def test_a_volume_too_large_for_a_copy_in_each_thread_is_scattered_into_by_one(monkeypatch):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses, drawing = facing(volume, view), projector(volume, view, "numba")
    images = seeded(2, 1, 5, 6)
    whole = backproject(volume.density, poses, drawing, images)
    monkeypatch.setattr(numba_adjoint, "_SCRATCH_BYTES", 1)
    torch.testing.assert_close(backproject(volume.density, poses, drawing, images), whole)


def test_nothing_is_kept_for_a_density_that_needs_no_gradient():
    volume, view = noisy_volume(), mirrored_view(5, 6)
    image, jacobian = linearize(volume, view, facing(volume, view), samples=8)
    assert image.grad_fn is jacobian.grad_fn is None
    density = volume.density.clone().requires_grad_()
    learned = Volume(density, volume.world_from_voxel)
    with torch.no_grad():
        assert linearize(learned, view, facing(volume, view), samples=8)[0].grad_fn is None
    assert linearize(learned, view, facing(volume, view), samples=8)[1].grad_fn is not None
