"""What the renderer draws: exact integrals, agreement of the kernels, limits and errors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from SphericalRegLib.errors import DeviceError, GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.rendering import linearize, render
from Testing.Python.rendering.scenes import (
    REFERENCE,
    every_kernel,
    every_other_kernel,
    facing,
    mirrored_view,
    noisy_volume,
    oblique_frame,
    smooth_volume,
)


def chord(volume: Volume, source: torch.Tensor, target: torch.Tensor) -> float:
    """Length (mm) of the segment from source to target (3,) inside of the volume's box, by the slab method."""
    to_voxel = torch.linalg.inv(volume.world_from_voxel)
    ends = se3.transform_points(to_voxel, torch.stack([source, target]))
    near, far = 0.0, 1.0
    for axis in range(3):
        low, high = -0.5, volume.density.shape[3 - axis] - 0.5
        a, d = float(ends[0, axis]), float(ends[1, axis] - ends[0, axis])
        if abs(d) < 1e-12:
            if not low < a < high:
                return 0.0
            continue
        bounds = sorted(((low - a) / d, (high - a) / d))
        near, far = max(near, bounds[0]), min(far, bounds[1])
    return max(0.0, far - near) * float((target - source).norm())


def pixel_ends(view: View, pose: torch.Tensor, u: int, v: int) -> tuple[torch.Tensor, torch.Tensor]:
    """World positions (3,) of the source and of a pixel's center on the detector."""
    world_from_camera = se3.inverse(view.camera_from_world(pose))
    pixel = view.detector_from_pixel() @ torch.tensor([u, v, 1.0]).double()
    ends = se3.transform_points(world_from_camera, torch.stack([torch.zeros(3).double(), pixel]))
    return ends[0], ends[1]


@every_kernel
@pytest.mark.parametrize("samples", [1, 7, 64])
def test_a_constant_box_gives_the_chord(kernel, samples):
    density = torch.full((1, 6, 5, 7), 0.03, dtype=torch.float64)
    volume, view = Volume(density, oblique_frame()), mirrored_view(6, 7)
    poses = facing(volume, view)
    image = render(volume, view, poses, samples=samples, kernel=kernel)
    expected = [
        [[0.03 * chord(volume, *pixel_ends(view, pose, u, v)) for u in range(7)] for v in range(6)] for pose in poses
    ]
    torch.testing.assert_close(image[:, 0], torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    assert (image > 0).any()
    assert (image == 0).any()


@every_kernel
def test_a_constant_box_is_pushed_by_its_faces_alone(kernel):
    """With no gradient inside, all of the derivative comes from the clip bounds: ∂(chord)/∂pose."""
    volume = Volume(torch.full((1, 6, 5, 7), 0.03, dtype=torch.float64), oblique_frame())
    view = mirrored_view(6, 7)
    poses = facing(volume, view)[:1]
    _, jacobian = linearize(volume, view, poses, samples=5, kernel=kernel)
    h = 1e-5
    for n in range(6):
        twist = h * torch.eye(6).double()[n : n + 1]
        ahead, behind = (se3.about(s * twist, poses, volume.center)[0] for s in (1, -1))
        expected = [
            [
                0.03
                * (chord(volume, *pixel_ends(view, ahead, u, v)) - chord(volume, *pixel_ends(view, behind, u, v)))
                / (2 * h)
                for u in range(7)
            ]
            for v in range(6)
        ]
        error = (jacobian[0, 0, n] - torch.tensor(expected, dtype=torch.float64)).abs()
        assert error.max() < 1e-6 * max(1.0, float(jacobian[0, 0, n].abs().max()))
    assert jacobian.abs().amax(dim=(0, 1, 3, 4)).min() > 0


@every_kernel
def test_a_head_on_slab_gives_thickness_and_the_known_derivative(kernel):
    """Axis-parallel central ray: thickness t; a pixel off axis by the angle a sees t/cos(a); moving it changes nothing
    as long as the rays pass its front and back, and turning it does as 1/cos."""
    volume = Volume(
        torch.full((1, 4, 50, 50), 0.1, dtype=torch.float64), torch.diag(torch.tensor([4.0, 4.0, 5.0, 1.0])).double()
    )
    view = View.from_spacing(3, 3, 1000.0, (20.0, 20.0))
    pose = (se3.translation(torch.tensor([0.0, 0.0, 700.0]).double()) @ se3.translation(-volume.center))[None]
    image, jacobian = linearize(volume, view, pose, samples=9, kernel=kernel)
    for v in range(3):
        for u in range(3):
            oblique = math.sqrt(1000**2 + (20 * (u - 1)) ** 2 + (20 * (v - 1)) ** 2) / 1000
            assert float(image[0, 0, v, u]) == pytest.approx(0.1 * 20 * oblique, rel=1e-9)
    assert jacobian[0, 0, 3:].abs().max() < 1e-9
    # turned about the camera's y by x, the ray at angle a meets the slab at a - x: d(1/cos)/dx = -sin/cos²
    for u in (0, 1, 2):
        a = math.atan2(20 * (u - 1), 1000)
        expected = -0.1 * 20 * math.sin(a) / math.cos(a) ** 2
        assert float(jacobian[0, 0, 1, 1, u]) == pytest.approx(expected, abs=1e-9)


@every_kernel
def test_a_bright_voxel_appears_where_the_view_projects_it(kernel):
    density = torch.zeros(1, 12, 18, 22).double()
    volume, view = Volume(density, oblique_frame()), mirrored_view(44, 52)
    intrinsics = view.intrinsics.clone()
    intrinsics[:2] *= 4
    view = View(intrinsics, 44, 52, view.sdd, view.camera_from_rig)
    poses = facing(volume, view)
    for i, j, k in ((3, 15, 2), (20, 4, 9)):
        density.zero_()
        density[0, k, j, i] = 1
        point = (volume.world_from_voxel @ torch.tensor([i, j, k, 1.0]).double())[None, :3]
        expected = view.project(point, poses)[:, 0]
        image = render(volume, view, poses, samples=200, kernel=kernel)[:, 0]
        v, u = torch.meshgrid(torch.arange(44.0).double(), torch.arange(52.0).double(), indexing="ij")
        mass = image.sum((1, 2))
        found = torch.stack([(image * u).sum((1, 2)), (image * v).sum((1, 2))], dim=-1) / mass[:, None]
        assert ((expected > 3) & (expected < 40)).all(), "the scene should keep the voxel in the picture"
        assert (found - expected).abs().max() < 0.1


@every_other_kernel
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(-150, 150), min_size=2, max_size=2),
    st.floats(-300, 1500),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.integers(1, 30),
)
def test_the_image_is_that_of_the_reference(kernel, rotation, shift, depth, shape, samples):
    volume, view = noisy_volume(shape=shape), mirrored_view(5, 6)
    pose = se3.from_parts(se3.so3_exp(torch.tensor(rotation).double()), torch.tensor([*shift, depth]).double())
    poses = (pose @ se3.translation(-volume.center))[None]
    image, jacobian = linearize(volume, view, poses, samples=samples, kernel=REFERENCE)
    fast, fast_jacobian = linearize(volume, view, poses, samples=samples, kernel=kernel)
    assert torch.isfinite(fast).all()
    assert torch.isfinite(fast_jacobian).all()
    torch.testing.assert_close(fast, image, rtol=1e-9, atol=1e-9)
    # a sample on a cell's face may take its gradient from either side: compare where both chose alike
    error = (fast_jacobian - jacobian).abs() / (1 + jacobian.abs())
    assert (error < 1e-7).double().mean() > 0.9


