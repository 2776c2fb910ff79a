"""Markups as landmarks: points of the CT in world mm, and pixels of those placed on an X-ray image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene import matrices, nodes
from SphericalRegLib.scene.nodes import Node, Scene

# Slices: a point this far off the image's plane was not placed on it.
_OFF_PLANE = 0.501
# Pixels beyond the border that rounding may cost.
_ROUNDING = 1e-6


def landmarks_from_markups(node: Node) -> dict[str, np.ndarray]:
    """{name: (3,) world RAS mm} of the points of a markups node that have been placed, whatever it hangs under.

    Raises:
        InputError: for another node, two points of one name, or a point without a name.
    """
    nodes.require(node, "vtkMRMLMarkupsNode", "list of landmarks")
    found: dict[str, np.ndarray] = {}
    for index in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(index) != node.PositionDefined:
            continue
        name = node.GetNthControlPointLabel(index).strip()
        if not name:
            raise InputError(f"Point {index + 1} of '{node.GetName()}' has no name: landmarks are paired by name.")
        if name in found:
            raise InputError(f"'{node.GetName()}' has two landmarks named '{name}': give each its own name.")
        found[name] = np.array(node.GetNthControlPointPositionWorld(index), dtype=np.float64)
    return found


def pixels_from_markups(node: Node, image: Node, frame: int | None = None) -> dict[str, np.ndarray]:
    """{name: (2,) = (u, v)} pixels, centers at integers, of landmarks that were placed on an X-ray's image.

    Args:
        node: vtkMRMLMarkupsNode.
        image: the volume node they were placed on: as loaded, or the copy at the detector.
        frame: of a volume with several slices, counted from 0.

    Raises:
        InputError: for other nodes, names as for :func:`landmarks_from_markups`, and points that lie off the image.
        GeometryError: for an image under a transform that is not linear, or flattens.
    """
    nodes.require(image, "vtkMRMLVolumeNode", "X-ray volume")
    if image.GetImageData() is None:
        raise InputError(f"The X-ray '{image.GetName()}' is empty: load its pixels first.")
    ijk_from_world = np.linalg.inv(matrices.world_from_ijk(image))
    width, height, _ = image.GetImageData().GetDimensions()
    found: dict[str, np.ndarray] = {}
    for name, point in landmarks_from_markups(node).items():
        u, v, k = (ijk_from_world @ [*point, 1.0])[:3]
        if abs(k - (frame or 0)) > _OFF_PLANE:
            raise InputError(
                f"The landmark '{name}' of '{node.GetName()}' lies {abs(k - (frame or 0)):.1f} slices off the image "
                f"'{image.GetName()}': place it on that X-ray in a slice view."
            )
        border = 0.5 + _ROUNDING
        if not (-border <= u <= width - 1 + border and -border <= v <= height - 1 + border):
            raise InputError(
                f"The landmark '{name}' of '{node.GetName()}' lies outside of the image '{image.GetName()}', at column "
                f"{u:.1f}, row {v:.1f} of {width} × {height}: place it on that X-ray."
            )
        found[name] = np.array([u, v])
    return found


def markups_from_landmarks(scene: Scene, points: Mapping[str, Any], name: str) -> Node:
    """A new markups node with landmarks {name: (3,) world RAS mm}."""
    node = nodes.add_node(scene, "vtkMRMLMarkupsFiducialNode", nodes.unique_name(scene, name))
    set_points(node, points)
    return node


def markups_on_image(scene: Scene, places: Mapping[str, Any], image: Node, name: str) -> Node:
    """A new markups node with landmarks {name: (u, v)} placed on an X-ray's image, where that lies in the world.

    Raises:
        GeometryError: for an image under a transform that is not linear, or flattens.
    """
    world_from_ijk = matrices.world_from_ijk(image)
    points = {key: (world_from_ijk @ [float(place[0]), float(place[1]), 0.0, 1.0])[:3] for key, place in places.items()}
    return markups_from_landmarks(scene, points, name)


def set_points(node: Node, points: Mapping[str, Any]) -> None:
    """Replace a markups node's points by {name: (3,)}, in the frame that the node lies in."""
    node.RemoveAllControlPoints()
    for label, point in points.items():
        x, y, z = (float(value) for value in point)
        node.AddControlPoint([x, y, z], label)


def style(node: Node, color: Sequence[float], glyph: str, size: float = 2.0, text: float = 3.0) -> None:
    """How a markups node looks: color (red, green, blue), glyph by name ("Sphere3D", "Cross2D"), percent of a view."""
    display = node.GetDisplayNode()
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetGlyphTypeFromString(glyph)
    display.SetGlyphScale(size)
    display.SetTextScale(text)
    display.SetPropertiesLabelVisibility(False)
    node.SetLocked(True)


def label_in_slices_only(node: Node) -> None:
    """Let a styled markups node show its names in the slice views but not in 3D, where they would hide all else."""
    in_slices = node.GetDisplayNode()
    in_space = nodes.add_node(nodes.scene_of(node), in_slices.GetClassName(), f"{node.GetName()} in 3D")
    in_space.CopyContent(in_slices)
    in_slices.SetVisibility3D(False)
    in_space.SetVisibility2D(False)
    in_space.SetPointLabelsVisibility(False)
    node.AddAndObserveDisplayNodeID(in_space.GetID())


def show_names(node: Node, visible: bool) -> None:
    """Show or hide the names of a markups node's points in all views."""
    node.GetDisplayNode().SetPointLabelsVisibility(visible)
