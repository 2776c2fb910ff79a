"""Results in the scene, of real registrations: verdict, figures, landmark errors, costs."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import slicer
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.evaluation import metrics
from SphericalRegLib.geometry import se3
from SphericalRegLib.reporting.landmark_errors import landmark_errors, means
from SphericalRegLib.scene import carm, poses, results, tables
from SphericalRegLib.scene.landmarks import landmarks_from_markups, pixels_from_markups
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_linear_transform, add_volume, voxel_in_world

TWO = ("AP", "lateral")


def ct_node(scene: Any) -> Any:
    return add_volume(scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")


def with_landmarks(scene: Any, names: tuple[str, ...] = TWO) -> Any:
    outcome = scans.registered(*names)
    return results.add_result(
        scene,
        outcome,
        scans.drrs(outcome),
        ct_node=ct_node(scene),
        points=scans.landmarks(),
        marked=scans.marks(names),
        truth=scans.truth(),
    )


@pytest.mark.parametrize("names", [("AP",), TWO], ids=["one view", "two views"])
def test_a_result_holds_the_pose_and_all_of_result_json(a_scene: Any, names: tuple[str, ...]) -> None:
    outcome = scans.registered(*names)
    node = results.add_result(a_scene, outcome, scans.drrs(outcome))
    torch.testing.assert_close(poses.pose_from_transform(node), outcome.result.pose, rtol=0, atol=1e-9)
    told = results.record(node)
    assert told is not None
    expected = json.loads(outcome.to_json())
    assert {key: told[key] for key in expected} == expected
    assert results.results(a_scene) == [node]
    assert results.verdict_words(node).startswith(f"{outcome.result.verdict.words.capitalize()}.")
    for reason in outcome.result.verdict.reasons:
        assert reason in results.verdict_words(node)


def test_results_stand_side_by_side(a_scene: Any) -> None:
    ct = ct_node(a_scene)
    one, two = scans.registered("AP"), scans.registered(*TWO)
    first = results.add_result(a_scene, one, scans.drrs(one), ct_node=ct)
    told = results.record(first)
    second = results.add_result(a_scene, two, scans.drrs(two), ct_node=ct)
    assert results.results(a_scene) == [first, second]
    assert results.record(first) == told != results.record(second)
    names = [a_scene.GetNthNode(n).GetName() for n in range(a_scene.GetNumberOfNodes())]
    ours = [name for name in names if name.startswith("Registration") and "Display" not in name]
    assert len(set(ours)) == len(ours)
    torch.testing.assert_close(poses.pose_from_transform(first), one.result.pose, rtol=0, atol=1e-9)
    carm.show_only(first)
    assert [bool(carm.carm_nodes(n).beams[0].GetDisplayVisibility()) for n in (first, second)] == [True, False]
    carm.show_only(second)
    assert [bool(carm.carm_nodes(n).beams[0].GetDisplayVisibility()) for n in (first, second)] == [False, True]
    carm.remove_carm(first)
    assert results.results(a_scene) == [second]
    assert carm.missing(second) == []


def test_a_result_has_a_folder_of_its_own(a_scene: Any) -> None:
    node = with_landmarks(a_scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    assert hierarchy.GetItemName(folder) == node.GetName()
    found = carm.carm_nodes(node)
    for member in (found.images[1], found.drrs[0], found.beams[0], found.error_table, found.cost_chart):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(member)) == folder
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(found.ct)) != folder


def test_a_preview_becomes_a_result_once(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    node = carm.add_carm(a_scene, outcome.xrays, outcome.starts[0], "Registration")
    assert results.record(node) is None
    assert results.results(a_scene) == []
    with pytest.raises(InputError, match="bears no result"):
        results.verdict_words(node)
    results.record_result(node, outcome)
    torch.testing.assert_close(poses.pose_from_transform(node), outcome.result.pose, rtol=0, atol=1e-9)
    assert results.results(a_scene) == [node]
    with pytest.raises(InputError, match="is a result already"):
        results.record_result(node, outcome)


def test_moving_c_arm_or_ct_is_noticed_and_measured(a_scene: Any) -> None:
    ct = ct_node(a_scene)
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome), ct_node=ct)
    assert max(results.moved_since(node)) < 1e-6
    twist = torch.tensor([0.0, math.radians(2.0), 0.0, 3.0, 0.0, 4.0], dtype=torch.float64)
    poses.set_pose(node, se3.about(twist, outcome.result.pose, outcome.isocenter))
    angle, distance = results.moved_since(node)
    assert angle == pytest.approx(2.0, abs=1e-6)
    assert distance == pytest.approx(5.0, abs=0.2)
    poses.set_pose(node, outcome.result.pose)
    # CT and C-arm carried off together: nothing has changed between them
    carried = se3.exp(torch.tensor([0.5, 0.1, -0.3, 50.0, -20.0, 10.0], dtype=torch.float64)).numpy()
    transform = add_linear_transform(a_scene, carried)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    assert max(results.moved_since(node)) > 1
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert max(results.moved_since(node)) < 1e-6


def test_landmark_errors_are_those_of_the_metrics(a_scene: Any) -> None:
    node = with_landmarks(a_scene)
    outcome = scans.registered(*TWO)
    told = results.record(node)
    assert told is not None
    pose, views = outcome.result.pose, [one.view for one in outcome.xrays]
    points = torch.tensor(np.array(list(scans.landmarks().values())))
    errors = told["landmark_errors_mm"]
    assert errors["tre_mm"] == pytest.approx(float(metrics.mtre(pose, scans.truth(), points)), abs=1e-9)
    assert errors["projection_mm"] == pytest.approx(float(metrics.mpe(pose, scans.truth(), points, views)), abs=1e-9)
    assert errors["reprojection_mm"] == pytest.approx(float(metrics.mrpe(pose, scans.truth(), points, views)), abs=1e-9)
    tip = next(row for row in told["landmarks"] if row["name"] == "tip" and row["view"] == 0)
    # marked (3, -2) pixels off: 2.4 mm across, 2.8 mm down
    assert tip["mark_detector_mm"] == pytest.approx(math.hypot(3 * 2.4, 2 * 2.8), abs=0.3)
    assert tip["mark_patient_mm"] == pytest.approx(math.hypot(3 * 2.4, 2 * 2.8) * 0.7, rel=0.1)
    rim = next(row for row in told["landmarks"] if row["name"] == "rim" and row["view"] == 0)
    assert rim["marked"] == [None, None]
    assert rim["mark_detector_mm"] is None


def test_the_error_table_has_units_and_means(a_scene: Any) -> None:
    node = with_landmarks(a_scene)
    told = results.record(node)
    table = carm.carm_nodes(node).error_table
    assert told is not None
    names = tables.column_of(table, "Landmark")
    assert names is not None
    assert names == ["Mean", *scans.LANDMARKS, *scans.LANDMARKS]
    for heading, measure in {"Mark, on detector": "mark_detector_mm", "TRE": "tre_mm"}.items():
        column = tables.column_of(table, heading)
        assert column is not None
        assert table.GetColumnUnitLabel(heading) == "mm"
        assert column[0] == f"{told['landmark_errors_mm'][measure]:.2f}"
        rows = [row[measure] for row in told["landmarks"]]
        assert column[1:] == ["" if row is None else f"{row:.2f}" for row in rows]
        assert "" in column or measure == "tre_mm"
    assert table.GetColumnUnitLabel("u") == "px"


def test_the_errors_stand_before_the_pixels(a_scene: Any) -> None:
    table = carm.carm_nodes(with_landmarks(a_scene)).error_table
    headings = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert headings[:3] == ["Landmark", "X-ray", "Mark, on detector"]
    assert headings[-4:] == ["u", "v", "marked u", "marked v"]


def test_columns_of_which_nothing_is_known_are_left_out(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome), points=scans.landmarks())
    table = carm.carm_nodes(node).error_table
    headings = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
    assert headings == ["Landmark", "X-ray", "u", "v"]
    bare = results.add_result(a_scene, outcome, scans.drrs(outcome))
    assert carm.carm_nodes(bare).error_table is None
    assert carm.missing(bare) == []


def test_projections_marks_and_error_lines_lie_on_the_detector(a_scene: Any) -> None:
    node = with_landmarks(a_scene)
    outcome = scans.registered(*TWO)
    found = carm.carm_nodes(node)
    for index, xray in enumerate(outcome.xrays):
        points = torch.tensor(np.array(list(scans.landmarks().values())))
        expected = xray.view.project(points, outcome.result.pose).numpy()
        pixels = pixels_from_markups(found.projections[index], found.images[index])
        np.testing.assert_allclose(np.array(list(pixels.values())), expected, atol=1e-6)
        marked = pixels_from_markups(found.marked[index], found.images[index])
        for name, place in scans.marks(TWO)[index].items():
            np.testing.assert_allclose(marked[name], place, atol=1e-6)
    for name, point in landmarks_from_markups(found.landmarks).items():
        np.testing.assert_allclose(point, scans.landmarks()[name], atol=1e-6)
    bounds = [0.0] * 6
    found.error_lines[0].GetRASBounds(bounds)
    ends = [voxel_in_world(found.images[0], (*scans.marks(TWO)[0]["tip"], 0))]
    assert all(low - 1 <= x <= high + 1 for x, low, high in zip(ends[0], bounds[::2], bounds[1::2], strict=True))


def test_costs_are_told_by_iteration_and_stage(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome))
    found = carm.carm_nodes(node)
    history = outcome.result.history
    assert tables.column_of(found.cost_table, "Iteration") == list(range(len(history)))
    costs: list[float] = [math.nan] * len(history)
    chart = found.cost_chart
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    for n in range(2):
        series = chart.GetNthPlotSeriesNode(n)
        assert series.GetTableNode() is found.cost_table
        assert series.GetXColumnName() == "Iteration"
        column = tables.column_of(found.cost_table, series.GetYColumnName())
        assert column is not None
        for index, value in enumerate(column):
            if not math.isnan(float(value)):
                assert math.isnan(costs[index]), "two stages at one iteration"
                costs[index] = float(value)
    np.testing.assert_allclose(costs, [step.cost for step in history], rtol=1e-5)


def test_landmarks_that_do_not_fit_leave_no_half_result(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    before = a_scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="Landmarks hip are marked in X-ray 1 but not in the CT"):
        results.add_result(
            a_scene, outcome, scans.drrs(outcome), points=scans.landmarks(), marked=[{"hip": (3.0, 4.0)}]
        )
    with pytest.raises(InputError, match="landmarks of 2 X-rays for 1 views"):
        results.add_result(a_scene, outcome, scans.drrs(outcome), points=scans.landmarks(), marked=scans.marks(TWO))
    with pytest.raises(InputError, match="2 DRRs for 1 X-rays"):
        results.add_result(a_scene, outcome, scans.drrs(outcome) * 2)
    assert a_scene.GetNumberOfNodes() == before


def test_a_landmark_behind_the_source_has_no_finite_error(a_scene: Any) -> None:
    pose = scans.truth()
    away = se3.transform_points(se3.inverse(pose), torch.tensor([[0.0, 0.0, -50.0]], dtype=torch.float64))[0]
    rows = landmark_errors(pose, [scans.view()], {"away": away.numpy()}, truth=scans.truth())
    assert means(rows)["projection_mm"] == math.inf
    outcome = scans.registered("AP")
    node = results.add_result(a_scene, outcome, scans.drrs(outcome), points={"away": away.numpy()}, truth=scans.truth())
    told = results.record(node)
    assert told is not None
    assert told["landmark_errors_mm"]["projection_mm"] is None


def test_what_a_move_makes_wrong_is_hidden_until_it_is_moved_back(a_scene: Any) -> None:
    node = with_landmarks(a_scene)
    found, outcome = carm.carm_nodes(node), scans.registered(*TWO)

    def shown() -> list[bool]:
        return [bool(one.GetDisplayVisibility()) for one in (*found.projections, *found.error_lines)]

    results.refresh_projections(node)
    assert not results.has_moved(node)
    assert shown() == [True] * 4
    twist = torch.tensor([0.0, 0.0, 0.0, 3.0, 0.0, 4.0], dtype=torch.float64)
    poses.set_pose(node, se3.about(twist, outcome.result.pose, outcome.isocenter))
    results.refresh_projections(node)
    assert results.has_moved(node)
    assert shown() == [False] * 4
    # marks lie in the X-ray, wherever that is
    assert all(one.GetDisplayVisibility() for one in found.marked)
    poses.set_pose(node, outcome.result.pose)
    results.refresh_projections(node)
    assert shown() == [True] * 4
    carm.set_visible(node, False)
    results.refresh_projections(node)
    assert shown() == [False] * 4


def test_a_carm_without_a_result_is_hidden_with_the_others(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    result = results.add_result(a_scene, outcome, scans.drrs(outcome))
    placed = carm.add_carm(a_scene, outcome.xrays, outcome.starts[0], "C-arm")
    assert carm.carms(a_scene) == [result, placed]
    for one, other in ((placed, result), (result, placed)):
        carm.show_only(one)
        assert carm.carm_nodes(one).beams[0].GetDisplayVisibility()
        assert not carm.carm_nodes(other).beams[0].GetDisplayVisibility()


def test_projections_bear_their_names_in_slice_views_only(a_scene: Any) -> None:
    projections = carm.carm_nodes(with_landmarks(a_scene)).projections[0]
    assert projections.GetNumberOfDisplayNodes() == 2
    told = {
        (bool(d.GetVisibility2D()), bool(d.GetVisibility3D())): bool(d.GetPointLabelsVisibility())
        for d in (projections.GetNthDisplayNode(n) for n in range(2))
    }
    assert told == {(True, False): True, (False, True): False}
    colors = {projections.GetNthDisplayNode(n).GetSelectedColor() for n in range(2)}
    assert len(colors) == 1


def test_the_plot_has_a_short_title_and_room_for_its_legend(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    chart = carm.carm_nodes(results.add_result(a_scene, outcome, scans.drrs(outcome))).cost_chart
    assert len(chart.GetTitle()) < 25
    assert "Within a stage" in chart.GetDescription()
    assert chart.GetXAxisRange()[1] > 1.3 * (len(outcome.result.history) - 1)