@every_kernel
def test_single_precision_agrees_with_double(kernel):
    volume, view = smooth_volume(), mirrored_view()
    poses = facing(volume, view)
    image, jacobian = linearize(volume, view, poses, samples=64, kernel=kernel)
    rough, rough_jacobian = linearize(volume.to(dtype=torch.float32), view, poses, samples=64, kernel=kernel)
    assert rough.dtype == rough_jacobian.dtype == torch.float32
    assert (rough - image).abs().max() < 2e-5 * image.max()
    scale = jacobian.abs().amax((0, 1, 3, 4))
    error = (rough_jacobian - jacobian).abs() / scale[:, None, None]
    assert error.flatten().quantile(0.99) < 1e-4


@every_kernel
def test_sampling_converges_to_the_integral(kernel):
    volume, view = smooth_volume(1), mirrored_view(5, 5)
    poses = facing(volume, view)
    fine = render(volume, view, poses, samples=4000, kernel=kernel)
    errors = [float((render(volume, view, poses, samples=n, kernel=kernel) - fine).abs().max()) for n in (25, 100)]
    assert errors[1] < errors[0] / 5
    assert errors[1] < 1e-3 * fine.max()


@every_kernel
def test_a_source_inside_of_the_volume_sees_what_is_in_front_of_it(kernel):
    volume = Volume(torch.full((1, 40, 40, 40), 0.01, dtype=torch.float64), torch.eye(4).double())
    view = View.from_spacing(3, 3, 1000.0, (1.0, 1.0))
    pose = se3.translation(-volume.center)[None]
    image, jacobian = linearize(volume, view, pose, samples=16, kernel=kernel)
    assert float(image[0, 0, 1, 1]) == pytest.approx(0.01 * 20, rel=1e-9)
    # moving the volume away from the detector's side by 1 mm lengthens the path by 1 mm: the source does not clip
    assert float(jacobian[0, 0, 5, 1, 1]) == pytest.approx(0.01, rel=1e-9)


