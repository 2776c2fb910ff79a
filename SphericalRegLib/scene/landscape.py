"""A similarity's landscape in the scene: height surfaces over two pose parameters, a table, and marks.

The surface is a drawing, not anatomy: both axes are stretched over one square and the values over half its height,
around the world's origin or wherever it is put. The table and the surface's points hold the true numbers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene import landmarks, models, nodes, tables
from SphericalRegLib.scene.nodes import Node, Scene

# mm in the scene.
_SIDE = 200.0
_HEIGHT = 100.0
_SHADES = 256
# From the drawing's middle to the camera, in sides.
_EYE = np.array([0.55, -2.5, 2.0])
# Marks this near, in sides, are one.
_SAME = 1e-6

_DATA = "Landscape"
_CURRENT_COLOR = (1.0, 0.45, 0.1)
_OPTIMUM_COLOR = (0.1, 0.9, 0.45)
_TEXT_COLOR = (1.0, 1.0, 1.0)
_FRAME_COLOR = (0.6, 0.6, 0.6)


@dataclass(frozen=True)
class Axis:
    """One pose parameter: its name ("rotation about x"), unit ("°", "mm") and increasing values (n,), n ≥ 2."""

    name: str
    unit: str
    values: np.ndarray


@dataclass(frozen=True)
class LandscapeNodes:
    """The nodes of one landscape: table, surfaces by similarity, and markups; None for those that were deleted."""

    table: Node
    surfaces: dict[str, Node | None]
    marks: dict[str, Node | None]
    labels: Node | None


def add_landscape(
    scene: Scene,
    x: Axis,
    y: Axis,
    values: Mapping[str, np.ndarray],
    name: str = "Landscape",
    *,
    current: tuple[float, float] | None = None,
    optimum: Mapping[str, tuple[float, float]] | None = None,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    view_ids: Sequence[str] = (),
) -> Node:
    """Show a landscape: for each similarity a surface (the first is shown), one table for all.

    Args:
        scene: to add it to.
        x, y: the two parameters.
        values: {similarity: (len(y), len(x)) costs, small is good}; NaN where there is none.
        name: of the table, made unique.
        current: (x, y) of the current pose, within the ranges.
        optimum: for each similarity its (x, y); the lowest value by default.
        origin: (3,) world mm of the drawing's middle at its lowest value.
        view_ids: of the view nodes that show it; all by default.

    Returns:
        The table node, to which everything else belongs.

    Raises:
        InputError: for axes that do not increase, values of another shape, or without a single number.
    """
    grids = {title: np.asarray(grid, dtype=np.float64) for title, grid in values.items()}
    _check(x, y, grids)
    table = _add_table(scene, x, y, grids, name)
    base = np.asarray(origin, float)
    description = {
        "similarities": list(grids),
        "axes": [[one.name, one.unit, [float(v) for v in one.values]] for one in (x, y)],
        "origin": base.tolist(),
    }
    nodes.set_data(table, _DATA, description)
    colors = _add_colors(scene, f"{table.GetName()} colors")
    nodes.set_reference(table, "Colors", colors)
    belonging = []
    for index, (title, grid) in enumerate(grids.items()):
        surface = _add_surface(scene, x, y, grid, f"{table.GetName()} {title}", title, base, colors)
        best = (optimum or {}).get(title) or _lowest(x, y, grid)
        marks = landmarks.markups_from_landmarks(
            scene, _marks(x, y, grid, best, current, base), f"{table.GetName()} {title} marks"
        )
        _style(marks, _OPTIMUM_COLOR, 2.5)
        if marks.GetNumberOfControlPoints() > 1:  # a point that is not selected has the other color
            marks.SetNthControlPointSelected(1, False)
            marks.GetDisplayNode().SetColor(*_CURRENT_COLOR)
        # of its own reference: it outlives a surface that the user deletes
        nodes.set_reference(table, f"Legend.{index}", _legend(surface))
        for role, node in (("Surface", surface), ("Marks", marks)):
            nodes.set_reference(table, f"{role}.{index}", node)
            belonging.append(node)
    labels = landmarks.markups_from_landmarks(scene, _axis_labels(x, y, base), f"{table.GetName()} axes")
    _style(labels, _TEXT_COLOR, 0.1)
    nodes.set_reference(table, "Axes", labels)
    frame = models.add_model(scene, _frame(base), f"{table.GetName()} frame", None, _FRAME_COLOR)
    nodes.set_reference(table, "Frame", frame)
    belonging += [labels, frame]
    for node in belonging:
        for view in view_ids:
            node.GetDisplayNode().AddViewNodeID(view)
    nodes.put_in_folder(table, table.GetName(), belonging)
    show_landscape(table, next(iter(grids)))
    return table


def landscape_nodes(table: Node) -> LandscapeNodes:
    """All nodes of a landscape.

    Raises:
        InputError: for a table that is none.
    """
    titles = _description(table)["similarities"]
    return LandscapeNodes(
        table,
        {title: nodes.reference(table, f"Surface.{index}") for index, title in enumerate(titles)},
        {title: nodes.reference(table, f"Marks.{index}") for index, title in enumerate(titles)},
        nodes.reference(table, "Axes"),
    )


def landscapes(scene: Scene) -> list[Node]:
    """The tables of all landscapes in a scene, oldest first."""
    return nodes.nodes_with(scene, "vtkMRMLTableNode", _DATA)


def show_landscape(table: Node, similarity: str | None) -> None:
    """Show one similarity's surface with its color legend, and hide the others; None hides the landscape.

    Raises:
        InputError: for a similarity that it does not have.
    """
    found = landscape_nodes(table)
    if similarity is not None and similarity not in found.surfaces:
        raise InputError(f"'{table.GetName()}' has no '{similarity}': choose one of {', '.join(found.surfaces)}.")
    for title in found.surfaces:
        surface, marks = found.surfaces[title], found.marks[title]
        shown = title == similarity
        if surface is not None:
            surface.SetDisplayVisibility(shown)
        legend = nodes.reference(table, f"Legend.{list(found.surfaces).index(title)}")
        if legend is not None:
            legend.SetVisibility(shown and surface is not None)
        if marks is not None:
            marks.SetDisplayVisibility(shown)
    for node in (found.labels, nodes.reference(table, "Frame")):
        if node is not None:
            node.SetDisplayVisibility(similarity is not None)


def shown_similarity(table: Node) -> str | None:
    """The similarity whose surface or marks are shown now; None where the landscape is hidden.

    Raises:
        InputError: for a table that is no landscape.
    """
    found = landscape_nodes(table)
    for title in found.surfaces:
        for node in (found.surfaces[title], found.marks[title]):
            if node is not None and node.GetDisplayVisibility():
                return title
    return None


def select_landscape(table: Node) -> None:
    """Show a landscape instead of others that are shown, for they may lie in one place; else nothing changes.

    Raises:
        InputError: for a table that is no landscape.
    """
    hidden = set()
    for other in landscapes(nodes.scene_of(table)):
        if other.GetID() != table.GetID() and (shown := shown_similarity(other)) is not None:
            hidden.add(shown)
            show_landscape(other, None)
    if hidden and shown_similarity(table) is None:
        titles = list(landscape_nodes(table).surfaces)
        show_landscape(table, next((title for title in titles if title in hidden), titles[0]))


def look_at_landscape(camera_node: Node, table: Node) -> None:
    """Put a 3D view's camera before a landscape: the first axis to the right, the second away from the viewer."""
    nodes.require(camera_node, "vtkMRMLCameraNode", "camera")
    # the legend stands at the right
    middle = np.array(_description(table)["origin"]) + [0.15 * _SIDE, 0.0, 0.3 * _HEIGHT]
    modified = camera_node.StartModify()
    camera_node.SetPosition(*(middle + _EYE * _SIDE))
    camera_node.SetFocalPoint(*middle)
    camera_node.SetViewUp(0.0, 0.0, 1.0)
    camera_node.SetParallelProjection(False)
    camera_node.SetViewAngle(30.0)
    camera_node.EndModify(modified)
    camera_node.ResetClippingRange()


