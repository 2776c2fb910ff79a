"""Nodes as Slicer's modules would have put them into the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from trame_slicer.core import SlicerApp
from vtk.util import numpy_support


def application() -> Any:
    """trame-slicer's application, with one node class more that the real one knows."""
    app = SlicerApp()
    app.scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    return app


def vtk_matrix(matrix: np.ndarray) -> Any:
    converted = vtk.vtkMatrix4x4()
    converted.DeepCopy([float(value) for value in np.asarray(matrix).ravel()])
    return converted


def add_volume(
    scene: Any, values: np.ndarray, matrix: np.ndarray, name: str = "volume", kind: str = "vtkMRMLScalarVolumeNode"
) -> Any:
    """A volume node of (K, J, I) values, or (K, J, I, C) for vectors."""
    node = scene.AddNewNodeByClass(kind, name)
    data = vtk.vtkImageData()
    data.SetDimensions(*values.shape[2::-1])
    components = 1 if values.ndim == 3 else values.shape[3]
    data.AllocateScalars(numpy_support.get_vtk_array_type(values.dtype), components)
    numpy_support.vtk_to_numpy(data.GetPointData().GetScalars())[...] = values.reshape(
        (-1,) if components == 1 else (-1, components)
    )
    node.SetAndObserveImageData(data)
    node.SetIJKToRASMatrix(vtk_matrix(matrix))
    node.CreateDefaultDisplayNodes()
    return node


def add_linear_transform(scene: Any, matrix: np.ndarray, parent: Any = None, name: str = "transform") -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(vtk_matrix(matrix))
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def add_bent_transform(scene: Any, name: str = "bent") -> Any:
    """A thin-plate spline that is not linear."""
    spline = vtk.vtkThinPlateSplineTransform()
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    for point in ((0, 0, 0), (100, 0, 0), (0, 100, 0), (0, 0, 100), (50, 50, 50)):
        before.InsertNextPoint(point)
        after.InsertNextPoint(point[0], point[1], point[2] + (10 if point[0] == 50 else 0))
    spline.SetSourceLandmarks(before)
    spline.SetTargetLandmarks(after)
    spline.SetBasisToR()
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", name)
    node.SetAndObserveTransformToParent(spline)
    return node


def voxel_in_world(node: Any, index: tuple[float, float, float]) -> np.ndarray:
    """Where Slicer itself says that a voxel is, through its general transforms: independent of the code under test."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    local = matrix.MultiplyPoint((*index, 1.0))[:3]
    general = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, general)
    return np.array(general.TransformPoint(local))
