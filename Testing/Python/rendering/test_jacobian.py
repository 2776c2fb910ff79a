"""Pose Jacobians and gradients of the renderer against central differences in float64."""

import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import linearize, render
from Testing.Python.rendering.scenes import every_kernel, facing, mirrored_view, noisy_volume, smooth_volume

H = 1e-6


def differences(volume, view, poses, samples, kernel):
    """(B, C, 6, H, W) central differences along each twist."""
    columns = []
    for twist in H * torch.eye(6).double():
        ahead, behind = (se3.about(s * twist.expand(len(poses), 6), poses, volume.center) for s in (1, -1))
        images = [render(volume, view, p, samples=samples, kernel=kernel) for p in (ahead, behind)]
        columns.append((images[0] - images[1]) / (2 * H))
    return torch.stack(columns, dim=2)


@every_kernel
@pytest.mark.parametrize("scene", ["smooth", "noise"])
def test_jacobian_is_the_derivative(kernel, scene):
    volume = smooth_volume() if scene == "smooth" else noisy_volume(shape=(14, 16, 18))
    view = mirrored_view()
    poses = facing(volume, view)
    image, jacobian = linearize(volume, view, poses, samples=40, kernel=kernel)
    expected = differences(volume, view, poses, 40, kernel)
    torch.testing.assert_close(image, render(volume, view, poses, samples=40, kernel=kernel))
    assert (image > 0).double().mean() > 0.2
    assert (image == 0).any()
    for n in range(6):
        size = expected[:, :, n].abs().amax()
        error = (jacobian[:, :, n] - expected[:, :, n]).abs() / size
        # Interpolation has kinks, and so has the box at its edges: a few rays pass one within 2 h.
        assert error.flatten().quantile(0.98) < 1e-6
        assert error.median() < 1e-7


@every_kernel
def test_jacobian_belongs_to_the_isocenter_that_was_given(kernel):
    volume, view = smooth_volume(1), mirrored_view()
    other = Volume(volume.density, volume.world_from_voxel, volume.center + torch.tensor([30.0, -20.0, 50.0]))
    poses = facing(volume, view)
    _, here = linearize(volume, view, poses, samples=20, kernel=kernel)
    _, there = linearize(other, view, poses, samples=20, kernel=kernel)
    # the same motion, about another point: Trans(c) Exp(x) Trans(-c) = Trans(c') Exp(x') Trans(-c')
    apart = se3.transform_points(poses, volume.center[None]) - se3.transform_points(poses, other.center[None])
    transfer = se3.adjoint(se3.translation(apart[:, 0]))
    torch.testing.assert_close(here, torch.einsum("bqp,bcqhw->bcphw", transfer, there), rtol=1e-8, atol=1e-8)


@every_kernel
def test_every_mode_of_differentiation_gives_the_same_jacobian(kernel):
    volume, view = noisy_volume(), mirrored_view(4, 5)
    base = facing(volume, view)
    _, jacobian = linearize(volume, view, base, samples=20, kernel=kernel)

    def image(twists, poses=base):
        return render(volume, view, se3.about(twists, poses, volume.center), samples=20, kernel=kernel)

    zero = torch.zeros(2, 6).double().requires_grad_()
    weight, tangent = torch.rand(2, 1, 4, 5).double(), torch.rand(2, 6).double()
    (gradient,) = torch.autograd.grad((image(zero) * weight).sum(), zero)
    torch.testing.assert_close(gradient, torch.einsum("bchw,bcphw->bp", weight, jacobian))
    _, moved = torch.func.jvp(image, (zero.detach(),), (tangent,))
    torch.testing.assert_close(moved, torch.einsum("bcphw,bp->bchw", jacobian, tangent))
    own = torch.stack([jacobian[0], jacobian[1]]).movedim(2, -1)
    for mode in (torch.func.jacfwd, torch.func.jacrev):
        whole = mode(image)(zero.detach())  # (2, C, H, W, 2, 6)
        for n in range(2):
            torch.testing.assert_close(whole[n, ..., n, :], own[n])
            assert (whole[n, ..., 1 - n, :] == 0).all()
    batched = torch.func.vmap(lambda x, pose: image(x[None], pose[None])[0])(zero.detach(), base)
    torch.testing.assert_close(batched, image(zero.detach()))
    each = torch.func.vmap(torch.func.jacfwd(lambda x, pose: image(x[None], pose[None])[0]))(zero.detach(), base)
    torch.testing.assert_close(each, own)


@every_kernel
def test_derivatives_away_from_the_base_pose_follow_the_twist(kernel):
    volume, view = smooth_volume(1), mirrored_view(3, 4)
    base = facing(volume, view)[:1]
    x = torch.tensor([[0.2, -0.1, 0.15, 8.0, -5.0, 20.0]]).double().requires_grad_()

    def image(twist):
        return render(volume, view, se3.about(twist, base, volume.center), samples=20, kernel=kernel)[:, :, 1:2, 1:3]

    assert torch.autograd.gradcheck(image, (x,), atol=1e-5, rtol=1e-4)


@every_kernel
def test_gradients_reach_the_volume_through_images(kernel):
    volume, view = noisy_volume(shape=(3, 2, 3)), View.from_spacing(4, 4, 1000.0, (5.0, 4.0))
    poses = facing(volume, view)
    density = volume.density.clone().requires_grad_()

    def image(values):
        return render(Volume(values, volume.world_from_voxel), view, poses, samples=8, kernel=kernel)

    assert torch.autograd.gradcheck(image, (density,), fast_mode=True)
    assert (image(density) > 0).any(), "the view should see the volume"
    weight = torch.rand(2, 1, 4, 4).double()
    reverse = torch.autograd.grad((image(density) * weight).sum(), density)[0]
    change = torch.rand_like(volume.density)
    _, forward = torch.func.jvp(image, (volume.density,), (change,))
    torch.testing.assert_close((forward * weight).sum(), (reverse * change).sum())


@every_kernel
def test_gradients_reach_the_volume_through_jacobians(kernel):
    volume, view = noisy_volume(shape=(3, 2, 3)), View.from_spacing(3, 3, 1000.0, (6.0, 5.0))
    poses = facing(volume, view)[:1]
    density = volume.density.clone().requires_grad_()

    def both(values):
        return linearize(Volume(values, volume.world_from_voxel), view, poses, samples=8, kernel=kernel)

    assert torch.autograd.gradcheck(both, (density,), fast_mode=True)
    assert (both(density)[1].abs().amax((0, 1, 3, 4)) > 0).all(), "the view should see the volume"
