"""A C-arm's pose in numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from SphericalRegLib.app.panel.pose_cost import PoseCost
from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import carm as angles
from SphericalRegLib.geometry import se3
from SphericalRegLib.scene import carm, poses, readout, results
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_volume


@pytest.fixture
def ct_node(a_scene: Any) -> Any:
    return add_volume(a_scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")


@pytest.fixture
def hub(a_scene: Any, ct_node: Any) -> Any:
    xrays = [scans.xray("lateral"), scans.xray("AP")]
    return carm.add_carm(a_scene, xrays, scans.truth(), "C-arm", ct_node=ct_node)


@pytest.mark.parametrize("index", [0, 1])
def test_every_view_has_its_own_angles_and_source(hub: Any, index: int) -> None:
    told = readout.readout(hub, index)
    view = carm.views(hub)[index]
    camera = view.camera_from_world(scans.truth())
    expected = angles.angles_from_pose(camera)
    assert (told.setting.primary_deg, told.setting.secondary_deg) == pytest.approx(expected[:2])
    source = se3.inverse(camera)[:3, 3]
    assert told.source_mm == pytest.approx(float((scans.volume().center - source).norm()))
    isocenter = torch.tensor([told.isocenter], dtype=torch.float64)
    assert se3.transform_points(camera, isocenter)[0].tolist() == pytest.approx([0.0, 0.0, 700.0], abs=1e-9)


def test_typed_numbers_move_the_c_arm_there_and_nothing_else(hub: Any) -> None:
    before = readout.readout(hub)
    geometry = [view.intrinsics for view in carm.views(hub)]
    wanted = replace(before.setting, primary_deg=71.5, rotation_deg=-3.0, table_head=33.0)
    readout.move_to(hub, wanted)
    assert vars(readout.readout(hub).setting) == pytest.approx(vars(wanted), abs=1e-8)
    for view, intrinsics in zip(carm.views(hub), geometry, strict=True):
        assert torch.equal(view.intrinsics, intrinsics)


def test_two_poses_differ_by_degrees_and_mm(a_scene: Any, ct_node: Any) -> None:
    one = carm.add_carm(a_scene, [scans.xray()], scans.truth(), "one", ct_node=ct_node)
    twist = torch.tensor([0.0, 0.03, 0.04, 3.0, -4.0, 15.0], dtype=torch.float64)
    moved = se3.about(twist, scans.truth(), scans.volume().center)
    other = carm.add_carm(a_scene, [scans.xray()], moved, "other", ct_node=ct_node)
    apart = readout.difference(one, other)
    assert apart.rotation_deg == pytest.approx(np.rad2deg(0.05))
    assert apart.plane_mm == pytest.approx(5.0, rel=0.05)
    assert apart.depth_mm == pytest.approx(15.0, rel=0.02)
    assert readout.difference(one, one).rotation_deg == pytest.approx(0.0, abs=1e-6)


def test_a_results_cost_is_that_of_its_verdict_and_grows_beside_it(a_scene: Any, ct_node: Any) -> None:
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome), ct_node=ct_node)
    assert outcome.system is not None
    cost = PoseCost(scans.volume(), readout.xrays_at(node), outcome.system.judge.look)
    pose = poses.pose_from_transform(node)
    assert cost.of(pose) == pytest.approx(outcome.result.verdict_cost, abs=1e-3)
    beside = pose.clone()
    beside[0, 3] += 8.0
    assert cost.of(beside) > cost.of(pose) + 0.02


def test_without_its_ct_a_placed_c_arm_tells_nothing_and_a_result_still_does(
    a_scene: Any, ct_node: Any, hub: Any
) -> None:
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome), ct_node=ct_node)
    before = readout.readout(node)
    a_scene.RemoveNode(ct_node)
    assert readout.readout(node).source_mm == pytest.approx(before.source_mm)
    with pytest.raises(InputError, match="deleted"):
        readout.readout(hub)
