"""Poses as linear transform nodes.

In the scene the CT stays and the C-arm moves: a pose node of ours holds world_from_rig, and everything of the C-arm
hangs under it. Files of the command line (``pose.tfm``) hold the inverse, rig_from_world, as Slicer reads them: what
moves the CT into the C-arm's frame. So each node of ours says in an attribute what it maps.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import is_rigid
from SphericalRegLib.scene import matrices, nodes
from SphericalRegLib.scene.nodes import Node, Scene

Maps = Literal["world_from_rig", "rig_from_world"]

_MAPS: tuple[Maps, ...] = ("world_from_rig", "rig_from_world")
_ATTRIBUTE = "Maps"


def pose_from_transform(node: Node, maps: Maps | Literal["auto"] = "auto") -> Tensor:
    """The pose (4, 4) float64 rig_from_world, RAS mm, of a linear transform node and those it hangs under.

    Args:
        node: vtkMRMLTransformNode.
        maps: what its matrix to the world is. "auto": what the node says itself; rig_from_world for nodes that were not
            made here, since that is how our files and those of other registration modules load.

    Raises:
        InputError: for another node.
        GeometryError: for a transform that is not linear, or not rigid.
    """
    nodes.require(node, "vtkMRMLTransformNode", "transform")
    if maps == "auto":
        maps = nodes.get_data(node, _ATTRIBUTE) or "rig_from_world"
    if maps not in _MAPS:
        raise InputError(f"maps={maps!r} is none of auto, {', '.join(_MAPS)}.")
    matrix = torch.from_numpy(matrices.world_from_transform(node, f"The pose '{node.GetName()}'"))
    if not is_rigid(matrix):
        raise GeometryError(
            f"The transform '{node.GetName()}' is not rigid (it scales, shears or mirrors): {matrix.tolist()}. A pose "
            "has a rotation and a translation only."
        )
    return matrix if maps == "rig_from_world" else se3.inverse(matrix)


def transform_from_pose(scene: Scene, pose: Tensor, name: str, maps: Maps = "world_from_rig") -> Node:
    """A new vtkMRMLLinearTransformNode that holds a pose (4, 4) rig_from_world, RAS mm.

    Raises:
        GeometryError: for a pose that is not rigid.
    """
    _checked(pose)
    node = nodes.add_node(scene, "vtkMRMLLinearTransformNode", nodes.unique_name(scene, name))
    nodes.set_data(node, _ATTRIBUTE, maps)
    set_pose(node, pose)
    return node


def set_pose(node: Node, pose: Tensor) -> None:
    """Move a transform node of ours so that its pose, whatever it hangs under, is (4, 4) rig_from_world.

    Raises:
        InputError: for another node.
        GeometryError: for a pose that is not rigid, or a parent transform that is not linear.
    """
    nodes.require(node, "vtkMRMLLinearTransformNode", "linear transform")
    pose = _checked(pose)
    maps = nodes.get_data(node, _ATTRIBUTE) or "rig_from_world"
    wanted = pose if maps == "rig_from_world" else se3.inverse(pose)
    parent = torch.from_numpy(matrices.world_from_parent(node))
    node.SetMatrixTransformToParent(matrices.to_vtk((torch.linalg.inv(parent) @ wanted).numpy()))


def _checked(pose: Tensor) -> Tensor:
    matrix = pose.detach().to("cpu", torch.float64)
    if matrix.shape != (4, 4) or not is_rigid(matrix):
        raise GeometryError(f"The pose is not a rigid 4×4 matrix: {matrix.tolist()}.")
    return matrix