def remove_landscape(table: Node) -> None:
    """Remove a landscape with all that belongs to it."""
    remove_belongings(belongings(table))
    nodes.remove_folder(table)
    nodes.remove_node(table)


def belongings(table: Node) -> list[Node]:
    """All that was made for a landscape and is still there, without the table.

    Raises:
        InputError: for a table that is no landscape.
    """
    found = landscape_nodes(table)
    drawn = [*found.surfaces.values(), *found.marks.values(), found.labels, nodes.reference(table, "Frame")]
    legends = [nodes.reference(table, f"Legend.{index}") for index in range(len(found.surfaces))]
    # with a surface that the user deletes neither its legend goes nor the display that it explains
    explained = [legend.GetPrimaryDisplayNode() for legend in legends if legend is not None]
    everything = [*drawn, *explained, *legends, nodes.reference(table, "Colors")]
    return [node for node in everything if node is not None]


def remove_belongings(left: Sequence[Node]) -> None:
    """Remove what :func:`belongings` told, also when the table has gone, and the folder if nothing else is in it."""
    for node in left:
        if node.GetScene() is not None and node.IsA("vtkMRMLDisplayableNode"):
            nodes.remove_folder(node)
        nodes.remove_node(node)


def _check(x: Axis, y: Axis, grids: Mapping[str, np.ndarray]) -> None:
    for axis in (x, y):
        steps = np.asarray(axis.values, dtype=float)
        if steps.ndim != 1 or len(steps) < 2 or not np.isfinite(steps).all() or (np.diff(steps) <= 0).any():
            raise InputError(f"The axis '{axis.name}' must hold 2 or more increasing numbers, not {steps.tolist()}.")
    if not grids:
        raise InputError("A landscape needs at least one similarity.")
    shape = (len(y.values), len(x.values))
    for title, grid in grids.items():
        if grid.shape != shape:
            raise InputError(f"The values of '{title}' are {grid.shape}, the axes (y, x) ask for {shape}.")
        if not np.isfinite(grid).any():
            raise InputError(f"The landscape of '{title}' holds no finite number: choose another range.")


