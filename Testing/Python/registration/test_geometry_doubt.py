"""What is not known of a view is not known of the pose: compared with what registration really makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import pose_from_angles
from SphericalRegLib.geometry.tolerance import Tolerance
from SphericalRegLib.geometry.view import View, mirrored_view
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Case, Known, SearchRange
from SphericalRegLib.registration import SYSTEMS, register
from SphericalRegLib.registration.judging.geometry_doubt import _pose_derivative, geometry_covariance
from SphericalRegLib.registration.judging.uncertainty import widened
from SphericalRegLib.registration.result import HalfWidths
from SphericalRegLib.rendering import render

SDD, SAD = 1000.0, 700.0


def bones() -> Volume:
    """Four oblique dense blobs of different sizes in something thin, anisotropic voxels, turned and off the origin."""
    size = (48, 60, 52)
    k, j, i = torch.meshgrid(*[torch.arange(n, dtype=torch.float64) for n in size], indexing="ij")
    density = torch.zeros(size, dtype=torch.float64)
    for center, widths in (
        ((20, 20, 15), (9, 4, 4)),
        ((30, 40, 30), (4, 10, 5)),
        ((15, 45, 40), (5, 5, 8)),
        ((36, 15, 38), (4, 6, 3)),
    ):
        parts = zip((k, j, i), center, widths, strict=True)
        density += 0.06 * torch.exp(-sum(((axis - c) / w) ** 2 for axis, c, w in parts))
    turn = se3.exp(torch.tensor([[0.2, -0.3, 0.4, 40.0, -25.0, 10.0]], dtype=torch.float64))[0]
    scale = torch.diag(torch.tensor([2.0, 2.5, 3.0, 1.0], dtype=torch.float64))
    return Volume(density.float()[None], turn @ scale)


def a_view(factor: float = 1.0, tolerance: Tolerance | None = None) -> View:
    view = View.from_spacing(128, 160, SDD * factor, (1.6, 1.5), (90.0, 60.0), name="off center")
    return view if tolerance is None else replace(view, tolerance=tolerance)


def registered(volume: Volume, taken: View, read: View, pose: torch.Tensor) -> torch.Tensor:
    """The pose of an X-ray taken by one view and read by another, from the right one."""
    image = render(volume, taken, pose[None], samples=300)[0, 0].numpy()
    intensity = SYSTEMS["intensity"]
    last = replace(intensity.stages[-1], look=replace(intensity.stages[-1].look, bone_hu=None, parted=False))
    system = replace(intensity, stages=(last,), retries=0, again=(), initializer=Known.around(SearchRange(), 1))
    return register(Case(volume, (XRay(image, read, np.ones(image.shape, bool)),), poses=pose), system).pose


def test_the_pose_moves_as_a_registration_with_another_distance_does():
    volume = bones()
    pose = pose_from_angles(35.0, 15.0, SAD, volume.center, 12.0)
    factor = 1.01
    moved = registered(volume, a_view(), a_view(factor), pose)
    twist = se3.difference_about(moved[None], pose[None], volume.center)[0]
    spread = geometry_covariance(volume, [a_view(tolerance=Tolerance(1.96 * (factor - 1)))], pose)
    # one parameter is doubtful: the spread is along one direction
    values, directions = torch.linalg.eigh(spread)
    assert values[-2] < 1e-6 * values[-1]
    response = directions[:, -1] * values[-1].sqrt()
    response *= torch.sign(response @ twist)
    assert twist[5] == pytest.approx(0.01 * SAD, rel=0.1)
    torch.testing.assert_close(response[3:], twist[3:], atol=0.3, rtol=0.05)
    torch.testing.assert_close(response[:3], twist[:3], atol=math.radians(0.1), rtol=0.1)


def test_a_shifted_central_ray_turns_the_body_aside():
    volume = bones()
    pose = pose_from_angles(35.0, 15.0, SAD, volume.center, 12.0)
    view = a_view(tolerance=Tolerance(center_mm=1.96 * 2.0))
    known = widened(HalfWidths(0.0, 0.0, 0.0), geometry_covariance(volume, [view], pose), view)
    # 2 mm on the detector are 1.4 mm at the isocenter, in each direction
    assert known.plane_mm == pytest.approx(1.96 * 2.0 * SAD / SDD, rel=0.1)
    assert known.depth_mm < 0.3 * known.plane_mm


def test_two_views_at_a_right_angle_leave_less_open_than_one():
    volume = bones()
    pose = pose_from_angles(0.0, 0.0, SAD, volume.center)
    first = a_view(tolerance=Tolerance(0.01))
    side = pose_from_angles(90.0, 0.0, SAD, volume.center) @ se3.inverse(pose)
    second = replace(first, camera_from_rig=side)
    none = HalfWidths(0.0, 0.0, 0.0)
    one = widened(none, geometry_covariance(volume, [first], pose), first)
    both = widened(none, geometry_covariance(volume, [first, second], pose), first)
    exact_second = replace(second, tolerance=Tolerance())
    helped = widened(none, geometry_covariance(volume, [first, exact_second], pose), first)
    assert one.depth_mm == pytest.approx(0.01 * SAD, rel=0.1)
    assert both.depth_mm < 0.5 * one.depth_mm
    assert helped.depth_mm < both.depth_mm


def test_exact_views_leave_nothing_open_and_a_view_of_nothing_leaves_all_open():
    volume = bones()
    pose = pose_from_angles(0.0, 0.0, SAD, volume.center)
    assert not geometry_covariance(volume, [a_view()], pose).any()
    away = se3.translation(torch.tensor([4000.0, 0.0, 0.0], dtype=torch.float64)) @ pose
    assert torch.isinf(geometry_covariance(volume, [a_view(tolerance=Tolerance(0.01))], away).diagonal()).all()


def test_a_view_keeps_its_tolerance_resized_cropped_and_mirrored():
    view = a_view(tolerance=Tolerance(0.01, 2.0))
    for other in (view.resized(64, 80), view.cropped(3, 4, 50, 60), mirrored_view(view)):
        assert other.tolerance == view.tolerance


def test_the_derivative_of_pixels_is_that_of_central_differences():
    volume = bones()
    pose = pose_from_angles(35.0, 15.0, SAD, volume.center, 12.0)
    rig = se3.exp(torch.tensor([[0.7, -0.4, 1.1, 30.0, -20.0, 5.0]], dtype=torch.float64))[0]
    view, pose = replace(a_view(), camera_from_rig=rig), se3.inverse(rig) @ pose
    points = volume.corners()
    steps = 1e-5 * torch.cat([torch.eye(6), -torch.eye(6)]).double()
    moved = view.project(points, se3.about(steps, pose.expand(12, 4, 4), volume.center)).flatten(1)
    torch.testing.assert_close(
        _pose_derivative(view, points, pose, volume.center), ((moved[:6] - moved[6:]) / 2e-5).T, atol=1e-5, rtol=1e-7
    )
