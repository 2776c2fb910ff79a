"""Landscapes: surface, table, marks and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer

from SphericalRegLib.errors import InputError
from SphericalRegLib.scene import landscape, tables
from SphericalRegLib.scene.landmarks import landmarks_from_markups
from SphericalRegLib.scene.landscape import Axis

X = Axis("rotation", "°", np.array([-10.0, -4.0, 0.0, 6.0, 10.0]))
Y = Axis("depth", "mm", np.array([-40.0, 0.0, 80.0]))


def bowl() -> np.ndarray:
    """Lowest, 0.25, at (6°, 0 mm)."""
    return 0.25 + ((X.values - 6) / 10)[None] ** 2 + (Y.values / 50)[:, None] ** 2


def words(text: str) -> str:
    """Without the line breaks and blanks that put a text beside its mark."""
    return " ".join(text.split())


def test_the_table_holds_every_number_with_its_unit(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, "L")
    headings = [table.GetColumnName(n) for n in range(3)]
    assert headings == ["rotation (°)", "depth (mm)", "NCC"]
    # which a table view would tell twice
    assert not table.GetColumnUnitLabel("depth (mm)")
    columns = [tables.column_of(table, heading) for heading in headings]
    for x, y, value in zip(*columns, strict=True):
        assert value == pytest.approx(0.25 + ((x - 6) / 10) ** 2 + (y / 50) ** 2, rel=1e-5)
    assert len(set(zip(columns[0], columns[1], strict=True))) == 15


def test_the_surface_is_as_high_as_the_values_and_true_to_the_axes(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, origin=(5.0, -3.0, 100.0))
    surface = landscape.landscape_nodes(table).surfaces["NCC"]
    assert surface is not None
    points = slicer.util.arrayFromModelPoints(surface) - [5.0, -3.0, 100.0]
    values = slicer.util.arrayFromModelPointData(surface, "NCC")
    np.testing.assert_allclose(values, bowl().ravel())
    heights = 100 * (bowl() - bowl().min()) / (bowl().max() - bowl().min())
    np.testing.assert_allclose(points[:, 2], heights.ravel(), atol=1e-4)
    np.testing.assert_allclose(points[:5, 0], [-100, -40, 0, 60, 100], atol=1e-4)
    np.testing.assert_allclose(points[::5, 1], 200 * (Y.values + 40) / 120 - 100, atol=1e-4)
    display = surface.GetDisplayNode()
    np.testing.assert_allclose(display.GetScalarRange(), [bowl().min(), bowl().max()])
    assert display.GetScalarVisibility()
    assert display.GetColorNode() is not None
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(display)
    assert legend.GetTitleText() == "NCC"
    assert legend.GetVisibility()


def test_optimum_and_current_pose_are_marked_on_the_surface(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, current=(-4.0, 40.0))
    marks = landscape.landscape_nodes(table).marks["NCC"]
    found = landmarks_from_markups(marks)
    assert [words(name) for name in found] == ["optimum (6 °, 0 mm)", "current pose (-4 °, 40 mm)"]
    best, current = found.values()
    np.testing.assert_allclose(best, [60, 200 * 40 / 120 - 100, 0], atol=1e-6)
    # midway between two grid points: the surface is straight there
    between = (bowl()[1, 1] + bowl()[2, 1]) / 2
    height = 100 * (between - bowl().min()) / (bowl().max() - bowl().min())
    np.testing.assert_allclose(current, [-40, 200 * 80 / 120 - 100, height], atol=1e-6)
    elsewhere = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, optimum={"NCC": (0.0, 0.0)})
    (optimum,) = landmarks_from_markups(landscape.landscape_nodes(elsewhere).marks["NCC"])
    assert words(optimum) == "optimum (0 °, 0 mm)"


def test_an_optimum_at_the_current_pose_has_one_mark_with_one_text(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()[::-1]}, current=(6.0, 0.0))
    found = landscape.landscape_nodes(table)
    (name,) = landmarks_from_markups(found.marks["NCC"])
    assert words(name) == "optimum = current pose (6 °, 0 mm)"
    assert found.marks["LNCC"].GetNumberOfControlPoints() == 1
    nearby = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, current=(6.0, 1.0))
    assert landscape.landscape_nodes(nearby).marks["NCC"].GetNumberOfControlPoints() == 2


@pytest.mark.parametrize(("current", "lifted"), [((6.0, 1.0), "current pose"), ((6.0, -1.0), "optimum")])
def test_of_two_near_marks_the_text_of_the_farther_one_is_lifted_off_the_other(
    current: tuple[float, float], lifted: str, a_scene: Any
) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl()}, current=current)
    marks = landscape.landscape_nodes(table).marks["NCC"]
    texts = [marks.GetNthControlPointLabel(n) for n in range(2)]
    # as many empty lines as the other text has lines
    assert [words(text).startswith(lifted) for text in texts] == [text.endswith("\n\n") for text in texts]


def test_the_second_axis_is_named_in_short_lines(a_scene: Any) -> None:
    wordy = Axis("rotation about the beam", "°", Y.values)
    labels = landscape.landscape_nodes(landscape.add_landscape(a_scene, X, wordy, {"NCC": bowl()})).labels
    names = list(landmarks_from_markups(labels))
    assert "rotation (°)" in names
    assert "rotation\nabout the\nbeam (°)" in names


def test_one_similarity_is_shown_at_a_time(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()[::-1]})
    found = landscape.landscape_nodes(table)

    def shown() -> list[bool]:
        return [bool(node.GetDisplayVisibility()) for node in (*found.surfaces.values(), *found.marks.values())]

    assert shown() == [True, False, True, False]
    landscape.show_landscape(table, "LNCC")
    assert shown() == [False, True, False, True]
    landscape.show_landscape(table, None)
    assert shown() == [False] * 4
    with pytest.raises(InputError, match="has no 'MI': choose one of NCC, LNCC"):
        landscape.show_landscape(table, "MI")


def test_which_similarity_is_shown_is_read_from_the_scene(a_scene: Any) -> None:
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()[::-1]})
    for title in ("LNCC", "NCC", None):
        landscape.show_landscape(table, title)
        assert landscape.shown_similarity(table) == title
    landscape.show_landscape(table, "LNCC")
    a_scene.RemoveNode(landscape.landscape_nodes(table).surfaces["LNCC"])
    # its marks are still there, and can be hidden
    assert landscape.shown_similarity(table) == "LNCC"
    landscape.show_landscape(table, None)
    assert landscape.shown_similarity(table) is None


def test_a_landscape_is_shown_in_the_place_of_another(a_scene: Any) -> None:
    first = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()})
    second = landscape.add_landscape(a_scene, X, Y, {"LNCC": bowl(), "NCC": bowl()})
    third = landscape.add_landscape(a_scene, X, Y, {"MI": bowl()})

    def shown() -> list[str | None]:
        return [landscape.shown_similarity(one) for one in (first, second, third)]

    landscape.select_landscape(second)
    assert shown() == [None, "LNCC", None]
    landscape.show_landscape(second, "NCC")
    landscape.select_landscape(first)
    assert shown() == ["NCC", None, None]
    landscape.select_landscape(third)
    assert shown() == [None, None, "MI"]
    # who hides them all wants to see none
    landscape.show_landscape(third, None)
    landscape.select_landscape(first)
    assert shown() == [None, None, None]


def test_holes_stay_holes(a_scene: Any) -> None:
    grid = bowl()
    grid[2, 4] = np.nan
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": grid})
    surface = landscape.landscape_nodes(table).surfaces["NCC"]
    assert surface is not None
    assert surface.GetPolyData().GetNumberOfPolys() == 2 * (8 - 1)
    assert np.isfinite(slicer.util.arrayFromModelPoints(surface)).all()
    column = tables.column_of(table, "NCC")
    assert column is not None
    assert np.isnan(float(column[14]))


def test_removing_a_landscape_leaves_nothing(a_scene: Any) -> None:
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    before = a_scene.GetNumberOfNodes()
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()}, current=(0.0, 0.0))
    assert landscape.landscapes(a_scene) == [table]
    a_scene.RemoveNode(landscape.landscape_nodes(table).surfaces["NCC"])
    landscape.show_landscape(table, "LNCC")
    landscape.remove_landscape(table)
    assert landscape.landscapes(a_scene) == []
    assert a_scene.GetNumberOfNodes() == before


def test_what_is_left_of_a_landscape_can_go_after_its_table(a_scene: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    before = a_scene.GetNumberOfNodes()
    table = landscape.add_landscape(a_scene, X, Y, {"NCC": bowl(), "LNCC": bowl()}, current=(0.0, 0.0))
    left = landscape.belongings(table)
    assert table not in left
    assert hierarchy.GetItemByName("Landscape") != hierarchy.GetInvalidItemID()
    # the application does this by itself
    hierarchy.RemoveItem(hierarchy.GetItemByDataNode(table), False, False)
    a_scene.RemoveNode(table)
    landscape.remove_belongings(left)
    assert a_scene.GetNumberOfNodes() == before
    assert hierarchy.GetItemByName("Landscape") == hierarchy.GetInvalidItemID()
    # twice does no harm
    landscape.remove_belongings(left)


def test_impossible_landscapes_are_refused_and_leave_nothing(a_scene: Any) -> None:
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=r"values of 'NCC' are \(5, 3\), the axes \(y, x\) ask for \(3, 5\)"):
        landscape.add_landscape(a_scene, X, Y, {"NCC": bowl().T})
    with pytest.raises(InputError, match="'rotation' must hold 2 or more increasing"):
        landscape.add_landscape(a_scene, Axis("rotation", "°", X.values[::-1]), Y, {"NCC": bowl()})
    with pytest.raises(InputError, match="at least one similarity"):
        landscape.add_landscape(a_scene, X, Y, {})
    with pytest.raises(InputError, match="'NCC' holds no finite number"):
        landscape.add_landscape(a_scene, X, Y, {"NCC": np.full((3, 5), np.nan)})
    assert a_scene.GetNumberOfNodes() == before
    table = a_scene.AddNewNodeByClass("vtkMRMLTableNode", "mine")
    with pytest.raises(InputError, match="'mine' is no landscape"):
        landscape.show_landscape(table, None)