@every_kernel
def test_a_detector_inside_of_the_volume_ends_the_rays(kernel):
    volume = Volume(torch.full((1, 40, 40, 40), 0.01, dtype=torch.float64), torch.eye(4).double())
    view = View.from_spacing(3, 3, 1000.0, (0.01, 0.01))
    pose = se3.translation(torch.tensor([0.0, 0.0, 1000.0]).double() - volume.center)[None]
    image, jacobian = linearize(volume, view, pose, samples=16, kernel=kernel)
    assert float(image[0, 0, 1, 1]) == pytest.approx(0.01 * 20, rel=1e-9)
    assert float(jacobian[0, 0, 5, 1, 1]) == pytest.approx(-0.01, rel=1e-9)


@every_kernel
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 4), (3, 1, 4), (3, 5, 1)])
def test_axes_of_one_voxel_are_slabs(kernel, shape):
    volume, view = noisy_volume(shape=shape), mirrored_view(6, 6)
    constant = Volume(torch.ones(1, *shape).double(), oblique_frame((20.0, 30.0, 25.0)))
    image, jacobian = linearize(constant, view, facing(volume, view), samples=3, kernel=kernel)
    assert image.max() > 5
    assert torch.isfinite(jacobian).all()
    pose = facing(constant, view)
    lengths = render(constant, view, pose, samples=3, kernel=kernel)[0, 0]
    expected = [[chord(constant, *pixel_ends(view, pose[0], u, v)) for u in range(6)] for v in range(6)]
    torch.testing.assert_close(lengths, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@every_kernel
@pytest.mark.parametrize("offset", [0.0, 9.5, 10.0, 10.5])
def test_grazing_and_axis_parallel_rays_stay_finite(kernel, offset):
    """The central ray runs along a voxel axis, at offset 10 mm exactly in the outer face."""
    volume = Volume(torch.ones(1, 20, 20, 20).double(), torch.eye(4).double())
    view = View.from_spacing(3, 3, 1000.0, (1e-3, 1e-3))
    shift = torch.tensor([offset, 0.0, 700.0]).double()
    pose = (se3.translation(shift) @ se3.translation(-volume.center))[None]
    image, jacobian = linearize(volume, view, pose, samples=16, kernel=kernel)
    assert torch.isfinite(image).all()
    assert torch.isfinite(jacobian).all()
    if offset != 10.0:
        assert float(image[0, 0, 1, 1]) == pytest.approx(20.0 if offset < 10 else 0.0, rel=1e-6)
    assert (image >= 0).all()
    assert (image <= 20.0001).all()


@every_kernel
def test_a_pose_that_looks_away_gives_zeros(kernel):
    volume, view = smooth_volume(), mirrored_view()
    poses = se3.translation(torch.tensor([0.0, 0.0, -3000.0]).double()) @ facing(volume, view)
    image, jacobian = linearize(volume, view, poses, samples=16, kernel=kernel)
    assert (image == 0).all()
    assert (jacobian == 0).all()


@every_kernel
def test_each_pose_may_have_its_own_view(kernel):
    volume, first = noisy_volume(), mirrored_view(5, 6)
    second = View.from_spacing(5, 6, 1100.0, (9.0, 8.0))
    poses = facing(volume, first)
    together = linearize(volume, [first, second], poses, samples=16, kernel=kernel)
    for n, view in enumerate((first, second)):
        alone = linearize(volume, view, poses[n : n + 1], samples=16, kernel=kernel)
        torch.testing.assert_close(together[0][n], alone[0][0])
        torch.testing.assert_close(together[1][n], alone[1][0])


@every_kernel
def test_a_volume_that_changed_in_place_is_drawn_as_it_is_now(kernel):
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses = facing(volume, view)
    before = render(volume, view, poses, samples=16, kernel=kernel)
    volume.density.mul_(2)
    torch.testing.assert_close(render(volume, view, poses, samples=16, kernel=kernel), 2 * before)


def test_what_cannot_be_drawn_says_why():
    volume, view = noisy_volume(), mirrored_view(5, 6)
    poses = facing(volume, view)
    with pytest.raises(DeviceError, match="no rendering kernel 'cuda-magic'"):
        render(volume, view, poses, kernel="cuda-magic")
    with pytest.raises(GeometryError, match=r"\(B, 4, 4\), not \(4, 4\)"):
        render(volume, view, poses[0])
    with pytest.raises(GeometryError, match="diverged"):
        linearize(volume, view, poses * torch.nan)
    with pytest.raises(GeometryError, match="2 poses need one view"):
        render(volume, [view] * 3, poses)
    with pytest.raises(GeometryError, match="views of one size"):
        render(volume, [view, mirrored_view(4, 6)], poses)
    for draw in (render, linearize):
        with pytest.raises(InputError, match="at least one sample, not 0"):
            draw(volume, view, poses, samples=0)
