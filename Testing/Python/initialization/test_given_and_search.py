"""Where a registration starts: what is known, in order of precision, and the poses spread around it."""

import math

import numpy as np
import pytest
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import PRESETS, angles_from_pose, pose_from_angles
from SphericalRegLib.geometry.view import View
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.given import start_poses
from SphericalRegLib.initialization.search import SearchRange, spread_poses

ISOCENTER = torch.tensor([12.0, -34.0, 560.0], dtype=torch.float64)


def an_xray(**changes):
    view = View.from_spacing(64, 48, 1000.0, (2.0, 3.0), sad=650.0)
    return XRay(np.zeros((64, 48), np.float32), view, np.ones((64, 48), bool), **changes)


def test_with_nothing_known_both_frontal_views_are_tried():
    poses = start_poses([an_xray()], ISOCENTER)
    assert poses.shape == (2, 4, 4)
    primary = sorted(abs(round(angles_from_pose(pose).primary_deg)) for pose in poses)
    assert primary == [0, 180]


def test_a_preset_puts_the_isocenter_on_the_axis_at_the_axis_distance():
    for name in PRESETS:
        pose = start_poses([an_xray()], ISOCENTER, preset=name.upper())[0]
        placed = se3.transform_points(pose, ISOCENTER[None])[0]
        torch.testing.assert_close(placed, torch.tensor([0.0, 0.0, 650.0], dtype=torch.float64), atol=1e-9, rtol=0)


def test_angles_are_those_of_the_first_view_also_when_the_rig_is_not_its_camera():
    import dataclasses

    turned = se3.exp(torch.tensor([0.1, 0.7, -0.2, 30.0, 5.0, -9.0], dtype=torch.float64))
    xray = an_xray()
    xray = dataclasses.replace(xray, view=dataclasses.replace(xray.view, camera_from_rig=turned))
    pose = start_poses([xray], ISOCENTER, angles=(30.0, -10.0))[0]
    camera = xray.view.camera_from_world(pose)
    torch.testing.assert_close(camera, pose_from_angles(30.0, -10.0, 650.0, ISOCENTER))


def test_a_start_given_twice_or_impossible_is_named():
    with pytest.raises(GeometryError, match="given twice, by preset and angles"):
        start_poses([an_xray()], ISOCENTER, preset="AP", angles=(0.0, 0.0))
    with pytest.raises(GeometryError, match="no preset view 'oblique'"):
        start_poses([an_xray()], ISOCENTER, preset="oblique")
    with pytest.raises(GeometryError, match="not a rigid"):
        start_poses([an_xray()], ISOCENTER, pose=2 * torch.eye(4))


def test_the_spread_holds_each_start_and_fills_its_range():
    starts = torch.stack([pose_from_angles(a, 0.0, 650.0, ISOCENTER) for a in (0.0, 180.0)])
    extent = SearchRange(20.0, 40.0, 80.0)
    poses = spread_poses(starts, ISOCENTER, extent, 64, seed=1)
    assert poses.shape == (128, 4, 4)
    torch.testing.assert_close(poses[0], starts[0])
    torch.testing.assert_close(poses[64], starts[1])
    twists = se3.difference_about(poses[:64], starts[0].expand(64, 4, 4), ISOCENTER)
    size = torch.tensor([math.radians(20)] * 3 + [40.0, 40.0, 80.0], dtype=torch.float64)
    assert (twists.abs() <= size + 1e-9).all()
    assert (twists.amax(0) > 0.8 * size).all()
    assert (twists.amin(0) < -0.8 * size).all()


def test_the_spread_depends_on_the_seed_alone():
    start = pose_from_angles(0.0, 0.0, 650.0, ISOCENTER)[None]
    one, same, other = (spread_poses(start, ISOCENTER, SearchRange(), 16, seed) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(spread_poses(start, ISOCENTER, SearchRange(), 1), start)


def test_a_range_below_zero_is_an_error():
    with pytest.raises(InputError, match=r"depth_mm is -1\.0"):
        SearchRange(depth_mm=-1.0)