def _add_table(scene: Scene, x: Axis, y: Axis, grids: Mapping[str, np.ndarray], name: str) -> Node:
    first, second = np.meshgrid(np.asarray(x.values, float), np.asarray(y.values, float))
    headings = [f"{axis.name} ({axis.unit})" for axis in (x, y)]
    columns = {headings[0]: first.ravel().tolist(), headings[1]: second.ravel().tolist()}
    columns |= {title: grid.ravel().tolist() for title, grid in grids.items()}
    # the headings bear the units: a table view would add the columns' own to them
    return tables.add_table(scene, name, columns, {}, {})


def _add_surface(
    scene: Scene, x: Axis, y: Axis, grid: np.ndarray, name: str, title: str, origin: np.ndarray, colors: Node
) -> Node:
    rows, columns = grid.shape
    places = np.stack(np.meshgrid(_stretched(x), _stretched(y)), axis=-1)
    points = np.concatenate([places, _heights(grid)[..., None]], axis=-1).reshape(-1, 3) + origin
    number = np.arange(rows * columns).reshape(rows, columns)
    known = np.isfinite(grid)
    faces = []
    for j in range(rows - 1):
        for i in range(columns - 1):
            if known[j : j + 2, i : i + 2].all():
                a, b, c, d = number[j, i], number[j, i + 1], number[j + 1, i + 1], number[j + 1, i]
                faces += [(int(a), int(b), int(c)), (int(a), int(c), int(d))]
    shape = models.triangles(points, faces)
    scalars = numpy_support.numpy_to_vtk(np.where(known, grid, np.nanmax(grid[known])).ravel(), deep=True)
    scalars.SetName(title)
    shape.GetPointData().SetScalars(scalars)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(shape)
    normals.SplittingOff()
    normals.Update()
    node = models.add_model(scene, normals.GetOutput(), name, None, (1.0, 1.0, 1.0))
    display = node.GetDisplayNode()
    display.SetActiveScalarName(title)
    display.SetScalarVisibility(True)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(float(grid[known].min()), float(grid[known].max()))
    display.SetAndObserveColorNodeID(colors.GetID())
    # colors near those of the legend, with as much shading as shows the shape
    display.SetAmbient(0.5)
    display.SetDiffuse(0.6)
    display.SetSpecular(0.0)
    display.SetBackfaceCulling(False)
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(display)
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat("%.3f")
        legend.SetSize(0.1, 0.4)
        # above the name of the second axis
        legend.SetPosition(0.97, 0.88)
        legend.GetTitleTextProperty().SetFontSize(16)
        legend.GetLabelTextProperty().SetFontSize(14)
    return node


def _add_colors(scene: Scene, name: str) -> Node:
    """A color table of its own, so that a landscape has the same colors wherever its scene is loaded."""
    node = nodes.add_hidden(scene, "vtkMRMLColorTableNode", nodes.unique_name(scene, name))
    node.SetTypeToUser()
    node.SetNumberOfColors(_SHADES)
    for index, (red, green, blue, _) in enumerate(matplotlib.colormaps["viridis"](np.linspace(0, 1, _SHADES))):
        node.SetColor(index, f"{index}", red, green, blue, 1.0)
    node.GetLookupTable().SetRange(0, _SHADES - 1)
    return node


