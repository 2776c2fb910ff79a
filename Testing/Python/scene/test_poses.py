"""Poses as transform nodes, whichever way round and whatever they hang under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import torch

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.io.transform_file import write_transform
from SphericalRegLib.scene import matrices
from SphericalRegLib.scene.poses import Maps, pose_from_transform, set_pose, transform_from_pose
from Testing.Python.scene.builders import add_bent_transform, add_linear_transform, add_volume


@pytest.mark.parametrize("maps", ["world_from_rig", "rig_from_world"])
def test_a_pose_comes_back_from_its_node(a_scene: Any, oblique_pose: torch.Tensor, maps: Maps) -> None:
    node = transform_from_pose(a_scene, oblique_pose, "pose", maps)
    torch.testing.assert_close(pose_from_transform(node), oblique_pose, rtol=0, atol=1e-9)
    expected = oblique_pose if maps == "rig_from_world" else se3.inverse(oblique_pose)
    np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(node), expected.numpy(), atol=1e-9)


def test_the_c_arm_moves_with_its_node_and_the_ct_stays(a_scene: Any, oblique_pose: torch.Tensor) -> None:
    """A point of the rig under the node is where the pose says that this point of the world is."""
    node = transform_from_pose(a_scene, oblique_pose, "pose")
    at_source = a_scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "source")
    at_source.AddControlPoint([0.0, 0.0, 0.0], "s")
    at_source.SetAndObserveTransformNodeID(node.GetID())
    world = torch.tensor([at_source.GetNthControlPointPositionWorld(0)], dtype=torch.float64)
    torch.testing.assert_close(se3.transform_points(oblique_pose, world)[0], torch.zeros(3).double(), rtol=0, atol=1e-6)


def test_a_file_of_ours_is_read_by_slicer_as_the_pose_it_is(
    a_scene: Any, oblique_pose: torch.Tensor, tmp_path: Path
) -> None:
    """The ITK file that ``sphericalreg register`` writes, through Slicer's own reader."""
    write_transform(tmp_path / "pose.tfm", oblique_pose)
    node = a_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "loaded")
    storage = a_scene.AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(tmp_path / "pose.tfm"))
    assert storage.ReadData(node)
    torch.testing.assert_close(pose_from_transform(node), oblique_pose, rtol=0, atol=1e-6)


@pytest.mark.parametrize("maps", ["world_from_rig", "rig_from_world"])
def test_parents_count_and_setting_a_pose_undoes_them(a_scene: Any, oblique_pose: torch.Tensor, maps: Maps) -> None:
    node = transform_from_pose(a_scene, oblique_pose, "pose", maps)
    above = se3.exp(torch.tensor([0.4, 0.5, -0.6, 10.0, 20.0, -30.0], dtype=torch.float64))
    node.SetAndObserveTransformNodeID(add_linear_transform(a_scene, above.numpy()).GetID())
    chain = above @ (oblique_pose if maps == "rig_from_world" else se3.inverse(oblique_pose))
    expected = chain if maps == "rig_from_world" else se3.inverse(chain)
    torch.testing.assert_close(pose_from_transform(node), expected, rtol=0, atol=1e-9)
    set_pose(node, oblique_pose)
    torch.testing.assert_close(pose_from_transform(node), oblique_pose, rtol=0, atol=1e-9)


def test_a_caller_may_say_what_a_foreign_node_maps(a_scene: Any, oblique_pose: torch.Tensor) -> None:
    node = add_linear_transform(a_scene, oblique_pose.numpy())
    torch.testing.assert_close(pose_from_transform(node), oblique_pose)
    torch.testing.assert_close(pose_from_transform(node, "world_from_rig"), se3.inverse(oblique_pose))
    with pytest.raises(InputError, match="maps='up' is none of auto"):
        pose_from_transform(node, "up")  # type: ignore[arg-type]


def test_transforms_that_are_no_poses_are_refused(a_scene: Any, oblique_pose: torch.Tensor) -> None:
    with pytest.raises(GeometryError, match="'stretch' is not rigid"):
        pose_from_transform(add_linear_transform(a_scene, np.diag([1.0, 1.1, 1.0, 1.0]), name="stretch"))
    with pytest.raises(GeometryError, match="'mirror' is not rigid"):
        pose_from_transform(add_linear_transform(a_scene, np.diag([1.0, -1.0, 1.0, 1.0]), name="mirror"))
    with pytest.raises(GeometryError, match="'bent', which is not linear"):
        pose_from_transform(add_bent_transform(a_scene, "bent"))
    with pytest.raises(GeometryError, match="flattens space"):
        pose_from_transform(add_linear_transform(a_scene, np.diag([1.0, 1.0, 0.0, 1.0])))
    with pytest.raises(InputError, match="of the kind transform"):
        pose_from_transform(add_volume(a_scene, np.zeros((1, 2, 2), np.float32), np.eye(4)))
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(GeometryError, match="not a rigid"):
        transform_from_pose(a_scene, 2 * oblique_pose, "pose")
    assert a_scene.GetNumberOfNodes() == before


def test_names_are_never_taken_twice(a_scene: Any, oblique_pose: torch.Tensor) -> None:
    names = [transform_from_pose(a_scene, oblique_pose, "Registration").GetName() for _ in range(3)]
    assert names == ["Registration", "Registration (2)", "Registration (3)"]


def test_matrices_survive_vtk_to_the_last_digit() -> None:
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    np.testing.assert_array_equal(matrices.from_vtk(matrices.to_vtk(matrix)), matrix)
