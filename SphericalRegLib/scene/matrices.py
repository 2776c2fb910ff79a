"""4×4 matrices between numpy and VTK, and the transforms that nodes hang under."""

from __future__ import annotations

import numpy as np
import vtk

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.scene.nodes import Node, scene_of

# Of the determinant against the product of the columns' lengths: flatter than this is no volume any more.
_FLAT = 1e-9


def from_vtk(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """(4, 4) float64."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)], dtype=np.float64)


def to_vtk(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """vtkMatrix4x4 of a (4, 4) array."""
    converted = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            converted.SetElement(row, column, float(matrix[row, column]))
    return converted


def world_from_parent(node: Node) -> np.ndarray:
    """(4, 4) float64: from the frame that a node lies in to the world, through all transforms it hangs under.

    Raises:
        InputError: for a node that is in no scene.
        GeometryError: where one of them is not linear, or flattens space; the message names it.
    """
    scene_of(node)
    parent = node.GetParentTransformNode()
    return np.eye(4) if parent is None else world_from_transform(parent, f"'{node.GetName()}'")


def world_from_transform(transform: Node, child: str) -> np.ndarray:
    """(4, 4) float64 of a transform node and all that it hangs under.

    Args:
        transform: vtkMRMLTransformNode.
        child: what the errors call the thing that is transformed.

    Raises:
        GeometryError: where one of them is not linear, or flattens space; the message names it.
    """
    link = transform
    while link is not None:
        if not link.IsLinear():
            raise GeometryError(
                f"{child} lies under the transform '{link.GetName()}', which is not linear: harden it on the node "
                "(Data module: Harden transform), or take the node out of it."
            )
        link = link.GetParentTransformNode()
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    found = from_vtk(matrix)
    lengths = np.linalg.norm(found[:3, :3], axis=0)
    if not np.isfinite(found).all() or abs(np.linalg.det(found[:3, :3])) <= _FLAT * max(float(lengths.prod()), 1e-300):
        raise GeometryError(
            f"{child} lies under the transform '{transform.GetName()}', which flattens space (its matrix to the world "
            f"is {np.round(found, 4).tolist()}): correct that transform, or take the node out of it."
        )
    return found


def world_from_ijk(volume: Node) -> np.ndarray:
    """(4, 4) float64: world RAS mm of a volume's voxel centers (i, j, k), parent transforms included.

    Raises:
        InputError: for a node that is in no scene.
        GeometryError: as :func:`world_from_parent`.
    """
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return world_from_parent(volume) @ from_vtk(matrix)
