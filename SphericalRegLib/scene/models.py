"""Model nodes of simple shapes: the C-arm's source, detector and beam, and lines between points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import vtk

from SphericalRegLib.geometry.view import View
from SphericalRegLib.scene import detector, nodes
from SphericalRegLib.scene.nodes import Node, Scene

_SOURCE_RADIUS = 12.0
_FRAME_RADIUS = 2.5

SOURCE_COLOR = (0.95, 0.75, 0.1)
DETECTOR_COLOR = (0.35, 0.6, 0.9)
BEAM_COLOR = (0.98, 0.85, 0.35)
BEAM_OPACITY = 0.1
ERROR_COLOR = (0.9, 0.1, 0.1)


def add_model(
    scene: Scene, shape: vtk.vtkPolyData, name: str, parent: Node | None, color: Sequence[float], opacity: float = 1.0
) -> Node:
    """A new model node under a pose node."""
    node = nodes.add_node(scene, "vtkMRMLModelNode", nodes.unique_name(scene, name))
    node.SetAndObservePolyData(shape)
    display = node.GetDisplayNode()
    display.SetColor(*color)
    display.SetOpacity(opacity)
    display.SetVisibility2D(False)
    display.SetBackfaceCulling(False)
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def source(view: View) -> vtk.vtkPolyData:
    """A ball at the X-ray source, in the rig's frame."""
    ball = vtk.vtkSphereSource()
    ball.SetCenter(*detector.source_in_rig(view))
    ball.SetRadius(_SOURCE_RADIUS)
    ball.SetThetaResolution(32)
    ball.SetPhiResolution(24)
    ball.Update()
    return ball.GetOutput()


def detector_frame(view: View) -> vtk.vtkPolyData:
    """A frame around the pixels of the detector, in the rig's frame."""
    return tubes([(a, b) for a, b in _around(detector.corners_in_rig(view))], _FRAME_RADIUS)


def beam(view: View) -> vtk.vtkPolyData:
    """The pyramid from the source to the detector's corners, in the rig's frame: its four sides, no base."""
    points = np.vstack([detector.source_in_rig(view), detector.corners_in_rig(view)])
    return triangles(points, [(0, 1 + n, 1 + (n + 1) % 4) for n in range(4)])


def triangles(points: np.ndarray, faces: Sequence[tuple[int, ...]]) -> vtk.vtkPolyData:
    """Polygons (indices into points) over points (N, 3)."""
    shape = vtk.vtkPolyData()
    shape.SetPoints(_points(points))
    cells = vtk.vtkCellArray()
    for face in faces:
        cells.InsertNextCell(len(face), face)
    shape.SetPolys(cells)
    return shape


def tubes(segments: Sequence[tuple[np.ndarray, np.ndarray]], radius: float) -> vtk.vtkPolyData:
    """Round bars of a radius in mm along segments between two points (3,); empty where there are none.

    Unlike bare lines they have an intersection with a slice they lie in, so that slice views show them too.
    """
    lines = vtk.vtkPolyData()
    ends = [point for segment in segments for point in segment]
    lines.SetPoints(_points(np.array(ends, float).reshape(-1, 3)))
    cells = vtk.vtkCellArray()
    for index, (a, b) in enumerate(segments):
        if np.linalg.norm(np.asarray(b) - np.asarray(a)) > 1e-9:  # a tube along nothing has no direction
            cells.InsertNextCell(2, [2 * index, 2 * index + 1])
    lines.SetLines(cells)
    if cells.GetNumberOfCells() == 0:
        return vtk.vtkPolyData()
    rounded = vtk.vtkTubeFilter()
    rounded.SetInputData(lines)
    rounded.SetRadius(radius)
    rounded.SetNumberOfSides(12)
    rounded.CappingOn()
    rounded.Update()
    return rounded.GetOutput()


def _around(corners: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(corners[n], corners[(n + 1) % len(corners)]) for n in range(len(corners))]


def _points(points: np.ndarray) -> vtk.vtkPoints:
    converted = vtk.vtkPoints()
    converted.SetDataTypeToDouble()
    for x, y, z in points:
        converted.InsertNextPoint(float(x), float(y), float(z))
    return converted