def _frame(origin: np.ndarray) -> vtk.vtkPolyData:
    """The square that the axes' numbers stand at, under the surface, and the corners' heights."""
    half = 0.5 * _SIDE
    corners = [np.array([x, y, 0.0]) + origin for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
    top = np.array([0.0, 0.0, _HEIGHT])
    edges = [(corners[n], corners[(n + 1) % 4]) for n in range(4)]
    return models.tubes(edges + [(corner, corner + top) for corner in corners], 0.5)


def _style(markups: Node, color: tuple[float, float, float], size: float) -> None:
    landmarks.style(markups, color, "Sphere3D", size=size, text=2.7)
    # behind a ridge they are as important
    markups.GetDisplayNode().SetOccludedVisibility(True)
    markups.GetDisplayNode().SetOccludedOpacity(1.0)


def _legend(surface: Node) -> Node | None:
    return slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(surface.GetDisplayNode())


def _stretched(axis: Axis) -> np.ndarray:
    """(n,) mm in the drawing."""
    return np.array([_place(axis, float(value)) for value in axis.values])


def _place(axis: Axis, value: float) -> float:
    low, high = float(axis.values[0]), float(axis.values[-1])
    return _SIDE * ((value - low) / (high - low) - 0.5)


def _heights(grid: np.ndarray) -> np.ndarray:
    """mm in the drawing; where there is no value, the highest."""
    low, high = np.nanmin(grid[np.isfinite(grid)]), np.nanmax(grid[np.isfinite(grid)])
    scaled = _HEIGHT * (grid - low) / max(high - low, 1e-300)
    return np.where(np.isfinite(grid), scaled, _HEIGHT)


def _lowest(x: Axis, y: Axis, grid: np.ndarray) -> tuple[float, float]:
    row, column = np.unravel_index(int(np.nanargmin(np.where(np.isfinite(grid), grid, np.inf))), grid.shape)
    return float(x.values[column]), float(y.values[row])


def _on_surface(x: Axis, y: Axis, grid: np.ndarray, place: tuple[float, float], origin: np.ndarray) -> np.ndarray:
    """(3,) world mm of a place (x, y) on the surface, linear between grid points; clamped to the ranges."""
    inside = [float(np.clip(v, axis.values[0], axis.values[-1])) for v, axis in zip(place, (x, y), strict=True)]
    heights = _heights(grid)
    along = [np.interp(inside[0], np.asarray(x.values, float), row) for row in heights]
    height = float(np.interp(inside[1], np.asarray(y.values, float), along))
    return np.array([_place(x, inside[0]), _place(y, inside[1]), height]) + origin


def _told(what: str, place: tuple[float, float], x: Axis, y: Axis) -> str:
    lines = [*what.splitlines(), f"({place[0]:.3g} {x.unit}, {place[1]:.3g} {y.unit})"]
    # texts begin at their points: leave the ball free
    return "\n".join(f"   {line}" for line in lines)


def _marks(
    x: Axis,
    y: Axis,
    grid: np.ndarray,
    best: tuple[float, float],
    current: tuple[float, float] | None,
    origin: np.ndarray,
) -> dict[str, np.ndarray]:
    """{text: (3,) world mm} of the optimum and of the current pose; a single one where both are at the same place.

    Texts begin at their points and would cover each other where these are near: a line break before or after a text
    moves it below or above its point.
    """
    lowest = _on_surface(x, y, grid, best, origin)
    if current is None:
        return {_told("optimum", best, x, y): lowest}
    still = _on_surface(x, y, grid, current, origin)
    if np.abs((still - lowest)[:2]).max() < _SAME * _SIDE:
        return {_told("optimum =\ncurrent pose", best, x, y): lowest}
    up = np.cross(np.cross(_EYE, (0.0, 0.0, 1.0)), _EYE)
    above = float((still - lowest) @ up) < 0
    texts = [_told("optimum", best, x, y), _told("current pose", current, x, y)]
    texts[0 if above else 1] += "\n\n"
    return dict(zip(texts, (lowest, still), strict=True))


def _axis_labels(x: Axis, y: Axis, origin: np.ndarray) -> dict[str, np.ndarray]:
    """Texts along two edges of the square: the ranges' ends, and the names with units between."""
    edge = 0.5 * _SIDE * 1.12
    found = {}
    for axis, direction in ((x, 0), (y, 1)):
        low, high = float(axis.values[0]), float(axis.values[-1])
        name = f"{axis.name} ({axis.unit})"
        # texts begin at their points: a long one further to the left, or it would run over the range's end
        share = 0.5 if direction else max(0.1, 0.5 - 0.01 * len(name))
        for text, at in ((f"{low:.3g}", low), (name, low + share * (high - low)), (f"{high:.3g}", high)):
            point = np.zeros(3)
            # in front, and on the right: the sides that the camera sees
            point[direction], point[1 - direction] = _place(axis, at), -edge if direction == 0 else edge
            # little room is left between the square and the view's border
            label = text if direction == 0 else "\n".join(textwrap.wrap(text, 11))
            while label in found:  # both axes may end at the same number
                label += " "
            found[label] = point + origin
    return found


def _description(table: Node) -> dict[str, Any]:
    nodes.require(table, "vtkMRMLTableNode", "landscape")
    found = nodes.get_data(table, _DATA)
    if not isinstance(found, dict):
        raise InputError(f"The table '{table.GetName()}' is no landscape: choose one that was computed here.")
    return found
