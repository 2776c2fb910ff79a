"""Which C-arm the slice views show, on Slicer's real slice nodes; and that what is left behind is the user's own."""

from types import SimpleNamespace

import numpy as np
import pytest

from Testing.Python.module.builders import choice
from Testing.Python.module.parameters import stand_in

TWO = ("AP", "lateral")


class Asked:
    """In place of the session: remembers of which C-arms it was asked for a DRR."""

    def __init__(self):
        self.preview, self.drawn = None, []

    def overlayChosen(self, parameters, node):  # noqa: N802
        pass

    def draw(self, parameters, node):
        self.drawn.append(node)


@pytest.fixture
def world(scene, monkeypatch):
    """Slice views Red and Yellow, a CT and two X-rays that are chosen, and a display over them."""
    import slicer

    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    from SphericalRegUI.CArmDisplay import CArmDisplay

    from Testing.Python.scene import scans
    from Testing.Python.scene.builders import add_volume

    made = SimpleNamespace(scans=scans, scene=scene, session=Asked(), parameters=stand_in(), slices={}, layers={})
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    for name in ("Red", "Yellow"):
        for kind, kept in (("vtkMRMLSliceNode", made.slices), ("vtkMRMLSliceCompositeNode", made.layers)):
            node = scene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(name)
            if kind == "vtkMRMLSliceNode":
                node.SetLayoutName(name)
                node.SetDimensions(300, 200, 1)
                node.SetDefaultOrientation("Axial" if name == "Red" else "Sagittal")
            kept[name] = scene.AddNode(node)
            assert kept[name].GetID() == f"{kind}{name}"
    made.parameters.ctVolume = add_volume(scene, scans.ct().hu, scans.ct().world_from_voxel, "CT")
    flat = np.zeros((1, 20, 30), np.float32)
    made.parameters.xray1Volume = add_volume(scene, flat, np.diag([-2.0, -2.0, 1.0, 1.0]), "X-ray")
    made.display = CArmDisplay(lambda: made.parameters, made.session)
    return made


def a_result(world, *names):
    from SphericalRegLib.scene import results

    outcome = world.scans.registered(*names)
    return results.add_result(world.scene, outcome, world.scans.drrs(outcome), ct_node=world.parameters.ctVolume)


def a_placed_carm(world, drawn=True):
    from SphericalRegLib.scene import carm

    xray = world.scans.xray()
    node = carm.add_carm(world.scene, [xray], world.scans.truth(), "C-arm")
    if drawn:
        carm.set_drr(node, 0, xray.image)
    return node


def background(world, name):
    identity = world.layers[name].GetBackgroundVolumeID()
    return world.scene.GetNodeByID(identity) if identity else None


class TestPlacedByHand:
    def test_it_is_drawn_first_and_shown_then(self, world):
        from SphericalRegLib.scene import carm

        node = a_placed_carm(world, drawn=False)
        world.parameters.currentPose = node
        assert world.display.chosen() is node
        world.display.show(node)
        assert world.session.drawn == [node]
        assert background(world, "Red") is None
        carm.set_drr(node, 0, world.scans.xray().image)
        world.display.follow(node)
        assert background(world, "Red") is carm.carm_nodes(node).images[0]
        assert world.display.node() is node

    def test_dragging_it_turns_the_views_from_the_result_to_it(self, world):
        from SphericalRegLib.scene import carm

        result, placed = a_result(world, "AP"), a_placed_carm(world)
        world.parameters.currentResult, world.parameters.currentPose = result, placed
        world.display.show(result)
        assert world.display.chosen() is result
        world.display.follow(placed)
        assert world.display.shows(placed)
        assert background(world, "Red") is carm.carm_nodes(placed).images[0]
        assert not carm.carm_nodes(result).beams[0].GetDisplayVisibility()
        # a change of the overlay is one of what is in the views
        world.parameters.overlayMode = choice("difference")
        world.display.update()
        assert background(world, "Red") is carm.carm_nodes(placed).comparisons[0]

    def test_another_transform_is_no_carm(self, world):
        world.parameters.currentPose = world.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        assert world.display.chosen() is None


class TestLeaving:
    def test_a_single_view_leaves_nothing_of_two_views_behind(self, world):
        both, one = a_result(world, *TWO), a_result(world, "AP")
        world.parameters.currentResult = both
        world.display.show(both)
        assert background(world, "Yellow").GetParentTransformNode() is both
        assert world.slices["Yellow"].GetSliceVisible()
        world.parameters.currentResult = one
        world.display.show(one)
        assert background(world, "Red").GetParentTransformNode() is one
        assert background(world, "Yellow") is world.parameters.ctVolume
        assert not world.slices["Yellow"].GetSliceVisible()
        assert world.layers["Yellow"].GetForegroundVolumeID() in (None, "")

    def test_a_view_that_shows_what_is_the_users_stays(self, world):
        world.layers["Yellow"].SetBackgroundVolumeID(world.parameters.xray1Volume.GetID())
        node = a_result(world, "AP")
        world.parameters.currentResult = node
        world.display.show(node)
        assert background(world, "Yellow") is world.parameters.xray1Volume

    def test_after_the_last_result_the_users_xray_is_back_in_its_own_plane(self, world):
        from SphericalRegLib.scene import carm

        node = a_result(world, "AP")
        world.parameters.currentResult = node
        world.display.show(node)
        world.parameters.currentResult = None
        carm.remove_carm(node)
        world.display.update()
        assert world.display.empty
        assert background(world, "Red") is world.parameters.xray1Volume
        plane = world.slices["Red"].GetSliceToRAS()
        assert [plane.GetElement(row, 2) for row in range(3)] == pytest.approx([0, 0, 1])
        # in the middle of 30 × 20 pixels of 2 mm
        assert [plane.GetElement(row, 3) for row in range(3)] == pytest.approx([-29, -19, 0])
        assert not world.slices["Red"].GetSliceVisible()

    def test_after_the_last_result_the_one_placed_by_hand_is_shown(self, world):
        from SphericalRegLib.scene import carm

        node, placed = a_result(world, "AP"), a_placed_carm(world)
        world.parameters.currentResult, world.parameters.currentPose = node, placed
        world.display.show(node)
        world.parameters.currentResult = None
        carm.remove_carm(node)
        world.display.update()
        assert world.display.shows(placed)
        assert carm.carm_nodes(placed).beams[0].GetDisplayVisibility()


def test_what_a_loaded_scene_shows_is_found(world):
    node = a_result(world, "AP")
    world.parameters.currentResult = node
    world.display.show(node)
    world.display.forget()
    assert world.display.empty
    world.display.update()
    assert world.display.shows(node)


def test_names_of_copied_landmarks_are_left_to_the_users_own(world):
    from SphericalRegLib.scene import carm, results
    from SphericalRegLib.scene.landmarks import markups_from_landmarks

    outcome, points = world.scans.registered("AP"), world.scans.landmarks()
    node = results.add_result(world.scene, outcome, world.scans.drrs(outcome), points=points)
    copies = carm.carm_nodes(node).landmarks.GetDisplayNode()
    own = markups_from_landmarks(world.scene, points, "own")
    world.parameters.ctLandmarks = own
    world.display.select(node)
    assert not copies.GetPointLabelsVisibility()
    own.SetDisplayVisibility(False)
    world.display.select(node)
    assert copies.GetPointLabelsVisibility()
