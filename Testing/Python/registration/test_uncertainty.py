"""Intervals of a pose are those of the first view's directions, whatever the rig's axes."""

import math
from dataclasses import replace

import pytest
import torch

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.registration.judging.uncertainty import Calibration, depth_deviation, half_widths

NOISE_ONLY = Calibration(1.96, 1.96, 1.96, 0.0, 0.0, 0.0)


def oblique() -> View:
    rig = se3.exp(torch.tensor([[0.7, -0.4, 1.1, 30.0, -20.0, 5.0]], dtype=torch.float64))[0]
    return replace(View.from_spacing(80, 100, 1000.0, (1.0, 1.3), sad=700.0, name="oblique"), camera_from_rig=rig)


def covariance_in_camera(view: View, rotation: list[float], shift: list[float]) -> torch.Tensor:
    """(6, 6) in the rig's axes of independent deviations along the camera's."""
    turn = view.camera_from_rig[:3, :3]
    matrix = torch.zeros(6, 6, dtype=torch.float64)
    matrix[:3, :3] = turn.T @ torch.diag(torch.tensor(rotation, dtype=torch.float64) ** 2) @ turn
    matrix[3:, 3:] = turn.T @ torch.diag(torch.tensor(shift, dtype=torch.float64) ** 2) @ turn
    return matrix


def test_depth_is_along_the_first_views_beam_and_the_plane_across_it():
    view = oblique()
    spread = covariance_in_camera(view, [0.001, 0.004, 0.002], [0.02, 0.05, 0.8])
    known = half_widths(spread, [view], NOISE_ONLY)
    assert known.rotation_deg == pytest.approx(1.96 * math.degrees(0.004))
    assert known.plane_mm == pytest.approx(1.96 * 0.05)
    assert known.depth_mm == pytest.approx(1.96 * 0.8)
    assert depth_deviation(spread, view) == pytest.approx(0.8)


def test_what_noise_does_not_know_of_adds_as_squares_do():
    view = oblique()
    spread = covariance_in_camera(view, [1e-6] * 3, [1e-6, 1e-6, 0.5])
    known = half_widths(spread, [view], Calibration(9.0, 9.0, 4.0, 0.3, 0.2, 0.6))
    assert (known.rotation_deg, known.plane_mm) == pytest.approx((0.3, 0.2), rel=1e-5)
    assert known.depth_mm == pytest.approx(math.hypot(0.6, 4.0 * 0.5))


def test_one_view_of_a_bone_among_others_does_not_tell_depth_and_two_do():
    view = oblique()
    spread = covariance_in_camera(view, [0.001] * 3, [0.1, 0.1, 0.1])
    bone = Calibration(2.0, 2.0, 2.0, 0.1, 0.1, 0.1, one_view_depth=False)
    assert half_widths(spread, [view], bone).depth_mm == math.inf
    assert half_widths(spread, [view], bone).plane_mm == pytest.approx(math.hypot(0.1, 0.2))
    assert half_widths(spread, [view, view], bone).depth_mm == pytest.approx(math.hypot(0.1, 0.2))


def test_nothing_is_known_of_a_cost_without_curvature():
    unknown = half_widths(torch.diag(torch.full((6,), torch.inf, dtype=torch.float64)), [oblique()], NOISE_ONLY)
    assert (unknown.rotation_deg, unknown.plane_mm, unknown.depth_mm) == (math.inf,) * 3


def test_several_views_see_depth_from_aside():
    view = oblique()
    spread = covariance_in_camera(view, [1e-6] * 3, [1e-6, 1e-6, 0.5])
    whole = Calibration(9.0, 7.5, 2.0, 0.2, 0.1, 1.3, depth_views_mm=0.6)
    assert half_widths(spread, [view], whole).depth_mm == pytest.approx(math.hypot(1.3, 1.0))
    assert half_widths(spread, [view, view], whole).depth_mm == pytest.approx(math.hypot(0.6, 1.0))
    same = Calibration(9.0, 7.5, 2.0, 0.2, 0.1, 1.3)
    assert half_widths(spread, [view, view], same).depth_mm == pytest.approx(math.hypot(1.3, 1.0))
