"""The scene's life: saved and loaded with the same numbers and references, nodes deleted in use, the scene closed."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import torch

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.scene import carm, detector, landscape, overlay, poses, results, tables
from SphericalRegLib.scene.landmarks import landmarks_from_markups
from Testing.Python.scene import scans
from Testing.Python.scene.builders import add_linear_transform, add_volume, voxel_in_world

TWO = ("AP", "lateral")


def a_result(scene: Any, names: tuple[str, ...] = TWO, **options: Any) -> Any:
    outcome = scans.registered(*names)
    ct = add_volume(scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
    theirs = [add_volume(scene, one.image[None], np.diag([-2.4, -2.8, 1, 1]), one.path) for one in outcome.xrays]
    return results.add_result(
        scene,
        outcome,
        scans.drrs(outcome),
        ct_node=ct,
        xray_nodes=theirs,
        points=scans.landmarks(),
        marked=scans.marks(names),
        truth=scans.truth(),
        **options,
    )


def saved_and_loaded(app: Any, path: Path) -> None:
    """Through a bundle as the application writes it, into the emptied scene."""
    assert app.scene.WriteToMRB(str(path))
    app.scene.Clear(False)
    assert app.scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 0
    assert app.scene.ReadFromMRB(str(path))


def saved_as_files_and_loaded(app: Any, path: Path) -> None:
    """As an .mrml with a file beside it for each node, as the application's dialog Save writes them."""
    scene = app.scene
    scene.SetRootDirectory(str(path.parent))
    for node in scene.GetNodesByClass("vtkMRMLStorableNode"):
        if node.GetSaveWithScene() and node.GetModifiedSinceRead() and node.AddDefaultStorageNode():
            storage = node.GetStorageNode()
            storage.SetFileName(str(path.parent / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
            assert storage.WriteData(node), node.GetName()
    scene.SetURL(str(path))
    assert scene.Commit()
    scene.Clear(False)
    assert scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 0
    scene.SetURL(str(path))
    assert scene.Connect()


def everything(node: Any) -> dict[str, Any]:
    """All that a result says and shows, as plain values."""
    found = carm.carm_nodes(node)
    told: dict[str, Any] = {
        "name": node.GetName(),
        "record": results.record(node),
        "pose": poses.pose_from_transform(node).numpy(),
        "words": node.GetDescription(),
        "missing": carm.missing(node),
        "moved": np.array(results.moved_since(node)),
    }
    for kind in ("images", "masks", "drrs"):
        for index, image in enumerate(getattr(found, kind)):
            told[f"{kind}.{index}"] = detector.array_of(image).copy()
            told[f"{kind}.{index}.corner"] = voxel_in_world(image, (0, 0, 0))
            told[f"{kind}.{index}.far"] = voxel_in_world(image, (95, 71, 0))
            display = image.GetDisplayNode()
            told[f"{kind}.{index}.window"] = np.array([display.GetWindowLevelMin(), display.GetWindowLevelMax()])
    for kind in ("sources", "detectors", "beams", "error_lines"):
        for index, model in enumerate(getattr(found, kind)):
            if model is not None:
                told[f"{kind}.{index}"] = slicer.util.arrayFromModelPoints(model).astype(float)
                told[f"{kind}.{index}.color"] = np.array(model.GetDisplayNode().GetColor())
                told[f"{kind}.{index}.opacity"] = model.GetDisplayNode().GetOpacity()
                told[f"{kind}.{index}.2d"] = model.GetDisplayNode().GetVisibility2D()
    for kind in ("projections", "marked"):
        for index, markups in enumerate(getattr(found, kind)):
            for name, point in landmarks_from_markups(markups).items():
                told[f"{kind}.{index}.{name}"] = point
            told[f"{kind}.{index}.glyph"] = markups.GetDisplayNode().GetGlyphTypeAsString()
    for name, point in landmarks_from_markups(found.landmarks).items():
        told[f"landmarks.{name}"] = point
    for kind, table in (("errors", found.error_table), ("costs", found.cost_table)):
        for n in range(table.GetNumberOfColumns()):
            heading = table.GetColumnName(n)
            told[f"{kind}.{heading}"] = tables.column_of(table, heading)
            told[f"{kind}.{heading}.unit"] = table.GetColumnUnitLabel(heading)
    chart = found.cost_chart
    told["series"] = [
        (s.GetName(), s.GetTableNode().GetName(), s.GetXColumnName(), s.GetYColumnName())
        for s in (chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes()))
    ]
    told["chart"] = (chart.GetTitle(), chart.GetYAxisLogScale())
    told["inputs"] = [found.ct.GetName(), *(x.GetName() for x in found.xrays)]
    return told


def assert_same(a: dict[str, Any], b: dict[str, Any], atol: float = 1e-6) -> None:
    assert list(a) == list(b)
    for key in a:
        if isinstance(a[key], np.ndarray):
            # model files hold single precision
            tolerance = 1e-3 if key.split(".")[0] in ("sources", "detectors", "beams", "error_lines") else atol
            np.testing.assert_allclose(b[key], a[key], rtol=0, atol=tolerance, err_msg=key)
        elif isinstance(a[key], list) and a[key] and isinstance(a[key][0], float):
            np.testing.assert_array_equal(b[key], a[key], err_msg=key)
        else:
            assert b[key] == a[key], key


@pytest.mark.parametrize("under", ["nothing", "a parent transform"])
def test_a_bundle_holds_the_same_numbers_and_references(a_slicer_app: Any, tmp_path: Path, under: str) -> None:
    node = a_result(a_slicer_app.scene)
    if under == "a parent transform":
        carried = se3.exp(torch.tensor([0.5, 0.1, -0.3, 50.0, -20.0, 10.0], dtype=torch.float64)).numpy()
        transform = add_linear_transform(a_slicer_app.scene, carried, name="table")
        node.SetAndObserveTransformNodeID(transform.GetID())
        carm.carm_nodes(node).ct.SetAndObserveTransformNodeID(transform.GetID())
    before = copy.deepcopy(everything(node))
    saved_and_loaded(a_slicer_app, tmp_path / "scene.mrb")
    (after,) = results.results(a_slicer_app.scene)
    assert_same(before, everything(after))
    assert max(results.moved_since(after)) < 1e-6
    for view, xray in zip(carm.views(after), scans.registered(*TWO).xrays, strict=True):
        torch.testing.assert_close(view.intrinsics, xray.view.intrinsics, rtol=0, atol=0)


def test_a_scene_in_separate_files_holds_the_same(a_slicer_app: Any, tmp_path: Path) -> None:
    before = copy.deepcopy(everything(a_result(a_slicer_app.scene)))
    saved_as_files_and_loaded(a_slicer_app, tmp_path / "scene.mrml")
    (after,) = results.results(a_slicer_app.scene)
    assert_same(before, everything(after))


def test_two_results_are_loaded_side_by_side_and_live_on(a_slicer_app: Any, tmp_path: Path) -> None:
    scene = a_slicer_app.scene
    first, second = a_result(scene, ("AP",)), a_result(scene)
    before = [copy.deepcopy(everything(node)) for node in (first, second)]
    saved_and_loaded(a_slicer_app, tmp_path / "scene.mrb")
    loaded = results.results(scene)
    for told, node in zip(before, loaded, strict=True):
        assert_same(told, everything(node))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in loaded:
        folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        assert hierarchy.GetItemName(folder) == node.GetName()
    # the next one gets a name of its own, and the old ones can go
    third = results.add_result(scene, scans.registered("AP"), scans.drrs(scans.registered("AP")))
    assert third.GetName() == "Registration (3)"
    carm.set_drr(loaded[0], 0, np.ones((36, 48), np.float32))
    carm.remove_carm(loaded[0])
    assert_same(before[1], everything(loaded[1]))


def test_a_scene_added_to_another_keeps_its_references(a_slicer_app: Any, tmp_path: Path) -> None:
    """Import gives nodes new IDs where they clash: references must go along."""
    scene = a_slicer_app.scene
    node = a_result(scene, ("AP",))
    before = copy.deepcopy(everything(node))
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    first, second = results.results(scene)
    assert first.GetID() != second.GetID()
    carm.remove_carm(first)
    told = everything(second)
    told["name"] = before["name"]
    assert_same(before, told)


@pytest.mark.parametrize("role", ["ct", "xrays", "images", "drrs", "beams", "projections", "error_table", "cost_table"])
def test_deleting_a_node_in_use_leaves_a_result_that_says_so(a_scene: Any, role: str) -> None:
    node = a_result(a_scene)
    victim = getattr(carm.carm_nodes(node), role)
    a_scene.RemoveNode(victim[1] if isinstance(victim, list) else victim)
    assert len(carm.missing(node)) == 1
    record = results.record(node)
    assert record is not None
    assert record["accepted"] == scans.registered(*TWO).result.verdict.accepted
    results.moved_since(node)
    carm.show_only(node)
    if role == "drrs":
        carm.set_drr(node, 1, np.ones((72, 96), np.float32))
        assert carm.missing(node) == []
    carm.remove_carm(node)
    assert results.results(a_scene) == []


def test_deleting_the_pose_node_ends_the_result_and_says_so(a_scene: Any) -> None:
    node = a_result(a_scene)
    a_scene.RemoveNode(node)
    assert results.results(a_scene) == []
    with pytest.raises(InputError, match="'Registration' was deleted from the scene"):
        carm.set_drr(node, 0, np.ones((72, 96), np.float32))
    with pytest.raises(InputError, match="was deleted from the scene"):
        poses.set_pose(node, scans.truth())
    with pytest.raises(InputError, match="was deleted from the scene"):
        overlay.refresh_overlay(node, 0)


def test_closing_the_scene_in_mid_run_leaves_nodes_that_say_so(a_scene: Any) -> None:
    outcome = scans.registered("AP")
    preview = carm.add_carm(a_scene, outcome.xrays, outcome.starts[0], "running")
    carm.set_drr(preview, 0, scans.drrs(outcome)[0])
    a_scene.Clear(False)
    for step in (
        lambda: poses.set_pose(preview, outcome.result.pose),
        lambda: carm.set_drr(preview, 0, scans.drrs(outcome)[0]),
        lambda: results.record_result(preview, outcome),
        lambda: carm.remove_carm(preview),
    ):
        with pytest.raises(InputError, match="was deleted from the scene"):
            step()
    assert results.results(a_scene) == []
    again = results.add_result(a_scene, outcome, scans.drrs(outcome))
    assert again.GetName() == "Registration"
    assert carm.missing(again) == []


def test_a_landscape_is_the_same_after_loading(a_slicer_app: Any, tmp_path: Path) -> None:
    x = landscape.Axis("rotation", "°", np.linspace(-10, 10, 5))
    y = landscape.Axis("depth", "mm", np.linspace(-40, 80, 4))
    grid = np.random.default_rng(0).random((4, 5))
    landscape.add_landscape(a_slicer_app.scene, x, y, {"NCC": grid, "LNCC": grid[::-1] / 3}, current=(2.0, 10.0))

    def told() -> dict[str, Any]:
        (table,) = landscape.landscapes(a_slicer_app.scene)
        found = landscape.landscape_nodes(table)
        assert found.labels is not None
        values: dict[str, Any] = {"names": (table.GetName(), list(found.surfaces))}
        for title, surface in found.surfaces.items():
            values[f"beams.{title}"] = slicer.util.arrayFromModelPoints(surface).astype(float)
            values[f"{title}.shown"] = surface.GetDisplayVisibility()
            values[f"{title}.range"] = np.array(surface.GetDisplayNode().GetScalarRange())
            values[f"{title}.colors"] = surface.GetDisplayNode().GetColorNodeID()
            values[f"{title}.scalars"] = slicer.util.arrayFromModelPointData(surface, title).copy()
            for name, point in landmarks_from_markups(found.marks[title]).items():
                values[f"{title}.{name}"] = point
            values[f"{title}.table"] = tables.column_of(table, title)
        values["labels"] = list(landmarks_from_markups(found.labels))
        return values

    before = told()
    saved_and_loaded(a_slicer_app, tmp_path / "landscape.mrb")
    assert_same(before, told())
    assert not math.isnan(before["NCC.range"][0])
